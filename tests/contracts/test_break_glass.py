"""Who broke the glass? Two people open, a third reviews, and everybody sees it."""

from types import SimpleNamespace
from typing import Any

import ape
import pytest
from eth_abi import encode
from eth_utils.crypto import keccak

from tests.contracts.words import (
    DAY,
    EMERGENCY,
    HOUR,
    NO_WORD,
    NOBODY,
    ORGANISATION,
    REVIEWER,
    TREATING,
    Terms,
    at,
    credential,
    now,
    word,
)

SEGMENT, REASON, NOTE, AGENT = map(word, ("segment", "salted reason", "salted note", "agent"))
OPEN, BLOCKED = 4 * HOUR, (4 + 72) * HOUR


@pytest.fixture
def staff(
    providers: Any,
    authority: Any,
    second_authority: Any,
    accounts: Any,
    hospital: Any,
    nurse: Any,
    chain: Any,
) -> SimpleNamespace:
    """Two of the hospital who may break the glass since a day, and reviewers in and out of it."""
    doctor, clinic, ombudsman, insider, outsider, colleague = accounts[10:16]
    for who, organisation in ((nurse, hospital), (doctor, hospital), (colleague, clinic)):
        if who == colleague:
            providers.issue(credential(clinic, roles=ORGANISATION), sender=authority)
        given = credential(who, organisation, roles=TREATING | EMERGENCY)
        for each in (authority, second_authority):
            providers.issueEmergency(given, sender=each)
    providers.issueBatch(
        [
            credential(ombudsman, roles=REVIEWER),
            credential(insider, hospital, roles=REVIEWER),
            credential(outsider, clinic, roles=REVIEWER),
        ],
        sender=authority,
    )
    at(chain, now(chain) + DAY)
    return SimpleNamespace(
        nurse=nurse,
        doctor=doctor,
        clinic=clinic,
        colleague=colleague,
        ombudsman=ombudsman,
        insider=insider,
        outsider=outsider,
    )


@pytest.fixture
def ask(log: Any, me: bytes, staff: SimpleNamespace) -> Any:
    """Ask to break the patient's glass; the access id."""

    def ask(who: Any = staff.nurse) -> bytes:
        receipt = log.requestBreakGlass(me, SEGMENT, REASON, word("reply"), AGENT, sender=who)
        return bytes(receipt.events[0].accessId)

    return ask


@pytest.fixture
def opened(log: Any, ask: Any, staff: SimpleNamespace) -> bytes:
    """The nurse asked and the doctor confirmed."""
    access = ask()
    log.confirmBreakGlass(access, sender=staff.doctor)
    return bytes(access)


def link(log: Any, event: Any, types: str, *values: Any) -> bytes:
    """An entry in its actor's chain, as an auditor computes it from the event."""
    return keccak(encode(["bytes32", *types.split(",")], [keccak(text=event.abi.selector), *values]))


# --- the way through ----------------------------------------------------------------------------------


def test_one_asks_another_confirms_and_a_third_reviews(
    log: Any, me: bytes, staff: SimpleNamespace, hospital: Any
) -> None:
    before = [log.headOf(who) for who in (staff.nurse, staff.doctor, staff.ombudsman)]
    arguments = (me, SEGMENT, REASON, word("reply"), AGENT)
    answer = log.requestBreakGlass.call(*arguments, sender=staff.nurse)
    asked = log.requestBreakGlass(*arguments, sender=staff.nurse)
    words = (before[0], *arguments)
    access = link(log, log.BreakGlassRequested, ",".join(["bytes32"] * 6), *words)
    assert asked.events == [
        log.BreakGlassRequested(
            accessId=access,
            requester=staff.nurse,
            patient=me,
            segment=SEGMENT,
            reasonHash=REASON,
            replyKeyHash=word("reply"),
            agent=AGENT,
        )
    ]
    assert log.headOf(staff.nurse) == answer == access
    assert not log.isOpen(access)

    confirmed = log.confirmBreakGlass(access, sender=staff.doctor)
    entry = link(log, log.BreakGlassConfirmed, "bytes32,bytes32", before[1], access)
    assert confirmed.events == [
        log.BreakGlassConfirmed(
            accessId=access,
            requester=staff.nurse,
            confirmer=staff.doctor,
            openUntil=confirmed.timestamp + OPEN,
            link=entry,
        )
    ]
    assert log.headOf(staff.doctor) == entry
    assert log.isOpen(access)

    reviewed = log.reviewBreakGlass(access, True, NOTE, sender=staff.ombudsman)
    words = (before[2], access, True, NOTE)
    entry = link(log, log.BreakGlassReviewed, "bytes32,bytes32,bool,bytes32", *words)
    assert reviewed.events == [
        log.BreakGlassReviewed(
            accessId=access,
            requester=staff.nurse,
            reviewer=staff.ombudsman,
            justified=True,
            noteHash=NOTE,
            link=entry,
        )
    ]
    assert log.headOf(staff.ombudsman) == entry
    assert list(log.glassOf(access)) == [
        *(staff.nurse, asked.timestamp, confirmed.timestamp, hospital),
        *(staff.doctor, reviewed.timestamp, True, hospital, staff.ombudsman),
    ]


