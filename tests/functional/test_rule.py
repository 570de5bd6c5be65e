"""The rule, case by case, on plain values: the contracts are held to the same table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from consentry.consent.rule import GrantState, Reason, why
from consentry.consent.terms import MEMBERS, Terms
from tests.support.fixed import seed

TABLE = json.loads((Path(__file__).parent.parent / "vectors" / "terms.json").read_text("utf-8"))
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in TABLE["cases"]}
STATUS = {"none": 0, "inForce": 1, "revoked": 2}
EPOCHS = {"current": 7, "old": 6, "other": 5}


def asked(case: dict[str, Any]) -> Reason:
    """What the rule says to a case of the table."""
    now, said, actor = TABLE["base_time"], case["terms"], case["actor"]
    terms = Terms(
        patient=seed(1),
        grantee=seed(2),
        segment=seed(3),
        record=bytes(32),
        purposes=said["purposes"],
        flags=said["flags"],
        not_before=now + said["notBefore"],
        expires_at=now + said["expiresAt"],
        epoch=EPOCHS[said["epoch"]],
        reading_hash=seed(4),
    )
    return why(
        terms,
        case["purpose"],
        case["flag"],
        now=now,
        state=GrantState(STATUS[case["status"]], EPOCHS[case["deliveredEpoch"]]),
        account_epoch=EPOCHS["current"],
        guardianship_ended=case.get("guardianship") == "ended",
        opted_out=case.get("optedOut", 0),
        actor_live=actor["live"],
        actor_is_grantee=actor["relation"] == "grantee",
        actor_is_live_member=actor["relation"] == "member" and actor["organisationLive"],
    )


@pytest.mark.parametrize("name", CASES)
def test_the_rule_gives_the_tables_reason(name: str) -> None:
    assert asked(CASES[name]) == _reason(CASES[name]["why"])


def _reason(camel: str) -> Reason:
    words = "".join("_" + letter if letter.isupper() else letter for letter in camel)
    return Reason[words.strip("_").upper()]


def test_every_reason_is_in_the_table_and_has_words_of_its_own() -> None:
    assert {_reason(case["why"]) for case in CASES.values()} == set(Reason)
    assert len({reason.text for reason in Reason}) == len(Reason)


def test_only_no_reason_is_false() -> None:
    assert [reason for reason in Reason if not reason] == [Reason.NONE]


def test_membership_counts_only_where_the_patient_said_so() -> None:
    members = [case for case in CASES.values() if case["actor"]["relation"] == "member"]
    allowed = [case for case in members if asked(case) == Reason.NONE]
    assert allowed
    assert all(case["terms"]["flags"] & MEMBERS for case in allowed)
