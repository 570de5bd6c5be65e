"""A leaf: what one record leaves with the keyholders, and how its two halves make its key.

``A`` comes with the grant, ``B`` from the keyholders; only both give the data key (design section 5).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak

from consentry.envelope.anchor import Batched, anchor_hash
from consentry.errors import (
    BoxBroken,
    CommitMismatch,
    DealInconsistent,
    IntegrityError,
    OwnWrapBroken,
    ShareMismatch,
    WrapBroken,
)
from consentry.keys import shamir
from consentry.keys.binding import Deployment, abi_decode, abi_encode, json_decode
from consentry.keys.hpke import hkdf, open_once, seal_once

_OPEN = ["bytes32", "bytes32[]", "bytes32"]  # record id, share commitments, commit A
_SEALED = ["bytes32", "bytes32", "bytes32", "string", "bytes", "bytes", "bytes32", "bytes"]
_BATCHED = [*_SEALED, "uint64", "uint32", "uint32", "bytes32[]"]  # the same, with its anchor's place
_LABEL_STEP = 256


@dataclass(frozen=True, slots=True)
class Label:
    """What a grantee may see of a record without an entry: kind, clinical date (``YYYY-MM-DD`` or empty),
    the contributor's address and the media type."""

    kind: str
    date: str
    contributor: str
    media_type: str

    def encode(self) -> bytes:
        """JSON, padded with spaces to a multiple of 256 bytes so that its length tells nothing."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        raw = json.dumps(fields, ensure_ascii=False, sort_keys=True).encode()
        return raw.ljust(-(-len(raw) // _LABEL_STEP) * _LABEL_STEP)

    @classmethod
    def decode(cls, data: bytes) -> Label:
        """Raises `IntegrityError`."""
        try:
            fields = json_decode(data)
            if set(fields) != set(cls.__dataclass_fields__) or not is_checksum_address(fields["contributor"]):
                raise ValueError
            return cls(**{name: str(value) for name, value in fields.items()})
        except (ValueError, TypeError):
            raise IntegrityError("a label cannot be read; the contributor made it wrongly") from None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record lies: the fields that every key of it is bound to."""

    deployment: Deployment
    patient: bytes
    segment: bytes
    version: int
    session: bytes

    def info(self, role: str, record_id: bytes) -> bytes:
        """The info of a record's key for ``role``."""
        return self.deployment.info(role, self.patient, self.segment, record_id)

    def session_info(self, role: str) -> bytes:
        """The info of an envelope's own key for ``role``."""
        return self.deployment.info(role, self.patient, self.segment, self.version, self.session)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One record in an envelope, in an open part (all keyholder groups may see) and a sealed part.
    ``batched`` is where its anchor stands in that of the whole envelope; None: it is anchored alone."""

    record_id: bytes
    share_commitments: tuple[bytes, ...]
    commit_a: bytes
    record_salt: bytes
    anchor_salt: bytes
    digest: bytes
    cid: str
    wrapped_key: bytes
    own_wrap: bytes
    commit: bytes
    label: bytes
    batched: Batched | None = None

    def encode(self) -> tuple[bytes, bytes]:
        """(open part, sealed part), each ABI encoded."""
        open_part = abi_encode(_OPEN, [self.record_id, list(self.share_commitments), self.commit_a])
        sealed = [self.record_salt, self.anchor_salt, self.digest, self.cid]
        sealed += [self.wrapped_key, self.own_wrap, self.commit, self.label]
        if (at := self.batched) is None:
            return open_part, abi_encode(_SEALED, sealed)
        return open_part, abi_encode(_BATCHED, [*sealed, at.page, at.index, at.count, at.proof])

    @classmethod
    def decode(cls, open_part: bytes, sealed_part: bytes) -> Leaf:
        """Raises `IntegrityError`."""
        record_id, commitments, commit_a = abi_decode(_OPEN, open_part, "a leaf's open part")
        what = "a leaf's sealed part"
        try:
            sealed = list(abi_decode(_SEALED, sealed_part, what))
        except IntegrityError:
            *sealed, page, index, count, proof = abi_decode(_BATCHED, sealed_part, what)
            sealed.append(Batched(page, index, count, proof))
        return cls(record_id, tuple(commitments), commit_a, *sealed)

    @property
    def hash(self) -> bytes:
        """``keccak(keccak(open part) || keccak(sealed part))``."""
        return leaf_hash(*self.encode())

    @property
    def anchor(self) -> bytes:
        """What stands on chain; see `anchor_hash`."""
        return anchor_hash(self.anchor_salt, self.record_id, self.digest)


def leaf_hash(open_part: bytes, sealed_part: bytes) -> bytes:
    """The hash of a leaf from its two encoded parts."""
    return keccak(keccak(open_part) + keccak(sealed_part))


def record_id(patient: bytes, segment: bytes, record_salt: bytes) -> bytes:
    """``keccak256(abi.encode(patient, segment, recordSalt))``."""
    return keccak(abi_encode(["bytes32", "bytes32", "bytes32"], [patient, segment, record_salt]))


def first_half(place: Place, session_key: bytes, record: bytes) -> bytes:
    """``A`` of a record, from its envelope's session key ``S_A``."""
    return hkdf(session_key, place.info("A", record))


