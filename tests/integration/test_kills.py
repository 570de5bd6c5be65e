"""The process is killed at every durable step, and the same command is run again: it finishes, once."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench._anvil import anvil
from consentry.client.steps import Step
from consentry.consent.box import KeyBox
from consentry.keys.binding import identity
from tests.support import killed
from tests.support.doors import (
    CLINICIAN,
    HOSPITAL,
    LETTER,
    PATIENT,
    ROOT,
    Place,
    address,
    beside,
    peopled,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """With a second grant of what the clinician may read, so that somebody remains when one is revoked."""
    with anvil() as url:
        place = peopled(Place(tmp_path_factory.mktemp("base"), url))
        place.grant("--kind", "general", "--days", "40").well()
        yield place


@dataclass(frozen=True, slots=True)
class Verb:
    """A command, and what must hold when it was run to its end after it was killed at a step.

    ``finished`` is told whether the killed run had come behind its last step: then the same command is a new
    word of the patient's, or another look."""

    words: Callable[[Place], tuple[Any, ...]]
    by: int
    finished: Callable[[Place, bool], None]


def deposit(at: Place) -> tuple[Any, ...]:
    return ("deposit", at.file("second.txt", b"Test letter: a second one.\n"), "--patient", address(PATIENT))


def deposited(at: Place, over: bool) -> None:
    """Two letters now, each anchored once and with its one blob, at all keyholders; nothing waits."""
    state = at.look()
    assert len(at.anchors()) == 2
    assert len(state.blobs) == 2
    records = [row[2] for row in state.held if row[1] == "records"]
    assert sorted(records) == sorted([*at.anchors()] * 5)
    assert not [name for name in state.files if "/blob-" in name]
    mine = at.run("open", by=PATIENT).well().out
    assert all(record.hex()[:12] in mine for record in at.anchors())


def grant(at: Place) -> tuple[Any, ...]:
    return ("grant", "--to", at.card(CLINICIAN), "--kind", "general", "--days", "60", "--yes")


def granted(at: Place, over: bool) -> None:
    """One grant more than the three there were, unless the killed run was over; each with its five boxes."""
    new = at.grants()[3:]
    assert len(new) == 1 + over
    boxes = [row[3] for row in at.look().held if row[1] == "boxes"]
    assert sorted(boxes) == sorted(at.grants() * 5)
    assert all(at.chain.in_force(identity(address(PATIENT)), one) for one in new)


def opening(at: Place) -> tuple[Any, ...]:
    return ("open", "--patient", address(PATIENT), "--kind", "general", "-o", at.opened, "--force")


def opened(at: Place, over: bool) -> None:
    assert at.opened.read_bytes() == LETTER
    assert at.entries() == 1 + over


def revoke(at: Place) -> tuple[Any, ...]:
    return ("revoke", "--grant", "0x" + at.grants()[-1].hex())


def revoked(at: Place, over: bool) -> None:
    """At all keyholders it is stopped, and there is one next key version, with a box for who remains."""
    patient, last = identity(address(PATIENT)), at.grants()[-1]
    assert at.chain.grant_state(patient, last).status == 2
    assert len(at.chain.rpc.events("ConsentRegistry", "ConsentRevoked", patient=patient)) == 1
    held = at.look().held
    assert len([row for row in held if row[1] == "stops"]) == 5
    versions = sorted(row[3] for row in held if row[1] == "statements")
    assert versions == [1] * 25 + [2] * 5
    assert len({row[4] for row in held if row[1] == "statements" and row[3] == 2}) == 1
    later = [row for row in held if row[1] == "boxes" and KeyBox.decode(row[5]).version == 2]
    assert [row[3] for row in later] == [at.grants()[-2]] * 5


VERBS = {
    "deposit": Verb(deposit, HOSPITAL, deposited),
    "grant": Verb(grant, PATIENT, granted),
    "open": Verb(opening, CLINICIAN, opened),
    "revoke": Verb(revoke, PATIENT, revoked),
}


def documented() -> dict[str, list[str]]:
    """The durable steps by verb, as docs/errors.md has them."""
    text = (ROOT / "docs" / "errors.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", text.partition("## Durable steps")[2], re.M)
    return {verb: [step.strip() for step in steps.split(";")] for verb, steps in rows}


def tidy(at: Place, before: set[str]) -> None:
    """No temporary file, no transaction and no parcel that waits."""
    files = [path for path in at.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if path.name.startswith(".") or path.parent.name == "tmp"]
    assert not [path for path in files if path.parent.name == "underway" and path.suffix != ".lock"]
    assert not [path for path in files if path.name.endswith(("-journal", "-wal"))]
    assert len(at.look().outbox - before) <= 1


@pytest.mark.parametrize("name", VERBS)
def test_killed_at_any_step_it_is_finished_by_running_it_again(
    name: str, base: Place, tmp_path: Path
) -> None:
    verb, moment, steps = VERBS[name], 0, ["not run yet"]
    while True:
        (folder := tmp_path / str(moment)).mkdir()
        with beside(base, folder) as at:
            before = at.look().outbox
            code = killed.run(at, *verb.words(at), by=verb.by, moment=moment, log=folder / "log")
            now = killed.passed(folder / "log")
            if moment == 0:
                assert code == 0
                steps = now
            else:
                assert code == -signal.SIGKILL, now
                again = killed.run(at, *verb.words(at), by=verb.by, moment=0, log=folder / "again")
                assert again == 0, (now[-1], (folder / "again.said").read_text())
            over = moment == len(steps) and name in ("grant", "open")
            verb.finished(at, over)
            tidy(at, before)
            if moment in (0, len(steps)):
                assert at.run("audit").code == 0
        if moment == len(steps):
            break
        moment += 1
    print(f"{name}: killed {len(steps)} times")
    done = [step for step in steps if step in set(Step)]
    assert list(dict.fromkeys(done)) == documented()[name]


def test_the_document_names_every_step() -> None:
    assert {step for steps in documented().values() for step in steps} == set(Step)


# --- as people start it


_WRAPPED = """
import sys
from pathlib import Path
from tests.support.killed import end_at
end_at(int(sys.argv.pop(1)), Path(sys.argv.pop(1)))
from ape._cli import cli
cli(prog_name="ape")
"""


def ape(at: Place, verb: Verb, moment: int, log: Path) -> int:
    """Runs ``ape run``, which ends itself at a step; gives its exit code, or minus the signal."""
    script, *arguments = verb.words(at)
    command = ["run", script, *at.words(*arguments, by=verb.by, network=None)]
    ran = subprocess.run(
        [sys.executable, "-c", _WRAPPED, str(moment), str(log), *command],
        cwd=ROOT,
        env={**os.environ, **at.variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.returncode


@pytest.mark.parametrize(("name", "step"), [("deposit", Step.DEALT), ("open", Step.RELEASED)])
def test_so_does_a_whole_ape_run(name: str, step: Step, base: Place, tmp_path: Path) -> None:
    verb = VERBS[name]
    with beside(base, tmp_path) as at:
        before, log = at.look().outbox, tmp_path / "log"
        killed.run(at, *verb.words(at), by=verb.by, moment=0, log=log)
        moment = killed.passed(log).index(step) + 1
    shutil.rmtree(tmp_path / "place")
    with beside(base, tmp_path) as at:
        assert ape(at, verb, moment, log) == -signal.SIGKILL
        assert killed.passed(log)[-1] == step
        assert ape(at, verb, 0, log) == 0
        verb.finished(at, False)
        tidy(at, before)
