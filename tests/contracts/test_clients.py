"""A patient signs the same in every wallet: viem, cast and eth-account agree, and the contracts take it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from tests.contracts.clients import CLIENTS, MOST_OF_A_DOUBLE, Answer, by_eth_account, by_viem, typed
from tests.contracts.words import DAY, RESEARCH, TREAT, Terms, identity, raw, word

CONTRACTS = Path(__file__).parents[2] / "contracts"
KEY = word("the key of a wallet")
LATER = 2**40 - 1
OTHER, HEIR, LAST = ("0x" + digit * 40 for digit in ("1", "2", "f"))
LARGEST: dict[str, Any] = {"bytes32": b"\xff" * 32, "address": LAST, "bytes": b"\xff" * 1217}
LARGEST |= {"address[]": [LAST] * 16, "string": "Fünfzig Zeichen ✓ – " * 50}
LARGEST["Reading"] = (LARGEST["string"], LARGEST["bytes32"], LARGEST["bytes32"])
TERMS = (
    "Terms(bytes32 patient,bytes32 grantee,bytes32 segment,bytes32 record,uint32 purposes,uint16 flags,"
    "uint40 notBefore,uint40 expiresAt,uint64 epoch,Reading reading)"
    "Reading(string sentence,bytes32 policy,bytes32 salt)"
)

# Every message that the contracts take signed, and what comes of it, as events, in order.
MESSAGES: dict[str, list[str]] = {
    TERMS: ["ConsentGranted"],
    "Revoke(bytes32 patient,bytes32 grantId)": ["ConsentRevoked"],
    "RevokeAll(bytes32 patient,uint64 epoch)": ["AllConsentsRevoked"],
    "SetController(bytes32 patient,address controller,uint256 sequence)": ["ControllerChanged"],
    "SetEncryptionKey(bytes32 patient,uint16 algorithm,bytes publicKey,uint256 sequence)": [
        "EncryptionKeySet"
    ],
    "SetOptOut(bytes32 patient,uint32 purposes,uint256 sequence)": ["OptOutChanged"],
    "SetGuardian(bytes32 patient,address guardian,uint40 until,address successor,uint256 sequence)": [
        "GuardianAppointed",
        "AllConsentsRevoked",
    ],
    "EndGuardianship(bytes32 patient,uint256 sequence)": ["GuardianshipEnded"],
    "SetTrustees(bytes32 patient,address[] trustees,uint8 threshold,uint40 delay,uint256 sequence)": [
        "TrusteesNamed"
    ],
    "SupportRecovery(bytes32 patient,address controller,address guardian,uint40 until,"
    "address successor,uint64 round)": ["RecoverySupported"],
    "VetoRecovery(bytes32 patient,bytes32 recovery)": ["RecoveryVetoed"],
}
NAMES = {text: text.partition("(")[0] for text in MESSAGES}


def domain_of(text: str, chain_id: int, contract: str) -> dict[str, Any]:
    name = "Consentry" if text == TERMS else "Consentry Control"
    return {"name": name, "version": "1", "chainId": chain_id, "verifyingContract": contract}


class Scene(NamedTuple):
    """A message's values, and the function that takes a signature over them as its last argument."""

    values: tuple[Any, ...]
    function: str
    arguments: tuple[Any, ...]


WALLET = Account.from_key(KEY)
ME, SIGNER = identity(WALLET), raw(WALLET)


@pytest.fixture(scope="module")
def epoch(consents: Any, grants: dict[str, Any], relayer: Any) -> int:
    """The wallet's own, and one that a double would round."""
    text = "RevokeAll(bytes32 patient,uint64 epoch)"
    while (now := int(consents.epochOf(ME))) <= MOST_OF_A_DOUBLE or int(float(now)) == now:
        where = domain_of(text, grants["chainId"], consents.address)
        (answer,) = by_eth_account([typed(text, where, (ME, now))], KEY)
        consents.revokeAllBySig(ME, SIGNER, answer.signature, sender=relayer)
    return now


@pytest.fixture(scope="module")
def said(clinician: Any, epoch: int) -> Terms:
    return Terms(ME, identity(clinician), epoch=epoch)


@pytest.fixture(scope="module")
def scenes(
    consents: Any, said: Terms, epoch: int, patient: Any, hospital: Any, nurse: Any, stranger: Any
) -> dict[str, Scene]:
    """The wallet never sends a transaction. It is its own controller, and the stranger's; guardian of a
    patient, and trustee of the hospital."""
    ward, other, stolen = identity(patient), identity(hospital), identity(stranger)
    plan = (OTHER, LAST, LATER, HEIR)
    consents.setGuardian(ward, WALLET.address, LATER, HEIR, sender=patient)
    trustees = sorted([WALLET.address, nurse.address, hospital.address], key=lambda each: int(each, 16))
    consents.setTrustees(other, trustees, 3, DAY, sender=hospital)
    consents.setTrustees(stolen, trustees, 2, DAY, sender=stranger)
    for each in (nurse, hospital):
        consents.supportRecovery(stolen, plan, sender=each)
    (begun, *_) = consents.recoveryOf(stolen, plan)
    consents.setController(stolen, WALLET.address, sender=stranger)
    three, key = [OTHER, HEIR, LAST], word("key") * 38
    _, message = said.typed
    words = (*list(message.values())[:-1], tuple(message["reading"].values()))
    found = (
        Scene(words, "grantBySig", (ME, SIGNER, said.id)),
        Scene((ME, said.id), "revokeBySig", (ME, SIGNER, said.id)),
        Scene((ME, epoch), "revokeAllBySig", (ME, SIGNER)),
        Scene((ME, OTHER, 0), "setControllerBySig", (ME, OTHER, SIGNER)),
        Scene((ME, 0x647A, key, 0), "setEncryptionKeyBySig", (ME, 0x647A, key, SIGNER)),
        Scene((ME, RESEARCH, 0), "setOptOutBySig", (ME, RESEARCH, SIGNER)),
        Scene((ME, OTHER, LATER, HEIR, 0), "setGuardianBySig", (ME, OTHER, LATER, HEIR, SIGNER)),
        Scene((ward, 0), "endGuardianshipBySig", (ward, SIGNER)),
        Scene((ME, three, 2, 7 * DAY, 0), "setTrusteesBySig", (ME, three, 2, 7 * DAY, SIGNER)),
        Scene((other, *plan, 1), "supportRecoveryBySig", (other, plan, SIGNER)),
        Scene((stolen, begun), "vetoRecoveryBySig", (stolen, begun, SIGNER)),
    )
    return dict(zip(MESSAGES, found, strict=True))


