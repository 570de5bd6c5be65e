"""The far ends: times after 2106, the 256th guardianship, neighbours by one, the second at which it turns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ape
import pytest
from eth_utils.crypto import keccak

from tests.contracts.words import (
    DAY,
    EMERGENCY,
    HOUR,
    MEMBERS,
    NO_WORD,
    NOBODY,
    ORGANISATION,
    READ,
    REVIEWER,
    TREAT,
    TREATING,
    YEAR,
    Terms,
    at,
    credential,
    grant_message,
    identity,
    now,
    raw,
    reason,
    signed,
    word,
)

LATE = 2**32 + YEAR
"""After the second, in the year 2106, that is the last in 32 bits."""
ID, OTHER, SEGMENT = word("grant"), word("another grant"), word("segment")
REPLY, AGENT, REASON, NOTE = map(word, ("reply key", "agent", "reason", "note"))
THREE = 3 * DAY


def by_address(people: Any) -> list[Any]:
    """People in the order of their addresses."""
    return sorted(people, key=lambda each: int(each.address, 16))


@pytest.fixture
def neighbours(accounts: Any, patient: Any) -> list[Any]:
    """Two strangers, one with a lower address than the patient and one with a higher."""
    people = by_address(each for each in accounts[9:20])
    return [people[0], people[-1]]


# --- times after 2106 ---------------------------------------------------------------------------------


def test_a_grants_times_are_kept_whole(consents: Any, patient: Any, me: bytes, chain: Any) -> None:
    at(chain, LATE)
    granted = consents.grant(me, ID, sender=patient).timestamp
    ended = consents.revoke(me, ID, sender=patient).timestamp
    assert list(consents.grantState(me, ID))[4:] == [granted, ended]
    assert granted >= LATE


def test_a_credentials_times_are_kept_whole(
    providers: Any, authority: Any, second_authority: Any, accounts: Any, chain: Any
) -> None:
    early, long = accounts[14:16]
    providers.issue(credential(early, validFrom=LATE), sender=authority)
    providers.issue(credential(long, validUntil=2**32 + 1), sender=authority)
    assert not providers.isLive(early)
    assert providers.isLive(long)
    assert providers.credentialOf(early).validFrom == LATE
    at(chain, LATE)
    assert providers.isLive(early)
    assert not providers.isLive(long)
    urgent = credential(early, roles=EMERGENCY)
    providers.issueEmergency(urgent, sender=authority)
    (issued,) = providers.EmergencyIssued.from_receipt(
        agreed := providers.issueEmergency(urgent, sender=second_authority)
    )
    assert getattr(issued, "from") == agreed.timestamp + DAY == providers.emergencyFrom(early)


def test_an_authoritys_times_are_kept_whole(project: Any, accounts: Any, chain: Any) -> None:
    first, second, candidate = accounts[0], accounts[1], accounts[12]
    registry = first.deploy(project.ProviderRegistry, [first, second])
    at(chain, LATE)
    registry.addAuthority(candidate, sender=first)
    added = registry.addAuthority(candidate, sender=second)
    begins = added.timestamp + THREE
    assert getattr(added.events[0], "from") == begins
    for moment, is_one in ((begins - 1, False), (begins, True)):
        at(chain, moment)
        assert registry.isAuthority(candidate) == is_one
    registry.retireAuthority(candidate, sender=first)
    retired = registry.retireAuthority(candidate, sender=second)
    assert retired.events[0].until == retired.timestamp + THREE
    assert registry.isAuthority(candidate)


def test_one_who_was_retired_before_beginning_never_is_an_authority(
    project: Any, accounts: Any, chain: Any
) -> None:
    first, second, candidate = accounts[0], accounts[1], accounts[12]
    registry = first.deploy(project.ProviderRegistry, [first, second])
    at(chain, LATE)
    for step in (registry.addAuthority, registry.retireAuthority):
        for each in (first, second):
            receipt = step(candidate, sender=each)
        assert not registry.isAuthority(candidate)
    at(chain, receipt.timestamp + THREE)
    assert not registry.isAuthority(candidate)


def test_the_times_of_a_recovery_and_of_a_change_of_trustees_are_kept_whole(
    consents: Any, patient: Any, me: bytes, accounts: Any, chain: Any
) -> None:
    trustees, plan = by_address(accounts[9:12]), (accounts[12], NOBODY, 0, NOBODY)
    consents.setTrustees(me, trustees, 2, THREE, sender=patient)
    at(chain, LATE)
    proposed = consents.setTrustees(me, trustees[:2], 2, THREE, sender=patient)
    assert consents.proposedTrusteesOf(me).readyAt == proposed.timestamp + THREE
    for each in trustees[:2]:
        begun = consents.supportRecovery(me, plan, sender=each)
    assert consents.recoveryOf(me, plan).readyAt == begun.timestamp + THREE
    with ape.reverts(consents.RecoveryNotReady, patient=me):
        consents.executeRecovery(me, plan, sender=accounts[13])
    at(chain, begun.timestamp + THREE)
    consents.executeRecovery(me, plan, sender=accounts[13])
    assert consents.controllerOf(me) == accounts[12]


def test_the_times_of_a_guardianship_are_kept_whole(
    consents: Any, patient: Any, me: bytes, guardian: Any, accounts: Any, chain: Any
) -> None:
    at(chain, LATE)
    until = now(chain) + YEAR
    consents.setGuardian(me, guardian, until, accounts[10], sender=patient)
    assert consents.guardianshipOf(me).until == until
    at(chain, until - DAY)
    consents.grant(me, ID, sender=guardian)
    assert consents.inForce(me, ID, consents.epochOf(me))
    ended = consents.endGuardianship(me, sender=guardian)
    assert consents.guardianshipOf(me).until == ended.timestamp
    assert consents.controllerOf(me) == accounts[10]


@pytest.fixture
def opened(
    log: Any, me: bytes, providers: Any, authority: Any, second_authority: Any, accounts: Any, chain: Any
) -> SimpleNamespace:
    """A break-glass between two with practices of their own, after 2106."""
    asks, confirms, reviews = by_address(accounts[9:20])[4:7]
    for who in (asks, confirms):
        for board in (authority, second_authority):
            providers.issueEmergency(credential(who, roles=TREATING | EMERGENCY), sender=board)
    providers.issue(credential(reviews, roles=REVIEWER), sender=authority)
    at(chain, LATE)
    asked = log.requestBreakGlass(me, SEGMENT, REASON, REPLY, AGENT, sender=asks)
    access = bytes(asked.events[0].accessId)
    confirmed = log.confirmBreakGlass(access, sender=confirms)
    return SimpleNamespace(
        asks=asks, confirms=confirms, reviews=reviews, access=access, asked=asked, confirmed=confirmed
    )


def test_the_times_of_a_break_glass_are_kept_whole(log: Any, opened: SimpleNamespace) -> None:
    until = opened.confirmed.timestamp + 4 * HOUR
    assert opened.confirmed.events[0].openUntil == until
    assert log.isOpen(opened.access)
    reviewed = log.reviewBreakGlass(opened.access, True, NOTE, sender=opened.reviews)
    glass = log.glassOf(opened.access)
    told = [glass.requestedAt, glass.confirmedAt, glass.reviewedAt]
    assert told == [each.timestamp for each in (opened.asked, opened.confirmed, reviewed)]


def test_access_that_has_ended_stays_ended(log: Any, opened: SimpleNamespace, chain: Any) -> None:
    for after in (4 * HOUR, 4 * HOUR + 1, YEAR):
        at(chain, opened.confirmed.timestamp + after)
        assert not log.isOpen(opened.access)


# --- the epoch, whole ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bit", [0, 31, 32, 63])
def test_an_epoch_that_differs_in_one_bit_is_another(
    bit: int, consents: Any, patient: Any, me: bytes, clinician: Any, terms: Terms
) -> None:
    consents.revokeAll(me, sender=patient)
    epoch = consents.epochOf(me)
    wrong = terms.but(epoch=epoch ^ 1 << bit)
    consents.grant(me, wrong.id, sender=patient)
    assert consents.why(wrong.words, clinician, TREAT, READ) == reason("EpochChanged")
    assert not consents.inForce(me, wrong.id, wrong.epoch)


def test_granting_again_changes_nothing_in_a_later_epoch_too(
    consents: Any, patient: Any, me: bytes, grants: Any, terms: Terms, relayer: Any
) -> None:
    consents.grant(me, OTHER, sender=patient)
    consents.revokeAll(me, sender=patient)
    of_now = terms.but(epoch=consents.epochOf(me))
    consents.grant(me, of_now.id, sender=patient)
    before = consents.grantState(me, of_now.id)
    signature = signed(patient, grant_message(grants, of_now))
    assert consents.grant(me, of_now.id, sender=patient).events == []
    assert consents.grantBySig(me, raw(patient), of_now.id, signature, sender=relayer).events == []
    assert consents.grantState(me, of_now.id) == before
    for call in (consents.grant, lambda *words, **more: consents.grantMany(words[0], [words[1]], **more)):
        with ape.reverts(consents.GrantEnded, patient=me, grantId=OTHER):
            call(me, OTHER, sender=patient)


# --- a guardian's grant, and the 256th guardianship ----------------------------------------------------


def test_a_guardians_grant_that_is_revoked_ends_once(
    consents: Any, patient: Any, me: bytes, guardian: Any, accounts: Any, relayer: Any, chain: Any
) -> None:
    successor = accounts[10]
    consents.setGuardian(me, guardian, now(chain) + YEAR, successor, sender=patient)
    consents.grant(me, ID, sender=guardian)
    assert consents.inForce(me, ID, consents.epochOf(me))
    consents.revoke(me, ID, sender=guardian)
    ended = consents.grantState(me, ID)
    at(chain, now(chain) + HOUR)
    assert consents.revoke(me, ID, sender=guardian).events == []
    assert consents.revokeBySig(me, raw(guardian), ID, b"", sender=relayer).events == []
    renewed = consents.renew(me, ID, OTHER, sender=guardian).events
    assert [event.event_name for event in renewed] == ["ConsentGranted"]
    assert consents.grantState(me, ID) == ended


def test_the_256th_guardianship_is_told_from_none(
    consents: Any, patient: Any, me: bytes, guardian: Any, accounts: Any, chain: Any, terms: Terms
) -> None:
    successor, until = accounts[10], now(chain) + 10 * YEAR
    for _ in range(256):
        who = patient if not consents.guardianshipOf(me).seq else guardian
        consents.setGuardian(me, guardian, until, successor, sender=who)
    its = terms.but(epoch=consents.epochOf(me))
    consents.grant(me, its.id, sender=guardian)
    state = consents.grantState(me, its.id)
    assert (state.byGuardian, state.guardianSeq) == (True, 256)
    at(chain, until)
    assert consents.why(its.words, accounts[3], TREAT, READ) == reason("GuardianshipEnded")


# --- neighbours ---------------------------------------------------------------------------------------


def test_who_stands_next_to_a_patient_is_not_the_patient(
    consents: Any, me: bytes, patient: Any, neighbours: list[Any], grants: Any, terms: Terms, relayer: Any
) -> None:
    low, high = neighbours
    assert int(low.address, 16) < int(patient.address, 16) < int(high.address, 16)
    for other in neighbours:
        with ape.reverts(consents.NotController, patient=me, who=other.address):
            consents.revokeAll(me, sender=other)
        forged = signed(other, grant_message(grants, terms))
        with ape.reverts(consents.SignatureInvalid, patient=me, signer=patient.address):
            consents.grantBySig(me, raw(patient), terms.id, forged, sender=relayer)


def test_who_stands_next_to_a_controller_or_a_guardian_is_neither(
    consents: Any, me: bytes, patient: Any, accounts: Any, chain: Any
) -> None:
    low, controller, guardian, successor, high = by_address(accounts[9:14])
    consents.setController(me, controller, sender=patient)
    for other in (low, high, patient):
        with ape.reverts(consents.NotController, patient=me, who=other.address):
            consents.grant(me, ID, sender=other)
    consents.setGuardian(me, guardian, now(chain) + YEAR, successor, sender=controller)
    for other in (low, high, patient):
        with ape.reverts(consents.NotController, patient=me, who=other.address):
            consents.grant(me, ID, sender=other)
    consents.grant(me, ID, sender=guardian)
    consents.revoke(me, ID, sender=controller)


@pytest.mark.parametrize("bit", [0, 31, 64, 127, 128, 152, 159])
def test_a_controller_of_one_bit_takes_the_place_of_the_identitys_own_key(
    bit: int, consents: Any, me: bytes, patient: Any
) -> None:
    controller = f"0x{1 << bit:040x}"
    consents.setController(me, controller, sender=patient)
    assert int(consents.controllerOf(me), 16) == 1 << bit
    with ape.reverts(consents.NotController, patient=me, who=patient.address):
        consents.grant(me, ID, sender=patient)


def test_who_stands_next_to_an_authority_is_none(providers: Any, project: Any, accounts: Any) -> None:
    board = by_address(accounts[:4])
    for order in (board, board[::-1]):
        registry = accounts[0].deploy(project.ProviderRegistry, order)
        assert registry.authorities() == order
        for each in board:
            for step in (-1, 1):
                assert not registry.isAuthority(f"0x{int(each.address, 16) + step:040x}")


def test_a_step_needs_two_authorities_in_either_order(project: Any, accounts: Any) -> None:
    low, high = by_address(accounts[:2])
    for first, second in ((low, high), (high, low)):
        registry = low.deploy(project.ProviderRegistry, [low, high])
        registry.addAuthority(accounts[12], sender=first)
        with ape.reverts(registry.SecondAuthorityNeeded, authority=first.address):
            registry.addAuthority(accounts[12], sender=first)
        (added,) = registry.addAuthority(accounts[12], sender=second).events
        assert (added.proposer, added.seconder) == (first, second)


def test_whose_identity_stands_next_to_the_grantees_may_not(
    providers: Any, clinician: Any, hospital: Any, nurse: Any
) -> None:
    assert providers.may(clinician, identity(clinician), False)
    assert providers.may(nurse, identity(hospital), True)
    for step in (-1, 1):
        for actor, grantee in ((clinician, clinician), (nurse, hospital)):
            beside = (int.from_bytes(identity(grantee)) + step).to_bytes(32)
            assert not providers.may(actor, beside, True)


def test_terms_for_one_record_open_none_beside_it(
    log: Any, consents: Any, patient: Any, clinician: Any, terms: Terms
) -> None:
    salts = [word(f"salt {number}") for number in range(6)]
    ids = {keccak(terms.patient + terms.segment + salt): salt for salt in salts}
    middle = sorted(ids)[2]
    its = terms.but(record=middle)
    consents.grant(its.patient, its.id, sender=patient)
    for record, salt in ids.items():
        if record != middle:
            with ape.reverts(log.RecordNotInTerms, recordId=record):
                log.request(its.words, [salt], TREAT, REPLY, AGENT, sender=clinician)
    log.request(its.words, [ids[middle]], TREAT, REPLY, AGENT, sender=clinician)


def test_reviewers_of_any_other_organisation_review(
    log: Any, providers: Any, authority: Any, opened: SimpleNamespace, me: bytes, accounts: Any
) -> None:
    pair = {opened.asks, opened.confirms}
    others = by_address(each for each in accounts[9:20] if each not in pair)
    low, high = others[0], others[-1]
    for between in pair:
        assert int(low.address, 16) < int(between.address, 16) < int(high.address, 16)
    for who in (low, high):
        providers.issue(credential(who, roles=REVIEWER), sender=authority)
    for first, second, reviewer in (
        (opened.asks, opened.confirms, low),
        (opened.confirms, opened.asks, high),
    ):
        asked = log.requestBreakGlass(me, SEGMENT, REASON, REPLY, AGENT, sender=first)
        access = bytes(asked.events[0].accessId)
        log.confirmBreakGlass(access, sender=second)
        log.reviewBreakGlass(access, True, NOTE, sender=reviewer)


# --- what else is easily missed -----------------------------------------------------------------------


def test_in_the_second_in_which_an_authority_is_none_it_can_be_proposed_again(
    project: Any, accounts: Any, chain: Any
) -> None:
    first, second, third = accounts[:3]
    registry = first.deploy(project.ProviderRegistry, [first, second, third])
    for each in (first, second):
        retired = registry.retireAuthority(third, sender=each)
    until = retired.timestamp + THREE
    chain.pending_timestamp = until - 1
    with ape.reverts(registry.AuthorityInvalid, authority=third.address):
        registry.addAuthority(third, sender=first)
    chain.pending_timestamp = until
    # With gas named: a node estimates it in the block before.
    assert registry.addAuthority(third, sender=first, gas=200_000).timestamp == until


def test_all_authorities_that_joined_are_listed(project: Any, accounts: Any, chain: Any) -> None:
    first, second, *joining = accounts[:5]
    registry = first.deploy(project.ProviderRegistry, [first, second])
    for who in joining:
        for each in (first, second):
            registry.addAuthority(who, sender=each)
    at(chain, now(chain) + THREE)
    assert registry.authorities() == [first, second, *joining]


def test_an_authority_is_named_when_another_is_asked_for(
    providers: Any, project: Any, authority: Any, accounts: Any
) -> None:
    between = authority.deploy(project.KeyWallet, authority)
    data = providers.suspend.encode_input(accounts[3])
    with ape.reverts(providers.NotAuthority, who=between.address):
        between.execute(providers, data, sender=authority)


def test_a_suspended_person_with_a_practice_holds_no_role(
    providers: Any, authority: Any, clinician: Any, hospital: Any
) -> None:
    assert list(providers.holds(clinician, TREATING)) == [True, clinician]
    providers.suspend(clinician, sender=authority)
    assert list(providers.holds(clinician, TREATING)) == [False, clinician]
    assert providers.credentialOf(hospital).roles == ORGANISATION
    assert providers.credentialOf(hospital).organisation == NOBODY


def test_the_terms_are_logged_whole_and_nothing_behind_them(
    log: Any, consents: Any, patient: Any, clinician: Any, terms: Terms
) -> None:
    its = terms.but(flags=READ | MEMBERS)
    consents.grant(its.patient, its.id, sender=patient)
    receipt = log.request(its.words, [word("salt")], TREAT, REPLY, AGENT, sender=clinician)
    assert len(bytes(receipt.logs[0]["data"])) == 10 * 32


def test_a_log_without_a_registry_writes_nothing(
    project: Any, stranger: Any, clinician: Any, terms: Terms
) -> None:
    adrift = stranger.deploy(project.AccessLog, stranger)
    head = adrift.headOf(clinician)
    with ape.reverts():
        adrift.request(terms.words, [word("salt")], TREAT, REPLY, AGENT, sender=clinician)
    assert adrift.headOf(clinician) == head != NO_WORD


def test_what_is_reviewed_for_a_wallet_is_not_reviewed_for_its_key(
    log: Any,
    me: bytes,
    project: Any,
    providers: Any,
    authority: Any,
    second_authority: Any,
    opened: Any,
    chain: Any,
) -> None:
    wallet = opened.asks.deploy(project.KeyWallet, opened.asks)
    for board in (authority, second_authority):
        providers.issueEmergency(credential(wallet, roles=TREATING | EMERGENCY), sender=board)
    at(chain, now(chain) + DAY)
    ask = log.requestBreakGlass.encode_input(me, SEGMENT, REASON, REPLY, AGENT)
    (asked,) = log.BreakGlassRequested.from_receipt(wallet.execute(log, ask, sender=opened.asks))
    log.confirmBreakGlass(asked.accessId, sender=opened.confirms)
    log.reviewBreakGlass(asked.accessId, True, NOTE, sender=opened.reviews)
    wallet.execute(log, ask, sender=opened.asks)
    at(chain, opened.confirmed.timestamp + (4 + 72) * HOUR + 1)
    assert log.overdueReview(opened.asks) == opened.access
    with ape.reverts(log.ReviewOverdue, requester=opened.asks.address, accessId=opened.access):
        log.requestBreakGlass(me, SEGMENT, REASON, REPLY, AGENT, sender=opened.asks)
