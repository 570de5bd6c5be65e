"""Who may? By the patient's own transactions."""

from typing import Any

import ape
import pytest
from eth_abi import encode
from eth_tester.exceptions import TransactionFailed
from eth_utils.crypto import keccak
from web3.exceptions import Web3Exception

from tests.contracts.words import READ, TERMS_FIELDS, TREAT, Terms, identity, word

ID = word("grant")
OTHERS = [word(f"grant {i}") for i in range(3)]


def test_a_patient_puts_a_grant_in_force(consents: Any, patient: Any, me: bytes, chain: Any) -> None:
    receipt = consents.grant(me, ID, sender=patient)
    assert receipt.events == [consents.ConsentGranted(patient=me, grantId=ID)]
    at = chain.blocks.head.timestamp
    assert list(consents.grantState(me, ID)) == [1, False, 0, 0, at, 0]
    assert consents.inForce(me, ID, 0)


def test_an_id_never_seen_has_no_state(consents: Any, me: bytes) -> None:
    assert list(consents.grantState(me, ID)) == [0, False, 0, 0, 0, 0]
    assert not consents.inForce(me, ID, 0)


def test_a_stranger_cannot_grant_for_a_patient(consents: Any, stranger: Any, me: bytes) -> None:
    for call, ids in ((consents.grant, ID), (consents.grantMany, [ID])):
        with ape.reverts(consents.NotController, patient=me, who=stranger.address):
            call(me, ids, sender=stranger)


def test_a_strangers_own_grant_of_the_same_id_is_not_the_patients(
    consents: Any, stranger: Any, clinician: Any, terms: Terms
) -> None:
    consents.grant(identity(stranger), terms.id, sender=stranger)
    assert not consents.isAllowed(terms.words, clinician, TREAT, READ)


def test_granting_what_is_in_force_changes_nothing(
    consents: Any, patient: Any, me: bytes, chain: Any
) -> None:
    consents.grant(me, ID, sender=patient)
    before = consents.grantState(me, ID)
    chain.mine(3)
    assert consents.grant(me, ID, sender=patient).events == []
    assert consents.grantMany(me, [ID], sender=patient).events == []
    assert consents.grantState(me, ID) == before


def test_a_patient_puts_many_grants_in_force_at_once(consents: Any, patient: Any, me: bytes) -> None:
    consents.grant(me, OTHERS[1], sender=patient)
    receipt = consents.grantMany(me, OTHERS, sender=patient)
    assert [event.grantId for event in receipt.events] == [OTHERS[0], OTHERS[2]]
    assert all(consents.inForce(me, each, 0) for each in OTHERS)


def test_of_many_grants_all_come_into_force_or_none(consents: Any, patient: Any, me: bytes) -> None:
    consents.revoke(me, OTHERS[2], sender=patient)
    with ape.reverts(consents.GrantEnded, patient=me, grantId=OTHERS[2]):
        consents.grantMany(me, OTHERS, sender=patient)
    assert not any(consents.inForce(me, each, 0) for each in OTHERS)


def test_a_patient_revokes(consents: Any, patient: Any, me: bytes, chain: Any) -> None:
    consents.revokeAll(me, sender=patient)
    epoch = consents.epochOf(me)
    consents.grant(me, ID, sender=patient)
    granted = chain.blocks.head.timestamp
    chain.mine(3)
    receipt = consents.revoke(me, ID, sender=patient)
    assert receipt.events == [consents.ConsentRevoked(patient=me, grantId=ID)]
    ended = chain.blocks.head.timestamp
    assert list(consents.grantState(me, ID)) == [2, False, 0, epoch, granted, ended]
    assert not consents.inForce(me, ID, epoch)


def test_a_stranger_cannot_revoke_for_a_patient(
    consents: Any, patient: Any, stranger: Any, me: bytes
) -> None:
    consents.grant(me, ID, sender=patient)
    with ape.reverts(consents.NotController, patient=me, who=stranger.address):
        consents.revoke(me, ID, sender=stranger)
    with ape.reverts(consents.NotController, patient=me, who=stranger.address):
        consents.revokeAll(me, sender=stranger)
    assert consents.inForce(me, ID, 0)


