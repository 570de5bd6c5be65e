"""Opening by a provider: an entry, t releases, both halves, the blob."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from eth_utils.crypto import keccak

from consentry import seal
from consentry.chain.contracts import Chain, Entry
from consentry.client.boxes import allow
from consentry.client.group import Group
from consentry.client.heard import Heard
from consentry.client.labels import Listing
from consentry.client.outbox import Parcel
from consentry.client.person import Person
from consentry.client.proof import Given, Proof
from consentry.client.steps import Step, durable
from consentry.envelope.leaf import Label, Leaf, data_key
from consentry.errors import (
    ConsentryError,
    DealInconsistent,
    EnvelopesDiffer,
    IntegrityError,
    JournalBroken,
    ShareMismatch,
    TooFewKeyholders,
)
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.checks import MAX_AGE
from consentry.keyholder.messages import Call, Keyholder, ReleaseAsked, Released
from consentry.keys.hpke import new_seed, public_key
from consentry.store import Store

_MEMORY = 8 << 20
_NO_AGENT = bytes(32)

Failed = TypeVar("Failed", bound=ConsentryError)


@dataclass(frozen=True, slots=True)
class Opened:
    """An opened record. ``file`` stands at its start; ``access_id`` is the entry (empty for the patient's
    own); ``keyholders`` released shares, ``cheats`` names those whose answers did not hold, ``proofs``
    are the files that show it to others."""

    record_id: bytes
    label: Label
    file: BinaryIO = field(repr=False)
    size: int
    access_id: bytes = b""
    keyholders: tuple[int, ...] = ()
    cheats: tuple[str, ...] = ()
    proofs: tuple[Path, ...] = ()


Deliver = Callable[[Opened], None]
"""Takes what was opened to where it belongs, before the verb is over: a cut until then costs no new entry."""


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
        heard = self._releases(listing, entry, bytes.fromhex(parcel.state["replySeed"]))
        shares, forgers = heard.shares()
        heard.cheats += forgers
        leaf = next(iter(heard.best.values())).leaf
        try:
            key = data_key(listing.place, leaf, listing.half, shares)
        except DealInconsistent as error:
            if heard.handed_on:  # the contributor's shares are in no answer alone: nothing proves it
                raise
            raise self._told(error, self._prove(heard, error, *shares)) from None
        if not self._chain.anchored(listing.label.contributor, leaf):
            raise IntegrityError("the record is not the one that its contributor anchored")
        file, size = fetch(self._store, self._chain, leaf, key, listing.label.media_type)
        opened = Opened(
            leaf.record_id,
            listing.label,
            file,
            size,
            entry.access_id,
            tuple(sorted(heard.best)),
            tuple(heard.cheats),
            tuple(heard.proofs),
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

    def _releases(self, listing: Listing, entry: Entry, reply_seed: bytes) -> Heard:
        """t good shares of one leaf. Names a keyholder that gives a wrong one, keeps the proof and goes on;
        raises `TooFewKeyholders`, or `EnvelopesDiffer` when no t agree on the leaf."""
        terms = listing.grant.granted.terms
        asked = ReleaseAsked(listing.record_id, terms, entry, public_key(reply_seed))
        heard, need = Heard(asked, reply_seed, self._group.roster.groups), self._group.roster.threshold

        def send(keyholder: Keyholder, call: Call) -> Released:
            return keyholder.release(call)

        def check(released: Released, card: KeyholderCard) -> None:
            subject = keccak(released.sealed)
            released.signed.verify(self._chain.deployment, card, "release", subject)
            durable(Step.RELEASED)
            try:
                self._take(heard, card.index, released)
            except IntegrityError as error:
                heard.cheats.append(f"keyholder {card.index}: {type(error).__name__}")
                raise

        def missing(_: dict[int, None]) -> int:
            return heard.missing

        body = asked.encode()
        _, outcome = self._group.ask(self._me.signer, "release", body, send, check, missing)
        self._me.save()
        if len(heard.good) > 1:
            others = [next(iter(leaf)) for leaf in heard.good.values()]
            error = EnvelopesDiffer("the keyholders hold different leaves of this record; no t agree")
            proof = self._prove(heard, error, *others[:2])
            if len(heard.best) < need:
                raise self._told(error, proof)
            wrong = sorted({i for leaf in heard.good.values() for i in leaf} - set(heard.best))
            heard.cheats += [f"keyholder {index}: EnvelopesDiffer" for index in wrong]
        if heard.missing > 0:
            too_few = TooFewKeyholders(outcome.describe("not released", len(heard.best), need))
            raise self._told(too_few, *heard.proofs)
        return heard

    def _take(self, heard: Heard, index: int, released: Released) -> None:
        """Takes one answer; keeps the proof where it cannot be one of an honest keyholder."""
        heard.answers[index] = released
        deployment = self._chain.deployment
        if (earlier := self._me.copy.hear(released.signed)) is not None:
            heard.proofs.append(Proof.of_fork(deployment, earlier, released.signed).save(self._me.proofs))
            raise JournalBroken("its journal was forked: it signed two rows of one number")
        try:
            given = Given.opened(
                deployment, heard.asked, index, released.sealed, heard.reply_seed, heard.line
            )
        except ShareMismatch as error:
            self._prove(heard, error, index)
            raise
        heard.good[given.kind][index] = given

    def _prove(self, heard: Heard, error: IntegrityError, *indexes: int) -> Path:
        """Keeps what proves ``error`` to others."""
        answers = [heard.answers[index] for index in sorted(indexes)]
        found = Proof.of_release(
            self._chain.deployment, type(error).__name__, heard.asked, heard.reply_seed, *answers
        )
        heard.proofs.append(found.save(self._me.proofs))
        return heard.proofs[-1]

    @staticmethod
    def _told(error: Failed, *proofs: Path) -> Failed:
        """The error, with where its proofs are."""
        return type(error)(f"{error}; the proof is in {', '.join(map(str, proofs))}") if proofs else error


def fetch(store: Store, chain: Chain, leaf: Leaf, key: bytes, media_type: str) -> tuple[BinaryIO, int]:
    """A record's bytes, fetched and opened: nothing is handed out before the last byte is verified.

    Raises `BlobMissing` or `BlobAltered`."""
    with tempfile.TemporaryFile() as blob:
        store.get(leaf.cid, blob)
        blob.seek(0)
        sink = cast("BinaryIO", tempfile.SpooledTemporaryFile(_MEMORY))  # noqa: SIM115 - the caller closes it
        try:
            bound = seal.context(chain.deployment, leaf.record_id, media_type)
            return sink, seal.unseal(blob, sink, key, bound, leaf.digest)
        except BaseException:
            sink.close()
            raise
