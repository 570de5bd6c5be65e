"""Whether a vault is whole: what a keyholder looks for now and then, and its operator after a restore.

It needs no secret: the record keys are in the vault, and the keyholder's card and deployment are public. It
reads piece by piece while the keyholder serves, and holds nothing between two pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row as Stored

from consentry.consent.box import KeyBox
from consentry.envelope.deposit import Header, envelope_hash
from consentry.envelope.handing import Holding, Members, check_holding
from consentry.envelope.leaf import Leaf, leaf_hash, record_id
from consentry.envelope.statement import Statement
from consentry.errors import IntegrityError
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.held import Held
from consentry.keyholder.journal import Row, verify_rows
from consentry.keyholder.vault.books import Vault
from consentry.keyholder.vault.inventory import PAGE, Thing, gather, note, pages
from consentry.keyholder.vault.tables import boxes, envelopes, records, statements
from consentry.keys.binding import Deployment


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong: ``where`` (``journal``, or a record, envelope, statement, box or stop by its
    ids in hex) and ``what``."""

    where: str
    what: str


class Check:
    """One check of all that the keyholder of ``card`` holds for the last group of ``line`` (all groups that
    there were).

    The journal follows and is signed by the card's address, and has the row that was ``newest`` before; each
    record opens with its key, is the one that its id says, and its share fits its commitment; each envelope
    has all its records; and the journal names what is held, and nothing else."""

    def __init__(
        self,
        vault: Vault,
        deployment: Deployment,
        card: KeyholderCard,
        line: Sequence[Members],
        newest: Row | None = None,
    ) -> None:
        self._vault, self._deployment, self._card, self._line = vault, deployment, card, line
        self._before, self.newest = newest, newest

    def faults(self) -> list[Fault]:
        """All that is wrong, at once. Raises `Unreachable`."""
        return [fault for found in self.pieces() for fault in found]

    def pieces(self) -> Iterator[list[Fault]]:
        """What is wrong, found piece by piece; `newest` is the journal's newest row at the end. Whoever asks
        may let some time pass between two pieces. Raises `Unreachable`."""
        for page in pages(self._vault, statements):
            yield [fault for one in page for fault in _statement(one)]
        for page in pages(self._vault, boxes):
            yield [fault for one in page for fault in _box(one)]
        for page in pages(self._vault, envelopes):
            for one in page:
                yield from self._twice(one)
        held: set[Thing] = set()
        for _ in gather(self._vault, held):
            yield []
        yield from self._journal(held)

    def _twice(self, one: Stored[Any]) -> Iterator[list[Fault]]:
        """Looks again where something is wrong: what is let go just now goes step by step."""
        faults: list[Fault] = []
        for _ in range(2):
            faults = []
            for found in self._envelope(one):
                faults += found
                yield []
            if not faults:
                break
        yield faults

    def _envelope(self, one: Stored[Any]) -> Iterator[list[Fault]]:
        where = f"envelope {one.envelope.hex()}"
        try:
            header = Header.decode(one.header)
            header.place(self._deployment)
            if (header.patient, header.segment) != (one.patient, one.segment):
                raise IntegrityError("its header is that of another patient or segment")
        except IntegrityError as error:
            yield [Fault(where, str(error))]
            return
        leaves, good = [], True
        inside = {"envelope": one.envelope, "generation": self._vault.generation}
        for page in pages(self._vault, records, by=records.c.position, **inside):
            keys, faults = self._vault.keys_of([record.record_id for record in page]), []
            for record in page:
                try:
                    leaves.append(self._leaf(header, record, keys.get(record.record_id)))
                except IntegrityError as error:
                    faults.append(Fault(f"record {record.record_id.hex()}", str(error)))
            good = good and not faults
            yield faults
        if leaves and good and envelope_hash(one.header, leaves) != one.envelope:
            yield [Fault(where, "it is not whole: a record of it is missing, or out of its place")]

    def _leaf(self, header: Header, record: Stored[Any], key: bytes | None) -> bytes:
        """The hash of a record's leaf. Raises `IntegrityError` where anything about the record is wrong."""
        if key is None:
            raise IntegrityError("its key is lost or was destroyed: it cannot be released from here")
        held = Held.unseal(header.encode(), key, record.sealed)
        leaf = Leaf.decode(held.open_part, held.sealed_part)
        named = {record.record_id, leaf.record_id}
        if named != {record_id(header.patient, header.segment, leaf.record_salt)}:
            raise IntegrityError("the leaf is that of another record")
        check_holding(leaf, self._line, self._card.index, Holding.decode(held.share))
        return leaf_hash(held.open_part, held.sealed_part)

    def _journal(self, held: set[Thing]) -> Iterator[list[Fault]]:
        named: dict[Thing, int] = {}
        last: Row | None = None
        try:
            more = True
            while more:
                rows = self._follow(last, named, PAGE)
                last, more = rows[-1] if rows else last, len(rows) == PAGE
                yield []
            with self._vault.one_moment():  # what came meanwhile, and what was let go
                rows = self._follow(last, named)
                last = rows[-1] if rows else last
                faults = list(self._differ(held, named))
            if self._before is not None and (last is None or last.index < self._before.index):
                raise IntegrityError(f"row {self._before.index} was there: the tail was cut")
        except (IntegrityError, ValueError) as error:
            yield [Fault("journal", str(error))]
            return
        self.newest = last
        yield faults

    def _differ(self, held: set[Thing], named: dict[Thing, int]) -> Iterator[Fault]:
        """Where what is held is not what is ``named``. What was ``held`` a while ago tells whether all has
        to be looked at again, in this one moment."""
        if held == named.keys():
            return
        now: set[Thing] = set()
        for _ in gather(self._vault, now):
            pass
        for kind, thing in sorted(now - named.keys()):
            yield Fault(f"{kind} {thing}", "it is held, and no row of the journal says so")
        for (kind, thing), row in named.items():
            if (kind, thing) not in now:
                yield Fault(f"{kind} {thing}", f"row {row} of the journal names it, and it is not held")

    def _follow(self, last: Row | None, named: dict[Thing, int], most: int | None = None) -> list[Row]:
        """The rows after ``last``, verified. Raises `JournalBroken`."""
        rows = self._vault.rows(last.index + 1 if last else 0, most)
        verify_rows(self._deployment, self._card.address, rows, last)
        for row in rows:
            if self._before is not None and row.index == self._before.index and row.hash != self._before.hash:
                raise IntegrityError(f"row {row.index} is another one than it was: the journal was forked")
            note(named, row, self._vault.generation)
        return rows


def _statement(one: Stored[Any]) -> Iterator[Fault]:
    where = f"statement {one.hash.hex()}"
    try:
        found = Statement.decode(one.body)
    except IntegrityError as error:
        yield Fault(where, str(error))
        return
    said = (found.hash, found.patient, found.segment, found.version)
    if said != (one.hash, one.patient, one.segment, one.version):
        yield Fault(where, "its bytes are not those that it is held as")


def _box(one: Stored[Any]) -> Iterator[Fault]:
    where = f"box of grant {one.grant_id.hex()}"
    try:
        found = KeyBox.decode(one.box)
    except IntegrityError as error:
        yield Fault(where, str(error))
        return
    if (found.patient, found.grant_id, found.segment) != (one.patient, one.grant_id, one.segment):
        yield Fault(where, "its bytes are not those of the grant")
