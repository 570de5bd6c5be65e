"""Granting: the card, the sentence, the key box, then the transaction; and ending a grant again."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from consentry.chain.contracts import Chain
from consentry.chain.rpc import Receipt
from consentry.client.group import Group
from consentry.client.outbox import Parcel
from consentry.client.own import Own, Segment
from consentry.client.person import Person
from consentry.consent.box import NO_KEY, RECORD_HALF, SEGMENT_SEED, Granted, KeyBox, make_box
from consentry.consent.card import Card
from consentry.consent.terms import (
    DEPOSIT,
    MEMBERS,
    READ,
    Reading,
    Terms,
    sentence,
    typed_revoke,
    typed_terms,
)
from consentry.envelope.deposit import open_session
from consentry.envelope.leaf import first_half
from consentry.envelope.statement import segment_pair_seed
from consentry.errors import ConsentryError, NotFound, UsageError
from consentry.keyholder.messages import subject_of_stop
from consentry.keys.typed import Signer
from consentry.record import kind as kind_named
from consentry.record import purpose_mask, purposes

_FORMAT = "consentry grant 1"
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


@dataclass(frozen=True, slots=True)
class Ended:
    """A revocation: the keyholders that stopped at once, and the transaction."""

    grants: tuple[bytes, ...]
    stopped: int
    receipt: Receipt


class Granter:
    """What a patient (``me``) grants and revokes."""

    def __init__(self, chain: Chain, group: Group, me: Person, own: Own) -> None:
        self._chain, self._group, self._me, self._own = chain, group, me, own

    # --- proposals

    def propose(self, offered: Offered) -> list[Proposal]:
        """The proposals for what is ``offered``: the card is verified first, nothing is sent yet.

        The same offer gives the same proposals until they are granted, so that a command can be repeated.
        Raises `CardInvalid`, `UsageError`, or `NotFound` for a kind without a segment.
        """
        self._chain.verify_card(offered.card)
        self._own.refresh()
        parcel = self._parcel(offered)
        begun = [_load(fields) for fields in parcel.state.get("proposals", [])]
        standing = {proposal.kind: proposal for proposal in begun if self._stands(proposal.terms)}
        proposals = [standing.get(kind) or self._proposal(offered, kind) for kind in offered.kinds]
        if proposals != begun:
            parcel.state["proposals"] = [_dump(proposal) for proposal in proposals]
            parcel.save()
        return proposals

    def _parcel(self, offered: Offered) -> Parcel:
        inputs: list[bytes | str | int] = [offered.card.hash, *offered.kinds, offered.flags]
        inputs += [*offered.purposes, offered.until, str(offered.since), offered.record, offered.policy]
        return self._me.outbox.parcel("grant", *inputs)

    def _stands(self, terms: Terms) -> bool:
        """A proposal of another epoch, or whose grant was revoked or has expired, is no use any more. One
        that is in force already belongs to a command that was cut off, and is finished by it."""
        revoked = self._chain.grant_state(terms.patient, terms.grant_id).status == 2
        now = self._chain.head().time
        return terms.epoch == self._chain.epoch_of(terms.patient) and not revoked and now < terms.expires_at

    def _proposal(self, offered: Offered, kind: str) -> Proposal:
        segments = self._own.segments()
        if kind not in segments:
            raise NotFound(f"you have no segment for {kind!r}; enrol that kind first")
        segment = segments[kind]
        terms, reading = self._terms(offered, segment)
        granted = Granted(terms, reading, kind, *self._key(offered, segment))
        box = make_box(
            self._chain.deployment,
            granted,
            version=segment.statement.version,
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
        session = open_session(place, header.session_wrap, segment_pair_seed(segment.seed))
        return RECORD_HALF, first_half(place, session, offered.record)

    # --- putting in force

    def grant(self, offered: Offered, proposals: Sequence[Proposal]) -> Receipt | None:
        """Delivers the key boxes (t must take each), then puts all grants in force in one transaction.

        None when an earlier run that was cut off had sent it already."""
        for proposal in proposals:
            self._deliver(proposal.box, hear=True)
        receipt = self._put_in_force([proposal.grant_id for proposal in proposals])
        self._own.refresh()
        self._parcel(offered).drop()
        return receipt

    def _put_in_force(self, ids: list[bytes]) -> Receipt | None:
        patient = self._me.identity
        waiting = [one for one in ids if self._chain.grant_state(patient, one).status == 0]
        if not waiting:
            return None
        if len(waiting) == 1:
            return self._chain.send(self._me.signer, "ConsentRegistry", "grant", patient, waiting[0])
        return self._chain.send(self._me.signer, "ConsentRegistry", "grantMany", patient, waiting)

    def sign(self, proposal: Proposal) -> dict[str, Any]:
        """``grant.json``: a signed grant that anybody can deliver; it holds no terms in clear."""
        message = typed_terms(self._chain.deployment, proposal.terms, proposal.reading)
        return {
            "format": _FORMAT,
            "chainId": self._chain.deployment.chain_id,
            "genesis": "0x" + self._chain.deployment.genesis.hex(),
            "contract": self._chain.deployment.registry,
            "patient": "0x" + proposal.terms.patient.hex(),
            "signer": self._me.address,
            "grantId": "0x" + proposal.grant_id.hex(),
            "signature": "0x" + self._me.signer.sign_typed_data(message).hex(),
            "box": "0x" + proposal.box.encode().hex(),
        }

    def _deliver(self, box: KeyBox, *, hear: bool) -> None:
        deliver_box(self._group, box, self._me if hear else None)

    # --- ending

    def revoke(self, grant_ids: Sequence[bytes] | None = None) -> Ended:
        """Ends ``grant_ids``, or every grant there is (None): the keyholders stop at once, and the chain.

        The stop is tried first and its failure ends nothing: the transaction is what lasts. Raises
        `UsageError` for an empty list.
        """
        if grant_ids is not None and not grant_ids:
            raise UsageError("name the grants to revoke, or revoke all of them")
        patient = self._me.identity
        every = grant_ids is None
        ids = self._chain.grants_of(patient) if grant_ids is None else list(grant_ids)
        live = [one for one in ids if not every or self._chain.grant_state(patient, one).status == 1]
        stopped = [self._stop(patient, one) for one in live]
        if every:
            receipt = self._chain.send(self._me.signer, "ConsentRegistry", "revokeAll", patient)
        else:
            for one in ids:
                receipt = self._chain.send(self._me.signer, "ConsentRegistry", "revoke", patient, one)
        return Ended(tuple(live), min(stopped, default=0), receipt)

    def _stop(self, patient: bytes, grant_id: bytes) -> int:
        message = typed_revoke(self._chain.deployment, patient, grant_id)
        signature = self._me.signer.sign_typed_data(message)
        try:
            answers = self._group.give(
                "stop",
                subject_of_stop(patient, grant_id),
                lambda keyholder: keyholder.stop(patient, grant_id, signature),
                need=0,
            )
        except ConsentryError:
            return 0
        for answer in answers.values():
            self._me.copy.hear(answer)
        self._me.save()
        return len(answers)


def deliver_box(group: Group, box: KeyBox, me: Person | None = None) -> int:
    """Gives a key box to the keyholders; t must take it. Gives how many did."""
    need = group.roster.threshold
    answers = group.give("box", box.hash, lambda keyholder: keyholder.box(box.encode()), need=need)
    if me is not None:
        for answer in answers.values():
            me.copy.hear(answer)
        me.save()
    return len(answers)


def deliver(chain: Chain, group: Group, sender: Signer, handed: dict[str, Any]) -> Receipt | None:
    """Delivers a ``grant.json``: the key box, then ``grantBySig`` sent by anybody. A grant that is already
    in force counts as success (None). Raises `UsageError` for another chain's or a broken file, and an
    `IntegrityError` for a key box that the patient did not sign."""
    deployment = chain.deployment
    try:
        if handed["format"] != _FORMAT:
            raise ValueError
        words = ("patient", "signer", "grantId", "signature", "box", "genesis")
        patient, signer, grant_id, signature, box, genesis = (
            bytes.fromhex(handed[name].removeprefix("0x")) for name in words
        )
        chain_id, contract = int(handed["chainId"]), str(handed["contract"])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise UsageError("the file is not a grant of this version; ask the patient for it again") from None
    if (chain_id, genesis, contract) != (deployment.chain_id, deployment.genesis, deployment.registry):
        raise UsageError("the grant was signed for another chain or contract; connect to that one")
    found = KeyBox.decode(box)
    if (found.patient, found.grant_id) != (patient, grant_id):
        raise UsageError("the key box in the file is not that of its grant; ask the patient for it again")
    found.verify(deployment, chain.controller_of(patient), chain.wallet_accepts)
    deliver_box(group, found)
    if chain.grant_state(patient, grant_id).status == 1:
        return None
    return chain.send(sender, "ConsentRegistry", "grantBySig", patient, signer, grant_id, signature)


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
