"""What keyholders are asked and what they answer: the interface that every keyholder has, in one
process or behind a network."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any, Protocol

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from consentry.chain.contracts import Entry
from consentry.consent.terms import Terms
from consentry.envelope.statement import SignedStatement
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.journal import Row
from consentry.keys.binding import Deployment, abi_decode, abi_encode
from consentry.keys.typed import SignatureInvalid, Signer, WalletCheck, message, verify

_ENTRY = "(address,bytes32,bytes32,bytes32,uint32,bytes32,bytes32,uint64)"


@dataclass(frozen=True, slots=True)
class Call:
    """A caller's signed call to one keyholder: ``verb`` and ABI-encoded ``body``; used once (``nonce``)."""

    caller: str
    verb: str
    body: bytes
    nonce: bytes
    signature: bytes = b""

    def message(self, deployment: Deployment, keyholder: str) -> dict[str, Any]:
        """The EIP-712 message that the caller signs; it names the ``keyholder`` it addresses."""
        fields = [
            ("bytes32", "deployment", deployment.id),
            ("address", "keyholder", keyholder),
            ("address", "caller", self.caller),
            ("string", "verb", self.verb),
            ("bytes32", "body", keccak(self.body)),
            ("bytes32", "nonce", self.nonce),
        ]
        return message(deployment, "Call", fields)

    @classmethod
    def signed(
        cls, deployment: Deployment, signer: Signer, keyholder: KeyholderCard, verb: str, body: bytes
    ) -> Call:
        """A fresh call by ``signer``."""
        call = cls(signer.address, verb, body, secrets.token_bytes(32))
        return replace(call, signature=signer.sign_typed_data(call.message(deployment, keyholder.address)))

    def verify(self, deployment: Deployment, keyholder: str, wallet: WalletCheck) -> None:
        """Raises `SignatureInvalid` unless the caller it names signed it for this keyholder."""
        if len(self.nonce) != 32:  # a shorter one hashes alike, and would be a second use
            raise SignatureInvalid("the call's nonce is not 32 bytes")
        verify(self.message(deployment, keyholder), self.signature, self.caller, wallet)


@dataclass(frozen=True, slots=True)
class ReleaseAsked:
    """The body of a ``release`` call: the record, the terms used, the entry, and the reply key."""

    record_id: bytes
    terms: Terms
    entry: Entry
    reply_key: bytes

    def encode(self) -> bytes:
        """ABI encoding."""
        e = self.entry
        words = (e.actor, e.record_id, e.grant_id, e.access_id, e.purpose, e.reply_key_hash, e.agent)
        values = [self.record_id, self.terms.encode(), (*words, e.block), self.reply_key]
        return abi_encode(["bytes32", "bytes", _ENTRY, "bytes"], values)

    @classmethod
    def decode(cls, body: bytes) -> ReleaseAsked:
        """Raises `IntegrityError`."""
        types = ["bytes32", "bytes", _ENTRY, "bytes"]
        record_id, terms, (actor, *words), reply_key = abi_decode(types, body, "a release call")
        return cls(record_id, Terms.decode(terms), Entry(to_checksum_address(actor), *words), reply_key)


@dataclass(frozen=True, slots=True)
class Signed:
    """A keyholder's signed word, with where it stands in the keyholder's journal.

    ``verb`` says what: ``statement``, ``box``, ``deal``, ``stop`` (``subject``: the hash of what it holds
    or stopped), ``release`` and ``hand_over`` (the hash of the sealed answer), or ``took_over`` (the hash of
    the group and the records that it holds for it). ``block`` is the keyholder's
    head (of a stop the newest one that it had seen: it asks no node), ``row`` and ``row_hash`` the journal's
    newest row then.
    """

    keyholder: int
    verb: str
    subject: bytes
    block: int
    row: int
    row_hash: bytes
    signature: bytes = b""

    def message(self, deployment: Deployment) -> dict[str, Any]:
        """The EIP-712 message that the keyholder signs."""
        fields = [
            ("bytes32", "deployment", deployment.id),
            ("uint8", "keyholder", self.keyholder),
            ("string", "verb", self.verb),
            ("bytes32", "subject", self.subject),
            ("uint64", "block", self.block),
            ("uint64", "row", self.row),
            ("bytes32", "rowHash", self.row_hash),
        ]
        return message(deployment, "Acknowledgement", fields)

    def verify(self, deployment: Deployment, card: KeyholderCard, verb: str, subject: bytes) -> None:
        """Raises `IntegrityError` unless ``card``'s keyholder said exactly this of ``subject``."""
        said = replace(self, keyholder=card.index, verb=verb, subject=subject)
        verify(said.message(deployment), self.signature, card.address)


