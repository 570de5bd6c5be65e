"""Who may practise?"""

from typing import Any

import ape
import pytest
from eth_abi import encode
from eth_utils.crypto import keccak

from tests.contracts.words import (
    ACTIVE,
    HOUR,
    NO_WORD,
    NOBODY,
    NONE,
    ORGANISATION,
    RETIRED,
    REVIEWER,
    SUSPENDED,
    TREATING,
    credential,
    identity,
    word,
)


@pytest.fixture
def newcomer(accounts: Any) -> Any:
    return accounts[15]


# --- authorities --------------------------------------------------------------------------------------


def test_nobody_but_an_authority_changes_a_credential(
    providers: Any, stranger: Any, clinician: Any, newcomer: Any
) -> None:
    for who in (stranger, clinician):
        for call, arguments in (
            (providers.issue, credential(newcomer)),
            (providers.issueBatch, [credential(newcomer)]),
            (providers.suspend, clinician),
            (providers.reinstate, clinician),
            (providers.retire, clinician),
        ):
            with ape.reverts(providers.NotAuthority, who=who.address):
                call(arguments, sender=who)


# --- issue --------------------------------------------------------------------------------------------


def test_an_authority_issues_a_credential(
    providers: Any, second_authority: Any, newcomer: Any, chain: Any
) -> None:
    now = chain.blocks.head.timestamp
    given = credential(newcomer, roles=TREATING | REVIEWER, validFrom=now, validUntil=now + HOUR)
    assert providers.credentialOf(newcomer).status == NONE
    receipt = providers.issue(given, sender=second_authority)
    (event,) = receipt.events
    assert event == providers.CredentialIssued(
        provider=newcomer,
        authority=second_authority,
        cardHash=word("card"),
        validFrom=now,
        validUntil=now + HOUR,
        roles=TREATING | REVIEWER,
        organisation=NOBODY,
    )
    stored = [now, now + HOUR, TREATING | REVIEWER, ACTIVE, NOBODY]
    assert list(providers.credentialOf(newcomer)) == stored
    assert providers.isLive(newcomer)


def test_a_member_names_its_organisation(
    providers: Any, authority: Any, hospital: Any, newcomer: Any
) -> None:
    receipt = providers.issue(credential(newcomer, hospital), sender=authority)
    assert receipt.events[0].organisation == hospital
    assert providers.credentialOf(newcomer).organisation == hospital


def test_a_batch_can_hold_an_organisation_and_then_its_members(
    providers: Any, authority: Any, accounts: Any
) -> None:
    clinic, *members = accounts[12:16]
    batch = [credential(clinic, roles=ORGANISATION)] + [credential(each, clinic) for each in members]
    receipt = providers.issueBatch(batch, sender=authority)
    issued = [event.event_arguments["provider"] for event in receipt.events]
    assert issued == [clinic, *members]
    assert all(providers.isLive(each) for each in (clinic, *members))


def test_a_batch_is_issued_as_a_whole_or_not_at_all(providers: Any, authority: Any, accounts: Any) -> None:
    batch = [credential(accounts[12]), credential(accounts[13], cardHash=NO_WORD)]
    with ape.reverts(providers.CardHashEmpty, provider=accounts[13].address):
        providers.issueBatch(batch, sender=authority)
    assert not providers.isLive(accounts[12])


def test_a_credential_names_a_provider(providers: Any, authority: Any) -> None:
    with ape.reverts(providers.ProviderZero):
        providers.issue(credential(NOBODY), sender=authority)


@pytest.mark.parametrize(("begins", "ends"), [(5, 5), (6, 5), (0, 0)])
def test_a_credential_is_valid_for_a_second_at_least(
    begins: int, ends: int, providers: Any, authority: Any, newcomer: Any
) -> None:
    wrong = {"provider": newcomer.address, "validFrom": begins, "validUntil": ends}
    with ape.reverts(providers.ValidityEmpty, **wrong):
        providers.issue(credential(newcomer, validFrom=begins, validUntil=ends), sender=authority)


@pytest.mark.parametrize("roles", [0x20, 0x1000, 0x2000, 0x4000, 0x6001, 0x7FE0])
def test_roles_that_do_not_exist_are_refused(
    roles: int, providers: Any, authority: Any, newcomer: Any
) -> None:
    with ape.reverts(providers.RolesUnknown, provider=newcomer.address, roles=roles):
        providers.issue(credential(newcomer, roles=roles), sender=authority)


