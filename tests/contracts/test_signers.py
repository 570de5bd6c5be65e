"""Signers other than a plain wallet: keys without an account (ERC-7913), Safes, accounts that delegated
themselves (EIP-7702)."""

from collections.abc import Iterator
from typing import Any

import ape
import pytest
from ape.contracts import ContractContainer
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.crypto import keccak
from ethpm_types import ContractType

from bench._solc import compiled
from tests.contracts.anvils import Node, deployed, node, of_ape, of_safe
from tests.contracts.words import (
    NOBODY,
    READ,
    TREAT,
    Terms,
    domain,
    grant_message,
    identity,
    name_of,
    raw,
    revoke_message,
    word,
)

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
NO, DIRTY, SHORT, SILENT, REFUSING, BOMB, YES, GREEDY, REENTERING = range(9)


def digest_of(message: SignableMessage) -> bytes:
    """What a key signs of a typed message."""
    return keccak(b"\x19\x01" + message.header + message.body)


class Passkey:
    """A P-256 key under a verifier: it has an identity, and no address."""

    def __init__(self, verifier: Any, key: EllipticCurvePrivateKey | None = None) -> None:
        self.key = key or derive_private_key(int.from_bytes(word("passkey")) % P256_ORDER, SECP256R1())
        point = self.key.public_key().public_numbers()
        self.signer = raw(verifier) + point.x.to_bytes(32) + point.y.to_bytes(32)
        self.identity = keccak(self.signer)
        self.name = name_of(self.identity)

    def sign(self, message: SignableMessage) -> bytes:
        """r and s, the lower s."""
        der = self.key.sign(digest_of(message), ECDSA(Prehashed(SHA256())))
        r, s = decode_dss_signature(der)
        return r.to_bytes(32) + min(s, P256_ORDER - s).to_bytes(32)


@pytest.fixture(scope="module")
def p256() -> ContractContainer:
    """A verifier of P-256 signatures made of OpenZeppelin's library; not deployed yet."""
    abi, bytecode = compiled("tests/contracts/P256Verifier.sol")
    kind = {"contractName": "P256Verifier", "abi": abi, "deploymentBytecode": {"bytecode": bytecode}}
    return ContractContainer(ContractType.model_validate(kind))


@pytest.fixture(scope="module")
def verifier(p256: ContractContainer, authority: Any) -> Any:
    return authority.deploy(p256)


@pytest.fixture(scope="module")
def passkey(verifier: Any) -> Passkey:
    return Passkey(verifier)


# --- a key without an account -------------------------------------------------------------------------


def test_an_identity_that_is_the_hash_of_a_key_signs_for_itself(
    consents: Any, relayer: Any, clinician: Any, passkey: Passkey, grants: Any, control: Any, terms: Terms
) -> None:
    its = terms.but(patient=passkey.identity)
    given = passkey.sign(grant_message(grants, its))
    consents.grantBySig(its.patient, passkey.signer, its.id, given, sender=relayer)
    assert consents.isAllowed(its.words, clinician, TREAT, READ)
    ended = passkey.sign(revoke_message(control, its.patient, its.id))
    consents.revokeBySig(its.patient, passkey.signer, its.id, ended, sender=relayer)
    assert not consents.isAllowed(its.words, clinician, TREAT, READ)


def test_another_key_or_another_word_of_the_key_is_refused(
    consents: Any, relayer: Any, passkey: Passkey, verifier: Any, grants: Any, terms: Terms
) -> None:
    its = terms.but(patient=passkey.identity)
    good = passkey.sign(grant_message(grants, its))
    high = good[:32] + (P256_ORDER - int.from_bytes(good[32:])).to_bytes(32)
    other = passkey.sign(grant_message(grants, its.but(salt=word("another"))))
    for bad in (high, other, good[:63], good + b"\0", b""):
        with ape.reverts(consents.SignatureInvalid, patient=its.patient, signer=passkey.name):
            consents.grantBySig(its.patient, passkey.signer, its.id, bad, sender=relayer)
    thief = Passkey(verifier, derive_private_key(7, SECP256R1()))
    stolen = thief.sign(grant_message(grants, its))
    with ape.reverts(consents.NotController, patient=its.patient, who=thief.name):
        consents.grantBySig(its.patient, thief.signer, its.id, stolen, sender=relayer)
    with ape.reverts(consents.SignatureInvalid, patient=its.patient, signer=passkey.name):
        consents.grantBySig(its.patient, passkey.signer, its.id, stolen, sender=relayer)


