"""Rotation: after a grant to read a whole segment ended, the segment gets its next key version.

What is due follows from what the patient holds and what the chain says, so that any device of hers goes on
where another one stopped: a segment, when a grant to read it is over whose key box is of the newest key
version; a grantee's box, when the newest one is of an older version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consentry.chain.contracts import Chain
from consentry.client.group import Group, bringing
from consentry.client.outbox import Parcel
from consentry.client.own import Own, OwnGrant, Segment
from consentry.client.person import Person
from consentry.client.steps import Step, durable
from consentry.consent.box import SEGMENT_SEED, Granted, KeyBox, make_box, sign_boxes
from consentry.consent.terms import READ, Terms
from consentry.envelope.statement import SignedStatement, message, next_statement, open_own
from consentry.errors import CardInvalid, ConsentryError
from consentry.keyholder.messages import Keyholder, Signed
from consentry.keys.hpke import new_seed

_NO_RECORD = bytes(32)
_STEPS = {"box": Step.BOXED, "statement": Step.STATED}


@dataclass(frozen=True, slots=True)
class Rotated:
    """The segment of ``kind`` has the key version ``version``; ``held`` keyholders hold it and all ``boxes``
    of its grantees. ``without`` are grants in force whose grantee got no box, and why."""

    kind: str
    version: int
    boxes: int
    held: int
    without: tuple[tuple[bytes, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was done, and why the rest was not (empty: nothing is left): the next command goes on."""

    done: tuple[Rotated, ...] = ()
    failed: str = ""


