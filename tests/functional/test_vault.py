"""What a keyholder holds, in two files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from consentry.envelope.leaf import Leaf
from consentry.keyholder.journal import next_row
from consentry.keyholder.vault import Held, Vault
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


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = Vault(tmp_path)
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


def test_what_is_held_comes_back_after_a_restart(tmp_path: Path) -> None:
    envelope, statement, first = dealt(2), a_statement(), Vault(tmp_path)
    records = hold(first, envelope)
    first.add_statement(statement, signed_statement(statement))
    first.add_box(PATIENT_ID, seed(2), SEGMENT, b"box")
    first.add_stop(PATIENT_ID, seed(3), b"signature")
    first.close()
    second = Vault(tmp_path)
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


def test_a_nonce_is_new_once(vault: Vault) -> None:
    assert vault.use_nonce(seed(1))
    assert not vault.use_nonce(seed(1))
    assert vault.use_nonce(seed(2))


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


def test_the_files_show_neither_leaf_nor_share_without_the_records_key(tmp_path: Path) -> None:
    vault, envelope = Vault(tmp_path), dealt()
    (record,) = hold(vault, envelope)
    leaf, shares = envelope.leaves[0]
    vault.close()
    raw = (tmp_path / "vault.sqlite").read_bytes()
    for hidden in (shares[0], leaf.record_salt, leaf.anchor_salt, leaf.wrapped_key):
        assert hidden not in raw
    assert record in raw


def test_a_record_whose_key_is_destroyed_is_gone_and_the_others_stay(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    first, second = hold(vault, dealt(2))
    with sqlite3.connect(tmp_path / "record-keys.sqlite") as keys:
        keys.execute("DELETE FROM record_keys WHERE record_id = ?", (first,))
    keys.close()
    assert vault.find(first) is None
    (left,) = vault.held(PATIENT_ID)
    assert Leaf.decode(left.open_part, left.sealed_part).record_id == second
    vault.close()


def test_a_record_that_is_held_keeps_its_key_when_it_is_added_again(vault: Vault) -> None:
    envelope = dealt()
    (record,) = hold(vault, envelope)
    other = dealt()
    with pytest.raises(sqlite3.IntegrityError), vault.transaction():
        vault.add_envelope(other.parts[0].envelope, other.header, seed(1), held(other))
    assert vault.find(record) == held(envelope)[0][1]


def test_rows_are_kept_in_order_and_one_index_is_used_once(vault: Vault) -> None:
    first = next_row(DEPLOYMENT, signer(51), None, NOON, "own", {"caller": "0x1"})
    second = next_row(DEPLOYMENT, signer(51), first, NOON, "own", {"caller": "0x2"})
    vault.add_row(first)
    vault.add_row(second)
    assert vault.rows() == [first, second]
    assert vault.last_row() == second
    with pytest.raises(sqlite3.IntegrityError):
        vault.add_row(second)


def test_the_same_statement_is_kept_once_for_each_signature(vault: Vault) -> None:
    statement, signed = a_statement(), signed_statement(a_statement())
    again = type(signed)(signed.body, b"another signature")
    for one in (signed, signed, again):
        vault.add_statement(statement, one)
    assert vault.statements(PATIENT_ID, SEGMENT) == [signed, again]
