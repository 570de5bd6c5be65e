"""Who may? By the patient's signature, which anybody may deliver."""

from contextlib import suppress
from typing import Any

import ape
import pytest
from eth_account import Account
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.contracts.words import (
    NOBODY,
    READ,
    TREAT,
    Terms,
    domain,
    grant_message,
    identity,
    raw,
    revoke_message,
    signed,
    word,
)

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
NO, DIRTY, SHORT, SILENT, REFUSING, BOMB, YES = range(7)


def compact(signature: bytes) -> bytes:
    """The same in 64 bytes (EIP-2098)."""
    r, s, v = signature[:32], int.from_bytes(signature[32:64]), signature[64]
    return r + (s | (v - 27) << 255).to_bytes(32)


def with_high_s(signature: bytes) -> bytes:
    """The other signature that the same key could have made."""
    s = ORDER - int.from_bytes(signature[32:64])
    return signature[:32] + s.to_bytes(32) + bytes([55 - signature[64]])


@pytest.fixture
def by_patient(patient: Any, grants: dict[str, Any], terms: Terms) -> bytes:
    return signed(patient, grant_message(grants, terms))


@pytest.fixture
def revoked_by_patient(patient: Any, control: dict[str, Any], terms: Terms) -> bytes:
    return signed(patient, revoke_message(control, terms.patient, terms.id))


# --- a wallet's signature -----------------------------------------------------------------------------


def test_anybody_delivers_what_the_patient_signed(
    consents: Any, relayer: Any, patient: Any, clinician: Any, terms: Terms, by_patient: bytes
) -> None:
    receipt = consents.grantBySig(terms.patient, raw(patient), terms.id, by_patient, sender=relayer)
    assert receipt.events == [consents.ConsentGranted(patient=terms.patient, grantId=terms.id)]
    assert consents.isAllowed(terms.words, clinician, TREAT, READ)


def test_anybody_delivers_a_signed_revocation(
    consents: Any, relayer: Any, patient: Any, terms: Terms, revoked_by_patient: bytes
) -> None:
    consents.grant(terms.patient, terms.id, sender=patient)
    arguments = (terms.patient, raw(patient), terms.id, revoked_by_patient)
    receipt = consents.revokeBySig(*arguments, sender=relayer)
    assert receipt.events == [consents.ConsentRevoked(patient=terms.patient, grantId=terms.id)]
    assert consents.grantState(terms.patient, terms.id).status == 2


def test_a_signature_of_64_bytes_counts_as_much(
    consents: Any, relayer: Any, patient: Any, grants: dict[str, Any], terms: Terms
) -> None:
    parities = set()
    for i in range(8):
        each = terms.but(salt=word(f"salt {i}"))
        signature = signed(patient, grant_message(grants, each))
        parities.add(signature[64])
        arguments = (each.patient, raw(patient), each.id, compact(signature))
        consents.grantBySig(*arguments, sender=relayer)
        assert consents.inForce(each.patient, each.id, 0)
    assert parities == {27, 28}


@pytest.mark.parametrize(
    "spoil",
    [
        with_high_s,
        lambda s: compact(with_high_s(s)),
        lambda s: s[:64] + bytes([s[64] - 27]),
        lambda s: s[:64] + b"\x1d",
        lambda s: s[:63],
        lambda s: s + b"\0",
        lambda s: b"",
        lambda s: bytes(65),
        lambda s: bytes([s[0] ^ 1]) + s[1:],
    ],
    ids=["high s", "high s, compact", "v 0", "v 29", "63", "66", "empty", "zeros", "flipped"],
)
def test_a_spoiled_signature_is_refused(
    spoil: Any,
    consents: Any,
    relayer: Any,
    patient: Any,
    terms: Terms,
    by_patient: bytes,
    revoked_by_patient: bytes,
) -> None:
    who = raw(patient)
    for call, good in ((consents.grantBySig, by_patient), (consents.revokeBySig, revoked_by_patient)):
        with ape.reverts(consents.SignatureInvalid, patient=terms.patient, signer=patient.address):
            call(terms.patient, who, terms.id, spoil(good), sender=relayer)


def test_a_strangers_signature_is_not_the_patients(
    consents: Any, stranger: Any, patient: Any, grants: dict[str, Any], terms: Terms
) -> None:
    forged = signed(stranger, grant_message(grants, terms))
    with ape.reverts(consents.NotController, patient=terms.patient, who=stranger.address):
        consents.grantBySig(terms.patient, raw(stranger), terms.id, forged, sender=stranger)
    with ape.reverts(consents.SignatureInvalid, patient=terms.patient, signer=patient.address):
        consents.grantBySig(terms.patient, raw(patient), terms.id, forged, sender=stranger)