def test_a_revoked_grant_never_comes_back(consents: Any, patient: Any, me: bytes) -> None:
    consents.grant(me, ID, sender=patient)
    consents.revoke(me, ID, sender=patient)
    for call, ids in ((consents.grant, ID), (consents.grantMany, [ID])):
        with ape.reverts(consents.GrantEnded, patient=me, grantId=ID):
            call(me, ids, sender=patient)


def test_an_id_revoked_before_it_was_seen_never_comes_alive(
    consents: Any, patient: Any, me: bytes, chain: Any
) -> None:
    receipt = consents.revoke(me, ID, sender=patient)
    assert receipt.events == [consents.ConsentRevoked(patient=me, grantId=ID)]
    assert list(consents.grantState(me, ID)) == [2, False, 0, 0, 0, chain.blocks.head.timestamp]
    with ape.reverts(consents.GrantEnded, patient=me, grantId=ID):
        consents.grant(me, ID, sender=patient)


def test_revoking_twice_changes_nothing(consents: Any, patient: Any, me: bytes, chain: Any) -> None:
    consents.revoke(me, ID, sender=patient)
    before = consents.grantState(me, ID)
    chain.mine(3)
    assert consents.revoke(me, ID, sender=patient).events == []
    assert consents.grantState(me, ID) == before


def test_revoking_one_leaves_the_others(consents: Any, patient: Any, stranger: Any, me: bytes) -> None:
    consents.grantMany(me, OTHERS, sender=patient)
    consents.grant(identity(stranger), OTHERS[0], sender=stranger)
    consents.revoke(me, OTHERS[0], sender=patient)
    assert [consents.inForce(me, each, 0) for each in OTHERS] == [False, True, True]
    assert consents.inForce(identity(stranger), OTHERS[0], 0)


def test_revoking_all_ends_every_grant_of_this_patient_only(
    consents: Any, patient: Any, stranger: Any, me: bytes
) -> None:
    consents.grantMany(me, OTHERS, sender=patient)
    consents.grant(identity(stranger), ID, sender=stranger)
    receipt = consents.revokeAll(me, sender=patient)
    epoch = consents.epochOf(me)
    assert receipt.events == [consents.AllConsentsRevoked(patient=me, epoch=epoch)]
    assert not any(consents.inForce(me, each, e) for each in OTHERS for e in (0, epoch))
    assert consents.inForce(identity(stranger), ID, 0)


def test_a_grant_that_ended_with_its_epoch_never_comes_back(consents: Any, patient: Any, me: bytes) -> None:
    consents.grant(me, ID, sender=patient)
    consents.revokeAll(me, sender=patient)
    for call, ids in ((consents.grant, ID), (consents.grantMany, [ID])):
        with ape.reverts(consents.GrantEnded, patient=me, grantId=ID):
            call(me, ids, sender=patient)


def test_a_grant_that_ended_with_its_epoch_can_still_be_revoked(
    consents: Any, patient: Any, me: bytes
) -> None:
    consents.grant(me, ID, sender=patient)
    consents.revokeAll(me, sender=patient)
    consents.revoke(me, ID, sender=patient)
    assert consents.grantState(me, ID).status == 2


def test_a_grant_in_the_new_epoch_is_in_force_in_that_epoch_only(
    consents: Any, patient: Any, me: bytes
) -> None:
    consents.revokeAll(me, sender=patient)
    epoch = consents.epochOf(me)
    consents.grant(me, ID, sender=patient)
    assert [consents.inForce(me, ID, e) for e in (epoch, 0, epoch ^ 1)] == [True, False, False]


def test_nobody_can_know_an_epoch_before_the_block_before_it(
    consents: Any, patient: Any, guardian: Any, me: bytes, chain: Any
) -> None:
    consents.setController(me, guardian, sender=patient)
    for _ in range(3):
        controller, epoch, _flags = consents.account(me)
        before = bytes(chain.blocks.head.hash)
        consents.revokeAll(me, sender=guardian)
        word_then = int(controller, 16) | epoch << 160
        seed = keccak(encode(["bytes32", "bytes32", "uint256"], [before, me, word_then]))
        assert consents.epochOf(me) == int.from_bytes(seed[-8:])


