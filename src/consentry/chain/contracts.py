"""What the core asks the contracts, in its own words."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3

from consentry.chain.agreed import Agreed
from consentry.chain.deployments import Deployed
from consentry.chain.endpoints import Endpoints
from consentry.chain.rpc import Event, Rpc
from consentry.chain.transaction import Receipt
from consentry.consent.card import Card, verify_card
from consentry.consent.rule import GrantState, Reason
from consentry.consent.terms import MEMBERS, Terms
from consentry.envelope.anchor import link
from consentry.envelope.leaf import Leaf
from consentry.errors import NotFound
from consentry.keys.binding import Deployment, abi_encode
from consentry.keys.typed import Signer

_ERC1271 = bytes.fromhex("1626ba7e")


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block: its number and its time in seconds. All ages and expiries are counted from it."""

    number: int
    time: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the access log, as the chain has it.

    ``actor`` is an address; the rest are 32-byte words, ``purpose`` a mask of one bit, ``block`` and
    ``index`` its place.
    """

    actor: str
    record_id: bytes
    grant_id: bytes
    access_id: bytes
    purpose: int
    reply_key_hash: bytes
    agent: bytes
    block: int
    index: int = 0
    transaction: bytes = b""

    @classmethod
    def of(cls, event: Event) -> Entry:
        """The entry that a ``Requested`` event tells."""
        a = event.args
        words = (a["recordId"], a["grantId"], a["accessId"], a["purpose"], a["replyKeyHash"], a["agent"])
        return cls(a["actor"], *words, event.block, event.index, event.transaction)

    @property
    def claim(self) -> Entry:
        """The entry without its place in the block: what a caller claims and a keyholder looks up."""
        return replace(self, index=0, transaction=b"")


class Chain:
    """The contracts of one deployment, as the core knows them, over one ``node`` or several `Endpoints` that
    must agree; ``under_way`` is the folder where what was sent and not yet mined is written down (None: in
    memory)."""

    def __init__(self, node: Web3 | Endpoints, deployed: Deployed, under_way: Path | None = None) -> None:
        self.rpc = (
            Agreed(node, deployed, under_way)
            if isinstance(node, Endpoints)
            else Rpc(node, deployed, under_way)
        )
        self.deployed = deployed
        self.deployment: Deployment = deployed.deployment

    def at_one_head(self) -> AbstractContextManager[None]:
        """What is asked within may be answered as of one head; see `Rpc.at_one_head`."""
        return self.rpc.at_one_head()

    # --- head, identity

    def head(self) -> Head:
        """The newest block."""
        block = self.rpc.block("latest")
        return Head(block["number"], block["timestamp"])

    def settled(self) -> int:
        """The number of the newest block whose entries keyholders answer, by the deployment's depth and
        finality; below 0 where there is none."""
        return int(self.rpc.block(self.deployed.finality)["number"]) - self.deployed.depth

    def hash_of(self, number: int) -> bytes | None:
        """The hash of block ``number``, or None where the chain does not reach it."""
        header = self.rpc.header(number)
        return header.hash if header else None

    def time_of(self, number: int) -> int:
        """The time of block ``number`` in seconds."""
        return int(self.rpc.block(number)["timestamp"])

    def controller_of(self, patient: bytes) -> str:
        """Who signs for the identity ``patient`` now (a checksummed address)."""
        return to_checksum_address(self.rpc.call("ConsentRegistry", "controllerOf", patient))

    def epoch_of(self, patient: bytes) -> int:
        """The patient's epoch; another one ends every grant made in this one."""
        return int(self.rpc.call("ConsentRegistry", "epochOf", patient))

    def encryption_key_of(self, patient: bytes) -> bytes:
        """The patient's published public key, checked against the hash in its slot. Raises `NotFound`."""
        stored = self.rpc.call("ConsentRegistry", "encryptionKeyHash", patient)
        for event in reversed(self.rpc.events("ConsentRegistry", "EncryptionKeySet", patient=patient)):
            fields = [event.args["algorithm"], event.args["publicKey"]]
            if keccak(abi_encode(["uint16", "bytes"], fields)) == stored:
                return bytes(event.args["publicKey"])
        raise NotFound("the patient has published no encryption key; she has to enrol first")

    def wallet_accepts(self, address: str, digest: bytes, signature: bytes) -> bool:
        """Whether the contract wallet at ``address`` accepts ``signature`` (ERC-1271)."""
        data = _ERC1271 + abi_encode(["bytes32", "bytes"], [digest, signature])
        return self.rpc.raw_call(address, data)[:32] == _ERC1271.ljust(32, b"\0")

    # --- consent

    def grant_state(self, patient: bytes, grant_id: bytes) -> GrantState:
        """The state of a grant."""
        state = self.rpc.call("ConsentRegistry", "grantState", patient, grant_id)
        status, _, _, epoch, at, ended = state
        return GrantState(status, epoch, at, ended)

    def in_force(self, patient: bytes, grant_id: bytes, epoch: int | None = None) -> bool:
        """Whether the grant is in force in ``epoch`` (by default the patient's present one)."""
        epoch = self.epoch_of(patient) if epoch is None else epoch
        return bool(self.rpc.call("ConsentRegistry", "inForce", patient, grant_id, epoch))

    def why(self, terms: Terms, actor: str, purpose: int, flag: int) -> Reason:
        """The first reason why ``actor`` may not use ``terms`` now, or `Reason.NONE`."""
        args = (terms.as_tuple(), actor, purpose, flag)
        return Reason(self.rpc.call("ConsentRegistry", "why", *args))

    def grants_of(self, patient: bytes) -> list[bytes]:
        """The ids of all grants that the patient ever put in force, oldest first."""
        events = self.rpc.events("ConsentRegistry", "ConsentGranted", patient=patient)
        return [event.args["grantId"] for event in events]

    # --- providers

    def is_live(self, provider: str) -> bool:
        """Whether the credential of ``provider`` is live at head."""
        return bool(self.rpc.call("ProviderRegistry", "isLive", provider))

    def may(self, actor: str, grantee: bytes, *, members: bool) -> bool:
        """Whether ``actor`` is live and is ``grantee``, or (``members``) a live member of it."""
        return bool(self.rpc.call("ProviderRegistry", "may", actor, grantee, members))

    def may_use(self, actor: str, terms: Terms) -> bool:
        """Whether ``actor``'s credential is live and reaches the grantee of ``terms``."""
        return self.may(actor, terms.grantee, members=bool(terms.flags & MEMBERS))

    def card_hash_of(self, provider: str) -> bytes | None:
        """The hash of the newest card issued to ``provider``, or None."""
        events = self.rpc.events("ProviderRegistry", "CredentialIssued", provider=provider)
        return bytes(events[-1].args["cardHash"]) if events else None

    def verify_card(self, card: Card) -> None:
        """Raises `CardInvalid` unless hash, authority, signature, credential and key all hold now."""
        verify_card(
            self.deployment,
            card,
            hash_on_chain=self.card_hash_of(card.address),
            is_authority=self.rpc.call("ProviderRegistry", "isAuthority", card.authority),
            live=self.is_live(card.address),
            wallet=self.wallet_accepts,
        )

    # --- records, log

    def anchor_of(self, contributor: str, record_id: bytes) -> bytes:
        """The anchor that ``contributor`` made for ``record_id``; 32 zero bytes if none."""
        return bytes(self.rpc.call("RecordRegistry", "anchorOf", contributor, record_id))

    def anchored(self, contributor: str, leaf: Leaf) -> bool:
        """Whether ``contributor`` anchored the record of ``leaf`` as the leaf says, alone or in a batch."""
        if (at := leaf.batched) is None:
            return self.anchor_of(contributor, leaf.record_id) == leaf.anchor
        root = at.root(contributor, leaf.record_id, leaf.anchor)
        return self.has_batch(contributor, at.page, root, at.count)

    def has_batch(self, contributor: str, page: int, root: bytes, count: int) -> bool:
        """Whether ``contributor`` anchored a batch of this ``root`` and ``count`` records on that page. What
        it put there before or since takes nothing away."""
        head = bytes(self.rpc.call("RecordRegistry", "pageHead", contributor, page))
        if head in (bytes(32), link(bytes(32), root, count)):
            return any(head)
        told = self.rpc.events("RecordRegistry", "BatchAnchored", contributor=contributor, page=page)
        batches = [(bytes(one.args["root"]), one.args["count"]) for one in told]
        whole = reduce(lambda before, one: link(before, *one), batches, bytes(32)) == head
        return whole and (root, count) in batches

    def entries(self, first: int | None = None, last: int | None = None, **filters: Any) -> list[Entry]:
        """Entries of the access log; ``filters``: actor, recordId, grantId."""
        return [Entry.of(e) for e in self.rpc.events("AccessLog", "Requested", first, last, **filters)]

    def has_entry(self, claim: Entry) -> bool:
        """Whether the log holds exactly this entry in the block that it names, held against its hash. Raises
        `BlockUnproved`."""
        header = self.rpc.header(claim.block) if claim.block <= self.head().number else None
        if header is None:
            return False
        found = [Entry.of(event) for event in self.rpc.proved(header, "AccessLog", "Requested")]
        return claim.claim in [entry.claim for entry in found]

    def send(self, signer: Signer, contract: str, function: str, *args: Any) -> Receipt:
        """Sends one transaction; see `Rpc.send`."""
        return self.rpc.send(signer, contract, function, *args)

    def settle(self, signer: Signer) -> None:
        """Finishes what an earlier command of ``signer`` left under way; see `Sender.settle`."""
        self.rpc.settle(signer)