def test_a_signature_is_good_for_one_grant_only(
    consents: Any, relayer: Any, patient: Any, terms: Terms, by_patient: bytes
) -> None:
    wider = terms.but(purposes=0xFFFFFFFF)
    with ape.reverts(consents.SignatureInvalid, patient=terms.patient, signer=patient.address):
        consents.grantBySig(terms.patient, raw(patient), wider.id, by_patient, sender=relayer)


def test_a_signature_for_another_chain_or_contract_is_refused(
    consents: Any, log: Any, relayer: Any, patient: Any, chain: Any, terms: Terms
) -> None:
    for where in (domain(consents, chain.chain_id + 1), domain(log, chain.chain_id)):
        replayed = signed(patient, grant_message(where, terms))
        with ape.reverts(consents.SignatureInvalid, patient=terms.patient, signer=patient.address):
            consents.grantBySig(terms.patient, raw(patient), terms.id, replayed, sender=relayer)


def test_a_control_message_cannot_pass_as_a_grant_nor_a_grant_as_one(
    consents: Any,
    relayer: Any,
    patient: Any,
    grants: dict[str, Any],
    control: dict[str, Any],
    terms: Terms,
) -> None:
    message = revoke_message(grants, terms.patient, terms.id)
    for signature in (signed(patient, message), signed(patient, grant_message(control, terms))):
        for call in (consents.grantBySig, consents.revokeBySig):
            with ape.reverts(consents.SignatureInvalid, patient=terms.patient, signer=patient.address):
                call(terms.patient, raw(patient), terms.id, signature, sender=relayer)


def test_a_revocation_for_one_patient_is_not_one_for_another(
    consents: Any, relayer: Any, patient: Any, stranger: Any, terms: Terms, revoked_by_patient: bytes
) -> None:
    ward = identity(stranger)
    consents.setController(ward, patient, sender=stranger)
    with ape.reverts(consents.SignatureInvalid, patient=ward, signer=patient.address):
        consents.revokeBySig(ward, raw(patient), terms.id, revoked_by_patient, sender=relayer)


def test_nobody_signs_for_an_identity_without_a_controller(consents: Any, relayer: Any, terms: Terms) -> None:
    hashed = word("a hashed signer")
    for signature in (bytes(65), bytes(64) + b"\x1b", b""):
        with ape.reverts(consents.NotController, patient=hashed, who=NOBODY):
            consents.grantBySig(hashed, bytes(20), terms.id, signature, sender=relayer)
        with ape.reverts(consents.SignatureInvalid, patient=bytes(32), signer=NOBODY):
            consents.grantBySig(bytes(32), bytes(20), terms.id, signature, sender=relayer)


def with_this_s(s: int, digest: bytes) -> tuple[bytes, bytes]:
    """A compact signature of the digest with this very s, and the account that it makes the signer."""
    for r in range(1, 20):
        with suppress(BadSignature):
            made = Signature(vrs=(0, r, s))
            return made.to_bytes()[:64], made.recover_public_key_from_msg_hash(digest).to_canonical_address()
    raise AssertionError("a half of all numbers are some point's x")


