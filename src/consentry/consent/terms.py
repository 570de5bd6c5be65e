"""The terms of a grant, the sentence that a patient reads and signs, and the grant id (design section 4)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from eth_utils.crypto import keccak

from consentry.errors import UsageError
from consentry.keys.binding import Deployment, abi_decode, abi_encode
from consentry.keys.typed import CONTROL, GRANTS, message

READ, DEPOSIT, MEMBERS = 1, 2, 4
ALL_FLAGS = READ | DEPOSIT | MEMBERS

_READING_TYPE = "Reading(string sentence,bytes32 policy,bytes32 salt)"
_TERMS_TYPE = (
    "Terms(bytes32 patient,bytes32 grantee,bytes32 segment,bytes32 record,uint32 purposes,uint16 flags,"
    "uint40 notBefore,uint40 expiresAt,uint64 epoch,Reading reading)" + _READING_TYPE
)
_FIELDS = ["bytes32"] * 4 + ["uint32", "uint16", "uint40", "uint40", "uint64", "bytes32"]
_LIMITS = {"purposes": 32, "flags": 16, "not_before": 40, "expires_at": 40, "epoch": 64}
_WORDS = ("patient", "grantee", "segment", "record", "reading_hash")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the patient reads: the ``sentence``, the ``policy`` (keccak of text URI and version, zero if
    none) and a random ``salt`` (32 bytes). On chain stands only its hash."""

    sentence: str
    policy: bytes
    salt: bytes

    @property
    def hash(self) -> bytes:
        """EIP-712 struct hash."""
        values = [keccak(text=_READING_TYPE), keccak(text=self.sentence), self.policy, self.salt]
        return keccak(abi_encode(["bytes32"] * 4, values))


@dataclass(frozen=True, slots=True)
class Terms:
    """What a grant says, with the hash of its reading.

    ``patient`` and ``grantee`` are 32-byte identities, ``segment`` and ``record`` (zero: the whole segment)
    32-byte ids, ``purposes`` a mask of purpose-of-use bits, ``flags`` of READ, DEPOSIT and MEMBERS;
    ``not_before`` and ``expires_at`` are block times in seconds, ``epoch`` the patient's at signing.
    """

    patient: bytes
    grantee: bytes
    segment: bytes
    record: bytes
    purposes: int
    flags: int
    not_before: int
    expires_at: int
    epoch: int
    reading_hash: bytes

    def __post_init__(self) -> None:
        """Raises `UsageError` for a value out of range: wallets accept short words and round numbers."""
        for name in _WORDS:
            if len(getattr(self, name)) != 32:
                raise UsageError(f"the terms' {name} must be 32 bytes")
        for name, bits in _LIMITS.items():
            if not 0 <= getattr(self, name) < 1 << bits:
                raise UsageError(f"the terms' {name} must fit {bits} bits")

    def as_tuple(self) -> tuple[Any, ...]:
        """The fields in the contracts' order."""
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    def encode(self) -> bytes:
        """ABI encoding, for hand-over between programs."""
        return abi_encode(_FIELDS, list(self.as_tuple()))

    @classmethod
    def decode(cls, data: bytes) -> Terms:
        """Raises `IntegrityError`."""
        return cls(*abi_decode(_FIELDS, data, "a grant's terms"))

    @property
    def grant_id(self) -> bytes:
        """The EIP-712 struct hash: the grant's id (32 bytes)."""
        return keccak(keccak(text=_TERMS_TYPE) + self.encode())


def typed_terms(deployment: Deployment, terms: Terms, reading: Reading) -> dict[str, Any]:
    """The EIP-712 message that puts a grant in force when its patient signs it."""
    if reading.hash != terms.reading_hash:
        raise UsageError("the reading is not the one that the terms name")
    names = ("patient", "grantee", "segment", "record", "purposes", "flags")
    fields: list[tuple[str, str, Any]] = [
        (kind, name, getattr(terms, name)) for kind, name in zip(_FIELDS, names, strict=False)
    ]
    fields += [("uint40", "notBefore", terms.not_before), ("uint40", "expiresAt", terms.expires_at)]
    fields += [("uint64", "epoch", terms.epoch)]
    fields += [("Reading", "reading", dataclasses.asdict(reading))]
    nested = [("string", "sentence"), ("bytes32", "policy"), ("bytes32", "salt")]
    types = {"Reading": [{"type": kind, "name": name} for kind, name in nested]}
    return message(deployment, "Terms", fields, domain=GRANTS, types=types)


def typed_revoke(deployment: Deployment, patient: bytes, grant_id: bytes) -> dict[str, Any]:
    """The EIP-712 control message that ends a grant for ever."""
    fields = [("bytes32", "patient", patient), ("bytes32", "grantId", grant_id)]
    return message(deployment, "Revoke", fields, domain=CONTROL)


def minute(at: int) -> str:
    """A time of a chain (seconds since 1970), as sentences and reports say it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def sentence(
    *, grantee: str, what: str, purposes: list[str], flags: int, not_before: int, expires_at: int
) -> str:
    """The terms in plain words: the one text for screen, signature and report.

    ``grantee`` names a provider whose card verified (name, register number, address); ``what`` the kind
    or the single record; ``purposes`` are display names.
    """
    who = grantee + (" and the staff it employs" if flags & MEMBERS else "")
    if flags & DEPOSIT:
        action = f"may add new records to my {what} records, and read nothing by this"
    else:
        action = f"may read my {what} records for {' and '.join(purposes) or 'no purpose at all'}"
    dates = f"from {minute(not_before)} until {minute(expires_at)}"
    return f"{who} {action}, {dates}. I can end this at any time."
