"""Cards and offers: who a provider is, and what does not count as one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consentry.chain.signers import LocalSigner
from consentry.consent.card import Card, Offer, new_card, verify_card
from consentry.errors import CardInvalid, KeyInvalid
from consentry.keys.hpke import ALGORITHM, public_key
from tests.support.fixed import (
    AUTHORITY,
    DEPLOYMENT,
    ELSEWHERE,
    HOSPITAL,
    HOSPITAL_ID,
    HOSPITAL_SEED,
    STRANGER,
    a_card,
    seed,
)


def an_offer(by: LocalSigner = HOSPITAL, **changes: Any) -> Offer:
    values = {"address": HOSPITAL.address, "algorithm": ALGORITHM, "public_key": public_key(HOSPITAL_SEED)}
    bare = Offer(**{**values, **changes})
    return replace(bare, signature=by.sign_typed_data(bare.message(DEPLOYMENT)))


def verified(card: Card, **changes: Any) -> None:
    values = {"hash_on_chain": card.hash, "is_authority": True, "live": True}
    verify_card(DEPLOYMENT, card, **{**values, **changes})


def test_a_card_verifies_by_hash_authority_signature_credential_and_key() -> None:
    card = a_card()
    verified(card)
    assert card.identity == HOSPITAL_ID
    assert card.title == f"Test Hospital (register number 1234567893, account {HOSPITAL.address})"


def test_a_card_comes_back_from_its_file() -> None:
    for card in (a_card(), a_card(name="Čéšká nemocnice “Svatá Anna”", number="")):
        assert Card.from_json(card.to_json()) == card
        assert Card.from_json(card.to_json().encode()) == card


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hash_on_chain": seed(1)}, "not the one on chain"),
        ({"hash_on_chain": None}, "not the one on chain"),
        ({"is_authority": False}, "which is no authority"),
        ({"live": False}, "not live"),
    ],
    ids=["an older card", "never issued", "no authority", "suspended"],
)
def test_a_card_that_the_chain_does_not_bear_out_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(CardInvalid, match=says):
        verified(a_card(), **changes)


def test_an_impostor_cannot_sign_a_card_with_the_hospitals_name() -> None:
    with pytest.raises(CardInvalid, match="not signed by its authority"):
        verified(a_card(by=STRANGER))


def test_a_card_of_another_deployment_is_refused() -> None:
    card = a_card()
    with pytest.raises(CardInvalid, match="not signed by its authority"):
        verify_card(ELSEWHERE, card, hash_on_chain=card.hash, is_authority=True, live=True)


def test_a_card_with_a_key_of_another_algorithm_or_a_broken_key_is_refused() -> None:
    with pytest.raises(CardInvalid, match="unknown algorithm 1"):
        verified(a_card(algorithm=1))
    with pytest.raises(KeyInvalid):
        verified(a_card(public_key=bytes(1216)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("salt", seed(82)),
        ("name", "Test Hospice"),
        ("number", "1234567894"),
        ("address", STRANGER.address),
        ("algorithm", 1),
        ("public_key", public_key(seed(1))),
        ("authority", STRANGER.address),
    ],
)
def test_no_field_of_a_card_can_be_changed_without_another_hash(name: str, value: Any) -> None:
    assert replace(a_card(), **{name: value}).hash != a_card().hash


def test_the_signature_is_not_part_of_a_cards_hash() -> None:
    assert a_card(by=STRANGER).hash == a_card().hash


def _set(name: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda fields: fields.update({name: value})


NOT_CARDS: list[Callable[[dict[str, Any]], Any]] = [
    _set("format", "consentry card 2"),
    _set("salt", "0x12"),
    _set("salt", "0x" + "00" * 33),
    _set("salt", 7),
    _set("signature", "no hex"),
    _set("algorithm", "25722"),
    _set("algorithm", True),
    _set("algorithm", -1),
    _set("algorithm", 1 << 16),
    _set("address", "0x12"),
    _set("address", HOSPITAL.address.lower()),
    _set("address", None),
    _set("authority", ""),
    _set("name", 7),
    _set("name", ""),
    _set("name", " "),
    _set("name", "Test Hospital\nmay read everything"),
    _set("name", "Test \u202elatipsoH"),
    _set("name", "Test \ud800"),
    _set("name", "x" * 201),
    _set("number", "12\x0034"),
    _set("more", 1),
    lambda fields: fields.pop("number"),
]


@pytest.mark.parametrize("spoil", NOT_CARDS)
def test_a_file_that_is_no_card_is_refused_by_one_name(spoil: Callable[[dict[str, Any]], Any]) -> None:
    fields = json.loads(a_card().to_json())
    spoil(fields)
    with pytest.raises(CardInvalid, match="not a 'consentry card 1'"):
        Card.from_json(json.dumps(fields))


@pytest.mark.parametrize("text", ["", "[]", "7", "null", "{}", b"\xff\xfe", "{"])
def test_what_is_no_file_of_ours_is_refused_by_one_name(text: str | bytes) -> None:
    for cls in (Card, Offer):
        with pytest.raises(CardInvalid, match="ask its owner"):
            cls.from_json(text)


# --- offers


def test_an_offer_proves_that_the_account_chose_the_key() -> None:
    offer = an_offer()
    offer.verify(DEPLOYMENT)
    assert Offer.from_json(offer.to_json()) == offer


def test_nobody_can_offer_a_key_for_the_hospitals_account() -> None:
    with pytest.raises(CardInvalid, match="not signed by that account"):
        an_offer(by=STRANGER).verify(DEPLOYMENT)
    with pytest.raises(CardInvalid, match="not signed by that account"):
        replace(an_offer(), public_key=public_key(seed(1))).verify(DEPLOYMENT)
    with pytest.raises(CardInvalid, match="not signed by that account"):
        an_offer().verify(ELSEWHERE)


def test_an_offer_of_another_algorithm_or_a_broken_key_is_refused() -> None:
    with pytest.raises(CardInvalid, match="unknown algorithm"):
        an_offer(algorithm=1).verify(DEPLOYMENT)
    with pytest.raises(KeyInvalid):
        an_offer(public_key=bytes(1216)).verify(DEPLOYMENT)


def test_a_card_takes_address_and_key_from_the_offer_alone() -> None:
    offer = an_offer()
    card = new_card(offer, name="Test Hospital", number="1", authority=AUTHORITY.address)
    assert (card.address, card.public_key, card.algorithm) == (
        offer.address,
        offer.public_key,
        offer.algorithm,
    )
    assert card.signature == b""


def test_two_cards_of_one_provider_look_unlike_on_chain() -> None:
    cards = [new_card(an_offer(), name="T", number="1", authority=AUTHORITY.address) for _ in range(2)]
    assert cards[0].hash != cards[1].hash


@pytest.mark.parametrize("name", ["", "two\nlines", "\u202edeifitrec"])
def test_an_authority_makes_no_card_for_a_name_that_a_sentence_cannot_show(name: str) -> None:
    with pytest.raises(CardInvalid, match="name"):
        new_card(an_offer(), name=name, number="1", authority=AUTHORITY.address)
