"""Opening by a provider: key box, labels, entry, releases, both halves, blob."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from eth_utils.crypto import keccak

from consentry import seal
from consentry.chain.contracts import Chain, Entry
from consentry.client.group import Group
from consentry.client.outbox import Parcel
from consentry.client.person import Person
from consentry.consent.box import RECORD_HALF, SEGMENT_SEED, Granted, KeyBox, open_box
from consentry.consent.rule import Reason
from consentry.consent.terms import READ
from consentry.envelope.deposit import open_session
from consentry.envelope.leaf import (
    Label,
    Leaf,
    Place,
    check_share,
    data_key,
    first_half,
    open_label,
    record_id,
)
from consentry.envelope.statement import SignedStatement, Statement, segment_pair_seed, verify_statement
from consentry.errors import (
    BlobAltered,
    BoxBroken,
    EnvelopesDiffer,
    GrantNotDelivered,
    IntegrityError,
    NoGrant,
    NotAllowed,
    Refused,
    ShareMismatch,
    TooFewKeyholders,
    WrapBroken,
)
from consentry.keyholder.checks import MAX_AGE
from consentry.keyholder.messages import Keyholder, Listed, ReleaseAsked, release_info
from consentry.keyholder.roster import KeyholderCard
from consentry.keys.binding import abi_decode, abi_encode, identity
from consentry.keys.hpke import new_seed, public_key, unwrap
from consentry.store import Store

_MEMORY = 8 << 20
_NO_AGENT = bytes(32)


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as its grantee has it: what its box holds, and the statements of its segment, of which
    ``answered`` keyholders gave theirs."""

    granted: Granted
    version: int
    statements: tuple[SignedStatement, ...]
    answered: int

    @property
    def id(self) -> bytes:
        """The grant's id."""
        return self.granted.terms.grant_id


@dataclass(frozen=True, slots=True)
class Listing:
    """One record that a grant reaches, as its label tells it; ``half`` is its first half."""

    record_id: bytes
    record_salt: bytes
    label: Label
    grant: Grant
    place: Place
    half: bytes = field(repr=False)


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


@dataclass(frozen=True, slots=True)
class _Share:
    leaf: Leaf
    share: bytes


