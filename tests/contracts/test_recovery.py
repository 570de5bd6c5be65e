"""Who helps when a key is lost, stolen or outgrown?

Three trustees, of whom two begin a recovery; it waits for a week, and so does a change of trustees.
"""

from typing import Any, NamedTuple

import ape
import pytest

from tests.contracts.words import (
    HOUR,
    NO_WORD,
    NOBODY,
    READ,
    TREAT,
    YEAR,
    Terms,
    control_message,
    grant_message,
    identity,
    raw,
    signed,
    word,
)

DAY = 24 * HOUR
WEEK = 7 * DAY
SUPPORT = (
    "SupportRecovery(bytes32 patient,address controller,address guardian,uint40 until,"
    "address successor,uint64 round)"
)
NAME = "SetTrustees(bytes32 patient,address[] trustees,uint8 threshold,uint40 delay,uint256 sequence)"
VETO = "VetoRecovery(bytes32 patient,bytes32 recovery)"


class Plan(NamedTuple):
    """What trustees bring about."""

    controller: Any
    guardian: Any = NOBODY
    until: int = 0
    successor: Any = NOBODY


def ascending(people: Any) -> list[Any]:
    """People in the order of their addresses."""
    return sorted(people, key=lambda each: int(each.address, 16))


@pytest.fixture(scope="module")
def trustees(accounts: Any) -> list[Any]:
    return ascending(accounts[11:14])


@pytest.fixture(scope="module")
def new_key(accounts: Any) -> Any:
    """The patient's new key."""
    return accounts[14]


@pytest.fixture(scope="module")
def plan(new_key: Any) -> Plan:
    return Plan(new_key)


@pytest.fixture
def trusted(consents: Any, me: bytes, patient: Any, trustees: list[Any]) -> bytes:
    """The patient, with trustees in office."""
    consents.setTrustees(me, trustees, 2, WEEK, sender=patient)
    return me


@pytest.fixture
def begun(consents: Any, trusted: bytes, trustees: list[Any], plan: Plan) -> bytes:
    """The id of a recovery that two of three support."""
    for each in trustees[:2]:
        consents.supportRecovery(trusted, plan, sender=each)
    return bytes(consents.recoveryOf(trusted, plan).recovery)


def later(chain: Any, seconds: int) -> None:
    chain.pending_timestamp = chain.blocks.head.timestamp + seconds
    chain.mine()


# --- trustees -----------------------------------------------------------------------------------------


def test_the_first_trustees_are_in_office_at_once(
    consents: Any, me: bytes, patient: Any, trustees: list[Any]
) -> None:
    assert list(consents.trusteesOf(me)) == [[], 0, 0, 0]
    receipt = consents.setTrustees(me, trustees, 2, WEEK, sender=patient)
    assert [event.event_name for event in receipt.events] == ["TrusteesNamed"]
    assert list(consents.trusteesOf(me)) == [trustees, 2, WEEK, 1]
    (event,) = receipt.decode_logs(consents.TrusteesNamed)
    assert (event.trustees, event.threshold, event.delay) == (trustees, 2, WEEK)


def test_trustees_are_named_by_signature(
    consents: Any, me: bytes, relayer: Any, patient: Any, trustees: list[Any], control: Any
) -> None:
    addresses = [each.address for each in trustees]
    signature = signed(patient, control_message(control, NAME, me, addresses, 2, WEEK, 0))
    with ape.reverts(consents.SignatureInvalid, patient=me, signer=patient.address):
        consents.setTrusteesBySig(me, trustees[:2], 2, WEEK, raw(patient), signature, sender=relayer)
    consents.setTrusteesBySig(me, trustees, 2, WEEK, raw(patient), signature, sender=relayer)
    assert list(consents.trusteesOf(me)) == [trustees, 2, WEEK, 1]


