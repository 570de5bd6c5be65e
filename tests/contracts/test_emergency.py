"""Who may break the glass: a role that two authorities give, and that counts a day later."""

from typing import Any

import ape
import pytest

from tests.contracts.words import (
    DAY,
    EMERGENCY,
    HOUR,
    NO_WORD,
    NOBODY,
    ORGANISATION,
    REVIEWER,
    SUSPENDED,
    TREATING,
    at,
    credential,
    identity,
    now,
    word,
)

BOTH = TREATING | EMERGENCY


@pytest.fixture(scope="session")
def other_hospital(accounts: Any) -> Any:
    return accounts[14]


def held(providers: Any, who: Any, role: int = EMERGENCY) -> bool:
    return bool(providers.holds(who, role)[0])


@pytest.fixture
def issued(providers: Any, authority: Any, second_authority: Any, nurse: Any, hospital: Any) -> Any:
    """The nurse's emergency credential, to which both authorities agreed; the second one's receipt."""
    given = credential(nurse, hospital, roles=BOTH)
    providers.issueEmergency(given, sender=authority)
    return providers.issueEmergency(given, sender=second_authority)


def test_two_authorities_give_the_emergency_role_and_it_counts_a_day_later(
    providers: Any, authority: Any, second_authority: Any, nurse: Any, hospital: Any, chain: Any
) -> None:
    given = credential(nurse, hospital, roles=BOTH, cardHash=word("new card"))
    receipt = providers.issueEmergency(given, sender=authority)
    (proposed,) = providers.EmergencyProposed.from_receipt(receipt)
    assert (proposed.event_arguments["provider"], proposed.proposer) == (nurse, authority)
    assert list(proposed.credential) == [nurse, 0, 2**40 - 1, BOTH, hospital, word("new card")]
    assert providers.emergencyFrom(nurse) == 0
    receipt = providers.issueEmergency(given, sender=second_authority)
    begins = receipt.timestamp + DAY
    stored, agreed = receipt.events
    assert (stored.event_name, stored.roles) == ("CredentialIssued", BOTH)
    assert stored.authority == second_authority
    assert agreed == providers.EmergencyIssued(
        provider=nurse, proposer=authority, seconder=second_authority, **{"from": begins}
    )
    assert providers.emergencyFrom(nurse) == begins
    for moment, counts in ((begins - 1, False), (begins, True)):
        at(chain, moment)
        assert held(providers, nurse) == counts


def test_meanwhile_the_other_roles_count_and_grants_can_be_used(
    providers: Any, issued: Any, nurse: Any
) -> None:
    assert held(providers, nurse, TREATING)
    assert not held(providers, nurse)
    assert not held(providers, nurse, BOTH)
    assert providers.may(nurse, identity(nurse), False)
    assert providers.credentialOf(nurse).roles == BOTH


def test_one_authority_alone_cannot_give_the_emergency_role(
    providers: Any, authority: Any, nurse: Any, hospital: Any
) -> None:
    given = credential(nurse, hospital, roles=BOTH)
    with ape.reverts(providers.EmergencyNeedsSecondAuthority, provider=nurse.address):
        providers.issue(given, sender=authority)
    with ape.reverts(providers.EmergencyNeedsSecondAuthority, provider=nurse.address):
        providers.issueBatch([given], sender=authority)
    providers.issueEmergency(given, sender=authority)
    with ape.reverts(providers.SecondAuthorityNeeded, authority=authority.address):
        providers.issueEmergency(given, sender=authority)
    assert providers.credentialOf(nurse).roles == TREATING


def test_nobody_but_an_authority_proposes_or_agrees(
    providers: Any, authority: Any, nurse: Any, stranger: Any
) -> None:
    given = credential(nurse, roles=BOTH)
    providers.issueEmergency(given, sender=authority)
    for who in (stranger, nurse):
        with ape.reverts(providers.NotAuthority, who=who.address):
            providers.issueEmergency(given, sender=who)


@pytest.mark.parametrize(
    "change",
    [
        {"validFrom": 1},
        {"validUntil": 2**40 - 2},
        {"roles": BOTH | REVIEWER},
        {"organisation": NOBODY},
        {"cardHash": word("another card")},
    ],
)
def test_to_agree_the_second_authority_says_exactly_the_same(
    change: dict[str, Any],
    providers: Any,
    authority: Any,
    second_authority: Any,
    nurse: Any,
    hospital: Any,
) -> None:
    given = credential(nurse, hospital, roles=BOTH)
    providers.issueEmergency(given, sender=authority)
    (event,) = providers.issueEmergency(given | change, sender=second_authority).events
    assert event.event_name == "EmergencyProposed"
    assert providers.emergencyFrom(nurse) == 0


