"""An envelope: what one deposit into one segment leaves with the keyholders.

A header, one leaf a record, and for each keyholder one transport wrap with its shares of all records.
The contributor signs header and leaf hashes together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from consentry.envelope.leaf import Halves, Leaf, Place, check_share, leaf_hash
from consentry.envelope.statement import Statement
from consentry.errors import IntegrityError, OwnWrapBroken, WrapBroken
from consentry.keys.binding import Deployment, abi_decode, abi_encode
from consentry.keys.hpke import new_seed, unwrap, wrap
from consentry.keys.shamir import GROUP_K
from consentry.keys.typed import WalletCheck, keys_message, verify

_HEADER = [
    *("bytes32", "bytes32", "bytes32", "uint64", "bytes32", "bytes32"),
    *("address", "uint8", "uint8", "bytes", "bytes"),
]
_PART = ["bytes", "bytes[]", "bytes[]", "bytes", "bytes", "bytes"]


@dataclass(frozen=True, slots=True)
class Header:
    """What all records of an envelope share. ``statement`` is the hash of the statement whose key was
    used; ``session_wrap`` is S_A to the segment key, ``own_wrap`` S_O to the patient's own key."""

    deployment: bytes
    patient: bytes
    segment: bytes
    version: int
    session: bytes
    statement: bytes
    contributor: str
    threshold: int
    count: int
    session_wrap: bytes
    own_wrap: bytes

    def encode(self) -> bytes:
        """The header's one encoding (ABI)."""
        return abi_encode(_HEADER, [getattr(self, name) for name in self.__dataclass_fields__])

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Raises `IntegrityError`."""
        *fields, contributor, threshold, count, session_wrap, own_wrap = abi_decode(
            _HEADER, data, "an envelope's header"
        )
        checked = to_checksum_address(contributor)
        return cls(*(*fields, checked, threshold, count, session_wrap, own_wrap))

    def place(self, deployment: Deployment) -> Place:
        """Where the envelope's records lie. Raises `IntegrityError` for another deployment's header."""
        if self.deployment != deployment.id:
            raise IntegrityError("the envelope belongs to another deployment")
        return Place(deployment, self.patient, self.segment, self.version, self.session)


@dataclass(frozen=True)  # no slots: what follows from it is kept
class Part:
    """The part of an envelope for one keyholder: header, encoded leaves, the transport wrap of its shares,
    the contributor's signature, and the DEPOSIT terms it relies on (empty: the patient deposits)."""

    header: bytes
    open_parts: tuple[bytes, ...]
    sealed_parts: tuple[bytes, ...]
    shares: bytes
    signature: bytes
    terms: bytes

    def encode(self) -> bytes:
        """The part's one encoding (ABI)."""
        values = [self.header, list(self.open_parts), list(self.sealed_parts)]
        return abi_encode(_PART, [*values, self.shares, self.signature, self.terms])

    @classmethod
    def decode(cls, data: bytes) -> Part:
        """Raises `IntegrityError`."""
        header, opens, sealeds, *rest = abi_decode(_PART, data, "a part of an envelope")
        if len(opens) != len(sealeds) or not opens:
            raise IntegrityError("a part of an envelope has no leaves, or halves of leaves")
        return cls(header, tuple(opens), tuple(sealeds), *rest)

    @cached_property
    def envelope(self) -> bytes:
        """The envelope's hash: what the contributor signs and each acknowledgement names."""
        pairs = zip(self.open_parts, self.sealed_parts, strict=True)
        return envelope_hash(self.header, [leaf_hash(*pair) for pair in pairs])

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """The leaves, decoded."""
        pairs = zip(self.open_parts, self.sealed_parts, strict=True)
        return tuple(Leaf.decode(*pair) for pair in pairs)