@dataclass(frozen=True, slots=True)
class Released:
    """An answer to an entry, ``sealed`` to its reply key ({open part, sealed part, share}); or what is handed
    over to a keyholder that comes after, sealed to that one's own key. And signed."""

    sealed: bytes
    signed: Signed


@dataclass(frozen=True, slots=True)
class Listed:
    """What a grantee gets of one record without an entry."""

    record_id: bytes
    record_salt: bytes
    version: int
    session: bytes
    contributor: str
    session_wrap: bytes
    label: bytes


@dataclass(frozen=True, slots=True)
class BoxAnswer:
    """A grant's key box, the statements of its segment, and the keyholder's word that the patient's
    controller had signed the box when it was delivered."""

    box: bytes
    statements: tuple[SignedStatement, ...]
    signed: Signed


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """One of the patient's records as she gets it: header and leaf, no share."""

    header: bytes
    open_part: bytes
    sealed_part: bytes


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """All that a keyholder holds of a patient, for herself: statements, records, key boxes."""

    statements: tuple[SignedStatement, ...]
    records: tuple[OwnRecord, ...]
    boxes: tuple[bytes, ...]


class Keyholder(Protocol):
    """One keyholder. Every refusal is the same `KeyholderRefused`, whatever its reason."""

    @property
    def card(self) -> KeyholderCard:
        """Who it is."""

    def statement(self, signed: SignedStatement) -> Signed:
        """Takes a patient's statement (version 1, or one that chains to the newest)."""

    def box(self, box: bytes) -> Signed:
        """Takes the key box of a grant."""

    def deal(self, part: bytes) -> Signed:
        """Takes its part of an envelope."""

    def stop(self, patient: bytes, grant_id: bytes, signature: bytes) -> Signed:
        """Takes a signed revocation as an immediate stop."""

    def grants(self, call: Call) -> tuple[bytes, ...]:
        """Names the grants of a patient whose key boxes the caller may fetch. Body: (bytes32 patient)."""

    def fetch_box(self, call: Call) -> BoxAnswer:
        """Gives a grant's key box to its grantee, a live member of it, or the patient.
        Body: (bytes32 patient, bytes32 grantId)."""

    def labels(self, call: Call) -> tuple[Listed, ...]:
        """Lists what a grantee may see without an entry. Body: the terms' encoding."""

    def release(self, call: Call) -> Released:
        """Releases one share and leaf to an entry. Body: `ReleaseAsked`."""

    def own(self, call: Call) -> OwnAnswer:
        """Gives a patient all that is hers. Body: (bytes32 patient)."""

    def hand_over(self, call: Call) -> Released:
        """Gives a page of what it holds to a keyholder that comes after it, and takes nothing new but stops
        from then on. Body: (bytes keyholders.json, uint8 what, bytes32 after), see `handover`."""

    def took_over(self, call: Call) -> Signed:
        """Says to a keyholder of the group before that it holds all of these records for its own. Body:
        (bytes32 hash of keyholders.json, bytes32[] records)."""

    def journal(self) -> list[Row]:
        """The whole journal, for an auditor."""


def release_info(deployment: Deployment, patient: bytes, entry: Entry, index: int) -> bytes:
    """The info under which a keyholder's answer is sealed to the reply key."""
    return deployment.info("release", patient, entry.record_id, entry.access_id, 1, index)


def subject_of_stop(patient: bytes, grant_id: bytes) -> bytes:
    """What an acknowledgement of a stop names."""
    return keccak(patient + grant_id)
