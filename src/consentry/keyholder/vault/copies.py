"""Copies of a vault: what an operator puts aside, and gets back.

A backup is one file with everything but the record keys, whole and of one moment, made while the keyholder
serves. It may be kept in as many generations as one likes: without the record keys no record in it opens.

The record keys have one copy, which each `copy_keys` replaces, and no generations: what destroys a record
is that its key is nowhere, so a key that was shredded must be gone from the copy when it is made next.
`docs/operating-a-keyholder.md` says when to make which, and what a restored keyholder lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Table, func, insert, select

from consentry.errors import Refused, Unreachable, UsageError
from consentry.files import replacement
from consentry.keyholder.vault.books import Vault
from consentry.keyholder.vault.database import Database, file_url
from consentry.keyholder.vault.tables import VAULT, journal, record_keys, records

_AT_ONCE = 1000  # rows in memory


@dataclass(frozen=True, slots=True)
class Copied:
    """How many ``records`` were copied and ``rows`` of the journal (the newest is ``rows`` - 1), and how many
    records are ``without_key`` where they were copied to: those cannot be released there."""

    records: int
    rows: int
    without_key: int = 0


def backup(place: str | Path, target: Path, keys: str | Path | None = None) -> Copied:
    """Writes a backup of the vault at ``place`` (and ``keys``, as `Vault.open` says) into the new file
    ``target``: there is a whole one or none.

    With SQLite, changes wait until it is done (a second for some 100,000 records); with PostgreSQL nothing
    waits. Raises `NotFound`, `UsageError` where ``target`` is there, `Unreachable`."""
    if target.exists():
        raise UsageError(f"there is {target} already; a backup replaces none: give another name")
    with _opened(place, keys) as vault, _new_file(target, "vault") as copy:
        _copy(vault._data, copy)
        return Copied(_count(copy, records), _count(copy, journal))


def copy_keys(place: str | Path, target: Path, keys: str | Path | None = None) -> int:
    """Writes the one copy of the record keys into ``target``, in place of the one that was there; gives their
    number. Make it after a backup, and after each shredding. Raises `NotFound`, `Unreachable`."""
    with _opened(place, keys) as vault, _new_file(target, "keys") as copy:
        _copy(vault._keys, copy)
        return _count(copy, record_keys)


def restore(
    source: Path, place: str | Path, keys: str | Path | None = None, *, key_copy: Path | None = None
) -> Copied:
    """Puts the backup ``source`` into the vault at ``place``, which must hold nothing; its record keys are
    those that are there (``keys``, as `Vault.open` says) and those of ``key_copy``. All or nothing: what was
    interrupted is run again.

    Whatever came after the backup is lost: rows, stops that were not on chain yet, and used nonces. A
    journal that an answer names a later row of was cut, and an audit says so. Raises `NotFound`,
    `Refused`, `VaultUnfit` where another version wrote the backup, `Unreachable`."""
    with _opened(place, keys, new=True) as vault, _file(source, "vault") as data:
        if any(_count(vault._data, table) for table in VAULT.sorted_tables):
            raise Refused(f"{vault._data} holds something already; move it away first")
        if key_copy is not None:  # durable before the records are, as in a deal
            with _file(key_copy, "keys") as copied:
                _add_keys(copied, vault)
        _copy(data, vault._data)
        with vault._data.reading() as connection:
            held = set(connection.execute(select(records.c.record_id, records.c.generation)).all())
        return Copied(len(held), _count(vault._data, journal), len(held - _keys_in(vault._keys).keys()))


def _copy(source: Database, target: Database) -> None:
    """All rows, in their order; their places are counted anew."""
    with source.snapshot() as reading, target.writing() as writing:
        for table in source.metadata.sorted_tables:
            columns = [column for column in table.columns if column.name != "place"]
            order = table.columns.get("place", next(iter(table.primary_key)))
            asked = select(*columns).order_by(order).execution_options(yield_per=_AT_ONCE)
            for some in reading.execute(asked).mappings().partitions():
                writing.execute(insert(table), [dict(row) for row in some])


def _add_keys(copied: Database, vault: Vault) -> None:
    """Those that are not there."""
    with vault._keys.writing() as writing:
        found = _keys_in(copied)
        for record, generation in found.keys() - _keys_in(vault._keys).keys():
            row = {"record_id": record, "generation": generation, "key": found[record, generation]}
            writing.execute(insert(record_keys), row)


def _keys_in(database: Database) -> dict[tuple[bytes, str], bytes]:
    with database.reading() as connection:
        found = connection.execute(select(record_keys)).all()
    return {(one.record_id, one.generation): one.key for one in found}


def _count(database: Database, table: Table) -> int:
    with database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


@contextmanager
def _opened(place: str | Path, keys: str | Path | None, *, new: bool = False) -> Iterator[Vault]:
    vault = Vault.open(place, keys, new=new)
    try:
        yield vault
    finally:
        vault.close()


@contextmanager
def _file(path: Path, name: str) -> Iterator[Database]:
    """A copy that is there."""
    copy = Database(file_url(path), name)
    try:
        copy.prepare(new=False)
        yield copy
    finally:
        copy.close()


@contextmanager
def _new_file(target: Path, name: str) -> Iterator[Database]:
    """A new copy, which is ``target`` if all goes well."""
    try:
        with replacement(target) as temporary:
            # A rollback journal would lie beside it; what is not whole is thrown away.
            copy = Database(file_url(temporary), name, journal_mode="MEMORY", synchronous="OFF")
            try:
                copy.prepare()
                yield copy
            finally:
                copy.close()
    except OSError as error:
        raise Unreachable(f"{target} cannot be written ({error.strerror})") from None