def test_a_grant_is_one_word(consents: Any, patient: Any, me: bytes, chain: Any) -> None:
    consents.revokeAll(me, sender=patient)
    consents.grant(me, ID, sender=patient)
    granted = chain.blocks.head.timestamp
    consents.revoke(me, ID, sender=patient)
    ended = chain.blocks.head.timestamp
    of_patient = keccak(encode(["bytes32", "uint256"], [me, 8]))
    slot = int.from_bytes(keccak(encode(["bytes32", "bytes32"], [ID, of_patient])))
    stored = int.from_bytes(chain.provider.get_storage(consents.address, slot))
    assert stored == 2 | consents.epochOf(me) << 32 | granted << 96 | ended << 136


def test_a_patient_renews_a_grant_without_a_moment_in_between(
    consents: Any, patient: Any, me: bytes, chain: Any
) -> None:
    old, new = OTHERS[:2]
    consents.grant(me, old, sender=patient)
    receipt = consents.renew(me, old, new, sender=patient)
    assert receipt.events == [
        consents.ConsentRevoked(patient=me, grantId=old),
        consents.ConsentGranted(patient=me, grantId=new),
    ]
    assert [consents.inForce(me, each, 0) for each in (old, new)] == [False, True]
    assert consents.renew(me, old, new, sender=patient).events == []


def test_a_renewal_makes_nothing_that_ended_alive(consents: Any, patient: Any, me: bytes) -> None:
    old, new, other = OTHERS
    consents.grantMany(me, [old, other], sender=patient)
    consents.revoke(me, new, sender=patient)
    for to in (new, old):
        with ape.reverts(consents.GrantEnded, patient=me, grantId=to):
            consents.renew(me, old, to, sender=patient)
    assert consents.inForce(me, old, 0)  # all of it or nothing
    consents.revokeAll(me, sender=patient)
    with ape.reverts(consents.GrantEnded, patient=me, grantId=other):
        consents.renew(me, old, other, sender=patient)


def test_a_stranger_cannot_renew_for_a_patient(
    consents: Any, patient: Any, stranger: Any, me: bytes
) -> None:
    consents.grant(me, OTHERS[0], sender=patient)
    with ape.reverts(consents.NotController, patient=me, who=stranger.address):
        consents.renew(me, OTHERS[0], OTHERS[1], sender=stranger)
    assert consents.inForce(me, OTHERS[0], 0)


def test_the_contract_names_a_grant_as_the_wallet_does(consents: Any, terms: Terms) -> None:
    other = terms.but(sentence="Größe: 5 µm – ☤", epoch=2**64 - 1, record=word("record"), flags=7)
    assert consents.grantIdOf(terms.words) == terms.id
    assert consents.grantIdOf(other.words) == other.id


@pytest.mark.parametrize("field", ["purposes", "flags", "notBefore", "expiresAt", "epoch"])
def test_terms_with_bits_beyond_a_field_are_never_allowed_even_if_granted(
    field: str, consents: Any, log: Any, patient: Any, clinician: Any, chain: Any, terms: Terms
) -> None:
    asked = (terms.words, clinician, TREAT, READ)
    entry = (terms.words, [word("record salt")], TREAT, word("reply key"), word("agent"))

    def call(contract: Any, name: str, *arguments: Any) -> bytes:
        data = bytearray(getattr(contract, name).encode_input(*arguments))
        data[4 + 32 * TERMS_FIELDS.index(field)] |= 0x80
        tx = {"to": contract.address, "from": clinician.address, "data": bytes(data)}
        return bytes(chain.provider.web3.eth.call(tx))

    overflowing = call(consents, "grantIdOf", terms.words)
    assert overflowing != terms.id
    consents.grant(terms.patient, overflowing, sender=patient)
    for contract, name, arguments in (
        (consents, "why", asked),
        (consents, "isAllowed", asked),
        (log, "request", entry),
    ):
        with pytest.raises((TransactionFailed, Web3Exception)):
            call(contract, name, *arguments)