def envelope_hash(header: bytes, leaf_hashes: Sequence[bytes]) -> bytes:
    """keccak256 over the header's hash and the leaf hashes, in order."""
    return keccak(abi_encode(["bytes32", "bytes32[]"], [keccak(header), list(leaf_hashes)]))


def message(deployment: Deployment, envelope: bytes) -> dict[str, Any]:
    """The EIP-712 message that a contributor signs for an envelope's hash."""
    return keys_message(deployment, "Envelope", envelope=envelope)


def new_header(
    deployment: Deployment, statement: Statement, contributor: str, threshold: int, count: int
) -> tuple[Header, Halves]:
    """A header with fresh session keys for a deposit under ``statement``."""
    place = Place(deployment, statement.patient, statement.segment, statement.version, new_seed())
    halves = Halves(new_seed(), new_seed())
    header = Header(
        deployment=deployment.id,
        patient=statement.patient,
        segment=statement.segment,
        version=statement.version,
        session=place.session,
        statement=statement.hash,
        contributor=contributor,
        threshold=threshold,
        count=count,
        session_wrap=wrap(halves.session_key, statement.segment_key, place.session_info("S_A")),
        own_wrap=wrap(halves.own_session_key, statement.patient_key, place.session_info("S_O")),
    )
    return header, halves


def make_parts(
    deployment: Deployment,
    header: Header,
    leaves: Sequence[tuple[Leaf, list[bytes]]],
    *,
    keyholder_keys: Mapping[int, bytes],
    terms: bytes,
) -> list[Part]:
    """One unsigned part for each keyholder, in the order of ``keyholder_keys`` (index to X-Wing key), from
    leaves and their shares."""
    encoded = [leaf.encode() for leaf, _ in leaves]
    parts = []
    for index, public in keyholder_keys.items():
        shares = b"".join(shares[index - 1] for _, shares in leaves)
        sealed = wrap(shares, public, _deal_info(deployment, header, index))
        opens, sealeds = (tuple(side) for side in zip(*encoded, strict=True))
        parts.append(Part(header.encode(), opens, sealeds, sealed, b"", terms))
    return parts


def _deal_info(deployment: Deployment, header: Header, index: int) -> bytes:
    fields = (header.patient, header.segment, header.session, GROUP_K, index)
    return deployment.info("deal", *fields)


def open_shares(deployment: Deployment, part: Part, index: int, seed: bytes) -> list[bytes]:
    """A keyholder's shares, one a leaf, each checked against its commitment.

    Raises `WrapBroken` or `ShareMismatch`."""
    info = _deal_info(deployment, Header.decode(part.header), index)
    opened = unwrap(part.shares, seed, info)
    leaves = part.leaves
    if len(opened) != 32 * len(leaves):
        raise IntegrityError("a part of an envelope has not one share a leaf")
    shares = [opened[at : at + 32] for at in range(0, len(opened), 32)]
    for leaf, share in zip(leaves, shares, strict=True):
        check_share(leaf, index, share)
    return shares


def verify_part(deployment: Deployment, part: Part, wallet: WalletCheck | None = None) -> Header:
    """The header, if the part is of this deployment and signed by the contributor it names.

    Raises `IntegrityError` or a leaf of it."""
    header = Header.decode(part.header)
    header.place(deployment)
    verify(message(deployment, part.envelope), part.signature, header.contributor, wallet)
    return header


def open_session(place: Place, session_wrap: bytes, segment_pair: bytes) -> bytes:
    """S_A, with the seed of the segment's key pair. Raises `WrapBroken`."""
    return unwrap(session_wrap, segment_pair, place.session_info("S_A"))


def open_own_session(place: Place, header: Header, patient_seed: bytes) -> bytes:
    """S_O, for the patient. Raises `OwnWrapBroken` (the contributor's fault)."""
    try:
        return unwrap(header.own_wrap, patient_seed, place.session_info("S_O"))
    except WrapBroken:
        raise OwnWrapBroken("the contributor's wrap for the patient does not open") from None
