"""Terms, the sentence that a patient reads, and the messages that she signs."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from eth_account.messages import encode_typed_data

from consentry.consent.terms import (
    DEPOSIT,
    MEMBERS,
    READ,
    Reading,
    Terms,
    sentence,
    typed_revoke,
    typed_terms,
)
from consentry.errors import IntegrityError, UsageError
from consentry.keys.typed import digest
from tests.support.fixed import DAY, DEPLOYMENT, ELSEWHERE, NOON, READING, seed, some_terms


def test_the_grant_id_is_what_a_wallet_hashes() -> None:
    for reading in (READING, Reading("Ärztin Šárka darf lesen — 日本語", seed(5), seed(6))):
        terms = some_terms(reading_hash=reading.hash, epoch=2**64 - 1, flags=5, purposes=0x41)
        signable = encode_typed_data(full_message=typed_terms(DEPLOYMENT, terms, reading))
        assert signable.body == terms.grant_id


def test_terms_come_back_from_their_bytes() -> None:
    terms = some_terms()
    assert Terms.decode(terms.encode()) == terms
    assert len(terms.encode()) == 320
    with pytest.raises(IntegrityError, match="a grant's terms"):
        Terms.decode(terms.encode()[:-1])


@pytest.mark.parametrize("name", [field.name for field in fields(Terms)])
def test_other_terms_are_another_grant(name: str) -> None:
    terms = some_terms()
    value = getattr(terms, name)
    other = some_terms(**{name: seed(77) if isinstance(value, bytes) else value + 1})
    assert other.grant_id != terms.grant_id


@pytest.mark.parametrize(
    ("reading", "other"),
    [
        (READING, Reading(READING.sentence + " ", READING.policy, READING.salt)),
        (READING, Reading(READING.sentence, seed(1), READING.salt)),
        (READING, Reading(READING.sentence, READING.policy, seed(2))),
    ],
    ids=["another sentence", "another policy", "another salt"],
)
def test_another_reading_has_another_hash(reading: Reading, other: Reading) -> None:
    assert reading.hash != other.hash
    with pytest.raises(UsageError, match="not the one that the terms name"):
        typed_terms(DEPLOYMENT, some_terms(), other)


@pytest.mark.parametrize("name", ["patient", "grantee", "segment", "record", "reading_hash"])
@pytest.mark.parametrize("value", [b"", bytes(31), bytes(33)])
def test_a_short_or_long_id_is_refused_although_wallets_take_it(name: str, value: bytes) -> None:
    with pytest.raises(UsageError, match=f"{name} must be 32 bytes"):
        some_terms(**{name: value})


@pytest.mark.parametrize(
    ("name", "bits"), [("purposes", 32), ("flags", 16), ("not_before", 40), ("expires_at", 40), ("epoch", 64)]
)
def test_a_number_that_does_not_fit_is_refused(name: str, bits: int) -> None:
    some_terms(**{name: (1 << bits) - 1})
    for value in (-1, 1 << bits):
        with pytest.raises(UsageError, match=f"{name} must fit {bits} bits"):
            some_terms(**{name: value})


def test_a_grant_signed_for_one_chain_is_none_on_another() -> None:
    terms = some_terms()
    here, there = (digest(typed_terms(d, terms, READING)) for d in (DEPLOYMENT, ELSEWHERE))
    assert here == there  # the genesis is not in the domain: chain id and contract are
    other = DEPLOYMENT.__class__(1, DEPLOYMENT.genesis, DEPLOYMENT.registry)
    assert digest(typed_terms(other, terms, READING)) != here


def test_a_revocation_is_no_grant_and_names_patient_and_grant() -> None:
    message = typed_revoke(DEPLOYMENT, seed(1), seed(2))
    assert message["domain"]["name"] == "Consentry Control"
    assert message["message"] == {"patient": seed(1), "grantId": seed(2)}
    assert digest(message) != digest(typed_revoke(DEPLOYMENT, seed(1), seed(3)))


# --- the sentence

FIELDS: dict[str, Any] = {
    "grantee": "Test Hospital (register number 1234567893, account 0x11)",
    "what": "general",
    "purposes": ["treatment", "research"],
    "flags": READ,
    "not_before": NOON,
    "expires_at": NOON + DAY,
}


def test_the_sentence_says_who_what_why_and_until_when() -> None:
    assert sentence(**FIELDS) == (
        "Test Hospital (register number 1234567893, account 0x11) may read my general records for treatment "
        "and research, from 2026-01-01 12:00 UTC until 2026-01-02 12:00 UTC. I can end this at any time."
    )


def test_the_sentence_names_the_staff_only_where_the_staff_may_act() -> None:
    assert "and the staff it employs may read" in sentence(**{**FIELDS, "flags": READ | MEMBERS})
    assert "staff" not in sentence(**FIELDS)


def test_the_sentence_of_a_deposit_says_that_nothing_is_read_by_it() -> None:
    said = sentence(**{**FIELDS, "flags": DEPOSIT, "purposes": []})
    assert "may add new records to my general records, and read nothing by this" in said


def test_the_sentence_admits_that_no_purpose_was_named() -> None:
    assert "for no purpose at all" in sentence(**{**FIELDS, "purposes": []})


@pytest.mark.parametrize(
    "change",
    [
        {"grantee": "Another"},
        {"what": "hiv"},
        {"purposes": ["treatment"]},
        {"flags": DEPOSIT},
        {"flags": READ | MEMBERS},
        {"not_before": NOON - 60},
        {"expires_at": NOON + 2 * DAY},
    ],
)
def test_whatever_the_terms_say_differently_the_sentence_says_differently(change: dict[str, Any]) -> None:
    assert sentence(**{**FIELDS, **change}) != sentence(**FIELDS)
