"""Opening by a provider: an entry, t releases, both halves, the blob."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from eth_utils.crypto import keccak

from consentry import seal
from consentry.chain.contracts import Chain, Entry
from consentry.client.boxes import allow
from consentry.client.group import Group
from consentry.client.labels import Listing
from consentry.client.outbox import Parcel
from consentry.client.person import Person
from consentry.client.steps import Step, durable
from consentry.envelope.leaf import Label, Leaf, check_share, data_key
from consentry.errors import BlobAltered, EnvelopesDiffer, IntegrityError, ShareMismatch, TooFewKeyholders
from consentry.keyholder.checks import MAX_AGE
from consentry.keyholder.messages import Call, Keyholder, ReleaseAsked, Released, release_info
from consentry.keyholder.roster import KeyholderCard
from consentry.keys.binding import abi_decode
from consentry.keys.hpke import new_seed, public_key, unwrap
from consentry.store import Store

_MEMORY = 8 << 20
_NO_AGENT = bytes(32)


@dataclass(frozen=True, slots=True)
class Opened:
    """An opened record. ``file`` stands at its start; ``access_id`` is the entry (empty for the patient's
    own); ``keyholders`` released shares, ``cheats`` names those whose answers did not hold."""

    record_id: bytes
    label: Label
    file: BinaryIO = field(repr=False)
    size: int
    access_id: bytes = b""
    keyholders: tuple[int, ...] = ()
    cheats: tuple[str, ...] = ()


Deliver = Callable[[Opened], None]
"""Takes what was opened to where it belongs, before the verb is over: a cut until then costs no new entry."""


@dataclass(frozen=True, slots=True)
class _Share:
    leaf: Leaf
    share: bytes = field(repr=False)


class Reader:
    """What a provider (``me``) opens, each time by an entry of its own."""

    def __init__(self, store: Store, chain: Chain, group: Group, me: Person) -> None:
        self._store, self._chain, self._group, self._me = store, chain, group, me

    def open(self, listing: Listing, purpose: int, deliver: Deliver) -> Opened:
        """Opens one listed record for ``purpose`` (one bit): an entry first, then t releases.

        Raises `NotAllowed` before anything is written; afterwards, until ``deliver`` has returned, a
        repeated call uses the same entry."""
        allow(self._chain, self._me.address, listing.grant.granted.terms, purpose)
        parcel = self._me.outbox.parcel("open", listing.record_id, listing.grant.id, purpose)
        entry = self._request(parcel, listing, purpose)
        self._await_depth(entry)
        shares, cheats = self._releases(listing, entry, bytes.fromhex(parcel.state["replySeed"]))
        leaf = next(iter(shares.values())).leaf
        key = data_key(listing.place, leaf, listing.half, {i: s.share for i, s in shares.items()})
        if self._chain.anchor_of(listing.label.contributor, leaf.record_id) != leaf.anchor:
            raise IntegrityError("the record is not the one that its contributor anchored")
        file, size = fetch(self._store, self._chain, leaf, key, listing.label.media_type)
        opened = Opened(
            leaf.record_id, listing.label, file, size, entry.access_id, tuple(sorted(shares)), tuple(cheats)
        )
        deliver(opened)
        parcel.drop()
        return opened

    def _request(self, parcel: Parcel, listing: Listing, purpose: int) -> Entry:
        """The entry of an earlier run while keyholders still answer it, else a new one.

        What an earlier run left under way is finished first, and a reply key without an entry used again:
        nothing is written twice."""
        self._chain.settle(self._me.signer)
        earlier = self._earlier(parcel, listing)
        for entry in earlier:
            if self._chain.head().time - self._chain.time_of(entry.block) <= MAX_AGE:
                return entry
        if earlier or "replySeed" not in parcel.state:
            parcel.state["replySeed"] = new_seed().hex()
            parcel.save()
            durable(Step.REPLY_KEY)
        terms = listing.grant.granted.terms
        reply_hash = keccak(public_key(bytes.fromhex(parcel.state["replySeed"])))
        salts = [listing.record_salt]
        args = (terms.as_tuple(), salts, purpose, reply_hash, _NO_AGENT)
        block = self._chain.send(self._me.signer, "AccessLog", "request", *args).block
        durable(Step.REQUESTED)
        return self._earlier(parcel, listing, block)[-1]

    def _earlier(self, parcel: Parcel, listing: Listing, block: int | None = None) -> list[Entry]:
        """The entries that name this parcel's reply key (in ``block``)."""
        if "replySeed" not in parcel.state:
            return []
        reply_hash = keccak(public_key(bytes.fromhex(parcel.state["replySeed"])))
        terms = listing.grant.granted.terms
        named = {"recordId": listing.record_id, "grantId": terms.grant_id}
        mine = self._chain.entries(block, block, actor=self._me.address, **named)
        return [entry for entry in mine if entry.reply_key_hash == reply_hash]

    def _await_depth(self, entry: Entry) -> None:
        while self._chain.settled() < entry.block:
            time.sleep(1)

    def _releases(
        self, listing: Listing, entry: Entry, reply_seed: bytes
    ) -> tuple[dict[int, _Share], list[str]]:
        """t good shares of one leaf. Names a keyholder that gives a wrong one and goes on; raises
        `TooFewKeyholders`, or `EnvelopesDiffer` when no t agree on the leaf."""
        asked = ReleaseAsked(listing.record_id, listing.grant.granted.terms, entry, public_key(reply_seed))
        body, need = asked.encode(), self._group.roster.threshold
        by_leaf: dict[bytes, dict[int, _Share]] = defaultdict(dict)
        cheats: list[str] = []

        def send(keyholder: Keyholder, call: Call) -> Released:
            return keyholder.release(call)

        def check(released: Released, card: KeyholderCard) -> None:
            subject = keccak(released.sealed)
            released.signed.verify(self._chain.deployment, card, "release", subject)
            durable(Step.RELEASED)
            self._me.copy.hear(released.signed)
            try:
                share = self._opened_share(listing, entry, card.index, released.sealed, reply_seed)
            except IntegrityError as error:
                cheats.append(f"keyholder {card.index}: {type(error).__name__}")
                raise
            by_leaf[share.leaf.hash][card.index] = share

        def missing(_: dict[int, None]) -> int:
            return need - max(map(len, by_leaf.values()), default=0)

        _, outcome = self._group.ask(self._me.signer, "release", body, send, check, missing)
        self._me.save()
        good = max(by_leaf.values(), key=len, default={})
        if len(good) >= need:
            others = sorted(index for shares in by_leaf.values() if shares is not good for index in shares)
            return good, cheats + [f"keyholder {index}: EnvelopesDiffer" for index in others]
        if len(by_leaf) > 1:
            raise EnvelopesDiffer("the keyholders hold different leaves of this record; no t agree")
        raise TooFewKeyholders(outcome.describe("not released", len(good), need))

    def _opened_share(
        self, listing: Listing, entry: Entry, index: int, sealed: bytes, reply_seed: bytes
    ) -> _Share:
        patient = listing.place.patient
        info = release_info(self._chain.deployment, patient, entry, index)
        answer = unwrap(sealed, reply_seed, info)
        open_part, sealed_part, share = abi_decode(["bytes", "bytes", "bytes32"], answer, "a release")
        leaf = Leaf.decode(open_part, sealed_part)
        if leaf.record_id != listing.record_id or leaf.record_salt != listing.record_salt:
            raise ShareMismatch(f"keyholder {index} released another record")
        check_share(leaf, index, share)
        return _Share(leaf, share)


def fetch(store: Store, chain: Chain, leaf: Leaf, key: bytes, media_type: str) -> tuple[BinaryIO, int]:
    """A record's bytes, fetched and opened: nothing is handed out before the last byte is verified.

    Raises `BlobMissing` or `BlobAltered`."""
    with tempfile.TemporaryFile() as blob:
        store.get(leaf.cid, blob)
        blob.seek(0)
        if hashlib.file_digest(blob, "sha256").digest() != leaf.digest:
            raise BlobAltered("the store gave another blob than the one that was anchored")
        blob.seek(0)
        sink = cast("BinaryIO", tempfile.SpooledTemporaryFile(_MEMORY))  # noqa: SIM115 - the caller closes it
        try:
            bound = seal.context(chain.deployment, leaf.record_id, media_type)
            return sink, seal.unseal(blob, sink, key, bound)
        except BaseException:
            sink.close()
            raise
