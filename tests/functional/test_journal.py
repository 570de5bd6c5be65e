"""Journals: rows that nobody can edit, move, cut or fork unseen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consentry.errors import JournalBroken
from consentry.keyholder.journal import Row, first_hash, next_row, row_hash, verify_journal
from tests.support.fixed import DEPLOYMENT, ELSEWHERE, NOON, STRANGER, signer

KEYHOLDER = signer(51)


def a_journal(rows: int = 4, *, last: str = "3") -> list[Row]:
    journal: list[Row] = []
    for number in range(rows):
        body = {"number": last if number == rows - 1 else str(number), "who": "Žofie"}
        before = journal[-1] if journal else None
        journal.append(next_row(DEPLOYMENT, KEYHOLDER, before, NOON + number, "release", body))
    return journal


def verified(rows: list[Row], seen: list[tuple[int, bytes]] | None = None) -> None:
    verify_journal(DEPLOYMENT, KEYHOLDER.address, rows, seen or [])


def test_an_honest_journal_verifies_also_when_it_is_empty() -> None:
    verified([])
    rows = a_journal()
    verified(rows, [(row.index, row.hash) for row in rows])
    assert [row.index for row in rows] == [0, 1, 2, 3]


def test_the_first_row_chains_to_deployment_and_keyholder() -> None:
    row = a_journal(1)[0]
    first = first_hash(DEPLOYMENT, KEYHOLDER.address)
    assert row.hash == row_hash(first, 0, row.time, row.kind, row.body)
    assert first != first_hash(ELSEWHERE, KEYHOLDER.address) != first_hash(DEPLOYMENT, STRANGER.address)


def test_a_row_comes_back_from_its_file() -> None:
    for row in a_journal():
        assert Row.from_json(json.loads(json.dumps(row.to_json()))) == row


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: f.pop("hash"),
        lambda f: f.update(hash="no hex"),
        lambda f: f.update(signature=7),
        lambda f: f.update(body=None),
        lambda f: f.update(body=7),
        lambda f: f.update(body={"who": 7}),
        lambda f: f.update(index="0"),
        lambda f: f.update(index=-1),
        lambda f: f.update(time=1.5),
        lambda f: f.update(kind=None),
    ],
)
def test_a_row_that_cannot_be_read_is_refused(spoil: Callable[[dict[str, Any]], Any]) -> None:
    fields = a_journal(1)[0].to_json()
    spoil(fields)
    with pytest.raises(JournalBroken, match="cannot be read"):
        Row.from_json(fields)


@pytest.mark.parametrize("fields", [None, [], "row", 7])
def test_what_is_no_row_is_refused(fields: Any) -> None:
    with pytest.raises(JournalBroken, match="cannot be read"):
        Row.from_json(fields)


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda rows: [rows[0], replace(rows[1], body={"number": "9"}), *rows[2:]], "row 1 was edited"),
        (lambda rows: [rows[0], replace(rows[1], time=1), *rows[2:]], "row 1 was edited"),
        (lambda rows: [rows[0], replace(rows[1], kind="own"), *rows[2:]], "row 1 was edited"),
        (lambda rows: [rows[0], replace(rows[1], hash=bytes(32)), *rows[2:]], "row 1 was edited"),
        (lambda rows: [rows[0], *rows[2:]], "row 1 was edited, moved or removed"),
        (lambda rows: rows[1:], "row 0 was edited"),
        (lambda rows: [rows[0], rows[2], rows[1], rows[3]], "row 1 was edited"),
        (lambda rows: [rows[0], rows[0], *rows[1:]], "row 1 was edited"),
        (lambda rows: [replace(rows[0], signature=bytes(65)), *rows[1:]], "row 0 is not signed"),
        (lambda rows: [*rows[:3], replace(rows[3], signature=rows[2].signature)], "row 3 is not signed"),
    ],
)
def test_the_first_row_that_does_not_hold_is_named(
    edit: Callable[[list[Row]], list[Row]], named: str
) -> None:
    with pytest.raises(JournalBroken, match=named):
        verified(edit(a_journal()))


def test_a_journal_that_was_cut_shows_against_an_answer() -> None:
    rows = a_journal()
    verified(rows[:2])
    with pytest.raises(JournalBroken, match="row 3 is missing although an answer names it"):
        verified(rows[:2], [(3, rows[3].hash)])


def test_a_journal_that_was_forked_shows_against_an_answer() -> None:
    rows, fork = a_journal(), a_journal(last="nothing happened")
    verified(fork)
    with pytest.raises(JournalBroken, match=r"an answer names: the journal was forked"):
        verified(fork, [(3, rows[3].hash)])


def test_a_journal_of_another_keyholder_or_deployment_does_not_verify() -> None:
    with pytest.raises(JournalBroken):
        verify_journal(DEPLOYMENT, STRANGER.address, a_journal())
    with pytest.raises(JournalBroken):
        verify_journal(ELSEWHERE, KEYHOLDER.address, a_journal())
