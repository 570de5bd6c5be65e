"""`Vault`: what a keyholder holds, as the keyholder sees it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import ColumnElement, delete, insert, select

from consentry.envelope.deposit import Header
from consentry.envelope.statement import SignedStatement, Statement
from consentry.keyholder.held import Held
from consentry.keyholder.journal import Row
from consentry.keyholder.vault.database import Database, locate
from consentry.keyholder.vault.ends import Ends
from consentry.keyholder.vault.leftovers import Leftovers
from consentry.keyholder.vault.stock import Stock
from consentry.keyholder.vault.tables import (
    boxes,
    envelopes,
    journal,
    nonces,
    record_keys,
    records,
    statements,
)

_MANY = 500  # values in one statement; databases allow some thousands


class Vault(Ends, Leftovers):
    """The tables of one keyholder. Every change is one transaction with its journal row, also against other
    processes that have the same databases open. Each method raises `Unreachable` where a database does
    not answer: nothing was changed then, or all of it was, and the same call can be made again."""

    def __init__(self, data: Database, keys: Database, generation: str = "") -> None:
        self._data, self._keys, self.generation = data, keys, generation

    def of(self, generation: str) -> Vault:
        """The same vault, with what it holds for another group of keyholders (`Roster.generation`)."""
        return Vault(self._data, self._keys, generation)

    @classmethod
    def open(cls, place: str | Path, keys: str | Path | None = None, *, new: bool = True) -> Vault:
        """The vault at ``place``, a folder or a PostgreSQL URL, with its record keys where ``keys`` says, as
        `locate` does. Where there is none it is made, unless it may not be ``new``: `NotFound` then. Raises
        `VaultUnfit` where another version wrote it, `Unreachable`, `UsageError`."""
        urls = locate(place, keys)
        vault = cls(Database(urls["vault"], "vault"), Database(urls["keys"], "keys"))
        try:
            vault._data.prepare(new=new)
            vault._keys.prepare()
        except BaseException:
            vault.close()
            raise
        return vault

    @property
    def stock(self) -> Stock:
        """What it holds, page by page."""
        return Stock(self)

    def close(self) -> None:
        """Closes both databases."""
        self._data.close()
        self._keys.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and alone; also against other processes."""
        with self._data.writing():
            yield

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """What this thread reads in it is of one moment, whatever others change. It must not write."""
        with self._data.snapshot():
            yield

    # --- journal and nonces

    def last_row(self) -> Row | None:
        """The newest journal row; inside a transaction nobody can add another one meanwhile."""
        with self._data.reading() as connection:
            newest = select(journal.c.document).order_by(journal.c.row.desc()).limit(1)
            found = connection.scalar(newest)
        return Row.from_json(json.loads(found)) if found else None

    def rows(self, first: int = 0, most: int | None = None) -> list[Row]:
        """The journal from row ``first`` on, ``most`` rows of it or all."""
        asked = select(journal.c.document).where(journal.c.row >= first).order_by(journal.c.row).limit(most)
        with self._data.reading() as connection:
            found = connection.scalars(asked).all()
        return [Row.from_json(json.loads(document)) for document in found]

    def add_row(self, row: Row) -> None:
        """Appends a row. Raises `Refused` where its index is taken."""
        with self._data.writing() as connection:
            connection.execute(insert(journal), {"row": row.index, "document": json.dumps(row.to_json())})

    def use_nonce(self, nonce: bytes) -> bool:
        """Whether ``nonce`` was unused until now."""
        with self._data.writing() as connection:
            if connection.scalar(select(nonces.c.nonce).where(nonces.c.nonce == nonce)) is not None:
                return False
            connection.execute(insert(nonces), {"nonce": nonce})
            return True

    # --- statements, boxes

    def add_statement(self, statement: Statement, signed: SignedStatement) -> None:
        """Holds a statement; the same bytes with another signature stand beside the first."""
        key = {"segment": statement.segment, "version": statement.version, "hash": statement.hash}
        key["signature"] = signed.signature
        with self._data.writing() as connection:
            if connection.scalar(select(statements.c.place).filter_by(**key)) is None:
                values = {**key, "patient": statement.patient, "body": signed.body}
                connection.execute(insert(statements), values)

    def statements(self, patient: bytes, segment: bytes | None = None) -> list[SignedStatement]:
        """The statements of a patient, or of one of her segments, oldest version first."""
        asked = select(statements.c.body, statements.c.signature).where(statements.c.patient == patient)
        if segment is not None:
            asked = asked.where(statements.c.segment == segment)
        with self._data.reading() as connection:
            found = connection.execute(asked.order_by(statements.c.version, statements.c.place)).all()
        return [SignedStatement(body, signature) for body, signature in found]

    def add_box(self, patient: bytes, grant_id: bytes, segment: bytes, box: bytes) -> None:
        """Holds a key box; a newer one of the same patient's grant replaces it."""
        of_grant = {"patient": patient, "grant_id": grant_id}
        with self._data.writing() as connection:
            connection.execute(delete(boxes).filter_by(**of_grant))
            connection.execute(insert(boxes), {**of_grant, "segment": segment, "box": box})

    def find_box(self, patient: bytes, grant_id: bytes) -> bytes | None:
        """The key box of a grant."""
        with self._data.reading() as connection:
            found: bytes | None = connection.scalar(
                select(boxes.c.box).filter_by(patient=patient, grant_id=grant_id)
            )
        return found

    def boxes_of(self, patient: bytes) -> list[bytes]:
        """All key boxes of a patient's grants, in the order they came."""
        asked = select(boxes.c.box).where(boxes.c.patient == patient).order_by(boxes.c.place)
        with self._data.reading() as connection:
            return list(connection.scalars(asked).all())

    # --- envelopes

    def envelope_of(self, record_id: bytes) -> bytes | None:
        """The hash of the envelope through which a record is held."""
        with self._data.reading() as connection:
            found: bytes | None = connection.scalar(
                select(records.c.envelope).filter_by(record_id=record_id, generation=self.generation)
            )
        return found

    def add_envelope(
        self,
        envelope: bytes,
        header: Header,
        grant_id: bytes,
        held: Sequence[tuple[bytes, Held]],
        positions: Sequence[int] | None = None,
    ) -> None:
        """Holds an envelope's records, each (record id, held) sealed under a fresh key of its own; at those
        ``positions``, where they are not all. Raises `Refused` where one of them is held already; its key
        stays.

        The keys are durable before the records are: of a process that was killed in between keys are left
        that open nothing, and the same deal replaces them."""
        keys = [secrets.token_bytes(32) for _ in held]
        of_envelope = {"envelope": envelope, "patient": header.patient, "segment": header.segment}
        rows = [
            {
                **{"record_id": record, "envelope": envelope, "position": position},
                **{"sealed": one.seal(key), "generation": self.generation},
            }
            for position, (record, one), key in zip(positions or range(len(held)), held, keys, strict=True)
        ]
        with self._data.writing() as connection:
            values = {**of_envelope, "header": header.encode(), "grant_id": grant_id}
            here = select(envelopes.c.envelope).where(envelopes.c.envelope == envelope)
            if connection.scalar(here) is None:
                connection.execute(insert(envelopes), values)
            # Before the keys: one that is held already ends here, before its key is replaced.
            connection.execute(insert(records), rows)
            self._add_keys({record: key for (record, _), key in zip(held, keys, strict=True)})

    def _add_keys(self, keys: dict[bytes, bytes]) -> None:
        added = list(keys)
        with self._keys.writing() as connection:
            for some in _chunks(added):
                of_these = record_keys.c.record_id.in_(some)
                connection.execute(delete(record_keys).where(of_these).filter_by(generation=self.generation))
            rows = [{"record_id": r, "key": key, "generation": self.generation} for r, key in keys.items()]
            connection.execute(insert(record_keys), rows)

    def find(self, record_id: bytes) -> Held | None:
        """A record, or None where it was never dealt or its key is destroyed."""
        found = self._records(records.c.record_id == record_id)
        return found[0] if found else None

    def held(self, patient: bytes, segment: bytes | None = None) -> list[Held]:
        """All records of a patient, or of one of her segments, in the order they were dealt."""
        conditions = [envelopes.c.patient == patient]
        if segment is not None:
            conditions.append(envelopes.c.segment == segment)
        return self._records(*conditions)

    def _records(self, *where: ColumnElement[bool]) -> list[Held]:
        asked = select(records.c.record_id, records.c.sealed, envelopes.c.header).join_from(
            records, envelopes
        )
        with self._data.reading() as connection:
            here = asked.where(*where, records.c.generation == self.generation)
            found = connection.execute(here.order_by(records.c.place)).all()
        keys = self.keys_of([one.record_id for one in found])
        return [
            Held.unseal(one.header, keys[one.record_id], one.sealed) for one in found if one.record_id in keys
        ]

    def keys_of(self, wanted: Sequence[bytes]) -> dict[bytes, bytes]:
        """The records' own keys, of those ``wanted`` that have one still."""
        keys: dict[bytes, bytes] = {}
        with self._keys.reading() as connection:
            for some in _chunks(wanted):
                asked = select(record_keys).where(record_keys.c.record_id.in_(some))
                asked = asked.filter_by(generation=self.generation)
                keys.update((one.record_id, one.key) for one in connection.execute(asked))
        return keys


def _chunks(values: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (values[at : at + _MANY] for at in range(0, len(values), _MANY))