def test_a_break_glass_stands_in_the_same_chain_as_every_other_entry(
    log: Any, consents: Any, patient: Any, staff: SimpleNamespace, terms: Terms, ask: Any
) -> None:
    given = terms.but(grantee=bytes(12) + bytes.fromhex(staff.nurse.address[2:]))
    consents.grant(given.patient, given.id, sender=patient)
    heads = {log.headOf(staff.nurse)}
    for _ in range(2):
        ask()
        heads.add(log.headOf(staff.nurse))
        salts = [word("salt")]
        log.request(given.words, salts, 1, word("reply"), AGENT, sender=staff.nurse)
        heads.add(log.headOf(staff.nurse))
    assert len(heads) == 5


def test_nobody_asked_for_what_nobody_asked_for(log: Any, staff: SimpleNamespace) -> None:
    nothing = word("nothing")
    assert list(log.glassOf(nothing)) == [NOBODY, 0, 0, NOBODY, NOBODY, 0, False, NOBODY, NOBODY]
    assert not log.isOpen(nothing)
    with ape.reverts(log.GlassUnknown, accessId=nothing):
        log.confirmBreakGlass(nothing, sender=staff.doctor)
    with ape.reverts(log.GlassNotConfirmed, accessId=nothing):
        log.reviewBreakGlass(nothing, True, NOTE, sender=staff.ombudsman)


# --- who asks -----------------------------------------------------------------------------------------


def test_only_who_may_break_the_glass_asks(
    log: Any, me: bytes, staff: SimpleNamespace, clinician: Any, hospital: Any, stranger: Any, patient: Any
) -> None:
    for who in (clinician, hospital, stranger, patient, staff.ombudsman):
        with ape.reverts(log.RoleMissing, who=who.address, role=EMERGENCY):
            log.requestBreakGlass(me, SEGMENT, REASON, word("reply"), AGENT, sender=who)


def test_a_role_given_today_breaks_no_glass_today(
    log: Any,
    me: bytes,
    providers: Any,
    authority: Any,
    second_authority: Any,
    clinician: Any,
    chain: Any,
) -> None:
    given = credential(clinician, roles=TREATING | EMERGENCY)
    for each in (authority, second_authority):
        agreed = providers.issueEmergency(given, sender=each)
    arguments = (me, SEGMENT, REASON, word("reply"), AGENT)
    chain.pending_timestamp = agreed.timestamp + DAY - 1
    with ape.reverts(log.RoleMissing, who=clinician.address, role=EMERGENCY):
        log.requestBreakGlass(*arguments, sender=clinician)
    at(chain, agreed.timestamp + DAY)
    log.requestBreakGlass(*arguments, sender=clinician)


@pytest.mark.parametrize("whose", ["nurse", "hospital"])
def test_a_suspended_person_or_organisation_breaks_no_glass_and_confirms_none(
    whose: str, log: Any, providers: Any, authority: Any, hospital: Any, staff: SimpleNamespace, ask: Any
) -> None:
    access, hers = ask(staff.colleague), ask()
    providers.suspend({"nurse": staff.nurse, "hospital": hospital}[whose], sender=authority)
    with ape.reverts(log.RoleMissing, who=staff.nurse.address, role=EMERGENCY):
        ask()
    with ape.reverts(log.RoleMissing, who=staff.nurse.address, role=EMERGENCY):
        log.confirmBreakGlass(access, sender=staff.nurse)
    with ape.reverts(log.RoleMissing, who=staff.nurse.address, role=EMERGENCY):
        log.confirmBreakGlass(hers, sender=staff.colleague)


