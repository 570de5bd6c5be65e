"""Who acts for a ward, and until when?

The parent makes the child's first key and appoints herself guardian until the child comes of age; the child makes
a key of its own, the successor.
"""

from typing import Any

import ape
import pytest

from tests.contracts.words import (
    HOUR,
    NOBODY,
    READ,
    RESEARCH,
    TREAT,
    YEAR,
    Terms,
    control_message,
    grant_message,
    identity,
    raw,
    reason,
    revoke_message,
    signed,
    word,
)

ENDED = reason("GuardianshipEnded")
END = "EndGuardianship(bytes32 patient,uint256 sequence)"
APPOINT = "SetGuardian(bytes32 patient,address guardian,uint40 until,address successor,uint256 sequence)"
MANY = [word("one"), word("another")]


@pytest.fixture(scope="module")
def first_key(patient: Any) -> Any:
    """The ward's first key, which the parent made: the identity is its address."""
    return patient


@pytest.fixture(scope="module")
def parent(guardian: Any) -> Any:
    return guardian


@pytest.fixture(scope="module")
def grown_up(accounts: Any) -> Any:
    """The key that the ward has made."""
    return accounts[10]


@pytest.fixture(scope="module")
def of_age(chain: Any) -> int:
    """The day on which the ward comes of age."""
    return int(chain.blocks.head.timestamp) + 18 * YEAR


@pytest.fixture
def ward(consents: Any, me: bytes, first_key: Any, parent: Any, grown_up: Any, of_age: int) -> bytes:
    """An identity with a guardian in office."""
    consents.setGuardian(me, parent, of_age, grown_up, sender=first_key)
    return me


@pytest.fixture
def its(ward: bytes, consents: Any, terms: Terms) -> Terms:
    """Terms for the ward's epoch of now."""
    return terms.but(epoch=consents.epochOf(ward))


def to(chain: Any, time: int) -> None:
    chain.pending_timestamp = time
    chain.mine()


# --- in office ----------------------------------------------------------------------------------------


def test_a_guardian_is_appointed_until_a_date(
    consents: Any, me: bytes, first_key: Any, parent: Any, grown_up: Any, of_age: int
) -> None:
    receipt = consents.setGuardian(me, parent, of_age, grown_up, sender=first_key)
    assert receipt.events == [
        consents.GuardianAppointed(patient=me, guardian=parent, seq=1, until=of_age, successor=grown_up),
        consents.AllConsentsRevoked(patient=me, epoch=consents.epochOf(me)),
    ]
    assert list(consents.guardianshipOf(me)) == [parent, of_age, 1, grown_up]
    assert list(consents.account(me)) == [NOBODY, consents.epochOf(me), 1]
    assert consents.controllerOf(me) == first_key


def test_a_guardian_in_office_acts_for_the_ward(
    consents: Any, parent: Any, clinician: Any, ward: bytes, its: Terms, chain: Any
) -> None:
    consents.grant(ward, its.id, sender=parent)
    at = chain.blocks.head.timestamp
    assert list(consents.grantState(ward, its.id)) == [1, True, 1, its.epoch, at, 0]
    assert consents.isAllowed(its.words, clinician, TREAT, READ)
    consents.setEncryptionKey(ward, 1, b"key", sender=parent)
    consents.setOptOut(ward, RESEARCH, sender=parent)
    assert consents.account(ward).flags == RESEARCH | 1
    assert consents.why(its.words, clinician, RESEARCH, READ) == reason("OptedOut")
    assert consents.isAllowed(its.words, clinician, TREAT, READ)
    consents.revoke(ward, its.id, sender=parent)
    assert consents.grantState(ward, its.id).status == 2


def test_a_guardians_signature_is_delivered_by_anybody(
    consents: Any, relayer: Any, parent: Any, clinician: Any, its: Terms, grants: Any, control: Any
) -> None:
    signature = signed(parent, grant_message(grants, its))
    consents.grantBySig(its.patient, raw(parent), its.id, signature, sender=relayer)
    assert list(consents.grantState(its.patient, its.id))[1:3] == [True, 1]
    assert consents.isAllowed(its.words, clinician, TREAT, READ)
    signature = signed(parent, revoke_message(control, its.patient, its.id))
    consents.revokeBySig(its.patient, raw(parent), its.id, signature, sender=relayer)
    assert not consents.isAllowed(its.words, clinician, TREAT, READ)


