"""Signed changes of an identity: each once, in the order of their numbers, in a domain of their own."""

from collections.abc import Callable
from typing import Any

import ape
import pytest
from eth_account.messages import SignableMessage

from tests.contracts.words import (
    HOUR,
    NO_WORD,
    NOBODY,
    RESEARCH,
    Terms,
    control_message,
    domain,
    grant_message,
    identity,
    raw,
    signed,
    word,
)

KEY = word("key") * 38
Deliver = Callable[..., Any]

# What is signed, by name; the function that delivers it, and its arguments.
CHANGES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "SetController(bytes32 patient,address controller,uint256 sequence)": (
        "setControllerBySig",
        ("0x" + "11" * 20,),
    ),
    "SetEncryptionKey(bytes32 patient,uint16 algorithm,bytes publicKey,uint256 sequence)": (
        "setEncryptionKeyBySig",
        (0x647A, KEY),
    ),
    "SetOptOut(bytes32 patient,uint32 purposes,uint256 sequence)": ("setOptOutBySig", (RESEARCH,)),
    "SetGuardian(bytes32 patient,address guardian,uint40 until,address successor,uint256 sequence)": (
        "setGuardianBySig",
        ("0x" + "11" * 20, 2**40 - 1, "0x" + "22" * 20),
    ),
    "SetTrustees(bytes32 patient,address[] trustees,uint8 threshold,uint40 delay,uint256 sequence)": (
        "setTrusteesBySig",
        (["0x" + "11" * 20, "0x" + "22" * 20], 2, 7 * 24 * HOUR),
    ),
}
# What comes of it, as events, in order.
EVENTS = {
    "SetController": ["ControllerChanged"],
    "SetEncryptionKey": ["EncryptionKeySet"],
    "SetOptOut": ["OptOutChanged"],
    "SetGuardian": ["GuardianAppointed", "AllConsentsRevoked"],
    "SetTrustees": ["TrusteesNamed"],
}