class Reader:
    """What a provider (``me``) reads, for itself or for an organisation that it is a member of."""

    def __init__(self, store: Store, chain: Chain, group: Group, me: Person) -> None:
        self._store, self._chain, self._group, self._me = store, chain, group, me

    # --- grants and labels

    def grants(self, patient: bytes, grant_id: bytes | None = None) -> list[Grant]:
        """The grants of ``patient`` whose key boxes open for me, newest first (or just ``grant_id``).

        Raises `NotAllowed` when my credential is not live, and `GrantNotDelivered` when the named grant
        is half delivered."""
        if not self._chain.is_live(self._me.address):
            raise NotAllowed(f"{Reason.CREDENTIAL_NOT_LIVE.text}; nothing was requested")
        ids = [grant_id] if grant_id is not None else self._named(patient)
        if grant_id is not None and self._chain.grant_state(patient, grant_id).status == 0:
            raise GrantNotDelivered(
                "the grant's transaction is missing: it was never put in force; ask for its grant.json "
                "and deliver it"
            )
        found, broken = [], []
        for one in ids:
            try:
                if (grant := self._grant(patient, one)) is not None:
                    found.append(grant)
            except BoxBroken as error:
                broken.append(error)
        if broken and not found:
            raise broken[0]
        if grant_id is not None and not found and self._chain.in_force(patient, grant_id):
            raise GrantNotDelivered(
                "the grant's key box is missing: it is in force, but no keyholder gives a box that opens "
                "for you; ask the patient to deliver it"
            )
        return found

    def _named(self, patient: bytes) -> list[bytes]:
        """The patient's grants that keyholders name as mine, newest first."""
        body = abi_encode(["bytes32"], [patient])

        def ask(keyholder: Keyholder, card: KeyholderCard) -> tuple[bytes, ...]:
            return keyholder.grants(self._group.call(self._me.signer, card, "grants", body))

        answers, outcome = self._group.each(ask, enough=self._group.roster.safe)
        named = {one for answer in answers.values() for one in answer}
        if not named and len(answers) < self._group.roster.safe:
            raise TooFewKeyholders(
                outcome.describe("grants not named", len(answers), self._group.roster.safe)
            )
        return sorted(named, key=lambda one: (self._chain.grant_state(patient, one).at, one), reverse=True)

    def _grant(self, patient: bytes, grant_id: bytes) -> Grant | None:
        if not self._chain.in_force(patient, grant_id):
            return None
        body = abi_encode(["bytes32", "bytes32"], [patient, grant_id])
        roster = self._group.roster

        def ask(keyholder: Keyholder, card: KeyholderCard) -> tuple[KeyBox, dict[bytes, SignedStatement]]:
            answer = keyholder.fetch_box(self._group.call(self._me.signer, card, "fetch_box", body))
            box = KeyBox.decode(answer.box)
            if (box.patient, box.grant_id) != (patient, grant_id):
                raise IntegrityError("the key box is that of another grant")
            answer.signed.verify(self._chain.deployment, card, "box", box.hash)
            return box, {signed.statement.hash: signed for signed in answer.statements}

        answers, _ = self._group.each(ask, enough=max(roster.safe, roster.threshold))
        box = self._believed(patient, [box for box, _ in answers.values()])
        if box is None:
            return None
        try:
            granted = self._open_box(box)
        except WrapBroken:
            return None
        statements = {key: signed for _, given in answers.values() for key, signed in given.items()}
        self._check_seed(granted, box, list(statements.values()))
        return Grant(granted, box.version, tuple(statements.values()), len(answers))

    def _believed(self, patient: bytes, boxes: list[KeyBox]) -> KeyBox | None:
        """The box that the present controller signed, or that t keyholders say was signed by who was
        controller at its delivery: a grant outlives a change of controller."""
        controller = self._chain.controller_of(patient)
        for box, sayers in Counter(boxes).most_common():
            try:
                box.verify(self._chain.deployment, controller, self._chain.wallet_accepts)
                return box
            except IntegrityError:
                if sayers >= self._group.roster.threshold:
                    return box
        return None

    def _open_box(self, box: KeyBox) -> Granted:
        seeds = {self._me.identity: self._me.keyring.seed}
        for address, seed in self._me.keyring.organisations.items():
            seeds[identity(address)] = seed
        if box.grantee not in seeds:
            raise WrapBroken("the key box is for another grantee")
        seed = seeds[box.grantee]
        return open_box(self._chain.deployment, box, seed, public_key(seed))

    def _check_seed(self, granted: Granted, box: KeyBox, statements: Sequence[SignedStatement]) -> None:
        """Raises `BoxBroken` when the seed is not that of the segment key in the patient's statement."""
        if granted.key_type != SEGMENT_SEED:
            return
        said = [
            statement.segment_key
            for statement in self._signed_by_patient(box.patient, statements)
            if (statement.segment, statement.version) == (box.segment, box.version)
        ]
        if said and public_key(segment_pair_seed(granted.key)) not in said:
            raise BoxBroken("the grant's key is not that of its segment; ask the patient to grant again")

    def _signed_by_patient(
        self, patient: bytes, statements: Sequence[SignedStatement]
    ) -> Iterator[Statement]:
        for signed in statements:
            try:
                statement = verify_statement(
                    self._chain.deployment,
                    signed,
                    controller=self._chain.controller_of(patient),
                    keyholders=self._group.roster.hash,
                    wallet=self._chain.wallet_accepts,
                )
            except IntegrityError:
                continue
            if statement.patient == patient:
                yield statement

    def labels(self, grant: Grant) -> list[Listing]:
        """What ``grant`` reaches, without an entry: one listing a record, by its label. Raises `BoxBroken`
        when the half of a single record that it gives does not open that record's label."""
        terms = grant.granted.terms

        def ask(keyholder: Keyholder, card: KeyholderCard) -> tuple[Listed, ...]:
            return keyholder.labels(self._group.call(self._me.signer, card, "labels", terms.encode()))

        answers, outcome = self._group.each(ask, enough=self._group.roster.safe)
        if not answers:
            raise TooFewKeyholders(outcome.describe("labels not given", 0, 1))
        # Each on its own: a keyholder may answer a good id with a label that does not open.
        listed = dict.fromkeys(one for answer in answers.values() for one in answer)
        found: dict[bytes, Listing] = {}
        for one in listed:
            if (listing := self._listing(grant, one)) is not None:
                found.setdefault(listing.record_id, listing)
        if listed and not found and grant.granted.key_type == RECORD_HALF:
            raise BoxBroken("the grant's key does not open the record that it names; ask for a new grant")
        return list(found.values())

    def _listing(self, grant: Grant, listed: Listed) -> Listing | None:
        """None for a label that does not open with what the grant gave (another key version, or forged), or
        that speaks for another contributor than the one who dealt it."""
        terms, granted = grant.granted.terms, grant.granted
        record = record_id(terms.patient, terms.segment, listed.record_salt)
        where = (terms.patient, terms.segment, listed.version, listed.session)
        place = Place(self._chain.deployment, *where)
        try:
            if granted.key_type == RECORD_HALF:
                half = granted.key
            else:
                pair = segment_pair_seed(granted.key)
                half = first_half(place, open_session(place, listed.session_wrap, pair), record)
            label = open_label(place, half, record, listed.label)
        except IntegrityError:
            return None
        if label.contributor != listed.contributor:
            return None
        return Listing(record, listed.record_salt, label, grant, place, half)

    def records(self, patient: bytes, grant_id: bytes | None = None) -> list[Listing]:
        """All records of ``patient`` that my grants reach, each once. Raises as `reach`."""
        found: dict[bytes, Listing] = {}
        for listing in self.reach(patient, grant_id):
            found.setdefault(listing.record_id, listing)
        return list(found.values())

    def reach(self, patient: bytes, grant_id: bytes | None = None) -> Iterator[Listing]:
        """What each of my grants lists in turn, newest grant first: a record once for each grant.

        Where no grant lists anything, raises what was wrong with the first: `BoxBroken`, or `NotAllowed`
        for one that has expired or not begun."""
        listed, wrong = False, []
        for grant in self.grants(patient, grant_id):
            terms = grant.granted.terms
            if not terms.flags & READ:
                continue
            try:
                self._need(grant, terms.purposes & -terms.purposes)  # any one of them
                for listing in self.labels(grant):
                    listed = True
                    yield listing
            except (BoxBroken, NotAllowed) as error:
                wrong.append(error)
        if wrong and not listed:
            raise wrong[0]

    def _need(self, grant: Grant, purpose: int) -> None:
        reason = self._chain.why(grant.granted.terms, self._me.address, purpose, READ)
        if reason != Reason.NONE:
            raise NotAllowed(f"{reason.text}; nothing was requested")

    def find(self, patient: bytes, record: bytes, purpose: int, grant_id: bytes | None = None) -> Listing:
        """The record by a grant that allows ``purpose`` (one bit). Raises `NotAllowed` when the grants that
        reach the record do not allow it, `NoGrant` when none reaches it."""
        refused: Refused = NoGrant("no grant in force lets you see such a record; nothing was requested")
        for listing in self.reach(patient, grant_id):
            if listing.record_id == record:
                try:
                    self._need(listing.grant, purpose)
                    return listing
                except NotAllowed as error:
                    refused = error
        raise refused

    # --- open

    def open(self, listing: Listing, purpose: int) -> Opened:
        """Opens one listed record for ``purpose`` (one bit): an entry first, then t releases.

        Raises `NotAllowed` before anything is written; afterwards a repeated call uses the same entry."""
        self._need(listing.grant, purpose)
        parcel = self._me.outbox.parcel("open", listing.record_id, listing.grant.id, purpose)
        entry = self._request(parcel, listing, purpose)
        self._await_depth(entry)
        shares, cheats = self._releases(listing, entry, bytes.fromhex(parcel.state["replySeed"]))
        leaf = next(iter(shares.values())).leaf
        key = data_key(listing.place, leaf, listing.half, {i: s.share for i, s in shares.items()})
        if self._chain.anchor_of(listing.label.contributor, leaf.record_id) != leaf.anchor:
            raise IntegrityError("the record is not the one that its contributor anchored")
        file, size = fetch(self._store, self._chain, leaf, key, listing.label.media_type)
        parcel.drop()
        return Opened(
            leaf.record_id, listing.label, file, size, entry.access_id, tuple(shares), tuple(cheats)
        )

    def _request(self, parcel: Parcel, listing: Listing, purpose: int) -> Entry:
        """The entry of an earlier run while keyholders still answer it, else a new one.

        A reply key without an entry is used again: its transaction may still be on its way, and must not
        be followed by a different one."""
        earlier = self._earlier(parcel, listing)
        for entry in earlier:
            if self._chain.head().time - self._chain.time_of(entry.block) <= MAX_AGE:
                return entry
        if earlier or "replySeed" not in parcel.state:
            parcel.state["replySeed"] = new_seed().hex()
            parcel.save()
        terms = listing.grant.granted.terms
        reply_hash = keccak(public_key(bytes.fromhex(parcel.state["replySeed"])))
        salts = [listing.record_salt]
        args = (terms.as_tuple(), salts, purpose, reply_hash, _NO_AGENT)
        block = self._chain.send(self._me.signer, "AccessLog", "request", *args).block
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
        while self._chain.head().number - entry.block < self._chain.deployed.depth:
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

        def ask(keyholder: Keyholder, card: KeyholderCard) -> None:
            if any(len(agreeing) >= need for agreeing in by_leaf.values()):
                return
            released = keyholder.release(self._group.call(self._me.signer, card, "release", body))
            subject = keccak(released.sealed)
            released.signed.verify(self._chain.deployment, card, "release", subject)
            self._me.copy.hear(released.signed)
            try:
                share = self._opened_share(listing, entry, card.index, released.sealed, reply_seed)
            except IntegrityError as error:
                cheats.append(f"keyholder {card.index}: {type(error).__name__}")
                raise
            by_leaf[share.leaf.hash][card.index] = share

        _, outcome = self._group.each(ask)
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
