"""A grant signed at the bedside: put in force and used in one transaction, by its grantee."""

from typing import Any

import ape
import pytest

from tests.contracts.words import (
    MEMBERS,
    READ,
    RESEARCH,
    TREAT,
    Terms,
    grant_message,
    identity,
    raw,
    reason,
    word,
)

SALTS = [word(f"record salt {i}") for i in range(2)]
REST = (TREAT, word("reply key"), word("agent"))
NEW, IN_FORCE = 0, 1


@pytest.fixture
def use(log: Any, grants: dict[str, Any], patient: Any) -> Any:
    """Request under terms that somebody, by default the patient, signed."""

    def use(terms: Terms, actor: Any, by: Any = patient, claimed: Any = None, rest: Any = REST) -> Any:
        signature = by.sign_message(grant_message(grants, terms)).encode_rsv()
        signed = (raw(claimed or by), signature)
        return log.requestWithSignature(terms.words, SALTS, *rest, *signed, sender=actor)

    return use


def test_a_signed_grant_comes_into_force_and_is_used_in_one_transaction(
    use: Any, log: Any, consents: Any, clinician: Any, terms: Terms
) -> None:
    assert consents.grantState(terms.patient, terms.id).status == NEW
    receipt = use(terms, clinician)
    granted, used, *entries = receipt.events
    assert granted == consents.ConsentGranted(patient=terms.patient, grantId=terms.id)
    assert (used.event_name, used.grantId, tuple(used.terms)) == ("TermsUsed", terms.id, terms.words)
    assert [each.event_name for each in entries] == ["Requested"] * 2
    assert log.headOf(clinician) == entries[-1].accessId
    assert consents.grantState(terms.patient, terms.id).status == IN_FORCE


def test_it_writes_the_same_entry_as_a_request_would(
    log: Any, consents: Any, grants: dict[str, Any], patient: Any, clinician: Any, terms: Terms
) -> None:
    signature = patient.sign_message(grant_message(grants, terms)).encode_rsv()
    arguments = (terms.words, SALTS, *REST)
    signed = log.requestWithSignature.call(*arguments, raw(patient), signature, sender=clinician)
    consents.grant(terms.patient, terms.id, sender=patient)
    log.request(*arguments, sender=clinician)
    assert log.headOf(clinician) == signed


def test_a_grant_that_somebody_delivered_meanwhile_is_used_all_the_same(
    use: Any, consents: Any, patient: Any, clinician: Any, terms: Terms
) -> None:
    consents.grant(terms.patient, terms.id, sender=patient)
    for _ in range(2):
        names = [each.event_name for each in use(terms, clinician).events]
        assert names == ["TermsUsed", "Requested", "Requested"]


def test_a_member_uses_what_the_patient_signed_for_its_organisation(
    use: Any, hospital: Any, nurse: Any, terms: Terms
) -> None:
    shared = terms.but(grantee=identity(hospital), flags=READ | MEMBERS)
    assert use(shared, nurse).events[-1].actor == nurse


def test_a_revocation_always_wins(
    use: Any, log: Any, consents: Any, patient: Any, clinician: Any, terms: Terms
) -> None:
    """Also one of an id that was never seen; and one after the grant was used."""
    consents.revoke(terms.patient, terms.id, sender=patient)
    with ape.reverts(consents.GrantEnded, patient=terms.patient, grantId=terms.id):
        use(terms, clinician)
    other = terms.but(salt=word("another salt"))
    use(other, clinician)
    before = log.headOf(clinician)
    consents.revoke(other.patient, other.id, sender=patient)
    with ape.reverts(consents.GrantEnded, patient=other.patient, grantId=other.id):
        use(other, clinician)
    assert log.headOf(clinician) == before


def test_a_grant_signed_before_all_were_revoked_is_dead(
    use: Any, log: Any, consents: Any, patient: Any, clinician: Any, terms: Terms
) -> None:
    consents.revokeAll(terms.patient, sender=patient)
    with ape.reverts(log.NotAllowed, grantId=terms.id, reason=reason("EpochChanged")):
        use(terms, clinician)
    assert consents.grantState(terms.patient, terms.id).status == NEW


def test_only_who_acts_for_the_patient_can_have_signed(
    use: Any, consents: Any, patient: Any, guardian: Any, clinician: Any, terms: Terms
) -> None:
    with ape.reverts(consents.NotController, patient=terms.patient, who=clinician.address):
        use(terms, clinician, by=clinician)
    with ape.reverts(consents.SignatureInvalid):
        use(terms, clinician, by=clinician, claimed=patient)
    consents.setController(terms.patient, guardian, sender=patient)
    with ape.reverts(consents.NotController, patient=terms.patient, who=patient.address):
        use(terms, clinician)
    use(terms, clinician, by=guardian)


@pytest.mark.parametrize(
    ("changes", "purpose", "why"),
    [
        ({"purposes": RESEARCH}, TREAT, "PurposeNotGranted"),
        ({"expiresAt": 1}, TREAT, "Expired"),
        ({}, TREAT | RESEARCH, "PurposeNotOne"),
        ({"epoch": 1}, TREAT, "EpochChanged"),
    ],
)
def test_a_use_that_the_terms_do_not_allow_puts_nothing_in_force(
    changes: dict[str, Any],
    purpose: int,
    why: str,
    use: Any,
    log: Any,
    consents: Any,
    clinician: Any,
    terms: Terms,
) -> None:
    spoilt = terms.but(**changes)
    with ape.reverts(log.NotAllowed, grantId=spoilt.id, reason=reason(why)):
        use(spoilt, clinician, rest=(purpose, *REST[1:]))
    assert consents.grantState(spoilt.patient, spoilt.id).status == NEW


def test_nobody_but_the_grantee_uses_it_whoever_holds_the_signature(
    use: Any, log: Any, consents: Any, stranger: Any, hospital: Any, patient: Any, terms: Terms
) -> None:
    for who, why in ((stranger, "CredentialNotLive"), (patient, "CredentialNotLive"), (hospital, "NotGrantee")):
        with ape.reverts(log.NotAllowed, grantId=terms.id, reason=reason(why)):
            use(terms, who)
    assert consents.grantState(terms.patient, terms.id).status == NEW


def test_terms_that_the_patient_did_not_sign_are_refused(
    log: Any, consents: Any, grants: dict[str, Any], patient: Any, clinician: Any, terms: Terms
) -> None:
    signature = patient.sign_message(grant_message(grants, terms)).encode_rsv()
    wider = terms.but(segment=word("another segment"))
    with ape.reverts(consents.SignatureInvalid):
        log.requestWithSignature(wider.words, SALTS, *REST, raw(patient), signature, sender=clinician)


def test_it_names_a_record(log: Any, patient: Any, grants: Any, clinician: Any, terms: Terms) -> None:
    signature = patient.sign_message(grant_message(grants, terms)).encode_rsv()
    with ape.reverts(log.NoRecords):
        log.requestWithSignature(terms.words, [], *REST, raw(patient), signature, sender=clinician)