def test_a_break_glass_has_a_reason(log: Any, me: bytes, staff: SimpleNamespace) -> None:
    with ape.reverts(log.ReasonEmpty):
        log.requestBreakGlass(me, SEGMENT, NO_WORD, word("reply"), AGENT, sender=staff.nurse)


def test_whoever_asks_through_another_account_asks_in_that_ones_name(
    log: Any, me: bytes, project: Any, staff: SimpleNamespace
) -> None:
    between = staff.nurse.deploy(project.KeyWallet, staff.nurse)
    data = log.requestBreakGlass.encode_input(me, SEGMENT, REASON, word("reply"), AGENT)
    with ape.reverts(log.RoleMissing, who=between.address, role=EMERGENCY):
        between.execute(log, data, sender=staff.nurse)


# --- who confirms -------------------------------------------------------------------------------------


def test_nobody_confirms_for_herself(log: Any, staff: SimpleNamespace, ask: Any) -> None:
    access = ask()
    with ape.reverts(log.GlassInvolved, accessId=access, who=staff.nurse.address):
        log.confirmBreakGlass(access, sender=staff.nurse)


def test_only_who_may_break_the_glass_confirms(
    log: Any, staff: SimpleNamespace, ask: Any, hospital: Any, stranger: Any, patient: Any, clinician: Any
) -> None:
    access = ask()
    for who in (stranger, patient, clinician, hospital, staff.ombudsman):
        with ape.reverts(log.RoleMissing, who=who.address, role=EMERGENCY):
            log.confirmBreakGlass(access, sender=who)
    log.confirmBreakGlass(access, sender=staff.colleague)


def test_a_break_glass_is_confirmed_once(log: Any, staff: SimpleNamespace, opened: bytes) -> None:
    for who in (staff.doctor, staff.colleague):
        with ape.reverts(log.GlassAlreadyConfirmed, accessId=opened):
            log.confirmBreakGlass(opened, sender=who)


@pytest.mark.parametrize(("waits", "late"), [(HOUR, False), (HOUR + 1, True)])
def test_a_break_glass_is_confirmed_within_an_hour_or_not_at_all(
    waits: int, late: bool, log: Any, me: bytes, staff: SimpleNamespace, chain: Any
) -> None:
    asked = log.requestBreakGlass(me, SEGMENT, REASON, word("reply"), AGENT, sender=staff.nurse)
    access = asked.events[0].accessId
    chain.pending_timestamp = asked.timestamp + waits
    if late:
        with ape.reverts(log.GlassLapsed, accessId=access):
            log.confirmBreakGlass(access, sender=staff.doctor)
    else:
        log.confirmBreakGlass(access, sender=staff.doctor)
    assert log.isOpen(access) == (not late)


# --- how long it is open ------------------------------------------------------------------------------


def test_access_ends_by_itself_after_four_hours(log: Any, opened: bytes, chain: Any) -> None:
    confirmed = log.glassOf(opened).confirmedAt
    for moment, is_open in ((confirmed + OPEN - 1, True), (confirmed + OPEN, False)):
        at(chain, moment)
        assert log.isOpen(opened) == is_open


def test_a_review_ends_access_at_once(log: Any, staff: SimpleNamespace, opened: bytes) -> None:
    log.reviewBreakGlass(opened, False, NO_WORD, sender=staff.ombudsman)
    assert not log.isOpen(opened)
    assert not log.glassOf(opened).justified


def test_a_suspension_of_the_requester_or_its_organisation_stops_access_at_once(
    log: Any, providers: Any, authority: Any, hospital: Any, staff: SimpleNamespace, opened: bytes
) -> None:
    for who in (staff.nurse, hospital):
        providers.suspend(who, sender=authority)
        assert not log.isOpen(opened)
        providers.reinstate(who, sender=authority)
        assert log.isOpen(opened)
    providers.issue(credential(staff.nurse, hospital), sender=authority)
    assert not log.isOpen(opened)