def test_a_key_becomes_a_wallets_controller_and_the_wallet_is_done(
    consents: Any, relayer: Any, patient: Any, passkey: Passkey, grants: Any, terms: Terms
) -> None:
    consents.setController(terms.patient, passkey.name, sender=patient)
    given = passkey.sign(grant_message(grants, terms))
    consents.grantBySig(terms.patient, passkey.signer, terms.id, given, sender=relayer)
    assert consents.inForce(terms.patient, terms.id, 0)
    with ape.reverts(consents.NotController, patient=terms.patient, who=patient.address):
        consents.grant(terms.patient, word("more"), sender=patient)


def test_no_account_is_the_controller_of_an_identity_that_is_a_key(
    consents: Any, stranger: Any, passkey: Passkey
) -> None:
    assert consents.controllerOf(passkey.identity) == NOBODY
    with ape.reverts(consents.NotController, patient=passkey.identity, who=stranger.address):
        consents.grant(passkey.identity, word("grant"), sender=stranger)


def test_the_verifier_and_the_key_both_make_the_identity(
    project: Any, consents: Any, relayer: Any, passkey: Passkey, terms: Terms
) -> None:
    """A verifier that says yes to everything is another signer, whatever the key behind it."""
    yes = relayer.deploy(project.RogueWallet, YES)
    forged = raw(yes) + passkey.signer[20:]
    name = name_of(keccak(forged))
    with ape.reverts(consents.NotController, patient=passkey.identity, who=name):
        consents.grantBySig(passkey.identity, forged, terms.id, b"", sender=relayer)


@pytest.mark.parametrize("way", [NO, DIRTY, SHORT, SILENT, REFUSING, GREEDY, REENTERING])
@pytest.mark.parametrize("key", [b"", b"key"], ids=["account", "verifier"])
def test_a_contract_that_does_not_say_yes_has_not_signed(
    way: int, key: bytes, project: Any, consents: Any, relayer: Any
) -> None:
    rogue = relayer.deploy(project.RogueWallet, way)
    signer = raw(rogue) + key
    its = keccak(signer) if key else identity(rogue)
    with ape.reverts(consents.SignatureInvalid, patient=its, signer=name_of(its)):
        consents.grantBySig(its, signer, word("grant"), b"signature", sender=relayer, gas=3_000_000)
    assert consents.epochOf(its) == 0


def test_of_a_verifiers_answer_one_word_is_read(project: Any, consents: Any, relayer: Any) -> None:
    used = []
    for way in (BOMB, YES):
        signer = raw(relayer.deploy(project.RogueWallet, way)) + b"key"
        receipt = consents.grantBySig(keccak(signer), signer, word("grant"), b"", sender=relayer)
        used.append(receipt.gas_used)
    made = 3 * 15_625 + 15_625**2 // 512  # what the verifier pays for half a million bytes; a copy would double it
    assert used[0] - used[1] < made * 1.01


def test_a_contract_that_is_asked_has_a_million_gas(project: Any, consents: Any, relayer: Any) -> None:
    rogue = relayer.deploy(project.RogueWallet, GREEDY)
    call = consents.grantBySig.encode_input(identity(rogue), raw(rogue), word("grant"), b"")
    wallet = relayer.deploy(project.KeyWallet, relayer)
    with ape.reverts(consents.SignatureInvalid, patient=identity(rogue), signer=rogue.address):
        wallet.execute(consents, call, sender=relayer, gas=10_000_000)
    refused = wallet.execute(consents, call, sender=relayer, gas=10_000_000, raise_on_revert=False)
    assert refused.failed
    assert 1_000_000 < refused.gas_used < 1_100_000


