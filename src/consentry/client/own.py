"""The patient's own side: her segments, her records and her grants, without anybody's leave."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
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
    unlock,
    verify_statement,
)
from consentry.errors import CardInvalid, ConsentryError, IntegrityError, NotFound
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.messages import Call, Keyholder, OwnAnswer
from consentry.keys.binding import abi_encode


@dataclass(frozen=True, slots=True)
class Segment:
    """One of the patient's own segments: its kind, newest statement and seed. ``rivals`` are those that
    another device of hers made of the same key version, (statement, seed)."""

    kind: str
    statement: Statement
    seed: bytes = field(repr=False)
    rivals: tuple[tuple[Statement, bytes], ...] = field(default=(), repr=False)

    @property
    def version(self) -> int:
        """The newest key version."""
        return self.statement.version

    @property
    def newest_seeds(self) -> tuple[bytes, ...]:
        """All seeds of the newest key version."""
        return (self.seed, *(seed for _, seed in self.rivals))


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
        hold itself, or is a key box of an older key version."""
        held = getattr(self._me.copy, table)
        known = held.setdefault(key, fields)
        if known == fields or not self._holds(table, fields):
            return
        if not self._holds(table, known) or (table == "boxes" and self._is_newer(fields, known)):
            held[key] = fields

    def _is_newer(self, box: str, known: str) -> bool:
        one, other = (KeyBox.decode(bytes.fromhex(fields)) for fields in (box, known))
        return self.version(one) > self.version(other)

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
        out. Of two of one segment and key version the lower hash counts."""
        found: dict[str, list[Segment]] = {}
        for fields in self._me.copy.statements.values():
            with suppress(IntegrityError):
                segment = self._segment(fields)
                found.setdefault(segment.kind, []).append(segment)
        return {kind: _newest(several) for kind, several in found.items()}

    def history(self, segment: bytes) -> list[SignedStatement]:
        """All statements of a segment in the own copy, oldest version first."""
        every = (SignedStatement(*map(bytes.fromhex, one)) for one in self._me.copy.statements.values())
        mine = [one for one in every if one.statement.segment == segment]
        return sorted(mine, key=lambda one: one.statement.version)

    def seeds(self, segment: Segment) -> dict[int, tuple[bytes, ...]]:
        """The seeds of a segment by key version."""
        mine = (one.statement for one in self.history(segment.statement.segment))
        return unlock(self._chain.deployment, mine, {segment.version: segment.newest_seeds})

    def _segment(self, fields: list[str]) -> Segment:
        statement = verify_statement(
            self._chain.deployment,
            SignedStatement(*map(bytes.fromhex, fields)),
            controller=self._chain.controller_of(self._me.identity),
            keyholders=self._group.roster.hashes,
            wallet=self._chain.wallet_accepts,
        )
        seed, kind = open_own(self._chain.deployment, statement, self._me.keyring.seed)
        return Segment(kind, statement, seed)

    def grants(self) -> dict[bytes, OwnGrant]:
        """The patient's grants by id, as her own key boxes tell them."""
        return {grant.terms.grant_id: grant for _, grant in self.boxes()}

    def boxes(self) -> list[tuple[KeyBox, OwnGrant]]:
        """Each of the patient's own key boxes with the grant that it tells."""
        found = []
        for fields in self._me.copy.boxes.values():
            with suppress(IntegrityError, CardInvalid):
                found.append((KeyBox.decode(bytes.fromhex(fields)), self._grant(fields)))
        return found

    def version(self, box: KeyBox) -> int:
        """The key version of a box that the present controller signed; 0 for any other."""
        controller = self._chain.controller_of(self._me.identity)
        try:
            box.verify(self._chain.deployment, controller, self._chain.wallet_accepts)
        except IntegrityError:
            return 0
        return box.version

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
        if not self._chain.anchored(header.contributor, leaf):
            raise IntegrityError("the record is not one that its contributor anchored")
        session = open_own_session(place, header, self._me.keyring.seed)
        data_key, label = own_data_key(place, leaf, session)
        return Key(leaf, header, label, data_key)


def _newest(several: list[Segment]) -> Segment:
    version = max(one.version for one in several)
    newest = [one for one in several if one.version == version]
    same = [one for one in newest if one.statement.segment == newest[0].statement.segment]
    first, *others = sorted(same, key=lambda one: one.statement.hash)
    return replace(first, rivals=tuple((one.statement, one.seed) for one in others))


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