def test_granting_again_what_a_guardian_granted_changes_nothing(
    consents: Any, relayer: Any, parent: Any, its: Terms, grants: Any
) -> None:
    signature = signed(parent, grant_message(grants, its))
    consents.grant(its.patient, its.id, sender=parent)
    before = list(consents.grantState(its.patient, its.id))
    again = consents.grant(its.patient, its.id, sender=parent)
    delivered = consents.grantBySig(its.patient, raw(parent), its.id, signature, sender=relayer)
    assert [*again.events, *delivered.events] == []
    assert list(consents.grantState(its.patient, its.id)) == before


def test_the_wards_own_key_acts_too_and_its_grants_end_with_the_office(
    consents: Any, first_key: Any, ward: bytes, its: Terms, of_age: int, chain: Any
) -> None:
    consents.grant(ward, its.id, sender=first_key)
    assert list(consents.grantState(ward, its.id))[1:3] == [False, 1]
    to(chain, of_age)
    assert not consents.inForce(ward, its.id, its.epoch)


def test_the_successor_and_strangers_do_not_act_while_a_guardian_is_in_office(
    consents: Any, grown_up: Any, stranger: Any, ward: bytes
) -> None:
    for someone in (grown_up, stranger):
        with ape.reverts(consents.NotController, patient=ward, who=someone.address):
            consents.grant(ward, word("grant"), sender=someone)


def test_a_guardian_of_one_is_nobodys_else(consents: Any, parent: Any, stranger: Any, ward: bytes) -> None:
    with ape.reverts(consents.NotController, patient=identity(stranger), who=parent.address):
        consents.grant(identity(stranger), word("grant"), sender=parent)


def test_the_guardianship_ends_what_was_granted_before_it(
    consents: Any, first_key: Any, parent: Any, grown_up: Any, of_age: int, terms: Terms
) -> None:
    """Or the parent's grants with the first key would outlive it."""
    consents.grant(terms.patient, terms.id, sender=first_key)
    consents.setGuardian(terms.patient, parent, of_age, grown_up, sender=first_key)
    assert not consents.inForce(terms.patient, terms.id, 0)


def test_nobody_changes_the_identity_while_a_guardian_is_in_office(
    consents: Any, first_key: Any, parent: Any, grown_up: Any, stranger: Any, ward: bytes, of_age: int
) -> None:
    two = sorted([parent.address, stranger.address], key=str.lower)
    tries = [
        (consents.setController, (ward, stranger), (first_key, parent)),
        (consents.setTrustees, (ward, two, 2, 24 * HOUR), (first_key, parent)),
        (consents.setGuardian, (ward, stranger, of_age, grown_up), (first_key,)),
        (consents.setGuardian, (ward, parent, of_age + 1, grown_up), (first_key, parent)),
        (consents.setGuardian, (ward, parent, of_age, stranger), (first_key, parent)),
    ]
    for call, arguments, people in tries:
        for someone in people:
            with ape.reverts(consents.GuardianInOffice, patient=ward, until=of_age):
                call(*arguments, sender=someone)


# --- handing on, and leaving --------------------------------------------------------------------------


def test_a_guardian_hands_the_office_on_and_the_old_ones_grants_end(
    consents: Any, parent: Any, grown_up: Any, stranger: Any, clinician: Any, its: Terms, of_age: int
) -> None:
    ward, aunt = its.patient, stranger
    consents.grant(ward, its.id, sender=parent)
    consents.setGuardian(ward, aunt, of_age - YEAR, grown_up, sender=parent)
    assert list(consents.guardianshipOf(ward)) == [aunt, of_age - YEAR, 2, grown_up]
    assert not consents.isAllowed(its.words, clinician, TREAT, READ)
    with ape.reverts(consents.GrantEnded, patient=ward, grantId=its.id):
        consents.grant(ward, its.id, sender=aunt)
    with ape.reverts(consents.NotController, patient=ward, who=parent.address):
        consents.grant(ward, word("grant"), sender=parent)


