"""Key boxes: what a grant delivers, to whom, and what does not hold."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from eth_utils.crypto import keccak

from consentry.consent.box import (
    NO_KEY,
    RECORD_HALF,
    SEGMENT_SEED,
    Granted,
    KeyBox,
    make_box,
    open_box,
    open_own_box,
)
from consentry.consent.terms import DEPOSIT, Terms
from consentry.errors import BoxBroken, IntegrityError, WrapBroken
from consentry.keys.binding import word
from consentry.keys.hpke import public_key, unwrap, wrap
from consentry.keys.typed import SignatureInvalid
from tests.support.fixed import (
    DEPLOYMENT,
    ELSEWHERE,
    HOSPITAL_SEED,
    PATIENT,
    PATIENT_SEED,
    READING,
    STRANGER,
    a_card,
    seed,
    some_terms,
)
from tests.support.fixed import SEGMENT_SEED as THE_SEED


def granted(terms: Terms | None = None, key_type: int = SEGMENT_SEED, key: bytes = THE_SEED) -> Granted:
    return Granted(terms or some_terms(), READING, "general", key_type, key)


def boxed(what: Granted | None = None) -> KeyBox:
    what = what or granted()
    box = make_box(DEPLOYMENT, what, version=1, card=a_card(), patient_key=public_key(PATIENT_SEED))
    return replace(box, signature=PATIENT.sign_typed_data(box.message(DEPLOYMENT)))


def opened(box: KeyBox, secret: bytes = HOSPITAL_SEED) -> Granted:
    return open_box(DEPLOYMENT, box, secret, public_key(secret))


@pytest.mark.parametrize("key_type", [NO_KEY, SEGMENT_SEED, RECORD_HALF])
def test_the_grantee_finds_terms_reading_kind_and_key(key_type: int) -> None:
    what = granted(key_type=key_type)
    assert opened(boxed(what)) == what


def test_the_patient_finds_terms_reading_kind_and_card() -> None:
    terms, reading, kind, card = open_own_box(DEPLOYMENT, boxed(), PATIENT_SEED)
    assert (terms, reading, kind, card) == (some_terms(), READING, "general", a_card())


def test_the_grantee_finds_the_key_and_the_patient_does_not_need_it() -> None:
    box = boxed()
    with pytest.raises(WrapBroken):
        opened(box, PATIENT_SEED)
    with pytest.raises(WrapBroken):
        open_own_box(DEPLOYMENT, box, HOSPITAL_SEED)
    with pytest.raises(WrapBroken):
        opened(box, seed(99))


def test_boxes_with_and_without_a_key_look_alike() -> None:
    deposit = some_terms(flags=DEPOSIT, purposes=0)
    without = boxed(granted(deposit, NO_KEY, bytes(32)))
    assert len(without.encode()) == len(boxed().encode())


def test_a_box_comes_back_from_its_bytes() -> None:
    box = boxed()
    assert KeyBox.decode(box.encode()) == box
    with pytest.raises(IntegrityError, match="a key box"):
        KeyBox.decode(box.encode()[:-1])


def test_the_patients_signature_covers_all_of_a_box() -> None:
    box = boxed()
    box.verify(DEPLOYMENT, PATIENT.address)
    for field in fields(KeyBox):
        value = getattr(box, field.name)
        other: Any = value + 1 if isinstance(value, int) else seed(77) if len(value) == 32 else value + b"\0"
        with pytest.raises(IntegrityError):
            replace(box, **{field.name: other}).verify(DEPLOYMENT, PATIENT.address)


def test_a_stranger_cannot_make_a_box_for_the_patient() -> None:
    box = replace(boxed(), signature=b"")
    forged = replace(box, signature=STRANGER.sign_typed_data(box.message(DEPLOYMENT)))
    with pytest.raises(SignatureInvalid):
        forged.verify(DEPLOYMENT, PATIENT.address)
    with pytest.raises(IntegrityError, match="another deployment"):
        boxed().verify(ELSEWHERE, PATIENT.address)


def test_a_box_under_the_header_of_another_grant_does_not_open() -> None:
    box = boxed()
    for change in [{"grant_id": seed(1)}, {"version": 2}, {"segment": seed(2)}, {"record": seed(3)}]:
        with pytest.raises(WrapBroken):
            opened(replace(box, **change))  # type: ignore[arg-type]


def test_terms_that_the_header_does_not_name_are_laid_to_who_made_the_box() -> None:
    box = boxed()
    for other in (replace(box, grantee=seed(1)),):
        with pytest.raises(BoxBroken, match="not those that the header names"):
            opened(other)


def _with_contents(box: KeyBox, contents: bytes) -> KeyBox:
    bound = (box.patient, box.segment, box.record, word(box.version), box.grant_id)
    key = public_key(HOSPITAL_SEED)
    return replace(box, to_grantee=wrap(contents, key, DEPLOYMENT.info("box", *bound, keccak(key))))


@pytest.mark.parametrize(
    "contents",
    [b"", bytes(1024), bytes(1023), b"\xff" * 1024, (5).to_bytes(4, "big") + b"hello" + b"\1" * 1015],
)
def test_contents_that_are_none_are_laid_to_who_made_the_box(contents: bytes) -> None:
    with pytest.raises(BoxBroken, match="does not hold"):
        opened(_with_contents(boxed(), contents))


def test_a_padding_that_is_not_zero_could_carry_a_mark_and_is_refused() -> None:
    box = boxed()
    bound = (box.patient, box.segment, box.record, word(box.version), box.grant_id)
    info = DEPLOYMENT.info("box", *bound, keccak(public_key(HOSPITAL_SEED)))
    contents = unwrap(box.to_grantee, HOSPITAL_SEED, info)
    assert opened(_with_contents(box, contents)) == granted()
    with pytest.raises(BoxBroken, match="wrong padding"):
        opened(_with_contents(box, contents[:-1] + b"\1"))


def test_a_reading_that_the_terms_do_not_name_is_laid_to_who_made_the_box() -> None:
    what = replace(granted(), reading=replace(READING, sentence="Something else."))
    with pytest.raises(BoxBroken):
        opened(boxed(what))