def test_the_largest_s_that_is_low_is_taken(consents: Any, relayer: Any) -> None:
    grant_id = word("grant")
    digest = keccak(b"\x19\x01" + consents.domainSeparator() + grant_id)
    signature, signer = with_this_s(ORDER // 2, digest)
    consents.grantBySig(bytes(12) + signer, signer, grant_id, signature, sender=relayer)
    assert consents.inForce(bytes(12) + signer, grant_id, 0)


def test_a_signature_is_not_taken_without_its_last_byte_though_that_is_zero(
    consents: Any, relayer: Any
) -> None:
    grant_id = word("grant")
    digest = keccak(b"\x19\x01" + consents.domainSeparator() + grant_id)
    signature, signer = with_this_s(2**16, digest)
    patient = bytes(12) + signer
    for cut in (signature[:63], signature[:62], signature + b"\0"):
        with ape.reverts(consents.SignatureInvalid, patient=patient, signer=to_checksum_address(signer)):
            consents.grantBySig(patient, signer, grant_id, cut, sender=relayer)
    consents.grantBySig(patient, signer, grant_id, signature, sender=relayer)


@pytest.mark.parametrize("number", [1, 2, 255])
def test_what_is_no_signature_is_nobodys(
    number: int, consents: Any, relayer: Any, terms: Terms, by_patient: bytes
) -> None:
    """Not of an address either that some other chain or contract takes for nobody."""
    nobody = number.to_bytes(20)
    who = bytes(12) + nobody
    for signature in (b"", bytes(65), with_high_s(by_patient), compact(with_high_s(by_patient)), by_patient[:63]):
        with ape.reverts(consents.SignatureInvalid, patient=who, signer=f"0x{number:040x}"):
            consents.grantBySig(who, nobody, terms.id, signature, sender=relayer)


# --- order of deliveries ------------------------------------------------------------------------------


def test_delivering_twice_changes_nothing_whatever_the_signature(
    consents: Any, relayer: Any, patient: Any, terms: Terms, by_patient: bytes
) -> None:
    arguments = (terms.patient, raw(patient), terms.id)
    consents.grantBySig(*arguments, by_patient, sender=relayer)
    for signature in (by_patient, b"anything"):
        assert consents.grantBySig(*arguments, signature, sender=relayer).events == []


def test_an_early_delivery_is_no_obstacle_to_the_patients_own_transaction(
    consents: Any, relayer: Any, patient: Any, terms: Terms, by_patient: bytes
) -> None:
    consents.grantBySig(terms.patient, raw(patient), terms.id, by_patient, sender=relayer)
    consents.grant(terms.patient, terms.id, sender=patient)
    assert consents.inForce(terms.patient, terms.id, 0)


def test_a_revoked_grant_cannot_be_delivered(
    consents: Any, relayer: Any, patient: Any, terms: Terms, by_patient: bytes
) -> None:
    consents.revoke(terms.patient, terms.id, sender=patient)
    with ape.reverts(consents.GrantEnded, patient=terms.patient, grantId=terms.id):
        consents.grantBySig(terms.patient, raw(patient), terms.id, by_patient, sender=relayer)


def test_a_grant_revoked_by_signature_before_delivery_never_comes_alive(
    consents: Any,
    relayer: Any,
    patient: Any,
    terms: Terms,
    by_patient: bytes,
    revoked_by_patient: bytes,
) -> None:
    who = raw(patient)
    consents.revokeBySig(terms.patient, who, terms.id, revoked_by_patient, sender=relayer)
    with ape.reverts(consents.GrantEnded, patient=terms.patient, grantId=terms.id):
        consents.grantBySig(terms.patient, who, terms.id, by_patient, sender=relayer)


def test_delivering_a_revocation_twice_changes_nothing_whatever_the_signature(
    consents: Any, relayer: Any, patient: Any, terms: Terms, revoked_by_patient: bytes
) -> None:
    arguments = (terms.patient, raw(patient), terms.id)
    consents.revokeBySig(*arguments, revoked_by_patient, sender=relayer)
    for signature in (revoked_by_patient, b"anything"):
        assert consents.revokeBySig(*arguments, signature, sender=relayer).events == []
    assert consents.revoke(terms.patient, terms.id, sender=patient).events == []


def test_what_a_replaced_controller_signed_and_nobody_delivered_is_dead(
    consents: Any,
    relayer: Any,
    patient: Any,
    guardian: Any,
    grants: dict[str, Any],
    terms: Terms,
    by_patient: bytes,
    revoked_by_patient: bytes,
) -> None:
    consents.setController(terms.patient, guardian, sender=patient)
    for call, dead in ((consents.grantBySig, by_patient), (consents.revokeBySig, revoked_by_patient)):
        with ape.reverts(consents.NotController, patient=terms.patient, who=patient.address):
            call(terms.patient, raw(patient), terms.id, dead, sender=relayer)
    by_guardian = signed(guardian, grant_message(grants, terms))
    consents.grantBySig(terms.patient, raw(guardian), terms.id, by_guardian, sender=relayer)
    assert consents.inForce(terms.patient, terms.id, 0)


def test_terms_signed_in_an_earlier_epoch_are_not_allowed_when_delivered_later(
    consents: Any, relayer: Any, patient: Any, clinician: Any, terms: Terms, by_patient: bytes
) -> None:
    consents.revokeAll(terms.patient, sender=patient)
    consents.grantBySig(terms.patient, raw(patient), terms.id, by_patient, sender=relayer)
    assert not consents.isAllowed(terms.words, clinician, TREAT, READ)
    assert not consents.inForce(terms.patient, terms.id, terms.epoch)


# --- contract accounts --------------------------------------------------------------------------------


@pytest.fixture
def wallet(project: Any, patient: Any) -> Any:
    """A contract account with the patient's key."""
    return patient.deploy(project.KeyWallet, patient)


def test_a_contract_account_signs_for_itself(
    consents: Any, relayer: Any, patient: Any, wallet: Any, grants: dict[str, Any], control: Any, terms: Terms
) -> None:
    its = terms.but(patient=identity(wallet))
    yes = signed(patient, grant_message(grants, its))
    consents.grantBySig(its.patient, raw(wallet), its.id, yes, sender=relayer)
    assert consents.inForce(its.patient, its.id, 0)
    no = signed(patient, revoke_message(control, its.patient, its.id))
    consents.revokeBySig(its.patient, raw(wallet), its.id, no, sender=relayer)
    assert not consents.inForce(its.patient, its.id, 0)


def test_a_contract_account_does_not_take_a_strangers_signature(
    consents: Any, stranger: Any, wallet: Any, grants: dict[str, Any], terms: Terms
) -> None:
    its = terms.but(patient=identity(wallet))
    forged = signed(stranger, grant_message(grants, its))
    with ape.reverts(consents.SignatureInvalid, patient=its.patient, signer=wallet.address):
        consents.grantBySig(its.patient, raw(wallet), its.id, forged, sender=stranger)


def test_a_contract_account_grants_and_revokes_by_its_own_transaction(
    consents: Any, patient: Any, wallet: Any, terms: Terms
) -> None:
    its = terms.but(patient=identity(wallet))
    for call, status in ((consents.grant, 1), (consents.revoke, 2)):
        wallet.execute(consents, call.encode_input(its.patient, its.id), sender=patient)
        assert consents.grantState(its.patient, its.id).status == status


@pytest.mark.parametrize("way", [NO, DIRTY, SHORT, SILENT, REFUSING])
def test_a_contract_account_that_does_not_say_yes_has_not_signed(
    way: int, project: Any, consents: Any, relayer: Any, terms: Terms
) -> None:
    rogue = relayer.deploy(project.RogueWallet, way)
    its = terms.but(patient=identity(rogue))
    with ape.reverts(consents.SignatureInvalid, patient=its.patient, signer=rogue.address):
        consents.grantBySig(its.patient, raw(rogue), its.id, b"signature", sender=relayer)


def test_a_contract_account_alone_decides_what_its_signature_is(
    project: Any, consents: Any, relayer: Any, terms: Terms
) -> None:
    rogue = relayer.deploy(project.RogueWallet, YES)
    its = terms.but(patient=identity(rogue))
    consents.grantBySig(its.patient, raw(rogue), its.id, b"", sender=relayer)
    assert consents.inForce(its.patient, its.id, 0)


def test_of_a_huge_answer_one_word_is_read(project: Any, consents: Any, relayer: Any, terms: Terms) -> None:
    bomb, plain = (relayer.deploy(project.RogueWallet, way) for way in (BOMB, YES))
    used = []
    for rogue in (bomb, plain):
        its = terms.but(patient=identity(rogue))
        used.append(consents.grantBySig(its.patient, raw(rogue), its.id, b"", sender=relayer).gas_used)
    made = 3 * 15_625 + 15_625**2 // 512  # what the wallet pays for half a million bytes; a copy would double it
    assert used[0] - used[1] < made * 1.01


def test_an_account_without_code_is_not_asked(
    consents: Any, relayer: Any, grants: dict[str, Any], terms: Terms
) -> None:
    precompiled = bytes(31) + b"\4"  # it hands back the question, which starts with the magic value
    with ape.reverts(consents.SignatureInvalid):
        consents.grantBySig(precompiled, precompiled[12:], terms.id, b"", sender=relayer)


def test_a_wallet_that_delegated_itself_keeps_its_own_signature(
    consents: Any, relayer: Any, log: Any, chain: Any, grants: dict[str, Any], terms: Terms
) -> None:
    """EIP-7702: the wallet's code is now a contract that knows nothing of ERC-1271."""
    wallet = Account.from_key(word("key of a wallet"))
    w3 = chain.provider.web3
    delegate = {"chainId": chain.chain_id, "address": log.address, "nonce": 0}
    sponsor = Account.from_key(word("key of a sponsor"))
    relayer.transfer(sponsor.address, 10**18)
    transaction = {
        "type": 4,
        "chainId": chain.chain_id,
        "nonce": 0,
        "gas": 200_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
        "to": sponsor.address,
        "value": 0,
        "data": b"",
        "authorizationList": [wallet.sign_authorization(delegate)],
    }
    sent = w3.eth.send_raw_transaction(sponsor.sign_transaction(transaction).raw_transaction)
    w3.eth.wait_for_transaction_receipt(sent)
    assert w3.eth.get_code(wallet.address) == b"\xef\x01\x00" + raw(log)
    its = terms.but(patient=identity(wallet))
    signature = bytes(wallet.sign_message(grant_message(grants, its)).signature)
    consents.grantBySig(its.patient, raw(wallet), its.id, signature, sender=relayer)
    assert consents.inForce(its.patient, its.id, 0)


# --- domains ------------------------------------------------------------------------------------------


def test_the_domains_are_those_that_a_wallet_shows(consents: Any, chain: Any) -> None:
    kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    for name, separator in (
        ("Consentry", consents.domainSeparator()),
        ("Consentry Control", consents.controlDomainSeparator()),
    ):
        parts = [keccak(text=kind), keccak(text=name), keccak(text="1")]
        parts += [chain.chain_id.to_bytes(32), identity(consents)]
        assert separator == keccak(b"".join(parts))