@pytest.fixture(scope="module")
def questions(scenes: dict[str, Scene], grants: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The messages as a wallet is handed them."""
    return {
        text: typed(text, domain_of(text, grants["chainId"], grants["verifyingContract"]), scene.values)
        for text, scene in scenes.items()
    }


@pytest.fixture(scope="module")
def by_client(questions: dict[str, dict[str, Any]]) -> dict[str, dict[str, Answer]]:
    """What each client says of each of them."""
    return {
        name: dict(zip(questions, client(list(questions.values()), KEY), strict=True))
        for name, client in CLIENTS.items()
    }


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("text", MESSAGES, ids=NAMES.get)
def test_the_contract_takes_what_a_wallet_signs(
    text: str, client: str, by_client: dict[str, Any], scenes: dict[str, Scene], consents: Any, relayer: Any
) -> None:
    scene = scenes[text]
    signature = by_client[client][text].signature
    receipt = getattr(consents, scene.function)(*scene.arguments, signature, sender=relayer)
    assert [event.event_name for event in receipt.events] == MESSAGES[text]


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_wallet_signs_is_used_at_the_bedside(
    client: str, by_client: dict[str, Any], consents: Any, log: Any, clinician: Any, said: Terms
) -> None:
    entry = ([word("salt")], TREAT, word("reply key"), word("agent"))
    signature = by_client[client][TERMS].signature
    log.requestWithSignature(said.words, *entry, SIGNER, signature, sender=clinician)
    assert consents.inForce(ME, said.id, said.epoch)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_wallet_makes_the_same_of_a_message(
    client: str, by_client: dict[str, dict[str, Answer]]
) -> None:
    agreed = by_client["eth-account"]
    for text, answer in by_client[client].items():
        assert answer.signature == agreed[text].signature, text
        assert answer.digest in (agreed[text].digest, None), text


def test_every_wallet_makes_the_same_of_the_largest_values() -> None:
    """Integers and addresses as large as can be, sixteen trustees, a long sentence that is not ASCII."""
    largest = []
    for text in MESSAGES:
        kinds = re.findall(r"([\w\[\]]+) \w+", text.split(")")[0].partition("(")[2])
        values = [2 ** int(kind[4:]) - 1 if kind.startswith("uint") else LARGEST[kind] for kind in kinds]
        largest.append(typed(text, domain_of(text, 2**53 - 1, LAST), values))
    viem, cast, eth_account = (client(largest, KEY) for client in CLIENTS.values())
    assert [each.digest for each in viem] == [each.digest for each in eth_account]
    assert viem == eth_account
    assert [each.signature for each in cast] == [each.signature for each in eth_account]


def test_an_epoch_is_handed_over_in_digits_since_a_number_is_rounded(
    questions: dict[str, dict[str, Any]], by_client: dict[str, dict[str, Answer]], epoch: int
) -> None:
    text = "RevokeAll(bytes32 patient,uint64 epoch)"
    asked = questions[text]
    assert asked["message"]["epoch"] == str(epoch)
    rounded = asked | {"message": asked["message"] | {"epoch": epoch}}
    (answer,) = by_viem([rounded], KEY)
    assert answer.digest != by_client["viem"][text].digest


def test_the_digests_are_over_what_the_contracts_hash(
    by_client: dict[str, dict[str, Answer]], scenes: dict[str, Scene], consents: Any, said: Terms
) -> None:
    """A contract tells the struct hash of terms and of a recovery, and the separator of both domains."""
    support = next(text for text in MESSAGES if text.startswith("SupportRecovery"))
    recovery = consents.recoveryOf(*scenes[support].arguments[:2]).recovery
    grant = b"\x19\x01" + consents.domainSeparator() + consents.grantIdOf(said.words)
    control = b"\x19\x01" + consents.controlDomainSeparator() + recovery
    assert by_client["viem"][TERMS].digest == keccak(grant)
    assert by_client["viem"][support].digest == keccak(control)


def test_no_message_of_the_contracts_is_missing() -> None:
    found = set()
    for path in CONTRACTS.rglob("*.sol"):
        for literals in re.findall(r"keccak256\(\s*((?:\"[^\"]*\"\s*)+)\)", path.read_text("utf-8")):
            found.add("".join(re.findall(r"\"([^\"]*)\"", literals)))
    typehashes = {text for text in found if "(" in text and not text.startswith("EIP712Domain(")}
    assert typehashes == set(MESSAGES)


def test_every_function_that_takes_a_signature_is_delivered_to(
    scenes: dict[str, Scene], consents: Any, log: Any
) -> None:
    taking = {
        method.name
        for contract in (consents, log)
        for method in contract.contract_type.mutable_methods
        if any(given.name == "signature" for given in method.inputs)
    }
    assert taking == {scene.function for scene in scenes.values()} | {"requestWithSignature"}
