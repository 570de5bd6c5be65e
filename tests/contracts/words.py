"""What the contract tests speak of: identities, terms, signatures, credentials."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

READ, DEPOSIT, MEMBERS = 1, 2, 4
TREAT, RESEARCH = 1, 8
TREATING, EMERGENCY, REVIEWER, ORGANISATION = 1, 2, 16, 0x8000
NONE, ACTIVE, SUSPENDED, RETIRED = range(4)
HOUR, DAY, YEAR = 3600, 24 * 3600, 365 * 24 * 3600
NOBODY = "0x" + "00" * 20
NO_WORD = bytes(32)

REASONS = (
    "None",
    "UnknownFlags",
    "FlagNotGranted",
    "PurposesNotZero",
    "PurposeNotOne",
    "PurposeNotGranted",
    "NotYetValid",
    "Expired",
    "NotGranted",
    "Revoked",
    "EpochChanged",
    "CredentialNotLive",
    "NotGrantee",
    "OptedOut",
    "GuardianshipEnded",
)


TERMS_TYPE = (
    "bytes32 patient,bytes32 grantee,bytes32 segment,bytes32 record,uint32 purposes,uint16 flags,"
    "uint40 notBefore,uint40 expiresAt,uint64 epoch,Reading reading"
)
READING_TYPE = "string sentence,bytes32 policy,bytes32 salt"


def word(label: str) -> bytes:
    """32 bytes that look random and are the same in every run."""
    return keccak(text=f"consentry test {label}")


def raw(account: Any) -> bytes:
    """An account's address as 20 bytes."""
    return bytes.fromhex(str(getattr(account, "address", account))[2:])


def identity(account: Any) -> bytes:
    """An account as an identity: its address, left-padded to 32 bytes."""
    return bytes(12) + raw(account)


def name_of(who: bytes) -> str:
    """The address by which an account word names an identity: its last 20 bytes."""
    return str(to_checksum_address(who[-20:]))


@dataclass(frozen=True)
class Terms:
    """Terms with a reading, as a patient signs them."""

    patient: bytes
    grantee: bytes
    purposes: int = TREAT | RESEARCH
    flags: int = READ
    notBefore: int = 0  # noqa: N815
    expiresAt: int = 2**40 - 1  # noqa: N815
    epoch: int = 0
    segment: bytes = word("segment")
    record: bytes = NO_WORD
    sentence: str = "Dr Synthetic Example may read my general records – für Behandlung ✓"
    policy: bytes = NO_WORD
    salt: bytes = word("salt")

    def but(self, **changes: Any) -> Terms:
        """The same terms but for some."""
        return dataclasses.replace(self, **changes)

    @property
    def typed(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """EIP-712 types and message."""
        types = {"Terms": _fields(TERMS_TYPE), "Reading": _fields(READING_TYPE)}
        message = {name: getattr(self, name) for name in TERMS_FIELDS[:-1]}
        message["reading"] = {name: getattr(self, name) for name in _names(READING_TYPE)}
        return types, message

    @property
    def id(self) -> bytes:
        """The grant id, by eth-account and not by the contract."""
        types, message = self.typed
        return encode_typed_data({}, types, message).body

    @property
    def words(self) -> tuple[Any, ...]:
        """The struct that the contracts take."""
        types, message = self.typed
        reading = encode_typed_data({}, {"Reading": types["Reading"]}, message["reading"]).body
        return (*list(message.values())[:-1], reading)


def _fields(text: str) -> list[dict[str, str]]:
    pairs = [field.split(" ") for field in text.split(",")]
    return [{"type": kind, "name": name} for kind, name in pairs]


def _names(text: str) -> list[str]:
    return [field.split(" ")[1] for field in text.split(",")]


TERMS_FIELDS = _names(TERMS_TYPE)


def domain(consents: Any, chain_id: int, name: str = "Consentry") -> dict[str, Any]:
    """The EIP-712 domain of a ConsentRegistry."""
    return {"name": name, "version": "1", "chainId": chain_id, "verifyingContract": consents.address}


def grant_message(where: dict[str, Any], terms: Terms) -> SignableMessage:
    """What a patient signs to grant."""
    return encode_typed_data(where, *terms.typed)


def revoke_message(where: dict[str, Any], patient: bytes, grant_id: bytes) -> SignableMessage:
    """What a patient signs to revoke."""
    return control_message(where, "Revoke(bytes32 patient,bytes32 grantId)", patient, grant_id)


def control_message(where: dict[str, Any], text: str, *values: Any) -> SignableMessage:
    """A control message: ``text`` is its EIP-712 type, such as ``Revoke(bytes32 patient,bytes32 grantId)``."""
    name, _, fields = text[:-1].partition("(")
    return encode_typed_data(where, {name: _fields(fields)}, dict(zip(_names(fields), values, strict=True)))


def signed(signer: Any, message: SignableMessage) -> bytes:
    """An Ape account's signature in 65 bytes: r, s, v."""
    return bytes(signer.sign_message(message).encode_rsv())


def credential(provider: Any, organisation: Any = NOBODY, **changes: Any) -> dict[str, Any]:
    """A credential that is good for the whole run."""
    usual = {
        "provider": provider,
        "validFrom": 0,
        "validUntil": 2**40 - 1,
        "roles": TREATING,
        "organisation": organisation,
        "cardHash": word("card"),
    }
    return usual | changes


def reason(name: str) -> int:
    """A reason's number."""
    return REASONS.index(name)


def at(chain: Any, moment: int) -> None:
    """Mine a block at that second of the chain's time."""
    chain.pending_timestamp = moment
    chain.mine()


def now(chain: Any) -> int:
    """The newest block's time."""
    return int(chain.blocks.head.timestamp)
