"""Backups of a vault, and whether it is whole: over SQLite and a real PostgreSQL."""

from __future__ import annotations

import shutil
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.sql import Executable

from consentry.consent.box import KeyBox
from consentry.envelope.deposit import Header, open_shares
from consentry.errors import NotFound, Refused, Unreachable, UsageError
from consentry.keyholder.held import Held
from consentry.keyholder.journal import next_row
from consentry.keyholder.vault import Vault, tables
from consentry.keyholder.vault.checking import Check
from consentry.keyholder.vault.copies import Copied, backup, copy_keys, restore
from consentry.keyholder.vault.leftovers import Dealt
from consentry.keyholder.vault.migrations import migrate
from tests.support.fixed import (
    DEPLOYMENT,
    ELSEWHERE,
    HOSPITAL_ID,
    KEYHOLDER_SEEDS,
    NOON,
    PATIENT_ID,
    ROSTER,
    SEGMENT,
    a_statement,
    dealt,
    seed,
    signed_statement,
    signer,
)

Place = Path | str
CARD = ROSTER.keyholders[0]
A_BOX = KeyBox(DEPLOYMENT.id, PATIENT_ID, seed(91), HOSPITAL_ID, SEGMENT, bytes(32), 1, b"to her", b"to him")


def note(vault: Vault, kind: str, **body: bytes) -> None:
    """Adds a row to the journal, as a keyholder does."""
    last, text = vault.last_row(), {name: "0x" + value.hex() for name, value in body.items()}
    text = {name.replace("_", " "): value for name, value in text.items()}
    vault.add_row(next_row(DEPLOYMENT, signer(51), last, NOON, kind, text))


def fill(vault: Vault) -> list[bytes]:
    """Something of everything, with its rows; gives the ids of two records in one envelope."""
    statement = a_statement()
    with vault.transaction():
        vault.add_statement(statement, signed_statement(statement))
        note(vault, "statement", hash=statement.hash)
    with vault.transaction():
        vault.add_box(PATIENT_ID, seed(91), SEGMENT, A_BOX.encode())
        note(vault, "box", patient=PATIENT_ID, grant=seed(91))
    with vault.transaction():
        vault.add_stop(PATIENT_ID, seed(92), b"signature")
        note(vault, "stop", patient=PATIENT_ID, grant=seed(92))
    vault.use_nonce(seed(93))
    envelope = dealt(2)
    part = envelope.parts[0]
    shares = open_shares(DEPLOYMENT, part, 1, KEYHOLDER_SEEDS[0])
    leaves = zip(part.leaves, part.open_parts, part.sealed_parts, shares, strict=True)
    held = [(leaf.record_id, Held(envelope.header, *parts)) for leaf, *parts in leaves]
    with vault.transaction():
        vault.add_envelope(part.envelope, envelope.header, bytes(32), held)
        note(vault, "deal", envelope=part.envelope, record_0=held[0][0], record_1=held[1][0])
    return [record for record, _ in held]


def everything(vault: Vault) -> list[object]:
    return [
        *vault.statements(PATIENT_ID),
        *vault.boxes_of(PATIENT_ID),
        *vault.held(PATIENT_ID),
        *vault.rows(),
        vault.stopped(PATIENT_ID, seed(92)),
        vault.use_nonce(seed(93)),
    ]