def test_a_member_needs_an_organisation_that_has_a_credential_as_one(
    providers: Any, authority: Any, clinician: Any, stranger: Any, newcomer: Any
) -> None:
    for no_organisation in (stranger, clinician, newcomer):
        wrong = {"provider": newcomer.address, "organisation": no_organisation.address}
        with ape.reverts(providers.OrganisationUnknown, **wrong):
            providers.issue(credential(newcomer, no_organisation), sender=authority)


def test_an_organisation_is_nobodys_member(
    providers: Any, authority: Any, hospital: Any, newcomer: Any
) -> None:
    with ape.reverts(providers.OrganisationNested, provider=newcomer.address):
        providers.issue(credential(newcomer, hospital, roles=ORGANISATION), sender=authority)


def test_a_renewal_replaces_everything(
    providers: Any, authority: Any, second_authority: Any, nurse: Any
) -> None:
    renewed = credential(nurse, roles=REVIEWER, validFrom=7, validUntil=2**40 - 2, cardHash=word("new"))
    receipt = providers.issue(renewed, sender=second_authority)
    assert receipt.events[0].cardHash == word("new")
    assert list(providers.credentialOf(nurse)) == [7, 2**40 - 2, REVIEWER, ACTIVE, NOBODY]


def test_a_credential_is_one_word(
    providers: Any, authority: Any, hospital: Any, newcomer: Any, chain: Any
) -> None:
    given = credential(newcomer, hospital, validFrom=3, validUntil=2**40 - 1)
    providers.issue(given, sender=authority)
    providers.suspend(newcomer, sender=authority)
    slot = int.from_bytes(keccak(encode(["address", "uint256"], [newcomer.address, 4])))
    stored = int.from_bytes(chain.provider.get_storage(providers.address, slot))
    held = int(hospital.address, 16) | 3 << 160 | 2**40 - 1 << 200
    assert stored == held | (TREATING | 0x2000) << 240


# --- suspend, reinstate, retire -----------------------------------------------------------------------


def test_any_authority_suspends_and_any_other_reinstates(
    providers: Any, authority: Any, second_authority: Any, clinician: Any
) -> None:
    before = list(providers.credentialOf(clinician))
    receipt = providers.suspend(clinician, sender=second_authority)
    who = {"provider": clinician, "authority": second_authority}
    assert receipt.events == [providers.CredentialSuspended(**who)]
    assert providers.credentialOf(clinician).status == SUSPENDED
    assert not providers.isLive(clinician)
    receipt = providers.reinstate(clinician, sender=authority)
    who = {"provider": clinician, "authority": authority}
    assert receipt.events == [providers.CredentialReinstated(**who)]
    assert list(providers.credentialOf(clinician)) == before
    assert providers.isLive(clinician)


@pytest.mark.parametrize("suspended", [False, True])
def test_a_retired_credential_never_comes_back(
    suspended: bool, providers: Any, authority: Any, second_authority: Any, clinician: Any
) -> None:
    if suspended:
        providers.suspend(clinician, sender=authority)
    receipt = providers.retire(clinician, sender=authority)
    who = {"provider": clinician, "authority": authority}
    assert receipt.events == [providers.CredentialRetired(**who)]
    assert providers.credentialOf(clinician).status == RETIRED
    assert not providers.isLive(clinician)
    for call, argument in (
        (providers.issue, credential(clinician)),
        (providers.suspend, clinician),
        (providers.reinstate, clinician),
        (providers.retire, clinician),
    ):
        with ape.reverts(providers.StatusForbids, provider=clinician.address, status=RETIRED):
            call(argument, sender=second_authority)


def test_a_renewal_does_not_lift_a_suspension(
    providers: Any, authority: Any, second_authority: Any, clinician: Any
) -> None:
    providers.suspend(clinician, sender=authority)
    for call, argument in (
        (providers.issue, credential(clinician)),
        (providers.issueBatch, [credential(clinician)]),
        (providers.suspend, clinician),
    ):
        with ape.reverts(providers.StatusForbids, provider=clinician.address, status=SUSPENDED):
            call(argument, sender=second_authority)
    assert not providers.isLive(clinician)