def test_other_trustees_wait_as_long_as_a_recovery(
    consents: Any, trusted: bytes, patient: Any, relayer: Any, trustees: list[Any], accounts: Any, chain: Any
) -> None:
    others = ascending(accounts[15:17])
    receipt = consents.setTrustees(trusted, others, 2, DAY, sender=patient)
    ready = chain.blocks.head.timestamp + WEEK
    (event,) = receipt.decode_logs(consents.TrusteesProposed)
    assert (event.trustees, event.threshold, event.delay, event.readyAt) == (others, 2, DAY, ready)
    assert list(consents.proposedTrusteesOf(trusted)) == [others, 2, DAY, ready]
    assert list(consents.trusteesOf(trusted))[:1] == [trustees]
    later(chain, WEEK - 10)
    with ape.reverts(consents.TrusteesNotReady, patient=trusted, readyAt=ready):
        consents.confirmTrustees(trusted, sender=relayer)
    later(chain, 10)
    receipt = consents.confirmTrustees(trusted, sender=relayer)
    assert [event.event_name for event in receipt.events] == ["TrusteesNamed"]
    assert list(consents.trusteesOf(trusted)) == [others, 2, DAY, 2]
    assert list(consents.proposedTrusteesOf(trusted)) == [[], 0, 0, 0]
    with ape.reverts(consents.TrusteesNotReady, patient=trusted, readyAt=0):
        consents.confirmTrustees(trusted, sender=relayer)


def test_a_later_proposal_replaces_an_earlier_and_waits_anew(
    consents: Any, trusted: bytes, patient: Any, trustees: list[Any], accounts: Any, chain: Any
) -> None:
    consents.setTrustees(trusted, ascending(accounts[15:17]), 2, DAY, sender=patient)
    later(chain, WEEK)
    consents.setTrustees(trusted, trustees, 3, DAY, sender=patient)
    with ape.reverts(consents.TrusteesNotReady, patient=trusted):
        consents.confirmTrustees(trusted, sender=patient)
    later(chain, WEEK)
    consents.confirmTrustees(trusted, sender=patient)
    assert list(consents.trusteesOf(trusted))[:2] == [trustees, 3]


def test_a_patient_dismisses_all_trustees_after_the_delay(
    consents: Any, trusted: bytes, patient: Any, trustees: list[Any], plan: Plan, chain: Any
) -> None:
    consents.setTrustees(trusted, [], 0, 0, sender=patient)
    later(chain, WEEK)
    consents.confirmTrustees(trusted, sender=patient)
    assert list(consents.trusteesOf(trusted))[:3] == [[], 0, 0]
    with ape.reverts(consents.NotTrustee, patient=trusted, who=trustees[0].address):
        consents.supportRecovery(trusted, plan, sender=trustees[0])


def test_trustees_are_two_to_sixteen_each_once_and_two_agree(
    consents: Any, me: bytes, patient: Any, trustees: list[Any], accounts: Any
) -> None:
    twice = [trustees[0], trustees[0]]
    seventeen = ascending(accounts[:17])
    for wrong in (
        (trustees[:1], 1, WEEK),
        (trustees, 1, WEEK),
        (trustees, 0, WEEK),
        (trustees, 4, WEEK),
        (twice, 2, WEEK),
        (trustees[::-1], 2, WEEK),
        ([NOBODY, trustees[0]], 2, WEEK),
        (seventeen, 2, WEEK),
        (trustees, 2, DAY - 1),
        (trustees, 2, 90 * DAY + 1),
        ([], 2, WEEK),
        ([], 0, WEEK),
        ([], 2, 0),
    ):
        with ape.reverts(consents.TrusteesInvalid, patient=me):
            consents.setTrustees(me, *wrong, sender=patient)
    consents.setTrustees(me, seventeen[:16], 16, 90 * DAY, sender=patient)
    consents.setTrustees(me, trustees[:2], 2, DAY, sender=patient)


def test_a_stranger_names_no_trustees(consents: Any, me: bytes, stranger: Any, trustees: list[Any]) -> None:
    with ape.reverts(consents.NotController, patient=me, who=stranger.address):
        consents.setTrustees(me, trustees, 2, WEEK, sender=stranger)


# --- a recovery ---------------------------------------------------------------------------------------