def test_the_emergency_role_is_a_persons(
    providers: Any, authority: Any, nurse: Any, other_hospital: Any
) -> None:
    with ape.reverts(providers.EmergencyIsPersonal, provider=other_hospital.address):
        given = credential(other_hospital, roles=ORGANISATION | EMERGENCY)
        providers.issueEmergency(given, sender=authority)
    with ape.reverts(providers.EmergencyMissing, provider=nurse.address):
        providers.issueEmergency(credential(nurse), sender=authority)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"validFrom": 5, "validUntil": 5}, "ValidityEmpty"),
        ({"cardHash": NO_WORD}, "CardHashEmpty"),
        ({"roles": EMERGENCY | 0x20}, "RolesUnknown"),
        ({"provider": NOBODY}, "ProviderZero"),
    ],
)
def test_two_authorities_cannot_issue_what_one_could_not(
    change: dict[str, Any],
    error: str,
    providers: Any,
    authority: Any,
    second_authority: Any,
    nurse: Any,
) -> None:
    wrong = credential(nurse, roles=BOTH) | change
    providers.issueEmergency(wrong, sender=authority)
    with ape.reverts(getattr(providers, error)):
        providers.issueEmergency(wrong, sender=second_authority)


def test_two_authorities_together_do_not_lift_a_suspension(
    providers: Any, authority: Any, second_authority: Any, nurse: Any
) -> None:
    given = credential(nurse, roles=BOTH)
    providers.issueEmergency(given, sender=authority)
    providers.suspend(nurse, sender=authority)
    with ape.reverts(providers.StatusForbids, provider=nurse.address, status=SUSPENDED):
        providers.issueEmergency(given, sender=second_authority)


def test_a_renewal_by_two_keeps_a_role_that_counts_and_restarts_the_day_of_one_that_does_not(
    providers: Any, authority: Any, second_authority: Any, issued: Any, nurse: Any, chain: Any
) -> None:
    renewed = credential(nurse, roles=BOTH, cardHash=word("renewed"))

    def renew() -> int:
        providers.issueEmergency(renewed, sender=second_authority)
        return int(providers.issueEmergency(renewed, sender=authority).timestamp)

    at(chain, issued.timestamp + HOUR)
    begins = renew() + DAY
    assert providers.emergencyFrom(nurse) == begins > issued.timestamp + DAY
    at(chain, begins)
    renew()
    assert providers.emergencyFrom(nurse) == begins
    assert held(providers, nurse)


def test_a_renewal_by_one_authority_ends_the_role(
    providers: Any,
    authority: Any,
    second_authority: Any,
    issued: Any,
    nurse: Any,
    hospital: Any,
    chain: Any,
) -> None:
    at(chain, issued.timestamp + DAY)
    providers.issue(credential(nurse, hospital), sender=authority)
    assert providers.emergencyFrom(nurse) == 0
    assert not held(providers, nurse)
    given = credential(nurse, hospital, roles=BOTH)
    providers.issueEmergency(given, sender=authority)
    agreed = providers.issueEmergency(given, sender=second_authority)
    assert providers.emergencyFrom(nurse) == agreed.timestamp + DAY
    assert not held(providers, nurse)


def test_after_its_credential_expired_the_role_waits_its_day_again(
    providers: Any, authority: Any, second_authority: Any, nurse: Any, chain: Any
) -> None:
    def agreed(ends: int) -> int:
        given = credential(nurse, roles=BOTH, validUntil=ends)
        providers.issueEmergency(given, sender=authority)
        return int(providers.issueEmergency(given, sender=second_authority).timestamp)

    first_ends = now(chain) + 3 * DAY
    agreed(first_ends)
    at(chain, first_ends)
    assert providers.emergencyFrom(nurse) < first_ends
    again = agreed(2**40 - 1)
    assert providers.emergencyFrom(nurse) == again + DAY


@pytest.mark.parametrize("whose", ["nurse", "hospital"])
def test_one_authority_stops_the_role_at_once_by_suspending_the_person_or_its_organisation(
    whose: str, providers: Any, authority: Any, issued: Any, nurse: Any, hospital: Any, chain: Any
) -> None:
    at(chain, issued.timestamp + DAY)
    assert held(providers, nurse)
    who = {"nurse": nurse, "hospital": hospital}[whose]
    providers.suspend(who, sender=authority)
    assert not held(providers, nurse)
    providers.reinstate(who, sender=authority)
    assert held(providers, nurse)
    providers.retire(who, sender=authority)
    assert not held(providers, nurse)


def test_whoever_asks_for_a_role_hears_of_which_organisation_it_is(
    providers: Any, clinician: Any, hospital: Any, nurse: Any, stranger: Any
) -> None:
    assert list(providers.holds(nurse, TREATING)) == [True, hospital]
    assert list(providers.holds(clinician, TREATING)) == [True, clinician]
    assert list(providers.holds(hospital, ORGANISATION)) == [True, hospital]
    assert list(providers.holds(stranger, TREATING)) == [False, stranger]
    assert not held(providers, clinician, REVIEWER)
    for no_role in (0, 0x20, 0x2000):
        assert not held(providers, clinician, no_role)