def test_what_is_not_suspended_cannot_be_reinstated(
    providers: Any, authority: Any, clinician: Any, stranger: Any
) -> None:
    with ape.reverts(providers.StatusForbids, provider=clinician.address, status=ACTIVE):
        providers.reinstate(clinician, sender=authority)
    for call in (providers.reinstate, providers.suspend, providers.retire):
        with ape.reverts(providers.StatusForbids, provider=stranger.address, status=NONE):
            call(stranger, sender=authority)


def test_a_suspended_or_retired_organisation_can_still_get_members_but_they_may_nothing(
    providers: Any, authority: Any, hospital: Any, newcomer: Any
) -> None:
    providers.suspend(hospital, sender=authority)
    providers.issue(credential(newcomer, hospital), sender=authority)
    assert not providers.may(newcomer, identity(hospital), True)


# --- live, may ----------------------------------------------------------------------------------------


def test_a_credential_counts_from_its_first_second_to_its_last(
    providers: Any, authority: Any, newcomer: Any, chain: Any
) -> None:
    now = chain.blocks.head.timestamp + HOUR
    given = credential(newcomer, validFrom=now, validUntil=now + 10)
    providers.issue(given, sender=authority)
    for moment, live in ((now - 1, False), (now, True), (now + 9, True), (now + 10, False)):
        chain.pending_timestamp = moment
        chain.mine()
        assert providers.isLive(newcomer) == live
        assert providers.may(newcomer, identity(newcomer), False) == live


def test_a_stranger_has_no_credential(providers: Any, stranger: Any) -> None:
    assert list(providers.credentialOf(stranger)) == [0, 0, 0, NONE, NOBODY]
    assert not providers.isLive(stranger)
    assert not providers.may(stranger, identity(stranger), True)


def test_a_grantee_may_what_it_was_granted_and_no_other(
    providers: Any, clinician: Any, hospital: Any, nurse: Any
) -> None:
    for actor in (clinician, hospital, nurse):
        for grantee in (clinician, hospital, nurse):
            assert providers.may(actor, identity(grantee), False) == (actor == grantee)


def test_members_may_act_for_their_organisation_and_not_the_other_way_round(
    providers: Any, clinician: Any, hospital: Any, nurse: Any
) -> None:
    assert providers.may(nurse, identity(hospital), True)
    assert not providers.may(hospital, identity(nurse), True)
    assert not providers.may(clinician, identity(hospital), True)


def test_a_grantee_that_is_no_address_is_nobody(
    providers: Any, clinician: Any, nurse: Any, hospital: Any
) -> None:
    for actor, grantee in ((clinician, clinician), (nurse, hospital)):
        lookalike = b"\1" + identity(grantee)[1:]
        assert not providers.may(actor, lookalike, True)


def test_members_of_nobody_may_not_act_for_nobody(providers: Any, clinician: Any) -> None:
    assert not providers.may(clinician, NO_WORD, True)


@pytest.mark.parametrize("step", ["suspend", "retire"])
def test_an_organisation_takes_its_members_with_it(
    step: str, providers: Any, authority: Any, hospital: Any, nurse: Any
) -> None:
    getattr(providers, step)(hospital, sender=authority)
    assert not providers.may(nurse, identity(hospital), True)
    assert not providers.may(hospital, identity(hospital), True)
    assert providers.isLive(nurse)
    assert providers.may(nurse, identity(nurse), False)


def test_an_organisation_renewed_as_a_practitioner_has_no_members(
    providers: Any, authority: Any, hospital: Any, nurse: Any
) -> None:
    providers.issue(credential(hospital), sender=authority)
    assert providers.isLive(hospital)
    assert not providers.may(nurse, identity(hospital), True)


def test_a_member_renewed_without_its_organisation_is_no_longer_one(
    providers: Any, authority: Any, hospital: Any, nurse: Any
) -> None:
    providers.issue(credential(nurse), sender=authority)
    assert not providers.may(nurse, identity(hospital), True)


def test_an_authority_can_be_a_contract_account(project: Any, authority: Any, newcomer: Any) -> None:
    board = authority.deploy(project.KeyWallet, authority)
    registry = authority.deploy(project.ProviderRegistry, [board])
    data = registry.issue.encode_input(credential(newcomer))
    board.execute(registry, data, sender=authority)
    assert registry.isLive(newcomer)