def test_each_break_glass_is_open_by_itself(log: Any, staff: SimpleNamespace, ask: Any) -> None:
    first, second = ask(), ask()
    log.confirmBreakGlass(second, sender=staff.doctor)
    assert [log.isOpen(each) for each in (first, second)] == [False, True]


# --- who reviews --------------------------------------------------------------------------------------


def test_only_a_reviewer_reviews(
    log: Any, staff: SimpleNamespace, opened: bytes, patient: Any, stranger: Any, authority: Any
) -> None:
    for who in (staff.colleague, staff.clinic, patient, stranger, authority):
        with ape.reverts(log.RoleMissing, who=who.address, role=REVIEWER):
            log.reviewBreakGlass(opened, True, NOTE, sender=who)


def test_nobody_reviews_what_nobody_confirmed_nor_anything_twice(
    log: Any, staff: SimpleNamespace, ask: Any
) -> None:
    access = ask()
    with ape.reverts(log.GlassNotConfirmed, accessId=access):
        log.reviewBreakGlass(access, True, NOTE, sender=staff.ombudsman)
    log.confirmBreakGlass(access, sender=staff.doctor)
    log.reviewBreakGlass(access, True, NOTE, sender=staff.ombudsman)
    for who in (staff.ombudsman, staff.outsider):
        with ape.reverts(log.GlassAlreadyReviewed, accessId=access):
            log.reviewBreakGlass(access, False, NOTE, sender=who)


def give_every_role(providers: Any, board: tuple[Any, Any], who: Any, organisation: Any = NOBODY) -> None:
    given = credential(who, organisation, roles=TREATING | EMERGENCY | REVIEWER)
    for authority in board:
        providers.issueEmergency(given, sender=authority)


@pytest.mark.parametrize("part", ["nurse", "doctor"])
@pytest.mark.parametrize("moved", [False, True])
def test_neither_requester_nor_confirmer_reviews_also_with_another_organisation(
    part: str,
    moved: bool,
    log: Any,
    providers: Any,
    authority: Any,
    second_authority: Any,
    staff: SimpleNamespace,
    hospital: Any,
    opened: bytes,
) -> None:
    who = getattr(staff, part)
    board = (authority, second_authority)
    give_every_role(providers, board, who, staff.clinic if moved else hospital)
    with ape.reverts(log.GlassInvolved, accessId=opened, who=who.address):
        log.reviewBreakGlass(opened, True, NOTE, sender=who)


def test_nobody_of_the_requesters_or_the_confirmers_organisation_reviews(
    log: Any, staff: SimpleNamespace, opened: bytes, ask: Any, hospital: Any
) -> None:
    wrong = {"accessId": opened, "organisation": hospital.address}
    with ape.reverts(log.SameOrganisation, **wrong):
        log.reviewBreakGlass(opened, True, NOTE, sender=staff.insider)
    across = ask()
    log.confirmBreakGlass(across, sender=staff.colleague)
    for who, organisation in ((staff.insider, hospital), (staff.outsider, staff.clinic)):
        wrong = {"accessId": across, "organisation": organisation.address}
        with ape.reverts(log.SameOrganisation, **wrong):
            log.reviewBreakGlass(across, True, NOTE, sender=who)
    log.reviewBreakGlass(across, True, NOTE, sender=staff.ombudsman)
    log.reviewBreakGlass(opened, True, NOTE, sender=staff.outsider)


def test_the_organisation_itself_does_not_review_its_members(
    log: Any, providers: Any, authority: Any, staff: SimpleNamespace, opened: bytes, hospital: Any
) -> None:
    providers.issue(credential(hospital, roles=ORGANISATION | REVIEWER), sender=authority)
    wrong = {"accessId": opened, "organisation": hospital.address}
    with ape.reverts(log.SameOrganisation, **wrong):
        log.reviewBreakGlass(opened, True, NOTE, sender=hospital)
    providers.issue(credential(staff.clinic, roles=ORGANISATION | REVIEWER), sender=authority)
    log.reviewBreakGlass(opened, True, NOTE, sender=staff.clinic)


