"""What a keyholder holds, in two databases: SQLite files, and a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from consentry.envelope.leaf import Leaf
from consentry.errors import Refused, Unreachable, UsageError
from consentry.keyholder.journal import next_row, verify_journal
from consentry.keyholder.vault import Held, Vault, database, tables
from tests.support.fixed import (
    DEPLOYMENT,
    NOON,
    PATIENT_ID,
    SEGMENT,
    Dealt,
    a_statement,
    dealt,
    seed,
    signed_statement,
    signer,
)
from tests.support.postgres import postgres

Place = Path | str


@pytest.fixture
def vault(place: Place) -> Iterator[Vault]:
    vault = Vault.open(place)
    yield vault
    vault.close()


def held(envelope: Dealt) -> list[tuple[bytes, Held]]:
    return [
        (leaf.record_id, Held(envelope.header, *leaf.encode(), shares[0])) for leaf, shares in envelope.leaves
    ]


def hold(vault: Vault, envelope: Dealt) -> list[bytes]:
    with vault.transaction():
        vault.add_envelope(envelope.parts[0].envelope, envelope.header, seed(1), held(envelope))
    return [leaf.record_id for leaf, _ in envelope.leaves]


def append(vault: Vault, note: str) -> None:
    """Adds the row after the newest, as a keyholder does."""
    with vault.transaction():
        last = vault.last_row()
        vault.add_row(next_row(DEPLOYMENT, signer(51), last, NOON, "own", {"caller": note}))


# --- what is held


def test_what_is_held_comes_back_after_a_restart(place: Place) -> None:
    envelope, statement, first = dealt(2), a_statement(), Vault.open(place)
    records = hold(first, envelope)
    first.add_statement(statement, signed_statement(statement))
    first.add_box(PATIENT_ID, seed(2), SEGMENT, b"box")
    first.add_stop(PATIENT_ID, seed(3), b"signature")
    first.close()
    second = Vault.open(place)
    expected = [one for _, one in held(envelope)]
    assert second.held(PATIENT_ID) == second.held(PATIENT_ID, SEGMENT) == expected
    assert second.find(records[1]) == expected[1]
    assert second.envelope_of(records[0]) == envelope.parts[0].envelope
    assert [one.body for one in second.statements(PATIENT_ID)] == [statement.encode()]
    assert second.find_box(PATIENT_ID, seed(2)) == b"box"
    assert second.boxes_of(PATIENT_ID) == [b"box"]
    assert second.stopped(PATIENT_ID, seed(3))
    second.close()


def test_nothing_is_found_that_was_never_held(vault: Vault) -> None:
    assert vault.find(seed(1)) is None
    assert vault.envelope_of(seed(1)) is None
    assert vault.find_box(PATIENT_ID, seed(1)) is None
    assert vault.boxes_of(PATIENT_ID) == vault.held(PATIENT_ID) == vault.statements(PATIENT_ID) == []
    assert not vault.stopped(PATIENT_ID, seed(1))
    assert vault.last_row() is None
    assert vault.rows() == []


def test_one_patients_segment_is_not_anothers_by_its_name(vault: Vault) -> None:
    hold(vault, dealt())
    vault.add_statement(a_statement(), signed_statement(a_statement()))
    assert vault.held(seed(99), SEGMENT) == vault.statements(seed(99), SEGMENT) == []
    assert vault.held(PATIENT_ID, seed(98)) == vault.statements(PATIENT_ID, seed(98)) == []


def test_more_records_than_fit_into_one_question_are_all_found(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consentry.keyholder.vault.books._MANY", 2)
    envelope = dealt(5)
    hold(vault, envelope)
    assert vault.held(PATIENT_ID) == [one for _, one in held(envelope)]


def test_a_newer_box_of_a_grant_replaces_the_older_and_comes_last(vault: Vault) -> None:
    for grant, box in ((1, b"old"), (2, b"other"), (1, b"new")):
        vault.add_box(PATIENT_ID, seed(grant), SEGMENT, box)
    assert vault.find_box(PATIENT_ID, seed(1)) == b"new"
    assert vault.boxes_of(PATIENT_ID) == [b"other", b"new"]


def test_a_stop_is_held_once_with_its_first_signature(vault: Vault) -> None:
    vault.add_stop(PATIENT_ID, seed(3), b"first")
    vault.add_stop(PATIENT_ID, seed(3), b"second")
    with vault._data.reading() as connection:
        assert connection.scalars(select(tables.stops.c.signature)).all() == [b"first"]


def test_the_same_statement_is_kept_once_for_each_signature(vault: Vault) -> None:
    statement, signed = a_statement(), signed_statement(a_statement())
    again = type(signed)(signed.body, b"another signature")
    for one in (signed, signed, again):
        vault.add_statement(statement, one)
    assert vault.statements(PATIENT_ID, SEGMENT) == [signed, again]


def test_a_nonce_is_new_once(place: Place) -> None:
    first = Vault.open(place)
    assert first.use_nonce(seed(1))
    assert not first.use_nonce(seed(1))
    first.close()
    second = Vault.open(place)
    assert not second.use_nonce(seed(1))
    assert second.use_nonce(seed(2))
    second.close()


# --- the records' own keys


def test_the_files_show_neither_leaf_nor_share_without_the_records_key(tmp_path: Path) -> None:
    vault, envelope = Vault.open(tmp_path), dealt()
    (record,) = hold(vault, envelope)
    leaf, shares = envelope.leaves[0]
    vault.close()
    raw = (tmp_path / "vault.sqlite").read_bytes()
    for hidden in (shares[0], leaf.record_salt, leaf.anchor_salt, leaf.wrapped_key):
        assert hidden not in raw
    assert record in raw


def test_the_files_are_its_owners_alone(tmp_path: Path) -> None:
    Vault.open(tmp_path).close()
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_the_tables_that_are_backed_up_hold_no_record_key(vault: Vault) -> None:
    hold(vault, dealt())
    with vault._keys.reading() as connection:
        key = connection.scalar(select(tables.record_keys.c.key))
    assert key is not None
    with vault._data.reading() as connection:
        for table in tables.VAULT.sorted_tables:
            for row in connection.execute(select(table)):
                assert not any(isinstance(value, bytes) and key in value for value in row)


def test_a_record_whose_key_is_destroyed_is_gone_and_the_others_stay(vault: Vault) -> None:
    first, second = hold(vault, dealt(2))
    with vault._keys.writing() as connection:
        connection.execute(delete(tables.record_keys).where(tables.record_keys.c.record_id == first))
    assert vault.find(first) is None
    (left,) = vault.held(PATIENT_ID)
    assert Leaf.decode(left.open_part, left.sealed_part).record_id == second


def test_a_record_that_is_held_keeps_its_key_when_it_is_added_again(vault: Vault) -> None:
    envelope = dealt()
    (record,) = hold(vault, envelope)
    other = dealt()
    with pytest.raises(Refused, match="held already"), vault.transaction():
        vault.add_envelope(other.parts[0].envelope, other.header, seed(1), held(other))
    assert vault.find(record) == held(envelope)[0][1]


def test_a_deal_that_ended_behind_its_keys_is_dealt_again(vault: Vault) -> None:
    envelope = dealt(2)

    def cut() -> None:
        with vault.transaction():
            vault.add_envelope(envelope.parts[0].envelope, envelope.header, seed(1), held(envelope))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cut()
    assert vault.held(PATIENT_ID) == []
    hold(vault, envelope)
    assert vault.held(PATIENT_ID) == [one for _, one in held(envelope)]


# --- transactions and the journal


def test_a_change_that_fails_leaves_nothing(vault: Vault) -> None:
    def change() -> None:
        with vault.transaction():
            vault.add_box(PATIENT_ID, seed(1), SEGMENT, b"box")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()
    assert vault.find_box(PATIENT_ID, seed(1)) is None
    with vault.transaction():
        vault.add_box(PATIENT_ID, seed(1), SEGMENT, b"box")
    assert vault.find_box(PATIENT_ID, seed(1)) == b"box"


def test_nobody_else_sees_half_a_change(place: Place, vault: Vault) -> None:
    other = Vault.open(place)
    with vault.transaction():
        vault.add_box(PATIENT_ID, seed(1), SEGMENT, b"box")
        assert other.find_box(PATIENT_ID, seed(1)) is None
        assert vault.find_box(PATIENT_ID, seed(1)) == b"box"
    assert other.find_box(PATIENT_ID, seed(1)) == b"box"
    other.close()


def test_rows_are_kept_in_order_and_one_index_is_used_once(vault: Vault) -> None:
    first = next_row(DEPLOYMENT, signer(51), None, NOON, "own", {"caller": "0x1"})
    second = next_row(DEPLOYMENT, signer(51), first, NOON, "own", {"caller": "0x2\x00"})
    vault.add_row(first)
    vault.add_row(second)
    assert vault.rows() == [first, second]
    assert vault.last_row() == second
    with pytest.raises(Refused):
        vault.add_row(second)


def test_threads_and_vaults_that_write_together_make_one_journal(place: Place) -> None:
    vaults = [Vault.open(place) for _ in range(3)]
    writers = [
        threading.Thread(target=lambda one=one, name=name: [append(one, f"{name} {n}") for n in range(5)])
        for one in vaults
        for name in ("a", "b")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    rows = vaults[0].rows()
    assert len(rows) == 30
    verify_journal(DEPLOYMENT, signer(51).address, rows)
    for vault in vaults:
        vault.close()


def test_of_several_that_use_one_nonce_together_one_is_first(place: Place) -> None:
    vaults, won = [Vault.open(place) for _ in range(4)], []
    start = threading.Barrier(4)

    def use(vault: Vault) -> None:
        start.wait()
        won.append(vault.use_nonce(seed(7)))

    writers = [threading.Thread(target=use, args=(vault,)) for vault in vaults]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(won) == [False, False, False, True]
    for vault in vaults:
        vault.close()


def test_keyholders_that_open_a_new_vault_together_make_its_tables_once(place: Place) -> None:
    opened: list[Vault] = []
    start = threading.Barrier(4)

    def make() -> None:
        start.wait()
        opened.append(Vault.open(place))

    makers = [threading.Thread(target=make) for _ in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(opened) == 4
    with opened[0]._data.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.version)) == 1
    for vault in opened:
        vault.close()


# --- when the database does not answer


def test_a_vault_that_another_process_keeps_locked_is_unreachable_and_serves_after(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 1)
    vault, other = Vault.open(place), Vault.open(place)
    append(vault, "before")
    with other.transaction(), pytest.raises(Unreachable, match="cannot be used"):
        append(vault, "while it is locked")
    append(vault, "after")
    assert [row.body["caller"] for row in vault.rows()] == ["before", "after"]
    vault.close()
    other.close()


def test_a_postgresql_that_is_killed_loses_nothing_and_is_served_again_when_it_is_back() -> None:
    with postgres() as server:
        vault = Vault.open(server.new_database())
        append(vault, "before")

        def cut() -> None:
            with vault.transaction():
                vault.add_box(PATIENT_ID, seed(1), SEGMENT, b"box")
                server.stop()
                append(vault, "half")

        with pytest.raises(Unreachable, match="cannot be used"):
            cut()
        with pytest.raises(Unreachable, match="cannot be used"):
            vault.rows()
        server.start()
        assert [row.body["caller"] for row in vault.rows()] == ["before"]
        assert vault.find_box(PATIENT_ID, seed(1)) is None
        append(vault, "after")
        verify_journal(DEPLOYMENT, signer(51).address, vault.rows())
        vault.close()


def test_a_closed_vault_answers_no_more(vault: Vault) -> None:
    vault.close()
    with pytest.raises(Unreachable, match="closed"):
        vault.rows()
    with pytest.raises(Unreachable, match="closed"):
        vault.use_nonce(seed(1))


def test_files_that_are_no_database_are_unreachable(tmp_path: Path) -> None:
    (tmp_path / "vault.sqlite").write_bytes(b"no database, and longer than the header of one" * 9)
    with pytest.raises(Unreachable, match="not a database"):
        Vault.open(tmp_path)
    with pytest.raises(Unreachable, match="cannot be used"):
        Vault.open(tmp_path / "vault.sqlite")


def test_what_a_failed_statement_held_is_in_no_message(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    key = seed(123)
    monkeypatch.setattr("secrets.token_bytes", lambda _: key)
    with vault._keys.writing() as connection:
        connection.exec_driver_sql("DROP TABLE record_keys")
    with pytest.raises(Unreachable) as refused:
        hold(vault, dealt())
    assert "record_keys" in str(refused.value)
    for form in (repr(key)[2:-1], key.hex(), "INSERT", "DELETE"):
        assert form not in str(refused.value)
    assert refused.value.__suppress_context__


# --- where it is


def test_the_record_keys_lie_in_a_database_of_their_own() -> None:
    at = database.locate("postgresql://keyholder@books/vault")
    assert at["vault"].drivername == "postgresql+psycopg"
    assert (at["vault"].database, at["keys"].database) == ("vault", "vault_keys")
    elsewhere = database.locate("postgresql://books/vault", "/mnt/keys")
    assert elsewhere["keys"].database == "/mnt/keys/record-keys.sqlite"
    with pytest.raises(UsageError, match="of their own"):
        database.locate("postgresql://books/vault", "postgresql+psycopg://books/vault")


@pytest.mark.parametrize("place", ["mysql://books/vault", "postgresql://books", "sqlite:///vault", "x://["])
def test_only_a_folder_or_a_postgresql_is_a_place_for_it(place: str) -> None:
    with pytest.raises(UsageError):
        database.locate(place)


def test_no_message_shows_the_databases_password() -> None:
    url = "postgresql://keyholder:hidden-word@127.0.0.1:1/vault"
    with pytest.raises(Unreachable) as refused:
        Vault.open(url)
    assert "hidden-word" not in str(refused.value)
    assert "hidden-word" not in str(database.Database(database.locate(url)["vault"], "vault"))
