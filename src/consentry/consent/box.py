"""A key box: what one grant delivers to its grantee; kept by the keyholders, never public.

From key version 2 on it holds the seeds of the version before too: it reaches its grantee ahead of the
statement that has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eth_utils.crypto import keccak

from consentry.consent.card import Card
from consentry.consent.terms import Reading, Terms
from consentry.errors import BoxBroken, IntegrityError, WrapBroken
from consentry.keys.binding import Deployment, abi_decode, abi_encode, word
from consentry.keys.hpke import unwrap, wrap
from consentry.keys.typed import SignatureInvalid, Signer, WalletCheck, keys_message, verify

NO_KEY, SEGMENT_SEED, RECORD_HALF = 0, 1, 2
_STEP = 1024
_BOX = ["bytes32"] * 6 + ["uint64", "bytes", "bytes", "bytes"]
_GRANT = ["bytes", "string", "bytes32", "bytes32", "string", "uint8", "bytes32"]
_LATER = [*_GRANT, "bytes"]  # the seeds of the version before
_TOGETHER = ["bytes32[]", "bytes"]
_OWN = ["bytes", "string", "bytes32", "bytes32", "string", "string"]


@dataclass(frozen=True, slots=True)
class KeyBox:
    """Header, a wrap to the grantee, a wrap to the patient's own key, and the controller's signature: over
    this box alone, or over several (`sign_boxes`)."""

    deployment: bytes
    patient: bytes
    grant_id: bytes
    grantee: bytes
    segment: bytes
    record: bytes
    version: int
    to_grantee: bytes
    to_patient: bytes
    signature: bytes = b""

    def encode(self) -> bytes:
        """The box's one encoding (ABI)."""
        return abi_encode(_BOX, [getattr(self, name) for name in self.__dataclass_fields__])

    @classmethod
    def decode(cls, data: bytes) -> KeyBox:
        """Raises `IntegrityError`."""
        return cls(*abi_decode(_BOX, data, "a key box"))

    @property
    def hash(self) -> bytes:
        """keccak256 of everything but the signature: what the controller signs."""
        values = [getattr(self, name) for name in self.__dataclass_fields__ if name != "signature"]
        return keccak(abi_encode(_BOX[:-1], values))

    def message(self, deployment: Deployment) -> dict[str, Any]:
        """The EIP-712 message that the patient's controller signs."""
        return keys_message(deployment, "KeyBox", box=self.hash)

    def verify(self, deployment: Deployment, controller: str, wallet: WalletCheck | None = None) -> None:
        """Raises `IntegrityError` unless the box is of this deployment and ``controller`` signed it."""
        if self.deployment != deployment.id:
            raise IntegrityError("the key box belongs to another deployment")
        try:
            verify(self.message(deployment), self.signature, controller, wallet)
        except SignatureInvalid:
            hashes, signature = self._together()
            if self.hash not in hashes:
                raise
            verify(_message_of_all(deployment, hashes), signature, controller, wallet)

    def _together(self) -> tuple[Sequence[bytes], bytes]:
        """The boxes that were signed with this one, by hash, and the signature."""
        try:
            hashes, signature = abi_decode(_TOGETHER, self.signature, "a signature over key boxes")
        except IntegrityError:
            return (), b""
        return hashes, signature


def sign_boxes(deployment: Deployment, signer: Signer, boxes: Sequence[KeyBox]) -> list[KeyBox]:
    """The ``boxes``, all signed by one signature of the controller, which each carries with the hashes of
    all of them."""
    if not boxes:
        return []
    hashes = [box.hash for box in boxes]
    signature = signer.sign_typed_data(_message_of_all(deployment, hashes))
    return [replace(box, signature=abi_encode(_TOGETHER, [hashes, signature])) for box in boxes]


def _message_of_all(deployment: Deployment, hashes: Sequence[bytes]) -> dict[str, Any]:
    together = keccak(abi_encode(["bytes32[]"], [list(hashes)]))
    return keys_message(deployment, "KeyBoxes", boxes=together)


