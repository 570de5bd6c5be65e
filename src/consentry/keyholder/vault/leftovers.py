"""What is left of deposits that never came to their end: dealt, and never anchored."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from consentry.envelope.deposit import Header
from consentry.keyholder.vault.database import Database
from consentry.keyholder.vault.tables import envelopes, record_keys, records, unanchored


@dataclass(frozen=True, slots=True)
class Dealt:
    """An envelope as it was dealt: its hash, its header and its record ids, in their order."""

    envelope: bytes
    header: Header
    records: tuple[bytes, ...]


class Leftovers:
    """A vault's envelopes of which no record was seen on chain yet; times are those of blocks, in seconds."""

    _data: Database
    _keys: Database

    def await_anchor(self, envelope: bytes, since: int) -> None:
        """From ``since`` on an envelope waits for its anchors; what was said before counts no more."""
        with self._data.writing() as connection:
            connection.execute(delete(unanchored).filter_by(envelope=envelope))
            connection.execute(insert(unanchored), {"envelope": envelope, "since": since})

    def anchored(self, envelope: bytes) -> None:
        """An envelope does not wait any more."""
        with self._data.writing() as connection:
            connection.execute(delete(unanchored).filter_by(envelope=envelope))

    def waiting(self, before: int, most: int) -> list[Dealt]:
        """Those that have waited since ``before`` or longer, the oldest first."""
        asked = select(envelopes.c.envelope, envelopes.c.header).join_from(unanchored, envelopes)
        asked = asked.where(unanchored.c.since < before).order_by(unanchored.c.since).limit(most)
        with self._data.reading() as connection:
            return [
                Dealt(one.envelope, Header.decode(one.header), self._inside(one.envelope))
                for one in connection.execute(asked).all()
            ]

    def _inside(self, envelope: bytes) -> tuple[bytes, ...]:
        asked = select(records.c.record_id).filter_by(envelope=envelope).order_by(records.c.position)
        with self._data.reading() as connection:
            return tuple(connection.scalars(asked))

    def drop(self, dealt: Dealt, before: int) -> bool:
        """Lets an envelope go, where it has waited since ``before`` still, and was not dealt again."""
        here = {"envelope": dealt.envelope}
        with self._data.writing() as connection:
            since = connection.scalar(select(unanchored.c.since).filter_by(**here))
            if since is None or since >= before:
                return False
            for table in (unanchored, records, envelopes):
                connection.execute(delete(table).filter_by(**here))
        return True

    def shred(self, dealt: Dealt) -> None:
        """Destroys the keys of an envelope's records, which nothing holds any more."""
        with self._keys.writing() as connection:
            for record in dealt.records:
                connection.execute(delete(record_keys).filter_by(record_id=record))