@pytest.fixture(params=CHANGES, ids=lambda text: text.partition("(")[0])
def change(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def deliver(change: str, consents: Any, relayer: Any, me: bytes) -> Deliver:
    """Delivers the change with a signature, said to be of somebody."""
    function, arguments = CHANGES[change]

    def call(signature: bytes, signer: Any) -> Any:
        return getattr(consents, function)(me, *arguments, raw(signer), signature, sender=relayer)

    return call


@pytest.fixture
def message(change: str, control: Any, me: bytes) -> Callable[[int], SignableMessage]:
    """The change as it is signed with a number."""
    return lambda sequence: control_message(control, change, me, *CHANGES[change][1], sequence)


def test_anybody_delivers_a_change_that_the_controller_signed(
    change: str, deliver: Deliver, message: Any, consents: Any, patient: Any, me: bytes
) -> None:
    receipt = deliver(signed(patient, message(0)), patient)
    assert [event.event_name for event in receipt.events] == EVENTS[change.partition("(")[0]]
    assert consents.sequenceOf(me) == 1


def test_a_change_is_delivered_once(deliver: Deliver, message: Any, consents: Any, patient: Any, me: bytes) -> None:
    signature = signed(patient, message(0))
    deliver(signature, patient)
    with ape.reverts(consents.SignatureInvalid, patient=me, signer=patient.address):
        deliver(signature, patient)


def test_a_change_with_a_number_that_was_used_or_is_not_due_is_nobodys(
    deliver: Deliver, message: Any, consents: Any, control: Any, patient: Any, relayer: Any, me: bytes
) -> None:
    with ape.reverts(consents.SignatureInvalid, patient=me, signer=patient.address):
        deliver(signed(patient, message(1)), patient)
    text = "SetOptOut(bytes32 patient,uint32 purposes,uint256 sequence)"
    instead = signed(patient, control_message(control, text, me, 0, 0))
    consents.setOptOutBySig(me, 0, raw(patient), instead, sender=relayer)
    with ape.reverts(consents.SignatureInvalid, patient=me, signer=patient.address):
        deliver(signed(patient, message(0)), patient)


def test_a_change_signed_by_a_stranger_is_refused(
    deliver: Deliver, message: Any, consents: Any, patient: Any, stranger: Any, me: bytes
) -> None:
    forged = signed(stranger, message(0))
    with ape.reverts(consents.NotController, patient=me, who=stranger.address):
        deliver(forged, stranger)
    with ape.reverts(consents.SignatureInvalid, patient=me, signer=patient.address):
        deliver(forged, patient)
    assert consents.sequenceOf(me) == 0


def test_a_change_that_a_replaced_controller_signed_is_dead(
    deliver: Deliver, message: Any, consents: Any, patient: Any, guardian: Any, me: bytes
) -> None:
    signature = signed(patient, message(0))
    consents.setController(me, guardian, sender=patient)
    with ape.reverts(consents.NotController, patient=me, who=patient.address):
        deliver(signature, patient)


def test_a_change_is_for_this_contract_this_chain_and_this_domain(
    change: str, deliver: Deliver, consents: Any, log: Any, chain: Any, patient: Any, me: bytes
) -> None:
    others = [
        domain(consents, chain.chain_id + 1, "Consentry Control"),
        domain(log, chain.chain_id, "Consentry Control"),
        domain(consents, chain.chain_id),
    ]
    for where in others:
        elsewhere = control_message(where, change, me, *CHANGES[change][1], 0)
        with ape.reverts(consents.SignatureInvalid, patient=me, signer=patient.address):
            deliver(signed(patient, elsewhere), patient)


def test_what_is_signed_is_what_comes_about(
    consents: Any, relayer: Any, patient: Any, guardian: Any, control: Any, me: bytes
) -> None:
    texts = list(CHANGES)
    key = signed(patient, control_message(control, texts[1], me, 0x647A, KEY, 0))
    receipt = consents.setEncryptionKeyBySig(me, 0x647A, KEY, raw(patient), key, sender=relayer)
    assert receipt.events == [consents.EncryptionKeySet(patient=me, algorithm=0x647A, publicKey=KEY)]
    assert consents.encryptionKeyHash(me) != NO_WORD
    opt_out = signed(patient, control_message(control, texts[2], me, RESEARCH, 1))
    receipt = consents.setOptOutBySig(me, RESEARCH, raw(patient), opt_out, sender=relayer)
    assert receipt.events == [consents.OptOutChanged(patient=me, purposes=RESEARCH)]
    to = signed(patient, control_message(control, texts[0], me, guardian.address, 2))
    receipt = consents.setControllerBySig(me, guardian, raw(patient), to, sender=relayer)
    assert receipt.events == [consents.ControllerChanged(patient=me, controller=guardian, by=patient)]
    assert list(consents.account(me)) == [guardian, 0, RESEARCH]


def test_a_signed_change_refuses_what_a_transaction_refuses(
    consents: Any, relayer: Any, patient: Any, control: Any, me: bytes
) -> None:
    texts = list(CHANGES)
    signature = signed(patient, control_message(control, texts[0], me, NOBODY, 0))
    with ape.reverts(consents.ControllerZero, patient=me):
        consents.setControllerBySig(me, NOBODY, raw(patient), signature, sender=relayer)


# --- the end of all grants ----------------------------------------------------------------------------

ALL = "RevokeAll(bytes32 patient,uint64 epoch)"


def test_anybody_delivers_the_signed_end_of_all_grants(
    consents: Any, relayer: Any, patient: Any, control: Any, me: bytes
) -> None:
    consents.grant(me, word("grant"), sender=patient)
    signature = signed(patient, control_message(control, ALL, me, 0))
    receipt = consents.revokeAllBySig(me, raw(patient), signature, sender=relayer)
    epoch = consents.epochOf(me)
    assert receipt.events == [consents.AllConsentsRevoked(patient=me, epoch=epoch)]
    assert not consents.inForce(me, word("grant"), 0)


def test_the_signed_end_of_an_epoch_does_not_end_the_next(
    consents: Any, relayer: Any, patient: Any, control: Any, me: bytes
) -> None:
    signature = signed(patient, control_message(control, ALL, me, 0))
    consents.revokeAllBySig(me, raw(patient), signature, sender=relayer)
    epoch = consents.epochOf(me)
    consents.grant(me, word("grant"), sender=patient)
    with ape.reverts(consents.SignatureInvalid, patient=me, signer=patient.address):
        consents.revokeAllBySig(me, raw(patient), signature, sender=relayer)
    assert consents.inForce(me, word("grant"), epoch)


def test_nobody_else_signs_the_end_of_all_grants(
    consents: Any, relayer: Any, patient: Any, guardian: Any, stranger: Any, control: Any, me: bytes
) -> None:
    message = control_message(control, ALL, me, 0)
    with ape.reverts(consents.NotController, patient=me, who=stranger.address):
        consents.revokeAllBySig(me, raw(stranger), signed(stranger, message), sender=relayer)
    with ape.reverts(consents.SignatureInvalid, patient=me, signer=patient.address):
        consents.revokeAllBySig(me, raw(patient), signed(stranger, message), sender=relayer)
    consents.setController(me, guardian, sender=patient)
    with ape.reverts(consents.NotController, patient=me, who=patient.address):
        consents.revokeAllBySig(me, raw(patient), signed(patient, message), sender=relayer)


def test_the_end_of_all_grants_reaches_what_was_signed_and_not_delivered(
    consents: Any, relayer: Any, patient: Any, clinician: Any, control: Any, grants: Any, terms: Terms
) -> None:
    held_back = signed(patient, grant_message(grants, terms))
    signature = signed(patient, control_message(control, ALL, terms.patient, 0))
    consents.revokeAllBySig(terms.patient, raw(patient), signature, sender=relayer)
    consents.grantBySig(terms.patient, raw(patient), terms.id, held_back, sender=relayer)
    assert not consents.isAllowed(terms.words, clinician, 1, 1)


def test_a_patients_number_is_not_anothers(
    consents: Any, relayer: Any, patient: Any, stranger: Any, control: Any, me: bytes
) -> None:
    text = "SetOptOut(bytes32 patient,uint32 purposes,uint256 sequence)"
    consents.setOptOutBySig(
        me, 0, raw(patient), signed(patient, control_message(control, text, me, 0, 0)), sender=relayer
    )
    assert consents.sequenceOf(identity(stranger)) == 0