@pytest.fixture
def elsewhere(place: Place, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """Another place of the same kind."""
    if isinstance(place, Path):
        return tmp_path / "elsewhere"
    new: Place = request.getfixturevalue("postgres_server").new_database()
    return new


# --- backups


def test_a_backup_and_the_copy_of_the_keys_give_back_all_that_was_held(
    place: Place, elsewhere: Place, tmp_path: Path
) -> None:
    with closing(Vault.open(place)) as vault:
        fill(vault)
        assert backup(place, tmp_path / "backup") == Copied(records=2, rows=4)
        assert copy_keys(place, tmp_path / "keys") == 2
        was = everything(vault)
    assert restore(tmp_path / "backup", elsewhere, key_copy=tmp_path / "keys") == Copied(2, 4)
    with closing(Vault.open(elsewhere)) as vault:
        assert everything(vault) == was
        assert Check(vault, DEPLOYMENT, CARD, ROSTER.groups).faults() == []
        vault.add_box(PATIENT_ID, seed(94), SEGMENT, b"a new one")  # what comes after comes last
        assert vault.boxes_of(PATIENT_ID)[-1] == b"a new one"


def test_a_vault_moves_from_sqlite_to_postgresql_as_a_backup(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_server").new_database()
    with closing(Vault.open(tmp_path / "vault")) as vault:
        fill(vault)
        was = everything(vault)
    backup(tmp_path / "vault", tmp_path / "backup")
    copy_keys(tmp_path / "vault", tmp_path / "keys")
    restore(tmp_path / "backup", url, key_copy=tmp_path / "keys")
    with closing(Vault.open(url)) as vault:
        assert everything(vault) == was


def test_whoever_has_a_backup_alone_opens_no_record(place: Place, elsewhere: Place, tmp_path: Path) -> None:
    with closing(Vault.open(place)) as vault:
        records = fill(vault)
        keys = vault.keys_of(records)
    backup(place, tmp_path / "backup")
    raw = (tmp_path / "backup").read_bytes()
    assert records[0] in raw
    assert not [key for key in keys.values() if key in raw]
    assert restore(tmp_path / "backup", elsewhere).without_key == 2
    with closing(Vault.open(elsewhere)) as vault:
        assert vault.held(PATIENT_ID) == []
        assert len(vault.statements(PATIENT_ID)) == 1
        faults = Check(vault, DEPLOYMENT, CARD, ROSTER.groups).faults()
    assert {fault.where for fault in faults} == {f"record {record.hex()}" for record in records}


def test_a_record_that_was_shredded_stays_shredded_after_an_older_backup_comes_back(
    place: Place, elsewhere: Place, tmp_path: Path
) -> None:
    with closing(Vault.open(place)) as vault:
        shredded, kept = fill(vault)
        backup(place, tmp_path / "backup")
        copy_keys(place, tmp_path / "keys")
        with vault._keys.writing() as connection:
            connection.execute(delete(tables.record_keys).where(tables.record_keys.c.record_id == shredded))
    assert copy_keys(place, tmp_path / "keys") == 1
    restore(tmp_path / "backup", elsewhere, key_copy=tmp_path / "keys")
    with closing(Vault.open(elsewhere)) as vault:
        assert vault.find(shredded) is None
        assert vault.find(kept) is not None


def test_the_keys_that_survived_serve_a_restored_vault(tmp_path: Path) -> None:
    place = tmp_path / "vault"
    with closing(Vault.open(place)) as vault:
        fill(vault)
        was = everything(vault)
    backup(place, tmp_path / "backup")
    (place / "vault.sqlite").unlink()
    assert restore(tmp_path / "backup", place).without_key == 0
    with closing(Vault.open(place)) as vault:
        assert everything(vault) == was


def test_a_backup_made_while_the_keyholder_serves_is_of_one_moment(place: Place, tmp_path: Path) -> None:
    vault = Vault.open(place)
    done = threading.Event()

    def serve() -> None:
        number = 0
        while not done.is_set():
            number += 1
            with vault.transaction():
                vault.add_stop(PATIENT_ID, number.to_bytes(32, "big"), b"signature")
                note(vault, "stop", patient=PATIENT_ID, grant=number.to_bytes(32, "big"))

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        copies = [tmp_path / f"backup {number}" for number in range(5)]
        for copy in copies:
            backup(place, copy)
    finally:
        done.set()
        serving.join()
    assert Check(vault, DEPLOYMENT, CARD, ROSTER.groups).faults() == []
    vault.close()
    for number, copy in enumerate(copies):
        restore(copy, tmp_path / str(number))
        with closing(Vault.open(tmp_path / str(number))) as restored:
            assert Check(restored, DEPLOYMENT, CARD, ROSTER.groups).faults() == []


def test_a_backup_replaces_no_other_and_a_failed_one_leaves_nothing(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Vault.open(place)) as vault:
        fill(vault)
    into = tmp_path / "backups"
    into.mkdir()
    (into / "old").write_bytes(b"an older one")
    with pytest.raises(UsageError, match="another name"):
        backup(place, into / "old")
    assert (into / "old").read_bytes() == b"an older one"
    with monkeypatch.context() as patch:
        patch.setattr("consentry.keyholder.vault.copies._copy", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            backup(place, into / "new")
    with pytest.raises(Unreachable, match="cannot be written"):
        backup(place, into / "no folder" / "new")
    assert [path.name for path in into.iterdir()] == ["old"]


def test_a_backup_is_its_owners_alone(place: Place, tmp_path: Path) -> None:
    Vault.open(place).close()
    backup(place, tmp_path / "backup")
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600


def test_nothing_is_restored_over_what_is_there_or_from_what_is_not(place: Place, tmp_path: Path) -> None:
    with closing(Vault.open(place)) as vault:
        fill(vault)
        was = everything(vault)
        backup(place, tmp_path / "backup")
        with pytest.raises(Refused, match="move it away first"):
            restore(tmp_path / "backup", place)
        assert everything(vault) == was
    with pytest.raises(NotFound):
        restore(tmp_path / "nothing", tmp_path / "new")
    with pytest.raises(Unreachable):
        restore(Path(__file__), tmp_path / "newer")


def test_a_restore_that_was_cut_off_is_run_again(
    place: Place, elsewhere: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Vault.open(place)) as vault:
        fill(vault)
        was = everything(vault)
    backup(place, tmp_path / "backup")
    copy_keys(place, tmp_path / "keys")
    with monkeypatch.context() as patch:
        patch.setattr("consentry.keyholder.vault.copies._copy", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            restore(tmp_path / "backup", elsewhere, key_copy=tmp_path / "keys")
    restore(tmp_path / "backup", elsewhere, key_copy=tmp_path / "keys")
    with closing(Vault.open(elsewhere)) as vault:
        assert everything(vault) == was


def test_where_no_vault_is_none_is_made_by_a_backup_or_a_migration(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "mistyped"):
        for call in (
            lambda at: backup(at, tmp_path / "b"),
            lambda at: copy_keys(at, tmp_path / "k"),
            migrate,
        ):
            with pytest.raises(NotFound, match="nothing of a keyholder"):
                call(place)
    assert list(tmp_path.rglob("*")) == [tmp_path / "empty"]


# --- whether it is whole


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    with closing(Vault.open(folder)) as vault:
        fill(vault)
        assert Check(vault, DEPLOYMENT, CARD, ROSTER.groups).faults() == []
    return folder


RECORDS, ROWS = tables.records.c, tables.journal
FIRST, SECOND_ROW = RECORDS.position == 0, ROWS.c.row == 1
NEXT = select(ROWS.c.document).where(ROWS.c.row == 2).scalar_subquery()
MADE_UP = {"patient": seed(1), "grant_id": seed(2), "signature": b""}
BROKEN: dict[str, tuple[Executable, str, str]] = {
    "a record's sealed bytes": (
        update(tables.records).where(FIRST).values(sealed=b"\0" * 999),
        "record",
        "does not open",
    ),
    "two records' places": (
        update(tables.records).values(position=7 - RECORDS.position),
        "envelope",
        "not whole",
    ),
    "a record left out": (delete(tables.records).where(FIRST), "envelope", "not whole"),
    "an envelope's header": (update(tables.envelopes).values(header=b"\1"), "envelope", "header"),
    "an envelope's patient": (update(tables.envelopes).values(patient=seed(7)), "envelope", "another"),
    "a statement's bytes": (update(tables.statements).values(body=b"\1"), "statement", "statement"),
    "a statement's version": (update(tables.statements).values(version=2), "statement", "not those"),
    "a box's bytes": (update(tables.boxes).values(box=b"\1"), "box", "key box"),
    "a box's grant": (update(tables.boxes).values(grant_id=seed(7)), "box", "not those of the grant"),
    "a stop added": (insert(tables.stops).values(MADE_UP), "stop", "no row"),
    "a stop left out": (delete(tables.stops), "stop", "row 2 of the journal names it"),
    "a row edited": (
        update(ROWS).where(SECOND_ROW).values(document=NEXT),
        "journal",
        "row 1",
    ),
    "a row that is no row": (update(ROWS).where(SECOND_ROW).values(document="{"), "journal", ""),
    "the journal's tail cut": (delete(ROWS).where(ROWS.c.row == 3), "record", "no row of the journal"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_check_names_what_is_wrong(whole: Path, tmp_path: Path, what: str) -> None:
    statement, where, said = BROKEN[what]
    shutil.copytree(whole, tmp_path / "vault")
    with closing(Vault.open(tmp_path / "vault")) as vault:
        with vault._data.writing() as connection:
            connection.execute(statement)
        faults = Check(vault, DEPLOYMENT, CARD, ROSTER.groups).faults()
    assert any(fault.where.startswith(where) and said in fault.what for fault in faults), faults


@pytest.mark.parametrize(("forked", "said"), [(False, "the tail was cut"), (True, "the journal was forked")])
def test_a_check_that_saw_a_row_before_misses_it(
    whole: Path, tmp_path: Path, forked: bool, said: str
) -> None:
    """Also one that nothing needs which is held."""
    shutil.copytree(whole, tmp_path / "vault")
    with closing(Vault.open(tmp_path / "vault")) as vault:
        note(vault, "own", caller=seed(1))
        before = Check(vault, DEPLOYMENT, CARD, ROSTER.groups)
        assert before.faults() == []
        assert before.newest == vault.last_row()
        with vault._data.writing() as connection:
            connection.execute(delete(ROWS).where(ROWS.c.row == 4))
        if forked:
            note(vault, "own", caller=seed(2))
        assert Check(vault, DEPLOYMENT, CARD, ROSTER.groups).faults() == []
        [fault] = Check(vault, DEPLOYMENT, CARD, ROSTER.groups, before.newest).faults()
    assert (fault.where, said in fault.what) == ("journal", True)


def test_what_comes_and_goes_while_it_is_checked_is_no_fault(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind any piece a record is let go, its key first, and a grant stopped then and behind the next."""
    for module in ("inventory", "checking"):
        monkeypatch.setattr(f"consentry.keyholder.vault.{module}.PAGE", 1)
    with closing(Vault.open(place)) as vault:
        pieces = 1 + _checked(vault, fill(vault), at=-1)
    for at in range(pieces):
        with closing(Vault.open(place)) as vault:
            for database in (vault._data, vault._keys):
                with database.writing() as connection:
                    for table in reversed(database.metadata.sorted_tables):
                        connection.execute(delete(table))
            _checked(vault, fill(vault), at=at)


def _checked(vault: Vault, held: list[bytes], *, at: int) -> int:
    """How many pieces the check has; behind piece ``at`` the envelope is let go, and a grant
    stopped then and behind the next."""
    number = 0
    for number, found in enumerate(Check(vault, DEPLOYMENT, CARD, ROSTER.groups).pieces()):
        assert found == []
        grant = number.to_bytes(32, "big")
        if at >= 0 and number in (at, at + 1):
            with vault.transaction():
                vault.add_stop(PATIENT_ID, grant, b"signature")
                note(vault, "stop", patient=PATIENT_ID, grant=grant)
        if number == at:
            with vault._data.reading() as connection:
                envelope = connection.scalar(select(tables.envelopes.c.envelope))
                header = connection.scalar(select(tables.envelopes.c.header))
            gone = Dealt(envelope, Header.decode(header), tuple(held))
            vault.shred(gone)
            with vault.transaction():
                vault.await_anchor(envelope, 1)
                assert vault.drop(gone, 2)
                note(vault, "collected", envelope=envelope, record_0=held[0], record_1=held[1])
    return number


def test_a_check_names_a_record_under_anothers_key_and_a_share_of_anothers(whole: Path) -> None:
    with closing(Vault.open(whole)) as vault:
        records = {f"record {record.hex()}" for record in vault.keys_of(_records(vault))}
        of_another = Check(vault, DEPLOYMENT, ROSTER.keyholders[1], ROSTER.groups).faults()
        assert {fault.where for fault in of_another} == {"journal", *records}
        assert any("share" in fault.what for fault in of_another)
        abroad = Check(vault, ELSEWHERE, CARD, ROSTER.groups).faults()
        assert {fault.where.split()[0] for fault in abroad} == {"journal", "envelope"}


def _records(vault: Vault) -> list[bytes]:
    with vault._data.reading() as connection:
        return list(connection.scalars(select(RECORDS.record_id)))