def test_enough_trustees_begin_a_recovery_and_after_the_delay_anybody_carries_it_out(
    consents: Any,
    trusted: bytes,
    patient: Any,
    relayer: Any,
    trustees: list[Any],
    new_key: Any,
    plan: Plan,
    chain: Any,
) -> None:
    consents.setOptOut(trusted, 8, sender=patient)
    receipt = consents.supportRecovery(trusted, plan, sender=trustees[0])
    (event,) = receipt.decode_logs(consents.RecoverySupported)
    assert (event.trustee, *event.plan) == (trustees[0], new_key, NOBODY, 0, NOBODY)
    recovery, support, ready, vetoed = consents.recoveryOf(trusted, plan)
    assert (support, ready, vetoed) == (1, 0, False)
    receipt = consents.supportRecovery(trusted, plan, sender=trustees[1])
    ready = chain.blocks.head.timestamp + WEEK
    assert receipt.events[1:] == [
        consents.RecoveryBegun(patient=trusted, recovery=recovery, readyAt=ready)
    ]
    assert list(consents.recoveryOf(trusted, plan)) == [recovery, 2, ready, False]
    later(chain, WEEK - 10)
    with ape.reverts(consents.RecoveryNotReady, patient=trusted, recovery=recovery, readyAt=ready):
        consents.executeRecovery(trusted, plan, sender=relayer)
    later(chain, 10)
    receipt = consents.executeRecovery(trusted, plan, sender=relayer)
    epoch = consents.epochOf(trusted)
    assert receipt.events == [
        consents.IdentityRecovered(patient=trusted, recovery=recovery, controller=new_key),
        consents.AllConsentsRevoked(patient=trusted, epoch=epoch),
    ]
    assert epoch != 0
    assert list(consents.account(trusted)) == [new_key, epoch, 8]
    with ape.reverts(consents.RecoveryNotReady, patient=trusted):
        consents.executeRecovery(trusted, plan, sender=relayer)


def test_after_a_recovery_the_old_key_can_do_nothing_and_nothing_of_it_counts(
    consents: Any,
    begun: bytes,
    relayer: Any,
    patient: Any,
    clinician: Any,
    new_key: Any,
    plan: Plan,
    grants: Any,
    terms: Terms,
    chain: Any,
) -> None:
    consents.grant(terms.patient, terms.id, sender=patient)
    other = terms.but(salt=word("another"))
    held_back = signed(patient, grant_message(grants, other))
    later(chain, WEEK)
    consents.executeRecovery(terms.patient, plan, sender=relayer)
    assert not consents.isAllowed(terms.words, clinician, TREAT, READ)
    with ape.reverts(consents.NotController, patient=terms.patient, who=patient.address):
        consents.grantBySig(terms.patient, raw(patient), other.id, held_back, sender=relayer)
    for call, arguments in (
        (consents.grant, (other.id,)),
        (consents.revoke, (other.id,)),
        (consents.revokeAll, ()),
        (consents.setController, (patient,)),
        (consents.setTrustees, ([], 0, 0)),
        (consents.vetoRecovery, (begun,)),
    ):
        with ape.reverts(consents.NotController, patient=terms.patient, who=patient.address):
            call(terms.patient, *arguments, sender=patient)
    new = terms.but(epoch=consents.epochOf(terms.patient))
    consents.grant(new.patient, new.id, sender=new_key)
    assert consents.isAllowed(new.words, clinician, TREAT, READ)


def test_too_few_trustees_and_strangers_begin_nothing(
    consents: Any, trusted: bytes, stranger: Any, patient: Any, trustees: list[Any], plan: Plan, chain: Any
) -> None:
    for someone in (stranger, patient):
        with ape.reverts(consents.NotTrustee, patient=trusted, who=someone.address):
            consents.supportRecovery(trusted, plan, sender=someone)
    consents.supportRecovery(trusted, plan, sender=trustees[0])
    assert consents.supportRecovery(trusted, plan, sender=trustees[0]).events == []
    consents.supportRecovery(trusted, Plan(trustees[1]), sender=trustees[1])
    later(chain, 2 * WEEK)
    with ape.reverts(consents.RecoveryNotReady, patient=trusted, readyAt=0):
        consents.executeRecovery(trusted, plan, sender=trustees[0])


def test_nobody_is_no_controller_to_recover_to(
    consents: Any, trusted: bytes, trustees: list[Any]
) -> None:
    with ape.reverts(consents.ControllerZero, patient=trusted):
        consents.supportRecovery(trusted, Plan(NOBODY), sender=trustees[0])


def test_further_support_does_not_begin_it_anew(
    consents: Any, trusted: bytes, begun: bytes, trustees: list[Any], plan: Plan, chain: Any
) -> None:
    ready = consents.recoveryOf(trusted, plan).readyAt
    later(chain, DAY)
    consents.supportRecovery(trusted, plan, sender=trustees[2])
    assert list(consents.recoveryOf(trusted, plan)) == [begun, 3, ready, False]


