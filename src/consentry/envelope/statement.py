"""A statement: the patient's signed word on one segment, its key version and keys (design section 5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from eth_utils.crypto import keccak

from consentry.errors import IntegrityError
from consentry.keys.binding import Deployment, abi_decode, abi_encode, text_word
from consentry.keys.hpke import check_public_key, hkdf, public_key, unwrap, wrap
from consentry.keys.typed import WalletCheck, keys_message, verify

_TYPES = [
    *("bytes32", "bytes32", "bytes32", "uint64"),  # deployment, patient, segment, version
    *("bytes", "bytes", "bool", "bytes32"),  # segment key, patient key, emergency, keyholders
    *("bytes32", "bytes", "bytes"),  # previous statement, previous seed, own seed
]


@dataclass(frozen=True, slots=True)
class Statement:
    """One key version of a segment.

    ``version`` counts from 1. ``segment_key`` and ``patient_key`` are X-Wing public keys (1,216 bytes).
    ``keyholders`` is the hash of keyholders.json. ``previous`` is the hash of the statement before
    (zero at version 1) and ``previous_seed`` its seed under this version's segment key (where two devices
    made one version, both seeds). ``own_seed`` is this version's seed and the kind, wrapped to the patient's
    own key.
    """

    deployment: bytes
    patient: bytes
    segment: bytes
    version: int
    segment_key: bytes
    patient_key: bytes
    emergency: bool
    keyholders: bytes
    previous: bytes
    previous_seed: bytes
    own_seed: bytes

    def encode(self) -> bytes:
        """The statement's one encoding (ABI)."""
        return abi_encode(_TYPES, [getattr(self, name) for name in self.__dataclass_fields__])

    @classmethod
    def decode(cls, data: bytes) -> Statement:
        """Raises `IntegrityError` for anything but `encode`'s bytes."""
        return cls(*abi_decode(_TYPES, data, "the statement"))

    @property
    def hash(self) -> bytes:
        """keccak256 of the encoding."""
        return keccak(self.encode())


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement's bytes with the signature of the patient's controller."""

    body: bytes
    signature: bytes

    @property
    def statement(self) -> Statement:
        """The statement read from ``body``."""
        return Statement.decode(self.body)


def segment_pair_seed(segment_seed: bytes) -> bytes:
    """The X-Wing seed of a segment's key pair, from the segment seed (32 bytes)."""
    return hkdf(segment_seed, text_word("segment pair"))


def first_statement(
    deployment: Deployment,
    *,
    patient: bytes,
    segment: bytes,
    kind: str,
    seed: bytes,
    patient_key: bytes,
    keyholders: bytes,
    emergency: bool = False,
) -> Statement:
    """Version 1 of a segment for ``kind``, from a fresh random ``seed`` (32 bytes)."""
    own = abi_encode(["bytes32", "string"], [seed, kind])
    return Statement(
        deployment=deployment.id,
        patient=patient,
        segment=segment,
        version=1,
        segment_key=public_key(segment_pair_seed(seed)),
        patient_key=patient_key,
        emergency=emergency,
        keyholders=keyholders,
        previous=bytes(32),
        previous_seed=b"",
        own_seed=wrap(own, patient_key, deployment.info("own seed", patient, segment, 1)),
    )


def next_statement(
    deployment: Deployment, before: Statement, *, kind: str, seed: bytes, earlier: Sequence[bytes]
) -> Statement:
    """The version after ``before``, from a fresh random ``seed`` (32 bytes); ``earlier`` are the seeds of
    ``before`` and of other statements of its version."""
    named = (before.patient, before.segment, before.version + 1)
    key = public_key(segment_pair_seed(seed))
    own = abi_encode(["bytes32", "string"], [seed, kind])
    return replace(
        before,
        version=before.version + 1,
        segment_key=key,
        previous=before.hash,
        previous_seed=wrap(b"".join(earlier), key, deployment.info("previous seed", *named)),
        own_seed=wrap(own, before.patient_key, deployment.info("own seed", *named)),
    )


def open_previous(deployment: Deployment, statement: Statement, seed: bytes) -> tuple[bytes, ...]:
    """The segment seeds of the version before, with the ``seed`` of the statement's own. Raises
    `WrapBroken`, or `IntegrityError` where there is none."""
    info = deployment.info("previous seed", statement.patient, statement.segment, statement.version)
    return split_seeds(unwrap(statement.previous_seed, segment_pair_seed(seed), info))


def split_seeds(joined: bytes) -> tuple[bytes, ...]:
    """Seeds of 32 bytes each, from one after another. Raises `IntegrityError`."""
    if len(joined) % 32:
        raise IntegrityError("the seeds of earlier key versions are not of 32 bytes each")
    return tuple(joined[at : at + 32] for at in range(0, len(joined), 32))


def unlock(
    deployment: Deployment, statements: Iterable[Statement], known: Mapping[int, Iterable[bytes]]
) -> dict[int, tuple[bytes, ...]]:
    """The segment seeds by key version to which those that are ``known`` lead, down to version 1.

    The ``statements`` need not be signed: what a forged one leads to opens nothing."""
    found = {version: dict.fromkeys(seeds) for version, seeds in known.items()}
    for statement in sorted(set(statements), key=lambda one: one.version, reverse=True):
        for seed in found.get(statement.version, {}):
            with suppress(IntegrityError):
                earlier = open_previous(deployment, statement, seed)
                found.setdefault(statement.version - 1, {}).update(dict.fromkeys(earlier))
    return {version: tuple(seeds) for version, seeds in found.items()}


def open_own(deployment: Deployment, statement: Statement, patient_seed: bytes) -> tuple[bytes, str]:
    """The segment seed and the kind, for the patient. Raises `WrapBroken`, or `IntegrityError` when
    the seed is not that of the statement's segment key."""
    info = deployment.info("own seed", statement.patient, statement.segment, statement.version)
    opened = unwrap(statement.own_seed, patient_seed, info)
    seed, kind = abi_decode(["bytes32", "string"], opened, "the patient's own wrap")
    if public_key(segment_pair_seed(seed)) != statement.segment_key:
        raise IntegrityError("the statement's seed is not that of its segment key")
    return seed, kind


def message(deployment: Deployment, body: bytes) -> dict[str, Any]:
    """The EIP-712 message that a controller signs for the statement ``body``."""
    return keys_message(deployment, "Statement", body=keccak(body))


def verify_statement(
    deployment: Deployment,
    signed: SignedStatement,
    *,
    controller: str,
    keyholders: Collection[bytes],
    wallet: WalletCheck | None = None,
) -> Statement:
    """The statement, if it is of this deployment, names one of those ``keyholders`` (hashes of
    keyholders.json), is signed by ``controller``, and its keys pass a trial wrap. Raises `IntegrityError` or
    a leaf of it."""
    statement = signed.statement
    if statement.deployment != deployment.id or statement.keyholders not in keyholders:
        raise IntegrityError("the statement belongs to another deployment or other keyholders")
    if statement.version < 1 or (statement.version == 1) != (statement.previous == bytes(32)):
        raise IntegrityError("the statement's version does not fit what it names as the one before")
    verify(message(deployment, signed.body), signed.signature, controller, wallet)
    check_public_key(statement.segment_key)
    check_public_key(statement.patient_key)
    return statement
