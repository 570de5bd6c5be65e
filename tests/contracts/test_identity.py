"""Who acts for this patient?"""

from typing import Any

import ape
from eth_abi import encode
from eth_utils.crypto import keccak

from tests.contracts.words import NO_WORD, NOBODY, identity, word


def test_a_wallet_is_its_own_controller_without_registering(consents: Any, patient: Any, me: bytes) -> None:
    assert consents.controllerOf(me) == patient
    assert list(consents.account(me)) == [NOBODY, 0, 0]
    assert consents.sequenceOf(me) == 0
    assert consents.epochOf(me) == 0


def test_an_identity_that_is_no_address_has_nobody_to_act_for_it(consents: Any, stranger: Any) -> None:
    nobodys = word("a hashed signer")
    assert consents.controllerOf(nobodys) == NOBODY
    with ape.reverts(consents.NotController, patient=nobodys, who=stranger.address):
        consents.setController(nobodys, stranger, sender=stranger)


def test_the_upper_bits_of_an_identity_are_not_cut_off(consents: Any, patient: Any) -> None:
    lookalike = b"\1" + bytes(11) + identity(patient)[12:]
    with ape.reverts(consents.NotController, patient=lookalike, who=patient.address):
        consents.grant(lookalike, word("grant"), sender=patient)


def test_a_patient_can_name_a_controller(consents: Any, patient: Any, guardian: Any, me: bytes) -> None:
    receipt = consents.setController(me, guardian, sender=patient)
    assert receipt.events == [consents.ControllerChanged(patient=me, controller=guardian, by=patient)]
    assert consents.controllerOf(me) == guardian


def test_a_replaced_controller_can_do_nothing_more(
    consents: Any, patient: Any, guardian: Any, me: bytes
) -> None:
    consents.setController(me, guardian, sender=patient)
    calls = [
        (consents.setController, (me, patient)),
        (consents.setEncryptionKey, (me, 1, b"key")),
        (consents.grant, (me, word("grant"))),
        (consents.grantMany, (me, [word("grant")])),
        (consents.revoke, (me, word("grant"))),
        (consents.revokeAll, (me,)),
    ]
    for call, arguments in calls:
        with ape.reverts(consents.NotController, patient=me, who=patient.address):
            call(*arguments, sender=patient)


def test_a_controller_can_give_the_identity_back(
    consents: Any, patient: Any, guardian: Any, me: bytes
) -> None:
    consents.setController(me, guardian, sender=patient)
    consents.setController(me, patient, sender=guardian)
    assert consents.controllerOf(me) == patient


def test_nobody_cannot_become_the_controller(consents: Any, patient: Any, me: bytes) -> None:
    with ape.reverts(consents.ControllerZero, patient=me):
        consents.setController(me, NOBODY, sender=patient)


def test_a_stranger_cannot_name_a_controller(consents: Any, stranger: Any, me: bytes) -> None:
    with ape.reverts(consents.NotController, patient=me, who=stranger.address):
        consents.setController(me, stranger, sender=stranger)


def test_a_new_controller_changes_neither_the_epoch_nor_what_is_in_force(
    consents: Any, patient: Any, guardian: Any, me: bytes
) -> None:
    consents.revokeAll(me, sender=patient)
    epoch = consents.epochOf(me)
    consents.grant(me, word("grant"), sender=patient)
    consents.setController(me, guardian, sender=patient)
    assert list(consents.account(me)) == [guardian, epoch, 0]
    assert consents.inForce(me, word("grant"), epoch)


def test_a_new_epoch_does_not_change_the_controller(
    consents: Any, patient: Any, guardian: Any, me: bytes
) -> None:
    consents.setController(me, guardian, sender=patient)
    consents.revokeAll(me, sender=guardian)
    assert consents.controllerOf(me) == guardian
    assert consents.epochOf(me) != 0


def test_an_account_is_one_word(consents: Any, patient: Any, guardian: Any, me: bytes, chain: Any) -> None:
    consents.setController(me, guardian, sender=patient)
    consents.revokeAll(me, sender=guardian)
    slot = keccak(encode(["bytes32", "uint256"], [me, 0]))
    stored = int.from_bytes(chain.provider.get_storage(consents.address, int.from_bytes(slot)))
    assert stored == int(guardian.address, 16) | consents.epochOf(me) << 160


def test_a_patient_publishes_an_encryption_key(consents: Any, patient: Any, me: bytes) -> None:
    key = word("key") * 38
    receipt = consents.setEncryptionKey(me, 0x647A, key, sender=patient)
    assert receipt.events == [consents.EncryptionKeySet(patient=me, algorithm=0x647A, publicKey=key)]
    assert consents.encryptionKeyHash(me) == keccak(encode(["uint16", "bytes"], [0x647A, key]))


def test_a_later_encryption_key_replaces_the_earlier(consents: Any, patient: Any, me: bytes) -> None:
    assert consents.encryptionKeyHash(me) == NO_WORD
    consents.setEncryptionKey(me, 1, b"first", sender=patient)
    consents.setEncryptionKey(me, 1, b"second", sender=patient)
    assert consents.encryptionKeyHash(me) == keccak(encode(["uint16", "bytes"], [1, b"second"]))


def test_a_stranger_cannot_publish_a_key_for_a_patient(consents: Any, stranger: Any, me: bytes) -> None:
    with ape.reverts(consents.NotController, patient=me, who=stranger.address):
        consents.setEncryptionKey(me, 1, b"key", sender=stranger)


def test_an_encryption_key_has_bytes(consents: Any, patient: Any, me: bytes) -> None:
    with ape.reverts(consents.EncryptionKeyEmpty, patient=me):
        consents.setEncryptionKey(me, 1, b"", sender=patient)
