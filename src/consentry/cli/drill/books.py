"""Keyholders that write in their own journals, on their own disks, and a statement that is out of date."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from consentry.chain import LocalSigner
from consentry.cli.demo.ending import check, shown
from consentry.cli.demo.stage import StoryBroken
from consentry.cli.drill.tries import READINGS, Drill
from consentry.cli.insider.disk import cut_journal, edit_journal, vault_file
from consentry.cli.terminal import plural
from consentry.evidence import Finding, audit
from consentry.keyholder.journal import Row, next_row
from consentry.keyholder.local import passphrase_of
from consentry.keyholder.place import Place


def play(drill: Drill) -> None:
    """All of it, each journal put right again after its audit."""
    before = check(drill.stage).findings
    drill.note(
        f"the audit of {len(drill.stage.keyholders)} true journals",
        plural(len(before), "finding"),
        _said(before),
    )
    one, two, three, *_ = drill.opened()[0].keyholders  # whose journals have a release
    _audited(drill, one, "edits a row of its journal: another name", edit_journal)
    _audited(drill, two, "cuts the tail off its journal", cut_journal)
    _audited(
        drill, three, "writes its journal anew, and signs every row of it", lambda _: rewrite(drill, three)
    )
    _shown_two(drill, one)
    _answered_twice(drill, two)


def _said(findings: list[Finding]) -> str:
    return "; ".join(f"{one.where}: {one.what}" for one in findings)


def _audited(drill: Drill, index: int, what: str, forge: Callable[[Path], object]) -> None:
    """The auditor, who has the answers that the clinician kept, names the journal."""
    vault = vault_file(drill.stage, index)
    with _put_right(vault):
        forge(vault)
        findings = [one for one in check(drill.stage).findings if f"keyholder {index}" in one.where]
    drill.line(f"keyholder {index}", what, "" if findings else "nobody sees it", _said(findings[:1]))


def _shown_two(drill: Drill, index: int) -> None:
    """Two auditors, who have no answers of anybody's, compare what they were shown."""
    stage = drill.stage
    with _put_right(vault_file(stage, index)):
        first = shown(stage)[index - 1]
        rewrite(drill, index)
        second = shown(stage)[index - 1]
    found = [audit(stage.chain, None, both, threshold=3).findings for both in ([second], [first, second])]
    alone, together = ([one for one in each if "journal" in one.where] for each in found)
    what = "shows two auditors different journals, both well signed"
    met = f"{_said(together[:1])} (the second auditor alone: {plural(len(alone), 'finding')})"
    drill.line(f"keyholder {index}", what, "" if together else "nobody sees it", met)


def _answered_twice(drill: Drill, index: int) -> None:
    """It takes back what it did since before a reading, and goes on answering: so it signs other rows of
    numbers that it signed before, and the reader has both."""
    vault = vault_file(drill.stage, index)
    kept = _read_by(drill, index, vault)
    with _put_right(vault):
        with closing(sqlite3.connect(vault)) as database, database:
            database.execute("DELETE FROM journal WHERE row >= ?", (kept,))
        drill.cheated(index, "cuts its last answer off its journal, and goes on answering")


def _read_by(drill: Drill, index: int, vault: Path) -> int:
    """How many rows that journal had before a reading in which its keyholder was heard."""
    for _ in range(READINGS):
        with closing(sqlite3.connect(vault)) as database:
            [(rows,)] = database.execute("SELECT COUNT(*) FROM journal").fetchall()
        if index in drill.opened()[0].keyholders:
            return int(rows)
    raise StoryBroken(f"keyholder {index} is late each time")


def rewrite(drill: Drill, index: int) -> None:
    """What only the keyholder itself can do: makes its last release something harmless, and signs that row
    and all that follow anew."""
    stage = drill.stage
    place = Place(stage.home / "keyholders" / str(index))
    key = place.keyring(passphrase_of(place)).signing_key
    assert key is not None
    harmless = {"caller": stage.people["clinician"].address, "patient": "0x" + stage.patient.hex()}
    with closing(sqlite3.connect(vault_file(stage, index))) as database, database:
        documents = database.execute("SELECT document FROM journal ORDER BY row").fetchall()
        rows = [Row.from_json(json.loads(document)) for (document,) in documents]
        hidden = max(row.index for row in rows if row.kind == "release")
        last = rows[hidden - 1] if hidden else None
        for row in rows[hidden:]:
            kind, body = (row.kind, row.body) if row.index > hidden else ("grants", harmless)
            last = next_row(stage.chain.deployment, LocalSigner(key), last, row.time, kind, body)
            values = (json.dumps(last.to_json()), last.index)
            database.execute("UPDATE journal SET document = ? WHERE row = ?", values)


@contextmanager
def _put_right(vault: Path) -> Iterator[None]:
    """Puts a journal back as it was."""
    with closing(sqlite3.connect(vault)) as database:
        rows = database.execute("SELECT row, document FROM journal").fetchall()
    try:
        yield
    finally:
        with closing(sqlite3.connect(vault)) as database, database:
            database.execute("DELETE FROM journal")
            database.executemany("INSERT INTO journal (row, document) VALUES (?, ?)", rows)