def test_a_trustee_supports_by_signature_in_this_round_only(
    consents: Any,
    trusted: bytes,
    relayer: Any,
    patient: Any,
    stranger: Any,
    trustees: list[Any],
    plan: Plan,
    control: Any,
    chain: Any,
) -> None:
    def support(who: Any, round_: int, said: Any = None) -> Any:
        values = (trusted, plan.controller.address, *plan[1:], round_)
        signature = signed(who, control_message(control, SUPPORT, *values))
        return consents.supportRecoveryBySig(trusted, plan, raw(said or who), signature, sender=relayer)

    assert consents.trusteesOf(trusted).round == 1
    for who, round_, said in ((trustees[0], 0, None), (trustees[0], 2, None), (stranger, 1, trustees[0])):
        with ape.reverts(consents.SignatureInvalid, patient=trusted, signer=trustees[0].address):
            support(who, round_, said)
    with ape.reverts(consents.NotTrustee, patient=trusted, who=stranger.address):
        support(stranger, 1)
    for each in trustees[:2]:
        support(each, 1)
    assert support(trustees[0], 1).events == []
    later(chain, WEEK)
    consents.executeRecovery(trusted, plan, sender=relayer)
    assert consents.trusteesOf(trusted).round == 2
    with ape.reverts(consents.SignatureInvalid, patient=trusted, signer=trustees[0].address):
        support(trustees[0], 1)


def test_a_recovery_of_one_patient_is_nothing_to_another(
    consents: Any, begun: bytes, relayer: Any, stranger: Any, trustees: list[Any], plan: Plan, chain: Any
) -> None:
    other = identity(stranger)
    consents.setTrustees(other, trustees, 2, WEEK, sender=stranger)
    later(chain, WEEK)
    with ape.reverts(consents.RecoveryNotReady, patient=other, readyAt=0):
        consents.executeRecovery(other, plan, sender=relayer)
    with ape.reverts(consents.RecoveryNotReady, patient=other, recovery=begun, readyAt=0):
        consents.vetoRecovery(other, begun, sender=stranger)


# --- veto ---------------------------------------------------------------------------------------------


def test_a_veto_stops_a_recovery_until_all_trustees_override_it(
    consents: Any, trusted: bytes, begun: bytes, patient: Any, trustees: list[Any], plan: Plan, chain: Any
) -> None:
    receipt = consents.vetoRecovery(trusted, begun, sender=patient)
    assert receipt.events == [consents.RecoveryVetoed(patient=trusted, recovery=begun, by=patient)]
    assert consents.vetoRecovery(trusted, begun, sender=patient).events == []
    later(chain, WEEK)
    with ape.reverts(consents.VetoStands, patient=trusted, recovery=begun):
        consents.executeRecovery(trusted, plan, sender=trustees[0])
    consents.supportRecovery(trusted, plan, sender=trustees[2])
    consents.vetoRecovery(trusted, begun, sender=patient)
    consents.executeRecovery(trusted, plan, sender=trustees[0])
    assert consents.controllerOf(trusted) == plan.controller


def test_a_veto_is_of_one_recovery(
    consents: Any, trusted: bytes, begun: bytes, patient: Any, stranger: Any, trustees: list[Any], chain: Any
) -> None:
    consents.vetoRecovery(trusted, begun, sender=patient)
    for each in trustees[:2]:
        consents.supportRecovery(trusted, Plan(stranger), sender=each)
    later(chain, WEEK)
    consents.executeRecovery(trusted, Plan(stranger), sender=trustees[0])
    assert consents.controllerOf(trusted) == stranger


def test_nobody_else_vetoes_and_nobody_in_advance(
    consents: Any, trusted: bytes, begun: bytes, patient: Any, stranger: Any, trustees: list[Any]
) -> None:
    for someone in (stranger, *trustees):
        with ape.reverts(consents.NotController, patient=trusted, who=someone.address):
            consents.vetoRecovery(trusted, begun, sender=someone)
    consents.supportRecovery(trusted, Plan(stranger), sender=trustees[0])
    unbegun = consents.recoveryOf(trusted, Plan(stranger)).recovery
    for never in (unbegun, NO_WORD):
        with ape.reverts(consents.RecoveryNotReady, patient=trusted, recovery=never, readyAt=0):
            consents.vetoRecovery(trusted, never, sender=patient)


