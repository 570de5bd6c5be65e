"""The patient's own side: her segments, her records and her grants, without anybody's leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from consentry.chain.contracts import Chain
from consentry.client.group import Group
from consentry.client.person import Person
from consentry.consent.box import KeyBox, open_own_box
from consentry.consent.card import Card
from consentry.consent.terms import Reading, Terms
from consentry.envelope.deposit import Header, open_own_session
from consentry.envelope.leaf import Label, Leaf, own_data_key
from consentry.envelope.statement import (
    SignedStatement,
    Statement,
    open_own,
    verify_statement,
)
from consentry.errors import CardInvalid, ConsentryError, IntegrityError, NotFound
from consentry.keyholder.messages import Call, Keyholder, OwnAnswer
from consentry.keyholder.roster import KeyholderCard
from consentry.keys.binding import abi_encode


@dataclass(frozen=True, slots=True)
class Segment:
    """One of the patient's own segments: its kind, newest statement and seed."""

    kind: str
    statement: Statement
    seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OwnGrant:
    """One of the patient's own grants, as her key box tells it."""

    terms: Terms
    reading: Reading
    kind: str
    card: Card


@dataclass(frozen=True, slots=True)
class Key:
    """What opens one record: its leaf, where it lies, its label and its data key."""

    leaf: Leaf
    header: Header
    label: Label
    data_key: bytes = field(repr=False)


class Own:
    """What a patient (``me``) does with what is hers."""

    def __init__(self, chain: Chain, group: Group, me: Person) -> None:
        self._chain, self._group, self._me = chain, group, me

    def refresh(self, *, required: bool = False) -> dict[int, Taken]:
        """Brings the own copy up to date from every keyholder that answers, and gives the answers by index.
        With ``required`` raises `NotFound` when none answered and there is no copy."""
        body = abi_encode(["bytes32"], [self._me.identity])

        def send(keyholder: Keyholder, call: Call) -> OwnAnswer:
            return keyholder.own(call)

        def check(answer: OwnAnswer, _: KeyholderCard) -> Taken:
            return _read(answer)

        enough = Group.until(self._group.roster.safe)
        answers, _ = self._group.ask(self._me.signer, "own", body, send, check, enough, everybody=True)
        for taken in answers.values():
            for table, key, fields in taken:
                self._keep(table, key, fields)
        self._me.save()
        if required and not (answers or self._me.copy.records):
            raise NotFound("no keyholder answers and there is no copy of your records here")
        return answers

    def _keep(self, table: str, key: str, fields: Any) -> None:
        """A keyholder may give anything: what is in the copy gives way only to what holds, if it does not
        hold itself."""
        held = getattr(self._me.copy, table)
        known = held.setdefault(key, fields)
        if known != fields and self._holds(table, fields) and not self._holds(table, known):
            held[key] = fields

    def _holds(self, table: str, fields: Any) -> bool:
        readers: dict[str, Callable[[Any], object]] = {
            "statements": self._segment,
            "records": self._key,
            "boxes": self._grant,
        }
        try:
            readers[table](fields)
        except (IntegrityError, CardInvalid):
            return False
        return True

    def segments(self) -> dict[str, Segment]:
        """The patient's segments by kind, from her own copy; statements that she did not sign are left
        out."""
        found: dict[str, Segment] = {}
        for fields in self._me.copy.statements.values():
            try:
                segment = self._segment(fields)
            except IntegrityError:
                continue
            known = found.get(segment.kind)
            if known is None or known.statement.version < segment.statement.version:
                found[segment.kind] = segment
        return found

    def _segment(self, fields: list[str]) -> Segment:
        statement = verify_statement(
            self._chain.deployment,
            SignedStatement(*map(bytes.fromhex, fields)),
            controller=self._chain.controller_of(self._me.identity),
            keyholders=self._group.roster.hash,
            wallet=self._chain.wallet_accepts,
        )
        seed, kind = open_own(self._chain.deployment, statement, self._me.keyring.seed)
        return Segment(kind, statement, seed)

    def grants(self) -> dict[bytes, OwnGrant]:
        """The patient's grants by id, as her own key boxes tell them."""
        found = {}
        for fields in self._me.copy.boxes.values():
            try:
                grant = self._grant(fields)
            except (IntegrityError, CardInvalid):
                continue
            found[grant.terms.grant_id] = grant
        return found

    def _grant(self, fields: str) -> OwnGrant:
        box = KeyBox.decode(bytes.fromhex(fields))
        return OwnGrant(*open_own_box(self._chain.deployment, box, self._me.keyring.seed))

    def openings(self) -> list[Key]:
        """What opens each of the patient's records that stands on chain, in the order of her copy.

        A leaf that was not anchored, or does not open, is left out; `opening` says why."""
        found: dict[bytes, Key] = {}
        for fields in self._me.copy.records.values():
            try:
                key = self._key(fields)
            except IntegrityError:
                continue
            found.setdefault(key.leaf.record_id, key)
        return list(found.values())

    def opening(self, record: bytes) -> Key:
        """What opens one record. Raises `NotFound`, or what is wrong with it: `OwnWrapBroken` (the
        contributor's fault) or another `IntegrityError`."""
        wrong: ConsentryError = NotFound("there is no such record of yours")
        for fields in self._me.copy.records.values():
            if Leaf.decode(*map(bytes.fromhex, fields[1:])).record_id != record:
                continue
            try:
                return self._key(fields)
            except IntegrityError as error:
                wrong = error
        raise wrong

    def _key(self, fields: list[str]) -> Key:
        header_part, *leaf_parts = map(bytes.fromhex, fields)
        header, leaf = Header.decode(header_part), Leaf.decode(*leaf_parts)
        place = header.place(self._chain.deployment)
        if self._chain.anchor_of(header.contributor, leaf.record_id) != leaf.anchor:
            raise IntegrityError("the record is not one that its contributor anchored")
        session = open_own_session(place, header, self._me.keyring.seed)
        data_key, label = own_data_key(place, leaf, session)
        return Key(leaf, header, label, data_key)


Taken = list[tuple[str, str, Any]]
"""Table of the own copy, key, fields."""


def _read(answer: OwnAnswer) -> Taken:
    """An answer as the own copy keeps it. Raises `IntegrityError`: then nothing of it is taken."""
    taken: Taken = []
    for signed in answer.statements:
        fields = [signed.body.hex(), signed.signature.hex()]
        taken.append(("statements", signed.statement.hash.hex(), fields))
    for record in answer.records:
        leaf = Leaf.decode(record.open_part, record.sealed_part)
        parts = (record.header, record.open_part, record.sealed_part)
        taken.append(("records", leaf.hash.hex(), [part.hex() for part in parts]))
    for box in answer.boxes:
        taken.append(("boxes", KeyBox.decode(box).grant_id.hex(), box.hex()))
    return taken