@pytest.mark.parametrize("movers", [["nurse"], ["doctor"], ["nurse", "doctor"]], ids="+".join)
def test_moving_to_another_organisation_afterwards_brings_no_friendlier_reviewer(
    movers: list[str],
    log: Any,
    providers: Any,
    authority: Any,
    staff: SimpleNamespace,
    opened: bytes,
    hospital: Any,
) -> None:
    """The organisation of then still counts, and that of now does too."""
    for each in movers:
        providers.issue(credential(getattr(staff, each), staff.clinic), sender=authority)
    for who, organisation in ((staff.insider, hospital), (staff.outsider, staff.clinic)):
        wrong = {"accessId": opened, "organisation": organisation.address}
        with ape.reverts(log.SameOrganisation, **wrong):
            log.reviewBreakGlass(opened, True, NOTE, sender=who)


def test_a_suspended_reviewer_reviews_nothing(
    log: Any, providers: Any, authority: Any, staff: SimpleNamespace, opened: bytes
) -> None:
    for who in (staff.outsider, staff.clinic):
        providers.suspend(who, sender=authority)
        with ape.reverts(log.RoleMissing, who=staff.outsider.address, role=REVIEWER):
            log.reviewBreakGlass(opened, True, NOTE, sender=staff.outsider)
        providers.reinstate(who, sender=authority)


# --- reviews that are overdue -------------------------------------------------------------------------


def test_a_review_overdue_by_more_than_72_hours_keeps_the_requester_from_the_next_one(
    log: Any, opened: bytes, ask: Any, staff: SimpleNamespace, chain: Any
) -> None:
    limit = log.glassOf(opened).confirmedAt + BLOCKED
    at(chain, limit)
    assert log.overdueReview(staff.nurse) == NO_WORD
    at(chain, limit + 1)
    assert log.overdueReview(staff.nurse) == opened
    with ape.reverts(log.ReviewOverdue, requester=staff.nurse.address, accessId=opened):
        ask()
    ask(staff.doctor)
    ask(staff.colleague)
    log.reviewBreakGlass(opened, False, NOTE, sender=staff.outsider)
    assert log.overdueReview(staff.nurse) == NO_WORD
    ask()


def test_until_then_the_requester_can_ask_again(log: Any, opened: bytes, ask: Any, chain: Any) -> None:
    chain.pending_timestamp = log.glassOf(opened).confirmedAt + BLOCKED
    ask()


def test_what_nobody_confirmed_needs_no_review(log: Any, ask: Any, staff: SimpleNamespace, chain: Any) -> None:
    ask()
    at(chain, now(chain) + BLOCKED + HOUR)
    assert log.overdueReview(staff.nurse) == NO_WORD
    ask()


def test_all_overdue_reviews_have_to_be_made_in_any_order(
    log: Any, ask: Any, staff: SimpleNamespace, chain: Any
) -> None:
    three = [ask() for _ in range(3)]
    for access in reversed(three):
        log.confirmBreakGlass(access, sender=staff.doctor)
    third, second, first = three  # confirmed in this order, backwards
    at(chain, now(chain) + BLOCKED + 1)
    for reviewed, blocks in ((second, first), (first, third)):
        log.reviewBreakGlass(reviewed, True, NOTE, sender=staff.ombudsman)
        assert log.overdueReview(staff.nurse) == blocks
        with ape.reverts(log.ReviewOverdue, requester=staff.nurse.address, accessId=blocks):
            ask()
    log.reviewBreakGlass(third, True, NOTE, sender=staff.ombudsman)
    again = ask()
    log.confirmBreakGlass(again, sender=staff.doctor)
    at(chain, now(chain) + BLOCKED + 1)
    assert log.overdueReview(staff.nurse) == again


def test_a_renewed_credential_does_not_clear_a_review(
    log: Any,
    providers: Any,
    authority: Any,
    second_authority: Any,
    staff: SimpleNamespace,
    opened: bytes,
    ask: Any,
    chain: Any,
) -> None:
    at(chain, log.glassOf(opened).confirmedAt + BLOCKED + 1)
    give_every_role(providers, (authority, second_authority), staff.nurse)
    with ape.reverts(log.ReviewOverdue, requester=staff.nurse.address, accessId=opened):
        ask()
