"""No secondary use, whatever the grants say, until the patient says otherwise."""

from typing import Any

import ape
import pytest

from consentry.record import purposes
from tests.contracts.words import READ, RESEARCH, TREAT, Terms, reason, word

LATER = range(len(purposes()), 32)


def test_a_patient_opts_out_of_research_and_back_in(
    consents: Any, log: Any, patient: Any, clinician: Any, terms: Terms
) -> None:
    me, rest = terms.patient, (word("reply"), word("agent"))
    consents.grant(me, terms.id, sender=patient)
    receipt = consents.setOptOut(me, RESEARCH, sender=patient)
    assert receipt.events == [consents.OptOutChanged(patient=me, purposes=RESEARCH)]
    assert consents.why(terms.words, clinician, RESEARCH, READ) == reason("OptedOut")
    with ape.reverts(log.NotAllowed, grantId=terms.id, reason=reason("OptedOut")):
        log.request(terms.words, [word("salt")], RESEARCH, *rest, sender=clinician)
    log.request(terms.words, [word("salt")], TREAT, *rest, sender=clinician)
    consents.setOptOut(me, 0, sender=patient)
    log.request(terms.words, [word("salt")], RESEARCH, *rest, sender=clinician)


def test_an_opt_out_is_above_later_grants_too_and_ends_none(
    consents: Any, patient: Any, clinician: Any, terms: Terms
) -> None:
    consents.setOptOut(terms.patient, RESEARCH, sender=patient)
    consents.grant(terms.patient, terms.id, sender=patient)
    assert consents.inForce(terms.patient, terms.id, 0)
    assert not consents.isAllowed(terms.words, clinician, RESEARCH, READ)


def test_an_opt_out_outlives_a_new_epoch_and_a_new_controller(
    consents: Any, patient: Any, guardian: Any, me: bytes
) -> None:
    consents.setOptOut(me, RESEARCH, sender=patient)
    consents.revokeAll(me, sender=patient)
    consents.setController(me, guardian, sender=patient)
    assert list(consents.account(me)) == [guardian, consents.epochOf(me), RESEARCH]
    consents.setOptOut(me, 16, sender=guardian)
    assert list(consents.account(me)) == [guardian, consents.epochOf(me), 16]


@pytest.mark.parametrize("purpose", purposes(), ids=lambda purpose: purpose.code)
def test_care_and_the_patients_own_requests_are_no_secondary_use(
    purpose: Any, consents: Any, patient: Any, me: bytes
) -> None:
    mask = 1 << purpose.bit
    if purpose.secondary:
        consents.setOptOut(me, mask, sender=patient)
        assert consents.account(me).flags == mask
    else:
        with ape.reverts(consents.PurposeNotSecondary, patient=me, purposes=mask | RESEARCH):
            consents.setOptOut(me, mask | RESEARCH, sender=patient)


def test_a_purpose_that_is_appended_later_can_be_opted_out_of(consents: Any, patient: Any, me: bytes) -> None:
    mask = sum(1 << bit for bit in LATER)
    consents.setOptOut(me, mask, sender=patient)
    assert consents.account(me).flags == mask


def test_a_stranger_cannot_opt_a_patient_in_or_out(
    consents: Any, patient: Any, stranger: Any, me: bytes
) -> None:
    consents.setOptOut(me, RESEARCH, sender=patient)
    for mask in (0, RESEARCH, 16):
        with ape.reverts(consents.NotController, patient=me, who=stranger.address):
            consents.setOptOut(me, mask, sender=stranger)
