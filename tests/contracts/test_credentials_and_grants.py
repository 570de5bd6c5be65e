"""What becomes of a live grant when a credential is suspended, reinstated, retired, renewed or expires: its use
stops or goes on, and the grant itself stays as the patient left it."""

from typing import Any

import ape
import pytest

from tests.contracts.words import (
    DAY,
    MEMBERS,
    READ,
    TREAT,
    Terms,
    at,
    credential,
    identity,
    now,
    reason,
    word,
)

IN_FORCE = 1


@pytest.fixture
def own(consents: Any, patient: Any, terms: Terms) -> Terms:
    """In force: the clinician may read."""
    consents.grant(terms.patient, terms.id, sender=patient)
    return terms


@pytest.fixture
def shared(consents: Any, patient: Any, terms: Terms, hospital: Any) -> Terms:
    """In force: the hospital and its members may read."""
    given = terms.but(grantee=identity(hospital), flags=READ | MEMBERS)
    consents.grant(given.patient, given.id, sender=patient)
    return given


@pytest.fixture
def why(consents: Any) -> Any:
    """The reason against a reading, by number; the grant is in force all the time."""

    def ask(terms: Terms, actor: Any) -> int:
        assert consents.grantState(terms.patient, terms.id).status == IN_FORCE
        return int(consents.why(terms.words, actor, TREAT, READ))

    return ask


def request(log: Any, terms: Terms, actor: Any) -> None:
    log.request(terms.words, [word("salt")], TREAT, word("reply"), word("agent"), sender=actor)


def test_a_suspension_stops_use_in_the_next_block_and_a_reinstatement_restores_it_without_the_patient(
    log: Any, providers: Any, authority: Any, clinician: Any, own: Terms, why: Any
) -> None:
    request(log, own, clinician)
    providers.suspend(clinician, sender=authority)
    assert why(own, clinician) == reason("CredentialNotLive")
    with ape.reverts(log.NotAllowed, grantId=own.id, reason=reason("CredentialNotLive")):
        request(log, own, clinician)
    providers.reinstate(clinician, sender=authority)
    assert why(own, clinician) == reason("None")
    request(log, own, clinician)


def test_a_retirement_stops_use_for_good_and_no_new_account_inherits_the_grant(
    log: Any,
    providers: Any,
    authority: Any,
    second_authority: Any,
    clinician: Any,
    accounts: Any,
    own: Terms,
    why: Any,
) -> None:
    providers.retire(clinician, sender=authority)
    assert why(own, clinician) == reason("CredentialNotLive")
    with ape.reverts(providers.StatusForbids):
        providers.issue(credential(clinician), sender=second_authority)
    successor = accounts[15]
    providers.issue(credential(successor), sender=authority)
    assert why(own, successor) == reason("NotGrantee")
    with ape.reverts(log.NotAllowed, grantId=own.id, reason=reason("NotGrantee")):
        request(log, own, successor)


def test_an_expired_credential_stops_use_in_that_second_and_a_renewal_restores_it(
    providers: Any, authority: Any, clinician: Any, own: Terms, why: Any, chain: Any
) -> None:
    ends = now(chain) + DAY
    providers.issue(credential(clinician, validUntil=ends), sender=authority)
    for moment, expected in ((ends - 1, "None"), (ends, "CredentialNotLive")):
        at(chain, moment)
        assert why(own, clinician) == reason(expected)
    providers.issue(credential(clinician), sender=authority)
    assert why(own, clinician) == reason("None")


def test_a_grant_given_while_the_grantee_is_suspended_is_in_force_and_waits(
    consents: Any,
    providers: Any,
    authority: Any,
    patient: Any,
    clinician: Any,
    terms: Terms,
    why: Any,
) -> None:
    providers.suspend(clinician, sender=authority)
    consents.grant(terms.patient, terms.id, sender=patient)
    assert why(terms, clinician) == reason("CredentialNotLive")
    providers.reinstate(clinician, sender=authority)
    assert why(terms, clinician) == reason("None")


@pytest.mark.parametrize("step", ["suspend", "retire"])
def test_an_organisation_that_stops_stops_its_members_under_its_grants_and_no_others(
    step: str,
    consents: Any,
    providers: Any,
    authority: Any,
    patient: Any,
    hospital: Any,
    nurse: Any,
    terms: Terms,
    shared: Terms,
    why: Any,
) -> None:
    hers = terms.but(grantee=identity(nurse))
    consents.grant(hers.patient, hers.id, sender=patient)
    getattr(providers, step)(hospital, sender=authority)
    assert why(shared, hospital) == reason("CredentialNotLive")
    assert why(shared, nurse) == reason("NotGrantee")
    assert why(hers, nurse) == reason("None")


def test_a_member_that_leaves_keeps_its_own_grants_and_loses_its_organisations(
    consents: Any,
    providers: Any,
    authority: Any,
    patient: Any,
    nurse: Any,
    terms: Terms,
    shared: Terms,
    why: Any,
) -> None:
    hers = terms.but(grantee=identity(nurse))
    consents.grant(hers.patient, hers.id, sender=patient)
    assert why(shared, nurse) == reason("None")
    providers.issue(credential(nurse), sender=authority)
    assert why(shared, nurse) == reason("NotGrantee")
    assert why(hers, nurse) == reason("None")


def test_a_member_of_another_organisation_with_the_same_kind_of_credential_may_nothing(
    providers: Any, authority: Any, accounts: Any, shared: Terms, why: Any
) -> None:
    """An organisation's mark is its own account: nobody can issue a second one like it."""
    clinic, locum = accounts[14:16]
    providers.issueBatch(
        [credential(clinic, roles=0x8000), credential(locum, clinic)], sender=authority
    )
    for actor in (clinic, locum):
        assert why(shared, actor) == reason("NotGrantee")


def test_a_revocation_holds_through_every_change_of_the_credential(
    consents: Any, providers: Any, authority: Any, patient: Any, clinician: Any, own: Terms
) -> None:
    providers.suspend(clinician, sender=authority)
    consents.revoke(own.patient, own.id, sender=patient)
    providers.reinstate(clinician, sender=authority)
    providers.issue(credential(clinician), sender=authority)
    assert consents.why(own.words, clinician, TREAT, READ) == reason("Revoked")