@dataclass(frozen=True, slots=True)
class Granted:
    """What a grantee finds in its box. ``key_type``: 0 no key (DEPOSIT), 1 ``key`` is the segment seed of
    the box's version, 2 the first half of the single record that the terms name. ``earlier`` are the segment
    seeds of the version before, one after another, where there is one and ``key`` is a segment seed."""

    terms: Terms
    reading: Reading
    kind: str
    key_type: int
    key: bytes = field(repr=False)
    earlier: bytes = field(default=b"", repr=False)


def _pad(data: bytes) -> bytes:
    framed = len(data).to_bytes(4, "big") + data
    return framed.ljust(-(-len(framed) // _STEP) * _STEP, b"\0")


def _unpad(data: bytes) -> bytes:
    length = int.from_bytes(data[:4], "big")
    if _pad(data[4 : 4 + length]) != data:
        raise IntegrityError("a part of the key box has a wrong padding")
    return data[4 : 4 + length]


def _infos(deployment: Deployment, terms: Terms, version: int) -> tuple[bytes, ...]:
    return (terms.patient, terms.segment, terms.record, word(version), terms.grant_id)


def make_box(
    deployment: Deployment, granted: Granted, *, version: int, card: Card, patient_key: bytes
) -> KeyBox:
    """The unsigned box of one grant, wrapped to the key on ``card`` and to the patient's own key."""
    terms, reading = granted.terms, granted.reading
    bound = _infos(deployment, terms, version)
    shared = [terms.encode(), reading.sentence, reading.policy, reading.salt]
    fields = [*shared, granted.kind, granted.key_type, granted.key]
    theirs = _pad(
        abi_encode(_GRANT, fields) if version == 1 else abi_encode(_LATER, [*fields, granted.earlier])
    )
    own = _pad(abi_encode(_OWN, [*shared, granted.kind, card.to_json()]))
    to_grantee_info = deployment.info("box", *bound, keccak(card.public_key))
    return KeyBox(
        deployment=deployment.id,
        patient=terms.patient,
        grant_id=terms.grant_id,
        grantee=terms.grantee,
        segment=terms.segment,
        record=terms.record,
        version=version,
        to_grantee=wrap(theirs, card.public_key, to_grantee_info),
        to_patient=wrap(own, patient_key, deployment.info("box", *bound)),
    )


def open_box(deployment: Deployment, box: KeyBox, seed: bytes, public_key: bytes) -> Granted:
    """What the box holds for the grantee with ``seed``.

    Raises `WrapBroken` when it is not for this key, `BoxBroken` when what it holds is not its grant."""
    bound = (box.patient, box.segment, box.record, word(box.version), box.grant_id)
    opened = unwrap(box.to_grantee, seed, deployment.info("box", *bound, keccak(public_key)))
    try:
        types = _GRANT if box.version == 1 else _LATER
        encoded, sentence, policy, salt, *keys = abi_decode(types, _unpad(opened), "a key box's contents")
        granted = Granted(Terms.decode(encoded), Reading(sentence, policy, salt), *keys)
        _check(box, granted.terms, granted.reading)
        return granted
    except IntegrityError as error:
        raise BoxBroken(f"the patient's device made a key box that does not hold: {error}") from None


def open_own_box(deployment: Deployment, box: KeyBox, seed: bytes) -> tuple[Terms, Reading, str, Card]:
    """Terms, reading, kind and card of a grant, for the patient herself. Raises `WrapBroken`, also for a card
    that is not the grantee's: anybody can make a wrap for her, and the next key goes to whom it names."""
    bound = (box.patient, box.segment, box.record, word(box.version), box.grant_id)
    opened = unwrap(box.to_patient, seed, deployment.info("box", *bound))
    fields = abi_decode(_OWN, _unpad(opened), "a key box's own part")
    encoded, sentence, policy, salt, kind, card = fields
    terms, reading = Terms.decode(encoded), Reading(sentence, policy, salt)
    _check(box, terms, reading)
    of = Card.from_json(card)
    if of.identity != terms.grantee:
        raise WrapBroken("the card inside is not that of the grantee")
    return terms, reading, kind, of


def _check(box: KeyBox, terms: Terms, reading: Reading) -> None:
    named = (terms.grant_id, terms.patient, terms.grantee, terms.segment, terms.record)
    header = (box.grant_id, box.patient, box.grantee, box.segment, box.record)
    if named != header or terms.reading_hash != reading.hash:
        raise WrapBroken("the terms inside are not those that the header names")