def test_a_veto_by_signature(
    consents: Any,
    trusted: bytes,
    begun: bytes,
    relayer: Any,
    patient: Any,
    stranger: Any,
    plan: Plan,
    control: Any,
) -> None:
    message = control_message(control, VETO, trusted, begun)
    with ape.reverts(consents.NotController, patient=trusted, who=stranger.address):
        consents.vetoRecoveryBySig(trusted, begun, raw(stranger), signed(stranger, message), sender=relayer)
    with ape.reverts(consents.SignatureInvalid, patient=trusted, signer=patient.address):
        consents.vetoRecoveryBySig(trusted, begun, raw(patient), signed(stranger, message), sender=relayer)
    consents.vetoRecoveryBySig(trusted, begun, raw(patient), signed(patient, message), sender=relayer)
    assert consents.recoveryOf(trusted, plan).vetoed


# --- a thief ------------------------------------------------------------------------------------------


def test_a_thief_with_the_key_cannot_get_rid_of_the_trustees_in_time(
    consents: Any,
    trusted: bytes,
    patient: Any,
    stranger: Any,
    trustees: list[Any],
    accounts: Any,
    plan: Plan,
    chain: Any,
) -> None:
    """The thief moves the key, proposes puppets, vetoes; all trustees together are still first."""
    consents.setController(trusted, stranger, sender=patient)
    consents.setTrustees(trusted, ascending(accounts[15:17]), 2, DAY, sender=stranger)
    later(chain, WEEK - DAY)
    for each in trustees[:2]:
        consents.supportRecovery(trusted, plan, sender=each)
    assert consents.proposedTrusteesOf(trusted).readyAt == 0
    later(chain, DAY)
    with ape.reverts(consents.TrusteesNotReady, patient=trusted, readyAt=0):
        consents.confirmTrustees(trusted, sender=stranger)
    consents.vetoRecovery(trusted, consents.recoveryOf(trusted, plan).recovery, sender=stranger)
    consents.setTrustees(trusted, ascending(accounts[15:17]), 2, DAY, sender=stranger)
    consents.supportRecovery(trusted, plan, sender=trustees[2])
    later(chain, WEEK - DAY)
    consents.executeRecovery(trusted, plan, sender=trustees[0])
    assert consents.controllerOf(trusted) == plan.controller
    later(chain, WEEK)
    with ape.reverts(consents.TrusteesNotReady, patient=trusted, readyAt=0):
        consents.confirmTrustees(trusted, sender=stranger)


def test_what_former_trustees_began_is_over(
    consents: Any, trusted: bytes, begun: bytes, patient: Any, trustees: list[Any], plan: Plan, chain: Any
) -> None:
    consents.setTrustees(trusted, trustees[:2], 2, WEEK, sender=patient)
    later(chain, WEEK + DAY)
    consents.confirmTrustees(trusted, sender=patient)
    with ape.reverts(consents.RecoveryNotReady, patient=trusted, readyAt=0):
        consents.executeRecovery(trusted, plan, sender=trustees[0])


# --- wards --------------------------------------------------------------------------------------------


def test_trustees_replace_a_guardian(
    consents: Any,
    trusted: bytes,
    patient: Any,
    guardian: Any,
    stranger: Any,
    trustees: list[Any],
    new_key: Any,
    terms: Terms,
    clinician: Any,
    chain: Any,
) -> None:
    of_age = chain.blocks.head.timestamp + 10 * YEAR
    consents.setGuardian(trusted, guardian, of_age, new_key, sender=patient)
    its = terms.but(epoch=consents.epochOf(trusted))
    consents.grant(trusted, its.id, sender=guardian)
    plan = Plan(patient, stranger, of_age + YEAR, new_key)
    for each in trustees[:2]:
        consents.supportRecovery(trusted, plan, sender=each)
    later(chain, WEEK)
    receipt = consents.executeRecovery(trusted, plan, sender=trustees[0])
    assert [event.event_name for event in receipt.events] == [
        "GuardianshipEnded",
        "IdentityRecovered",
        "GuardianAppointed",
        "AllConsentsRevoked",
    ]
    assert list(consents.guardianshipOf(trusted)) == [stranger, of_age + YEAR, 2, new_key]
    assert not consents.isAllowed(its.words, clinician, TREAT, READ)
    with ape.reverts(consents.NotController, patient=trusted, who=guardian.address):
        consents.grant(trusted, word("grant"), sender=guardian)
    consents.grant(trusted, word("grant"), sender=stranger)