def _join(place: Place, half_a: bytes, half_b: bytes, record: bytes) -> tuple[bytes, bytes]:
    joined = hkdf(half_a + half_b, place.info("kek", record), 64)
    return joined[:32], joined[32:]


def _commit_a(place: Place, half_a: bytes, record: bytes) -> bytes:
    return hashlib.sha256(place.info("commit A", record) + half_a).digest()


def _own_key(place: Place, own_session_key: bytes, record: bytes) -> bytes:
    return hkdf(own_session_key, place.info("own DEK", record))


@dataclass(frozen=True, slots=True)
class Halves:
    """The session keys of one envelope, from which its leaves are made (never stored in clear)."""

    session_key: bytes = field(repr=False)
    own_session_key: bytes = field(repr=False)


def make_leaf(
    place: Place,
    halves: Halves,
    *,
    record_salt: bytes,
    anchor_salt: bytes,
    data_key: bytes,
    digest: bytes,
    cid: str,
    label: Label,
    threshold: int,
    count: int,
    batched: Batched | None = None,
) -> tuple[Leaf, list[bytes]]:
    """The leaf of a sealed record and its ``count`` shares, share i for the keyholder of index i + 1."""
    record = record_id(place.patient, place.segment, record_salt)
    half_a, half_b = first_half(place, halves.session_key, record), shamir.new_secret()
    kek, commit = _join(place, half_a, half_b, record)
    shares = shamir.split(half_b, threshold, count)
    encoded = label.encode()
    own_key = _own_key(place, halves.own_session_key, record)
    leaf = Leaf(
        record_id=record,
        share_commitments=tuple(
            shamir.commitment(record, index, share) for index, share in enumerate(shares, 1)
        ),
        commit_a=_commit_a(place, half_a, record),
        record_salt=record_salt,
        anchor_salt=anchor_salt,
        digest=digest,
        cid=cid,
        wrapped_key=seal_once(kek, data_key),
        own_wrap=seal_once(own_key, data_key + encoded),
        commit=commit,
        label=seal_once(hkdf(half_a, place.info("label", record)), encoded),
        batched=batched,
    )
    return leaf, shares


def open_label(place: Place, half_a: bytes, record: bytes, label: bytes) -> Label:
    """A record's label, for who has its first half. Raises `WrapBroken`."""
    return Label.decode(open_once(hkdf(half_a, place.info("label", record)), label))


def check_share(leaf: Leaf, index: int, share: bytes) -> None:
    """Raises `ShareMismatch` unless ``share`` is the one committed for the keyholder ``index``."""
    if not 1 <= index <= len(leaf.share_commitments) or (
        shamir.commitment(leaf.record_id, index, share) != leaf.share_commitments[index - 1]
    ):
        raise ShareMismatch(f"the share of keyholder {index} is not the one it was dealt")


def data_key(place: Place, leaf: Leaf, half_a: bytes, shares: Mapping[int, bytes]) -> bytes:
    """The data key, from the first half and exactly the threshold of good ``shares`` (index to share).

    Names who cheats: `BoxBroken` (the first half is not the record's), `ShareMismatch` (a keyholder),
    `DealInconsistent` and `CommitMismatch` (the contributor)."""
    if _commit_a(place, half_a, leaf.record_id) != leaf.commit_a:
        raise BoxBroken("the grant's key does not lead to this record; ask the patient to grant again")
    for index, share in shares.items():
        check_share(leaf, index, share)
    for index, committed in enumerate(leaf.share_commitments, 1):
        at_index = shamir.evaluate(shares, index)
        if shamir.commitment(leaf.record_id, index, at_index) != committed:
            raise DealInconsistent("the contributor dealt shares that do not belong together")
    kek, commit = _join(place, half_a, shamir.evaluate(shares, 0), leaf.record_id)
    if commit != leaf.commit:
        raise CommitMismatch("the contributor's commitment does not fit the keys it dealt")
    try:
        return open_once(kek, leaf.wrapped_key)
    except WrapBroken:
        raise CommitMismatch("the contributor's wrapped data key does not open") from None


def own_data_key(place: Place, leaf: Leaf, own_session_key: bytes) -> tuple[bytes, Label]:
    """The data key and label for the patient, alone. Raises `OwnWrapBroken` (the contributor's fault)."""
    try:
        opened = open_once(_own_key(place, own_session_key, leaf.record_id), leaf.own_wrap)
        return opened[:32], Label.decode(opened[32:])
    except IntegrityError:
        raise OwnWrapBroken("the contributor's wrap for the patient does not open") from None
