"""What my grants let me see of a patient without an entry: one listing a record, by its label."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from consentry.chain.contracts import Chain
from consentry.client.boxes import Boxes, Grant, allow
from consentry.client.group import Group
from consentry.client.person import Person
from consentry.consent.box import RECORD_HALF
from consentry.consent.terms import READ
from consentry.envelope.deposit import open_session
from consentry.envelope.leaf import Label, Place, first_half, open_label, record_id
from consentry.envelope.statement import segment_pair_seed
from consentry.errors import BoxBroken, IntegrityError, NoGrant, NotAllowed, Refused, TooFewKeyholders
from consentry.keyholder.messages import Call, Keyholder, Listed


@dataclass(frozen=True, slots=True)
class Listing:
    """One record that a grant reaches, as its label tells it; ``half`` is its first half."""

    record_id: bytes
    record_salt: bytes
    label: Label
    grant: Grant
    place: Place
    half: bytes = field(repr=False)


class Labels:
    """What a provider (``me``) may list, by the key boxes that open for it."""

    def __init__(self, chain: Chain, group: Group, me: Person, boxes: Boxes) -> None:
        self._chain, self._group, self._me, self._boxes = chain, group, me, boxes

    def labels(self, grant: Grant) -> list[Listing]:
        """What ``grant`` reaches, without an entry: one listing a record, by its label. Raises `BoxBroken`
        when the half of a single record that it gives does not open that record's label."""
        terms = grant.granted.terms

        def send(keyholder: Keyholder, call: Call) -> tuple[Listed, ...]:
            return keyholder.labels(call)

        body, enough = terms.encode(), Group.until(self._group.roster.safe)
        answers, outcome = self._group.ask(
            self._me.signer, "labels", body, send, lambda answer, _: answer, enough
        )
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
        terms = grant.granted.terms
        record = record_id(terms.patient, terms.segment, listed.record_salt)
        where = (terms.patient, terms.segment, listed.version, listed.session)
        place = Place(self._chain.deployment, *where)
        for half in self._halves(grant, place, listed):
            with suppress(IntegrityError):
                label = open_label(place, half, record, listed.label)
                if label.contributor == listed.contributor:
                    return Listing(record, listed.record_salt, label, grant, place, half)
        return None

    @staticmethod
    def _halves(grant: Grant, place: Place, listed: Listed) -> Iterator[bytes]:
        """What the record's first half could be: one, but where two devices made one key version."""
        if grant.granted.key_type == RECORD_HALF:
            yield grant.granted.key
        record = record_id(place.patient, place.segment, listed.record_salt)
        for seed in grant.seeds.get(listed.version, ()):
            with suppress(IntegrityError):
                pair = segment_pair_seed(seed)
                yield first_half(place, open_session(place, listed.session_wrap, pair), record)

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
        for grant in self._boxes.grants(patient, grant_id):
            terms = grant.granted.terms
            if not terms.flags & READ:
                continue
            try:
                any_purpose = terms.purposes & -terms.purposes
                allow(self._chain, self._me.address, terms, any_purpose)
                for listing in self.labels(grant):
                    listed = True
                    yield listing
            except (BoxBroken, NotAllowed) as error:
                wrong.append(error)
        if wrong and not listed:
            raise wrong[0]

    def find(self, patient: bytes, record: bytes, purpose: int, grant_id: bytes | None = None) -> Listing:
        """The record by a grant that allows ``purpose`` (one bit). Raises `NotAllowed` when the grants that
        reach the record do not allow it, `NoGrant` when none reaches it."""
        refused: Refused = NoGrant("no grant in force lets you see such a record; nothing was requested")
        for listing in self.reach(patient, grant_id):
            if listing.record_id == record:
                try:
                    allow(self._chain, self._me.address, listing.grant.granted.terms, purpose)
                    return listing
                except NotAllowed as error:
                    refused = error
        raise refused