def test_trustees_end_a_guardianship(
    consents: Any,
    trusted: bytes,
    patient: Any,
    guardian: Any,
    trustees: list[Any],
    new_key: Any,
    plan: Plan,
    chain: Any,
) -> None:
    of_age = chain.blocks.head.timestamp + 10 * YEAR
    consents.setGuardian(trusted, guardian, of_age, NOBODY, sender=patient)
    for each in trustees[:2]:
        consents.supportRecovery(trusted, plan, sender=each)
    consents.vetoRecovery(trusted, consents.recoveryOf(trusted, plan).recovery, sender=guardian)
    consents.supportRecovery(trusted, plan, sender=trustees[2])
    later(chain, WEEK)
    consents.executeRecovery(trusted, plan, sender=trustees[0])
    assert list(consents.account(trusted)) == [new_key, consents.epochOf(trusted), 0]
    for someone in (guardian, patient):
        with ape.reverts(consents.NotController, patient=trusted, who=someone.address):
            consents.grant(trusted, word("grant"), sender=someone)


def test_without_a_successor_nobody_is_controller_on_the_day_until_trustees_name_one(
    consents: Any,
    trusted: bytes,
    patient: Any,
    guardian: Any,
    trustees: list[Any],
    new_key: Any,
    plan: Plan,
    chain: Any,
) -> None:
    of_age = chain.blocks.head.timestamp + YEAR
    consents.setGuardian(trusted, guardian, of_age, NOBODY, sender=patient)
    later(chain, YEAR + 1)
    assert consents.controllerOf(trusted) == NOBODY
    for someone in (patient, guardian, new_key, *trustees):
        with ape.reverts(consents.NotController, patient=trusted, who=someone.address):
            consents.grant(trusted, word("grant"), sender=someone)
    for each in trustees[:2]:
        consents.supportRecovery(trusted, plan, sender=each)
    later(chain, WEEK)
    consents.executeRecovery(trusted, plan, sender=trustees[0])
    consents.grant(trusted, word("grant"), sender=new_key)
    assert consents.inForce(trusted, word("grant"), consents.epochOf(trusted))


def test_puppets_whom_the_parent_made_trustees_are_out_at_the_grown_ups_first_word(
    consents: Any,
    trusted: bytes,
    patient: Any,
    guardian: Any,
    stranger: Any,
    trustees: list[Any],
    new_key: Any,
    accounts: Any,
    chain: Any,
) -> None:
    of_age = chain.blocks.head.timestamp + YEAR
    consents.setTrustees(trusted, trustees[:2], 2, DAY, sender=patient)  # proposed, and then forgotten
    consents.setGuardian(trusted, guardian, of_age, new_key, sender=patient)
    later(chain, WEEK)
    with ape.reverts(consents.TrusteesNotReady, patient=trusted):
        consents.confirmTrustees(trusted, sender=guardian)
    later(chain, YEAR)
    with ape.reverts(consents.TrusteesNotReady, patient=trusted):
        consents.confirmTrustees(trusted, sender=guardian)
    for each in trustees:
        consents.supportRecovery(trusted, Plan(stranger), sender=each)
    friends = ascending(accounts[15:17])
    receipt = consents.setTrustees(trusted, friends, 2, DAY, sender=new_key)
    assert [event.event_name for event in receipt.events] == ["TrusteesNamed"]
    assert list(consents.account(trusted)) == [new_key, consents.epochOf(trusted), 0]
    later(chain, WEEK)
    with ape.reverts(consents.RecoveryNotReady, patient=trusted, readyAt=0):
        consents.executeRecovery(trusted, Plan(stranger), sender=stranger)
    consents.setTrustees(trusted, trustees, 2, WEEK, sender=new_key)
    assert list(consents.trusteesOf(trusted))[:1] == [friends]  # from now on a change waits


def test_a_plan_for_a_guardianship_that_is_over_does_nothing(
    consents: Any, trusted: bytes, stranger: Any, trustees: list[Any], new_key: Any, chain: Any
) -> None:
    soon = chain.blocks.head.timestamp + DAY
    plan = Plan(new_key, stranger, soon, NOBODY)
    for each in trustees[:2]:
        consents.supportRecovery(trusted, plan, sender=each)
    later(chain, WEEK)
    with ape.reverts(consents.GuardianshipOver, patient=trusted, until=soon):
        consents.executeRecovery(trusted, plan, sender=trustees[0])
