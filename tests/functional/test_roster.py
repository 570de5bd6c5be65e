"""keyholders.json: who the keyholders are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consentry.envelope.statement import verify_statement
from consentry.errors import IntegrityError, KeyInvalid, NotApproved, NotFound, UsageError
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.roster import Roster, succeed
from tests.support.fixed import (
    DEPLOYMENT,
    ELSEWHERE,
    NEWCOMER,
    NEXT,
    PATIENT,
    ROSTER,
    STRANGER,
    a_statement,
    approved,
    seed,
    signed_statement,
    signer,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    ROSTER.save(tmp_path / "keyholders.json")
    return tmp_path / "keyholders.json"


def test_a_roster_comes_back_from_its_file(file: Path) -> None:
    assert Roster.load(file, ROSTER.hash) == ROSTER
    assert (ROSTER.count, ROSTER.threshold, ROSTER.safe) == (5, 3, 3)


def test_a_roster_that_the_deployment_does_not_name_is_refused(file: Path) -> None:
    with pytest.raises(IntegrityError, match="not the one that the deployment names"):
        Roster.load(file, bytes(32))


def test_without_the_file_there_are_no_keyholders(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no keyholders\.json here"):
        Roster.load(tmp_path / "keyholders.json", ROSTER.hash)


@pytest.mark.parametrize("name", ["index", "name", "address", "public_key", "url"])
def test_no_field_of_a_keyholder_can_be_changed_without_another_hash(name: str) -> None:
    first = ROSTER.keyholders[0]
    other: dict[str, Any] = {"address": STRANGER.address, "public_key": bytes(1216)}
    changed = replace(first, **{name: other.get(name, "another" if name != "index" else 1)})
    if name == "index":
        assert Roster(2, ROSTER.keyholders).hash != ROSTER.hash
        return
    assert Roster(3, (changed, *ROSTER.keyholders[1:])).hash != ROSTER.hash


@pytest.mark.parametrize(
    ("threshold", "keyholders"),
    [
        (0, ROSTER.keyholders),
        (6, ROSTER.keyholders),
        (1, ()),
        (3, ROSTER.keyholders[::-1]),
        (3, (*ROSTER.keyholders[:4], ROSTER.keyholders[3])),
        (1, tuple(replace(ROSTER.keyholders[0], index=n) for n in range(1, 257))),
        (1, (replace(ROSTER.keyholders[0], address=ROSTER.keyholders[0].address.lower()),)),
        (1, (replace(ROSTER.keyholders[0], address="nowhere"),)),
        (2, (ROSTER.keyholders[0], replace(ROSTER.keyholders[0], index=2))),
    ],
    ids=[
        "none needed",
        "too many needed",
        "nobody",
        "turned round",
        "twice",
        "256",
        "no checksum",
        "no address",
        "one account twice",
    ],
)
def test_a_roster_that_makes_no_sense_is_refused(
    threshold: int, keyholders: tuple[KeyholderCard, ...]
) -> None:
    with pytest.raises(UsageError):
        Roster(threshold, keyholders)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format="consentry keyholders 9"),
        lambda d: d.pop("threshold"),
        lambda d: d.update(threshold="3"),
        lambda d: d.update(keyholders=None),
        lambda d: d["keyholders"][0].pop("url"),
        lambda d: d["keyholders"][0].update(index="1"),
        lambda d: d["keyholders"][0].update(address="nowhere"),
        lambda d: d["keyholders"][0].update(publicKey="no hex"),
        lambda d: d["keyholders"][0].update(name=7),
    ],
)
def test_a_file_that_is_not_one_is_refused_by_name(
    file: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    with pytest.raises(UsageError, match="not a keyholders file"):
        Roster.load(file, ROSTER.hash)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff"])
def test_bytes_that_are_no_file_are_refused_by_name(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(UsageError, match="not a keyholders file"):
        Roster.load(file, ROSTER.hash)


def test_a_keyholder_whose_key_does_not_work_is_refused(file: Path) -> None:
    broken = Roster(3, (replace(ROSTER.keyholders[0], public_key=bytes(1216)), *ROSTER.keyholders[1:]))
    broken.save(file)
    with pytest.raises(KeyInvalid):
        Roster.load(file, broken.hash)


@pytest.mark.parametrize(("threshold", "count", "spared"), [(3, 5, 4), (1, 1, 1), (3, 3, 3), (1, 2, 2)])
def test_one_more_than_needed_holds_a_record_where_there_is_one_more(
    threshold: int, count: int, spared: int
) -> None:
    """With as many as are needed there is nobody to spare, and all must hold it."""
    assert Roster(threshold, ROSTER.keyholders[:count]).spared == spared


# --- the line of groups


@pytest.fixture
def newest(tmp_path: Path) -> Path:
    """keyholders.json after a change."""
    NEXT.save(tmp_path / "keyholders.json")
    return tmp_path / "keyholders.json"


def loaded(to: Roster, folder: Path) -> Roster:
    """What a device makes of the file, that knows of its deployment the hash of the first group."""
    to.save(folder / "keyholders.json")
    return Roster.load(folder / "keyholders.json", ROSTER.hash, DEPLOYMENT)


def test_the_group_after_is_taken_where_the_deployment_names_the_first(newest: Path) -> None:
    found = Roster.load(newest, ROSTER.hash, DEPLOYMENT)
    assert (found, found.approvals) == (NEXT, NEXT.approvals)
    assert [[card.index for card in one.keyholders] for one in found.line] == [
        [1, 2, 3, 4, 5],
        [1, 2, 3, 5, 6],
    ]
    assert found.hashes == (ROSTER.hash, NEXT.hash)
    assert [found.card(index).index for index in (4, 6)] == [4, 6]


def test_who_knows_no_deployment_takes_no_group_but_the_one_that_is_named(newest: Path) -> None:
    """The approvals could not be checked."""
    assert Roster.load(newest, NEXT.hash) == NEXT
    with pytest.raises(IntegrityError, match="not the one that the deployment names"):
        Roster.load(newest, ROSTER.hash)


def test_the_line_of_another_deployments_keyholders_is_refused(newest: Path) -> None:
    with pytest.raises(IntegrityError, match="not the one that the deployment names"):
        Roster.load(newest, seed(9), DEPLOYMENT)


@pytest.mark.parametrize("dealer", NEXT.dealers)
def test_a_group_that_one_dealer_did_not_approve_is_refused_and_the_dealer_named(
    tmp_path: Path, dealer: int
) -> None:
    lacking = {index: said for index, said in NEXT.approvals.items() if index != dealer}
    with pytest.raises(NotApproved, match=rf"\(keyholder {dealer}\) did not approve of these keyholders"):
        loaded(replace(NEXT, approvals=lacking), tmp_path)


def test_approvals_of_another_group_are_none(tmp_path: Path) -> None:
    """The same dealers approved of the same change, but for the threshold."""
    other = approved(replace(NEXT, threshold=2))
    with pytest.raises(NotApproved):
        loaded(replace(NEXT, approvals=other.approvals), tmp_path)


def test_approvals_for_another_deployment_are_none(tmp_path: Path) -> None:
    elsewhere = approved(NEXT, ELSEWHERE)
    elsewhere.approved(ELSEWHERE)
    with pytest.raises(NotApproved):
        loaded(elsewhere, tmp_path)


def test_an_approval_by_another_dealer_is_none(tmp_path: Path) -> None:
    swapped = {**NEXT.approvals, 1: NEXT.approvals[2], 2: NEXT.approvals[1]}
    with pytest.raises(NotApproved):
        loaded(replace(NEXT, approvals=swapped), tmp_path)


def test_a_newcomer_approves_of_nothing(tmp_path: Path) -> None:
    """Who comes in cannot stand for one that hands on."""
    by_newcomer = signer(56).sign_typed_data(NEXT.approval(DEPLOYMENT))
    with pytest.raises(NotApproved):
        loaded(replace(NEXT, approvals={**NEXT.approvals, 3: by_newcomer}), tmp_path)


def test_who_approved_of_the_last_group_approved_of_those_before_it(tmp_path: Path) -> None:
    """One group in the middle of the line lacks an approval; the newest has all."""
    lacking = replace(NEXT, approvals={})
    third = approved(succeed(lacking, removed=[1]))
    assert third.hash == succeed(NEXT, removed=[1]).hash
    with pytest.raises(NotApproved):
        loaded(third, tmp_path)
    assert loaded(approved(succeed(NEXT, removed=[1])), tmp_path).threshold == 3


@pytest.mark.parametrize(
    "altered",
    [
        replace(ROSTER, threshold=1),
        Roster(3, (replace(ROSTER.keyholders[0], url="at:elsewhere"), *ROSTER.keyholders[1:])),
        Roster(3, (*ROSTER.keyholders[:3], replace(ROSTER.keyholders[3], name="x"), ROSTER.keyholders[4])),
    ],
    ids=["threshold", "url", "name of one that left"],
)
def test_a_group_before_that_was_altered_has_another_hash(tmp_path: Path, altered: Roster) -> None:
    line = replace(NEXT, previous=altered)
    assert line.hash != NEXT.hash
    with pytest.raises(IntegrityError, match="not the one that the deployment names"):
        loaded(line, tmp_path)
    with pytest.raises(NotApproved):
        line.approved(DEPLOYMENT)


IMPOSTOR = replace(NEWCOMER, address=STRANGER.address)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"keyholders": (replace(IMPOSTOR, index=4),)}, "the index 4 belongs to another keyholder"),
        ({"keyholders": (replace(NEWCOMER, index=2),)}, "the index 2 belongs to another keyholder"),
        ({"keyholders": (replace(ROSTER.keyholders[3], index=6),)}, "the index 6 belongs to another"),
        ({"keyholders": (replace(ROSTER.keyholders[3], public_key=NEWCOMER.public_key),)}, "the index 4"),
        ({"dealers": (1, 2, 3, 6)}, "fewer keyholders hand on"),
        ({"dealers": (1, 2)}, "fewer keyholders hand on"),
        ({"dealers": ()}, "fewer keyholders hand on"),
        ({"dealers": (3, 2, 1)}, "fewer keyholders hand on"),
        ({"dealers": (1, 1, 2)}, "fewer keyholders hand on"),
        ({"dealers": ("1", "2", "3")}, "are numbers"),
        ({"keyholders": ROSTER.keyholders[::-1]}, "are numbered"),
        ({"previous": None}, "have nobody who hands on"),
        ({"previous": None, "dealers": ()}, "have nobody who hands on"),
    ],
    ids=[
        "an index given to another",
        "an index that one has who stays",
        "one that was there, under another index",
        "another key for one that was there",
        "a dealer who is none",
        "fewer dealers than are needed",
        "no dealer",
        "dealers turned round",
        "a dealer twice",
        "dealers in words",
        "turned round",
        "nobody before",
        "approvals of nobody",
    ],
)
def test_a_group_that_cannot_come_after_is_refused(changes: dict[str, Any], words: str) -> None:
    whole = {"threshold": 1, **changes}
    if "previous" in changes:
        whole = {"keyholders": ROSTER.keyholders, **whole}
    with pytest.raises(UsageError, match=words):
        replace(NEXT, **whole)


def test_one_that_left_keeps_its_number_and_gets_no_second_one() -> None:
    left = ROSTER.keyholders[3]
    with pytest.raises(UsageError, match="the index 7 belongs to another keyholder"):
        succeed(NEXT, added=[left])
    back = Roster(3, (*ROSTER.keyholders, NEWCOMER), NEXT, (1, 2, 3, 5, 6))
    assert back.card(4) == left


def test_the_file_of_those_after_says_all_that_counts(newest: Path) -> None:
    """Nothing can be changed in it: what the approvals do not hold, the hash of the first group does."""
    document = json.loads(newest.read_text())
    for change in (
        lambda d: d.update(threshold=2),
        lambda d: d.update(dealers=[1, 2, 3]),
        lambda d: d["keyholders"][4].update(url="at:elsewhere"),
        lambda d: d["keyholders"].pop(),
        lambda d: d["previous"].update(threshold=2),
        lambda d: d["previous"]["keyholders"][0].update(name="another"),
        lambda d: d["approvals"].pop("3"),
        lambda d: d["approvals"].update({"3": "0x" + bytes(65).hex()}),
    ):
        changed = json.loads(json.dumps(document))
        change(changed)  # type: ignore[no-untyped-call]
        newest.write_text(json.dumps(changed))
        with pytest.raises((IntegrityError, NotApproved, UsageError)):
            Roster.load(newest, ROSTER.hash, DEPLOYMENT)


# --- statements


def test_a_statement_that_names_an_earlier_group_holds_on() -> None:
    signed = signed_statement(a_statement())
    for hashes in (ROSTER.hashes, NEXT.hashes):
        found = verify_statement(DEPLOYMENT, signed, controller=PATIENT.address, keyholders=hashes)
        assert found.keyholders == ROSTER.hash


@pytest.mark.parametrize("named", [seed(9), replace(NEXT, threshold=2).hash, bytes(32)])
def test_a_statement_that_names_keyholders_of_nobodys_is_none(named: bytes) -> None:
    signed = signed_statement(replace(a_statement(), keyholders=named))
    with pytest.raises(IntegrityError, match="other keyholders"):
        verify_statement(DEPLOYMENT, signed, controller=PATIENT.address, keyholders=NEXT.hashes)


def test_a_statement_that_names_those_after_is_none_for_those_before() -> None:
    signed = signed_statement(replace(a_statement(), keyholders=NEXT.hash))
    with pytest.raises(IntegrityError, match="other keyholders"):
        verify_statement(DEPLOYMENT, signed, controller=PATIENT.address, keyholders=ROSTER.hashes)