def test_a_guardian_hands_the_office_on_by_signature(
    consents: Any, relayer: Any, parent: Any, first_key: Any, stranger: Any, grown_up: Any, control: Any, ward: bytes
) -> None:
    until = consents.guardianshipOf(ward).until
    values = (ward, stranger.address, until, grown_up.address, 0)
    for signer in (first_key, parent):
        signature = signed(signer, control_message(control, APPOINT, *values))
        arguments = (*values[:4], raw(signer), signature)
        if signer == first_key:
            with ape.reverts(consents.GuardianInOffice, patient=ward, until=until):
                consents.setGuardianBySig(*arguments, sender=relayer)
        else:
            consents.setGuardianBySig(*arguments, sender=relayer)
    assert list(consents.guardianshipOf(ward)) == [stranger, until, 2, grown_up]


def test_a_guardian_leaves_and_the_ward_is_its_own_controller(
    consents: Any, parent: Any, first_key: Any, grown_up: Any, clinician: Any, its: Terms
) -> None:
    ward = its.patient
    consents.grant(ward, its.id, sender=parent)
    receipt = consents.endGuardianship(ward, sender=parent)
    assert receipt.events == [consents.GuardianshipEnded(patient=ward, guardian=parent, seq=1)]
    assert consents.controllerOf(ward) == grown_up
    assert consents.why(its.words, clinician, TREAT, READ) == ENDED
    for someone in (parent, first_key):
        with ape.reverts(consents.NotController, patient=ward, who=someone.address):
            consents.grant(ward, word("grant"), sender=someone)


def test_a_guardian_leaves_by_signature_once(
    consents: Any, relayer: Any, parent: Any, grown_up: Any, control: Any, ward: bytes
) -> None:
    signature = signed(parent, control_message(control, END, ward, 0))
    consents.endGuardianshipBySig(ward, raw(parent), signature, sender=relayer)
    assert consents.controllerOf(ward) == grown_up
    with ape.reverts(consents.SignatureInvalid, patient=ward, signer=parent.address):
        consents.endGuardianshipBySig(ward, raw(parent), signature, sender=relayer)


def test_only_the_guardian_in_office_leaves_it(
    consents: Any, first_key: Any, parent: Any, grown_up: Any, ward: bytes, of_age: int, chain: Any
) -> None:
    with ape.reverts(consents.NotGuardian, patient=ward, who=first_key.address):
        consents.endGuardianship(ward, sender=first_key)
    to(chain, of_age)
    with ape.reverts(consents.NotGuardian, patient=ward, who=grown_up.address):
        consents.endGuardianship(ward, sender=grown_up)
    with ape.reverts(consents.NotController, patient=ward, who=parent.address):
        consents.endGuardianship(ward, sender=parent)


# --- the day ------------------------------------------------------------------------------------------


def test_on_the_day_power_and_grants_end_by_themselves(
    consents: Any, log: Any, parent: Any, clinician: Any, its: Terms, of_age: int, chain: Any
) -> None:
    consents.grant(its.patient, its.id, sender=parent)
    entry = (its.words, [word("salt")], TREAT, word("reply"), word("agent"))
    to(chain, of_age - 1)
    assert consents.isAllowed(its.words, clinician, TREAT, READ)
    to(chain, of_age)
    assert not consents.inForce(its.patient, its.id, its.epoch)
    assert consents.why(its.words, clinician, TREAT, READ) == ENDED
    with ape.reverts(log.NotAllowed, grantId=its.id, reason=ENDED):
        log.request(*entry, sender=clinician)


def test_on_the_day_neither_guardian_nor_first_key_can_do_anything_more(
    consents: Any,
    relayer: Any,
    first_key: Any,
    parent: Any,
    grants: Any,
    control: Any,
    its: Terms,
    of_age: int,
    chain: Any,
) -> None:
    ward = its.patient
    held_back = {someone: signed(someone, grant_message(grants, its)) for someone in (first_key, parent)}
    renewal = signed(parent, control_message(control, "RevokeAll(bytes32 patient,uint64 epoch)", ward, its.epoch))
    to(chain, of_age)
    for someone, signature in held_back.items():
        refused = {"patient": ward, "who": someone.address}
        with ape.reverts(consents.NotController, **refused):
            consents.grantBySig(ward, raw(someone), its.id, signature, sender=relayer)
        for call, arguments in (
            (consents.grant, (its.id,)),
            (consents.grantMany, (MANY,)),
            (consents.renew, (*MANY,)),
            (consents.revoke, (its.id,)),
            (consents.revokeAll, ()),
            (consents.setController, (someone,)),
            (consents.setOptOut, (0,)),
            (consents.setEncryptionKey, (1, b"key")),
            (consents.setGuardian, (someone, of_age + YEAR, relayer)),
            (consents.setTrustees, ([], 0, 0)),
        ):
            with ape.reverts(consents.NotController, **refused):
                call(ward, *arguments, sender=someone)
    with ape.reverts(consents.NotController, patient=ward, who=parent.address):
        consents.revokeAllBySig(ward, raw(parent), renewal, sender=relayer)