def test_a_precompile_is_no_verifier(consents: Any, relayer: Any) -> None:
    """The identity precompile hands back the question, and that begins as a yes would."""
    signer = bytes(19) + b"\4" + b"key"
    with ape.reverts(consents.SignatureInvalid):
        consents.grantBySig(keccak(signer), signer, word("grant"), b"", sender=relayer)


@pytest.mark.parametrize("signer", [b"", b"\1", b"\1" * 19], ids=["0", "1", "19"])
def test_fewer_than_20_bytes_sign_for_nobody(
    signer: bytes, consents: Any, relayer: Any, terms: Terms, control: Any
) -> None:
    """Not even for the identity that is their hash."""
    its = keccak(signer)
    deliveries = (consents.grantBySig, consents.revokeBySig)
    for call in deliveries:
        with ape.reverts(consents.SignatureInvalid, patient=its):
            call(its, signer, terms.id, bytes(65), sender=relayer)
        refusal = consents.NotController if call is deliveries[0] else consents.SignatureInvalid
        with ape.reverts(refusal, patient=terms.patient):
            call(terms.patient, signer, terms.id, bytes(65), sender=relayer)


# --- a Safe -------------------------------------------------------------------------------------------


@pytest.fixture
def safe(chain: Any, accounts: Any) -> Any:
    """A Safe of three owners, of whom two sign, from the contracts that Safe publishes."""
    w3, sender = chain.provider.web3, accounts[0].address
    single = deployed(w3, *of_safe("Safe"), sender)
    handler = deployed(w3, *of_safe("handler/CompatibilityFallbackHandler"), sender)
    factory = deployed(w3, *of_safe("proxies/SafeProxyFactory"), sender)
    owners = sorted((each.address for each in accounts[10:13]), key=str.lower)
    settled = single.encode_abi("setup", [owners, 2, NOBODY, b"", handler.address, NOBODY, 0, NOBODY])
    create = factory.functions.createProxyWithNonce(single.address, settled, 7)
    address = create.call({"from": sender})
    made = create.transact({"from": sender, "gas": 1_000_000})  # Ganache does not ask how much it needs
    assert w3.eth.wait_for_transaction_receipt(made)["status"] == 1
    return w3.eth.contract(address, abi=single.abi)


def by_owners(safe: Any, chain: Any, owners: list[Any], message: SignableMessage) -> bytes:
    """The owners' signatures, lowest address first, over the message of the Safe itself."""
    where = {"chainId": chain.chain_id, "verifyingContract": safe.address}
    types = {"SafeMessage": [{"type": "bytes", "name": "message"}]}
    wrapped = encode_typed_data(where, types, {"message": digest_of(message)})
    each = sorted(owners, key=lambda owner: str(owner.address).lower())
    return b"".join(bytes(owner.sign_message(wrapped).encode_rsv()) for owner in each)


def test_a_safe_grants_and_revokes_by_its_owners_signatures(
    consents: Any,
    relayer: Any,
    clinician: Any,
    accounts: Any,
    chain: Any,
    safe: Any,
    grants: Any,
    control: Any,
    terms: Terms,
) -> None:
    its = terms.but(patient=identity(safe))
    given = by_owners(safe, chain, accounts[10:12], grant_message(grants, its))
    consents.grantBySig(its.patient, raw(safe), its.id, given, sender=relayer)
    assert consents.isAllowed(its.words, clinician, TREAT, READ)
    ended = by_owners(safe, chain, accounts[11:13], revoke_message(control, its.patient, its.id))
    consents.revokeBySig(its.patient, raw(safe), its.id, ended, sender=relayer)
    assert not consents.isAllowed(its.words, clinician, TREAT, READ)