class Rotator:
    """Rotates the segments of a patient (``me``), and sees that her grantees have the newest keys."""

    def __init__(self, chain: Chain, group: Group, me: Person, own: Own) -> None:
        self._chain, self._group, self._me, self._own = chain, group, me, own

    def run(self) -> Rotation:
        """Rotates what is due and finishes what was begun; the own copy is up to date. It raises nothing
        that is ours: whatever verb it goes with is not to fail for it."""
        done, failed = [], []
        for segment in self._own.segments().values():
            try:
                if (rotated := self._rotate(segment)) is not None:
                    done.append(rotated)
            except ConsentryError as error:
                failed.append(f"{segment.kind}: {error}")
        return Rotation(tuple(done), "; ".join(failed))

    def _rotate(self, segment: Segment) -> Rotated | None:
        rotated = None
        while True:
            coming = self._parcel(segment, segment.version + 1)
            if not coming.state:
                if not self._is_due(segment):
                    break
                self._begin(coming, segment)
            rotated = self._give(coming, segment)
            if (over := self._parcel(segment, segment.version)).state:
                over.drop()
            segment = self._own.segments()[segment.kind]
        return rotated or self._rest(segment)

    def _parcel(self, segment: Segment, version: int) -> Parcel:
        return self._me.outbox.parcel("rotate", segment.statement.segment, version)

    # --- what is due

    def _is_due(self, segment: Segment) -> bool:
        """Whether somebody who may read no more could have the newest seed, or the one that was coming; or
        two devices made it."""
        newest = (segment.version, segment.version + 1)
        held = [(box, grant.terms) for box, grant in self._readers(segment) if box.version in newest]
        return bool(segment.rivals) or any(self._is_over(box, terms) for box, terms in held)

    def _readers(self, segment: Segment) -> list[tuple[KeyBox, OwnGrant]]:
        """The grants to read all of the segment that there ever were, each with its box."""
        wanted = (segment.statement.segment, _NO_RECORD)
        return [
            (box, grant)
            for box, grant in self._own.boxes()
            if (grant.terms.segment, grant.terms.record) == wanted and grant.terms.flags & READ
        ]

    def _is_over(self, box: KeyBox, terms: Terms) -> bool:
        """Whether nobody can read under the terms any more. A grant that was handed over and never delivered
        is one too, if the patient signed its box: a keyholder could make up any number of others."""
        state = self._chain.grant_state(terms.patient, terms.grant_id)
        waiting = state.status == 0 and terms.epoch == self._chain.epoch_of(terms.patient)
        if (waiting and not self._is_past(terms)) or self._may_read(terms):
            return False
        return state.status != 0 or self._own.version(box) > 0

    def _remaining(self, segment: Segment) -> list[tuple[KeyBox, OwnGrant]]:
        return [one for one in self._readers(segment) if self._may_read(one[1].terms)]

    def _may_read(self, terms: Terms) -> bool:
        in_force = self._chain.in_force(terms.patient, terms.grant_id, terms.epoch)
        return in_force and not self._is_past(terms)

    def _is_past(self, terms: Terms) -> bool:
        return terms.expires_at <= self._chain.head().time

    # --- the next version

    def _begin(self, parcel: Parcel, segment: Segment) -> None:
        """Makes the next version and the boxes of those who remain, and keeps them."""
        statement = next_statement(
            self._chain.deployment,
            segment.statement,
            kind=segment.kind,
            seed=new_seed(),
            earlier=segment.newest_seeds,
        )
        body = statement.encode()
        signature = self._me.signer.sign_typed_data(message(self._chain.deployment, body))
        seed, _ = open_own(self._chain.deployment, statement, self._me.keyring.seed)
        coming = Segment(segment.kind, statement, seed)
        boxes, without = self._boxes(coming, self._remaining(segment), b"".join(segment.newest_seeds))
        parcel.state["statement"] = [body.hex(), signature.hex()]
        self._keep(parcel, coming, boxes, without)

    def _boxes(
        self, segment: Segment, remaining: Sequence[tuple[KeyBox, OwnGrant]], earlier: bytes
    ) -> tuple[list[KeyBox], tuple[tuple[bytes, str], ...]]:
        """Boxes of the segment's version under one signature, and the grants that get none, and why."""
        boxes, without = [], []
        for _, grant in remaining:
            try:
                self._chain.verify_card(grant.card)
            except CardInvalid as error:
                without.append((grant.terms.grant_id, str(error)))
                continue
            granted = Granted(grant.terms, grant.reading, grant.kind, SEGMENT_SEED, segment.seed, earlier)
            key = segment.statement.patient_key
            made = make_box(
                self._chain.deployment, granted, version=segment.version, card=grant.card, patient_key=key
            )
            boxes.append(made)
        return sign_boxes(self._chain.deployment, self._me.signer, boxes), tuple(without)

    @staticmethod
    def _keep(
        parcel: Parcel, segment: Segment, boxes: Sequence[KeyBox], without: tuple[tuple[bytes, str], ...]
    ) -> None:
        parcel.state["boxes"] = [*parcel.state.get("boxes", []), *(box.encode().hex() for box in boxes)]
        parcel.state["without"] = {grant.hex(): why for grant, why in without}
        parcel.state["version"] = segment.version
        parcel.save()
        durable(Step.VERSIONED)

    def _rest(self, segment: Segment) -> Rotated | None:
        """What keyholders lack of the newest version, and boxes for grantees who have none of it: they were
        given one while it came, or had no credential then."""
        parcel = self._parcel(segment, segment.version)
        older = [one for one in self._readers(segment) if self._own.version(one[0]) < segment.version]
        late = [one for one in older if self._may_read(one[1].terms)]
        without: tuple[tuple[bytes, str], ...] = ()
        if late:
            earlier = b"".join(self._own.seeds(segment).get(segment.version - 1, ()))
            boxes, without = self._boxes(segment, late, earlier)
            if boxes:
                self._keep(parcel, segment, boxes, without)
        if parcel.state:
            return self._give(parcel, segment)
        return (
            Rotated(segment.kind, segment.version, 0, self._group.roster.count, without) if without else None
        )

    # --- giving it away

    def _give(self, parcel: Parcel, segment: Segment) -> Rotated:
        """Gives the boxes, each to t keyholders, then the statement. With t it is current, and the others get
        it another time."""
        boxes = [KeyBox.decode(bytes.fromhex(box)) for box in parcel.state["boxes"]]
        # Before anybody can have them: who loses a grant meanwhile may have this version's seed.
        for box in boxes:
            self._me.copy.boxes[box.grant_id.hex()] = box.encode().hex()
        self._me.save()
        remain = {grant.terms.grant_id for _, grant in self._remaining(segment)}
        live = [box for box in boxes if box.grant_id in remain]
        held = [self._give_one(parcel, segment, "box", box.hash, _box(box)) for box in live]
        if "statement" in parcel.state:
            signed = SignedStatement(*map(bytes.fromhex, parcel.state["statement"]))
            subject = signed.statement.hash
            held.append(self._give_one(parcel, segment, "statement", subject, _statement(signed)))
            self._me.copy.statements[subject.hex()] = parcel.state["statement"]
        self._me.save()
        self._close(parcel, held)
        without = tuple((bytes.fromhex(one), why) for one, why in parcel.state["without"].items())
        return Rotated(
            segment.kind,
            parcel.state["version"],
            len(live),
            min(held, default=self._group.roster.count),
            without,
        )

    def _give_one(
        self, parcel: Parcel, segment: Segment, verb: str, subject: bytes, give: Callable[[Keyholder], Signed]
    ) -> int:
        """Gives one thing to the keyholders that have not acknowledged it; how many have then."""
        known = parcel.state.setdefault("held", {})
        held = known.get(subject.hex(), [])
        need = 0 if "current" in parcel.state else self._group.roster.threshold
        send = bringing(self._own.history(segment.statement.segment), give)
        answers = self._group.give(verb, subject, send, need=need, held=held, step=_STEPS[verb])
        for answer in answers.values():
            self._me.copy.hear(answer)
        known[subject.hex()] = sorted({*held, *answers})
        return len(known[subject.hex()])

    def _close(self, parcel: Parcel, held: Sequence[int]) -> None:
        parcel.state["current"] = True
        if all(count == self._group.roster.count for count in held):
            parcel.drop()
        else:
            parcel.save()
            durable(Step.HELD)


def _box(box: KeyBox) -> Callable[[Keyholder], Signed]:
    return lambda keyholder: keyholder.box(box.encode())


def _statement(signed: SignedStatement) -> Callable[[Keyholder], Signed]:
    return lambda keyholder: keyholder.statement(signed)
