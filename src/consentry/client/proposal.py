"""What would be granted: the offer, the sentence that the patient reads, the terms and the key box."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from consentry.chain.contracts import Chain
from consentry.client.outbox import Parcel
from consentry.client.own import Own, Segment
from consentry.client.person import Person
from consentry.client.steps import Step, durable
from consentry.consent.box import NO_KEY, RECORD_HALF, SEGMENT_SEED, Granted, KeyBox, make_box
from consentry.consent.card import Card
from consentry.consent.terms import DEPOSIT, MEMBERS, READ, Reading, Terms, sentence
from consentry.envelope.deposit import open_session
from consentry.envelope.leaf import first_half
from consentry.envelope.statement import segment_pair_seed
from consentry.errors import NotFound, UsageError, WrapBroken
from consentry.record import kind as kind_named
from consentry.record import purpose_mask, purposes

_NONE = bytes(32)


@dataclass(frozen=True, slots=True)
class Offered:
    """What a patient is asked to grant, before the sentence is made.

    ``kinds`` are granted together, one grant each; or ``record`` names a single record id (32 bytes) of
    one kind. ``purposes`` are PurposeOfUse codes (none for a deposit); ``until`` is a block time, ``since``
    a block time or None for now.
    """

    card: Card
    kinds: tuple[str, ...]
    flags: int
    purposes: tuple[str, ...]
    until: int
    since: int | None = None
    record: bytes = _NONE
    policy: bytes = _NONE

    def __post_init__(self) -> None:
        """Raises `UsageError`, `KindUnknown` or `PurposeUnknown` for what no grant can say."""
        for kind in self.kinds:
            kind_named(kind)
        if not self.kinds or len(set(self.kinds)) < len(self.kinds):
            raise UsageError("a grant names one kind or more, and each once")
        if self.flags not in (READ, READ | MEMBERS, DEPOSIT, DEPOSIT | MEMBERS):
            raise UsageError("a grant is either to read or to deposit; MEMBERS may be added, nothing else")
        if bool(purpose_mask(self.purposes)) != bool(self.flags & READ):
            raise UsageError("a grant to read names purposes of use, a grant to deposit names none")
        if self.record != _NONE and (len(self.kinds) > 1 or not self.flags & READ):
            raise UsageError("a grant of a single record is to read it, and names its one kind")


@dataclass(frozen=True, slots=True)
class Proposal:
    """One grant that waits for the patient's word: its terms, its reading and its sealed key box."""

    terms: Terms
    reading: Reading
    kind: str
    box: KeyBox

    @property
    def sentence(self) -> str:
        """What the patient reads."""
        return self.reading.sentence

    @property
    def grant_id(self) -> bytes:
        """The id that the grant will have."""
        return self.terms.grant_id


