"""A membership handed over: the organisation's key, for one member."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consentry.consent.membership import Membership, MembershipInvalid, NotThisMember, admit, take
from consentry.keys.hpke import public_key
from tests.support.fixed import (
    DEPLOYMENT,
    ELSEWHERE,
    HOSPITAL,
    HOSPITAL_SEED,
    STRANGER,
    a_card,
    seed,
    signer,
)

NURSE, NURSE_SEED = signer(90), seed(91)
NURSE_CARD = a_card(name="Test Nurse", address=NURSE.address, public_key=public_key(NURSE_SEED))


def handed(by: Any = HOSPITAL, secret: bytes = HOSPITAL_SEED) -> Membership:
    return admit(DEPLOYMENT, by, secret, NURSE_CARD)


def taken(membership: Membership, **changes: Any) -> bytes:
    values = {"me": NURSE.address, "my_seed": NURSE_SEED, "card": a_card()}
    return take(DEPLOYMENT, membership, **{**values, **changes})


def test_a_member_takes_the_organisations_key() -> None:
    membership = handed()
    assert taken(membership) == HOSPITAL_SEED
    assert Membership.from_json(membership.to_json()) == membership
    assert HOSPITAL_SEED.hex() not in membership.to_json()


def test_another_account_is_told_that_it_is_not_meant() -> None:
    with pytest.raises(NotThisMember):
        taken(handed(), me=STRANGER.address)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda m: replace(m, deployment=ELSEWHERE.id), "another deployment"),
        (lambda m: replace(m, organisation=STRANGER.address), "the card of"),
        (lambda m: replace(m, signature=bytes(65)), "not signed by"),
        (lambda m: replace(m, wrapped=m.wrapped[:-1] + bytes([m.wrapped[-1] ^ 1])), "not signed by"),
    ],
)
def test_an_altered_hand_over_is_refused(spoil: Callable[[Membership], Membership], says: str) -> None:
    with pytest.raises(MembershipInvalid, match=says):
        taken(spoil(handed()))


def test_a_hand_over_for_an_older_key_does_not_open() -> None:
    with pytest.raises(MembershipInvalid, match="does not open with your key"):
        taken(handed(), my_seed=seed(92))


def test_a_key_that_is_not_the_one_on_the_card_is_refused() -> None:
    for secret in (seed(1), b"short"):
        with pytest.raises(MembershipInvalid, match="not the key on the card"):
            taken(handed(secret=secret))


def test_nobody_hands_over_for_the_organisation() -> None:
    forged = replace(handed(by=STRANGER), organisation=HOSPITAL.address)
    with pytest.raises(MembershipInvalid, match="not signed by"):
        taken(forged)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: f.update(format="consentry member 9"),
        lambda f: f.update(more=1),
        lambda f: f.pop("member"),
        lambda f: f.update(member="nobody"),
        lambda f: f.update(wrapped="no hex"),
        lambda f: f.update(signature=7),
    ],
)
def test_a_file_that_is_no_hand_over_is_refused(spoil: Callable[[dict[str, Any]], Any]) -> None:
    fields = json.loads(handed().to_json())
    spoil(fields)
    with pytest.raises(MembershipInvalid, match="no hand-over of a membership"):
        Membership.from_json(json.dumps(fields))