def test_one_owner_of_a_safe_alone_or_a_stranger_with_one_has_not_signed(
    consents: Any, relayer: Any, stranger: Any, accounts: Any, chain: Any, safe: Any, grants: Any, terms: Terms
) -> None:
    its = terms.but(patient=identity(safe))
    for signers in ([accounts[10]], [accounts[10], stranger], [accounts[10], accounts[10]]):
        signature = by_owners(safe, chain, signers, grant_message(grants, its))
        with ape.reverts(consents.SignatureInvalid, patient=its.patient, signer=safe.address):
            consents.grantBySig(its.patient, raw(safe), its.id, signature, sender=relayer)


# --- on Anvil: EIP-7702, and P-256 with and without a precompile --------------------------------------


@pytest.fixture(scope="module", params=["prague", "osaka"])
def here(request: Any) -> Iterator[Node]:
    with node(request.param) as made:
        yield made


def delegate(here: Node, wallet: Any, to: str) -> None:
    """A sponsor sends what makes a wallet run another contract's code from now on (EIP-7702)."""
    sponsor = Account.from_key(word("key of a sponsor"))
    here.w3.provider.make_request("anvil_setBalance", [sponsor.address, hex(10**18)])  # type: ignore[arg-type]
    authorization = {"chainId": 31337, "address": to, "nonce": here.w3.eth.get_transaction_count(wallet.address)}
    transaction = {
        "type": 4,
        "chainId": 31337,
        "nonce": here.w3.eth.get_transaction_count(sponsor.address),
        "gas": 200_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
        "to": sponsor.address,
        "value": 0,
        "data": b"",
        "authorizationList": [wallet.sign_authorization(authorization)],
    }
    sent = here.w3.eth.send_raw_transaction(sponsor.sign_transaction(transaction).raw_transaction)
    here.w3.eth.wait_for_transaction_receipt(sent)
    assert here.w3.eth.get_code(wallet.address) == b"\xef\x01\x00" + raw(to)


def test_a_delegated_wallet_keeps_its_word_and_its_contract_has_one_too(here: Node, project: Any) -> None:
    """First it delegates to a contract that knows nothing of ERC-1271, then to one with a key of its own."""
    wallet, device = (Account.from_key(word(f"key of a {name}")) for name in ("wallet", "device"))
    consents = here.consents.functions
    grants, control = (domain(here.consents, 31337, name) for name in ("Consentry", "Consentry Control"))
    keyed = here.deploy(of_ape(project.KeyWallet), device.address)
    for to, signers in ((here.providers, [wallet]), (keyed, [wallet, device])):
        delegate(here, wallet, to.address)
        for signer in signers:
            terms = Terms(identity(wallet), identity(here.sender), salt=word(to.address + signer.address))
            for message, call in (
                (grant_message(grants, terms), consents.grantBySig),
                (revoke_message(control, terms.patient, terms.id), consents.revokeBySig),
            ):
                signature = bytes(signer.sign_message(message).signature)
                here.send(call(terms.patient, raw(wallet), terms.id, signature))
            assert consents.grantState(terms.patient, terms.id).call()[0] == 2


def test_a_key_signs_with_and_without_the_chains_help(here: Node, p256: ContractContainer, request: Any) -> None:
    passkey = Passkey(here.deploy(of_ape(p256)))
    terms = Terms(passkey.identity, identity(here.sender))
    signature = passkey.sign(grant_message(domain(here.consents, 31337), terms))
    call = here.consents.functions.grantBySig(terms.patient, passkey.signer, terms.id, signature)
    used = here.send(call)["gasUsed"]
    has_precompile = "osaka" in request.node.name
    assert used < 80_000 if has_precompile else 200_000 < used < 400_000
    assert here.consents.functions.inForce(terms.patient, terms.id, 0).call()