class Proposer:
    """Makes proposals for a patient (``me``) to read."""

    def __init__(self, chain: Chain, me: Person, own: Own) -> None:
        self._chain, self._me, self._own = chain, me, own

    def propose(self, offered: Offered) -> list[Proposal]:
        """The proposals for what is ``offered``: the card is verified first, nothing is sent yet.

        The same offer gives the same proposals until they are granted, so that a command can be repeated.
        Raises `CardInvalid`, `UsageError`, or `NotFound` for a kind without a segment.
        """
        self._chain.verify_card(offered.card)
        self._own.refresh()
        parcel = self.parcel(offered)
        begun = [_load(fields) for fields in parcel.state.get("proposals", [])]
        standing = {
            proposal.kind: proposal
            for proposal in begun
            if self.stands(proposal.terms) and self._is_current(proposal)
        }
        proposals = [standing.get(kind) or self._proposal(offered, kind) for kind in offered.kinds]
        if proposals != begun:
            parcel.state["proposals"] = [_dump(proposal) for proposal in proposals]
            parcel.save()
            durable(Step.PROPOSED)
        return proposals

    def parcel(self, offered: Offered) -> Parcel:
        """Where the proposals for what is ``offered`` wait."""
        inputs: list[bytes | str | int] = [offered.card.hash, *offered.kinds, offered.flags]
        inputs += [*offered.purposes, offered.until, str(offered.since), offered.record, offered.policy]
        return self._me.outbox.parcel("grant", *inputs)

    def stands(self, terms: Terms) -> bool:
        """Whether the patient's word on ``terms`` can still be given: a proposal of another epoch, or whose
        grant was revoked or has expired, is no use any more. One that is in force already belongs to a
        command that was cut off, and is finished by it."""
        revoked = self._chain.grant_state(terms.patient, terms.grant_id).status == 2
        now = self._chain.head().time
        return terms.epoch == self._chain.epoch_of(terms.patient) and not revoked and now < terms.expires_at

    def _is_current(self, proposal: Proposal) -> bool:
        """Whether its box is of the newest key version; one that is in force gets another box."""
        segment = self._own.segments().get(proposal.kind)
        if segment is not None and proposal.box.version == segment.version:
            return True
        return self._chain.grant_state(proposal.terms.patient, proposal.grant_id).status == 1

    def _proposal(self, offered: Offered, kind: str) -> Proposal:
        segments = self._own.segments()
        if kind not in segments:
            raise NotFound(f"you have no segment for {kind!r}; enrol that kind first")
        segment = segments[kind]
        terms, reading = self._terms(offered, segment)
        key_type, key = self._key(offered, segment)
        earlier = self._own.seeds(segment).get(segment.version - 1, ()) if key_type == SEGMENT_SEED else ()
        granted = Granted(terms, reading, kind, key_type, key, b"".join(earlier))
        box = make_box(
            self._chain.deployment,
            granted,
            version=segment.version,
            card=offered.card,
            patient_key=segment.statement.patient_key,
        )
        signature = self._me.signer.sign_typed_data(box.message(self._chain.deployment))
        return Proposal(terms, reading, kind, replace(box, signature=signature))

    def _terms(self, offered: Offered, segment: Segment) -> tuple[Terms, Reading]:
        since = self._chain.head().time if offered.since is None else offered.since
        if offered.until <= max(since, self._chain.head().time):
            raise UsageError("the grant would end before it begins; give a later end")
        mask = purpose_mask(offered.purposes)
        names = [purpose.display for purpose in purposes() if mask >> purpose.bit & 1]
        title = kind_named(segment.kind).title.lower()
        one = f"single record {offered.record.hex()[:8]} of my {title}"
        text = sentence(
            grantee=offered.card.title,
            what=title if offered.record == _NONE else one,
            purposes=names,
            flags=offered.flags,
            not_before=since,
            expires_at=offered.until,
        )
        reading = Reading(text, offered.policy, secrets.token_bytes(32))
        terms = Terms(
            patient=self._me.identity,
            grantee=offered.card.identity,
            segment=segment.statement.segment,
            record=offered.record,
            purposes=mask,
            flags=offered.flags,
            not_before=since,
            expires_at=offered.until,
            epoch=self._chain.epoch_of(self._me.identity),
            reading_hash=reading.hash,
        )
        return terms, reading

    def _key(self, offered: Offered, segment: Segment) -> tuple[int, bytes]:
        if not offered.flags & READ:
            return NO_KEY, _NONE
        if offered.record == _NONE:
            return SEGMENT_SEED, segment.seed
        header = self._own.opening(offered.record).header
        if header.segment != segment.statement.segment:
            raise NotFound(f"the record 0x{offered.record.hex()} is not one of your {segment.kind} records")
        place = header.place(self._chain.deployment)
        for seed in self._own.seeds(segment).get(header.version, ()):
            with suppress(WrapBroken):
                session = open_session(place, header.session_wrap, segment_pair_seed(seed))
                return RECORD_HALF, first_half(place, session, offered.record)
        raise WrapBroken("none of your keys opens the record's first half: its contributor spoiled it")


def _dump(proposal: Proposal) -> dict[str, Any]:
    reading = proposal.reading
    return {
        "terms": proposal.terms.encode().hex(),
        "reading": [reading.sentence, reading.policy.hex(), reading.salt.hex()],
        "kind": proposal.kind,
        "box": proposal.box.encode().hex(),
    }


def _load(fields: dict[str, Any]) -> Proposal:
    text, policy, salt = fields["reading"]
    return Proposal(
        Terms.decode(bytes.fromhex(fields["terms"])),
        Reading(text, bytes.fromhex(policy), bytes.fromhex(salt)),
        fields["kind"],
        KeyBox.decode(bytes.fromhex(fields["box"])),
    )