def test_on_the_day_the_wards_own_key_is_controller(
    consents: Any, grown_up: Any, clinician: Any, its: Terms, of_age: int, chain: Any
) -> None:
    ward, epoch = its.patient, its.epoch
    to(chain, of_age)
    assert consents.controllerOf(ward) == grown_up
    consents.grant(ward, its.id, sender=grown_up)
    assert list(consents.grantState(ward, its.id))[1:3] == [False, 0]
    assert consents.isAllowed(its.words, clinician, TREAT, READ)
    consents.setOptOut(ward, RESEARCH, sender=grown_up)
    assert list(consents.account(ward)) == [grown_up, epoch, RESEARCH]
    assert consents.isAllowed(its.words, clinician, TREAT, READ)


@pytest.mark.parametrize("first", ["revokeAll", "setController", "setOptOut", "setGuardian"])
def test_whatever_the_grown_up_does_first_the_past_stays_past(
    first: str,
    consents: Any,
    first_key: Any,
    parent: Any,
    grown_up: Any,
    stranger: Any,
    its: Terms,
    of_age: int,
    chain: Any,
) -> None:
    ward, other = its.patient, word("granted by the guardian")
    consents.grant(ward, other, sender=parent)
    to(chain, of_age)
    arguments = {
        "revokeAll": (),
        "setController": (grown_up,),
        "setOptOut": (RESEARCH,),
        "setGuardian": (stranger, of_age + YEAR, "0x" + "33" * 20),
    }[first]
    getattr(consents, first)(ward, *arguments, sender=grown_up)
    assert consents.controllerOf(ward) == grown_up
    assert consents.account(ward).flags & 1 == (first == "setGuardian")
    for someone in (first_key, parent):
        with ape.reverts(consents.NotController, patient=ward, who=someone.address):
            consents.grant(ward, word("grant"), sender=someone)
    assert not consents.inForce(ward, other, its.epoch)
    with ape.reverts(consents.GrantEnded, patient=ward, grantId=other):
        consents.grant(ward, other, sender=grown_up)


# --- who and until when -------------------------------------------------------------------------------


def test_a_guardian_is_somebody_until_a_day_to_come(
    consents: Any, me: bytes, first_key: Any, parent: Any, grown_up: Any, of_age: int, chain: Any
) -> None:
    with ape.reverts(consents.GuardianZero, patient=me):
        consents.setGuardian(me, NOBODY, of_age, grown_up, sender=first_key)
    for until in (0, chain.blocks.head.timestamp):
        with ape.reverts(consents.GuardianshipOver, patient=me, until=until):
            consents.setGuardian(me, parent, until, grown_up, sender=first_key)


def test_there_is_somebody_afterwards(
    consents: Any, me: bytes, first_key: Any, parent: Any, of_age: int
) -> None:
    with ape.reverts(consents.SuccessorMissing, patient=me):
        consents.setGuardian(me, parent, of_age, NOBODY, sender=first_key)


def test_the_successor_is_none_of_the_keys_that_the_guardian_knows(
    consents: Any, me: bytes, first_key: Any, parent: Any, stranger: Any, of_age: int
) -> None:
    consents.setController(me, stranger, sender=first_key)
    for known in (first_key, parent, stranger):
        with ape.reverts(consents.SuccessorNotNew, patient=me, successor=known.address):
            consents.setGuardian(me, parent, of_age, known, sender=stranger)


def test_a_stranger_appoints_nobody(
    consents: Any, me: bytes, stranger: Any, grown_up: Any, of_age: int
) -> None:
    with ape.reverts(consents.NotController, patient=me, who=stranger.address):
        consents.setGuardian(me, stranger, of_age, grown_up, sender=stranger)
    assert list(consents.guardianshipOf(me)) == [NOBODY, 0, 0, NOBODY]
