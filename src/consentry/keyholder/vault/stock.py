"""What is held, page by page: for keyholders that come after this one, and to let it go when they hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from consentry.envelope.statement import SignedStatement
from consentry.keyholder.held import Held
from consentry.keyholder.vault.tables import (
    boxes,
    envelopes,
    record_keys,
    records,
    statements,
    stops,
    unanchored,
)

if TYPE_CHECKING:
    from consentry.keyholder.vault.books import Vault

_RECORDS = 200  # of an envelope's page, unless one envelope has more


@dataclass(frozen=True, slots=True)
class Stocked:
    """An envelope as it is held: its hash, its encoded header, the grant of its deposit, since when it waits
    for its anchors (block time in seconds; 0: it does not), and its records by their position."""

    envelope: bytes
    header: bytes
    grant_id: bytes
    since: int
    records: dict[int, Held]


class Stock:
    """The stock of ``vault``, for the group of keyholders that it is of. Its methods raise `Unreachable`."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._here = {"generation": vault.generation}

    def statements(self, first: int, most: int) -> list[SignedStatement]:
        """``most`` statements from the ``first`` on, in the order they came."""
        asked = select(statements.c.body, statements.c.signature).order_by(statements.c.place)
        with self._vault._data.reading() as connection:
            found = connection.execute(asked.offset(first).limit(most)).all()
        return [SignedStatement(body, signature) for body, signature in found]

    def boxes(self, first: int, most: int) -> list[bytes]:
        """``most`` key boxes from the ``first`` on, in the order they came."""
        asked = select(boxes.c.box).order_by(boxes.c.place).offset(first).limit(most)
        with self._vault._data.reading() as connection:
            return list(connection.scalars(asked).all())

    def stops(self, first: int, most: int) -> list[tuple[bytes, bytes, bytes]]:
        """``most`` stops from the ``first`` on, by patient and grant id: each with its signature."""
        asked = select(stops.c.patient, stops.c.grant_id, stops.c.signature)
        asked = asked.order_by(stops.c.patient, stops.c.grant_id).offset(first).limit(most)
        with self._vault._data.reading() as connection:
            return [(one.patient, one.grant_id, one.signature) for one in connection.execute(asked)]

    def envelopes(self, after: bytes) -> list[Stocked]:
        """Some of the envelopes whose hashes come ``after`` that one, in the order of their hashes; none
        where there are none any more. Records whose key is lost are left out."""
        held = select(records.c.envelope).filter_by(**self._here).distinct()
        asked = select(envelopes, unanchored.c.since).outerjoin(unanchored)
        asked = asked.where(envelopes.c.envelope > after, envelopes.c.envelope.in_(held))
        found: list[Stocked] = []
        with self._vault._data.reading() as connection:
            for one in connection.execute(asked.order_by(envelopes.c.envelope).limit(_RECORDS)):
                inside = self.inside(one.envelope, one.header)
                found.append(Stocked(one.envelope, one.header, one.grant_id, one.since or 0, inside))
                if sum(len(stocked.records) for stocked in found) >= _RECORDS:
                    break
        return found

    def inside(self, envelope: bytes, header: bytes) -> dict[int, Held]:
        """The records of an envelope with that encoded ``header``, by position; none whose key is lost."""
        asked = select(records.c.position, records.c.record_id, records.c.sealed)
        with self._vault._data.reading() as connection:
            found = connection.execute(asked.filter_by(envelope=envelope, **self._here)).all()
        keys = self._vault.keys_of([one.record_id for one in found])
        return {
            one.position: Held.unseal(header, keys[one.record_id], one.sealed)
            for one in found
            if one.record_id in keys
        }

    def positions(self, envelope: bytes) -> set[int]:
        """Which records of an envelope are held."""
        asked = select(records.c.position).filter_by(envelope=envelope, **self._here)
        with self._vault._data.reading() as connection:
            return set(connection.scalars(asked))

    def records(self, after: bytes, most: int) -> list[bytes]:
        """``most`` ids of records that come ``after`` that one, in their order, whether they open or not."""
        asked = select(records.c.record_id).filter_by(**self._here).where(records.c.record_id > after)
        with self._vault._data.reading() as connection:
            return list(connection.scalars(asked.order_by(records.c.record_id).limit(most)).all())

    def holds(self, wanted: Sequence[bytes]) -> bool:
        """Whether all of these records are held, with their keys."""
        asked = select(records.c.record_id).filter_by(**self._here).where(records.c.record_id.in_(wanted))
        with self._vault._data.reading() as connection:
            found = set(connection.scalars(asked))
        return found == set(wanted) == set(self._vault.keys_of(wanted))

    def let_go(self, gone: Sequence[bytes]) -> None:
        """Destroys the keys of these records, and then what they opened; cut off in between, do it again."""
        with self._vault._keys.writing() as connection:
            of_these = record_keys.c.record_id.in_(gone)
            connection.execute(delete(record_keys).filter_by(**self._here).where(of_these))
        with self._vault._data.writing() as connection:
            these = records.c.record_id.in_(gone)
            connection.execute(delete(records).filter_by(**self._here).where(these))
            held = select(records.c.envelope).distinct()
            for table in (unanchored, envelopes):
                connection.execute(delete(table).where(table.c.envelope.not_in(held)))
