"""One database of a vault: where it is, its connections, its transactions, and what it says when it fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy import text as sql
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import IntegrityError as Conflict

from consentry.errors import NotFound, Refused, Unreachable, UsageError, VaultUnfit
from consentry.keyholder.vault import tables

PATIENCE = 10
"""How long, in seconds, a transaction waits for another one, or for a server, before it gives up."""
PRAGMAS = {"synchronous": "FULL", "secure_delete": "ON", "foreign_keys": "ON"}
_FILES = {"vault": "vault.sqlite", "keys": "record-keys.sqlite"}
_MAKING = 0x636F6E73  # the advisory lock under which a PostgreSQL database gets its tables


def locate(place: str | Path, keys: str | Path | None = None) -> dict[str, URL]:
    """The URLs of a vault's two databases, "vault" and "keys".

    ``place`` is a folder (SQLite, both files in it) or a PostgreSQL URL; ``keys`` is where the record keys
    are, if not in the same folder, or in the database of the same name with ``_keys`` at its end. Raises
    `UsageError` where either is nothing of this kind, or both are one."""
    vault = _url(place, "vault")
    if keys is not None:
        other = _url(keys, "keys")
    elif vault.get_backend_name() == "sqlite":
        other = _url(place, "keys")
    else:
        other = vault.set(database=f"{vault.database}_keys")
    if other == vault:
        raise UsageError("the record keys need a database of their own: backups must not hold them")
    return {"vault": vault, "keys": other}


def _url(place: str | Path, name: str) -> URL:
    if isinstance(place, Path) or "://" not in place:
        return file_url(Path(place) / _FILES[name])
    try:
        url = make_url(place)
    except (ArgumentError, ValueError):
        raise UsageError("the database's URL cannot be read") from None
    if url.get_backend_name() != "postgresql" or not url.database:
        raise UsageError(
            "a keyholder's database is a folder, or a URL such as postgresql+psycopg://host/name"
        )
    return url.set(drivername="postgresql+psycopg")


def file_url(path: Path) -> URL:
    """The URL of one SQLite file."""
    return URL.create("sqlite", database=str(path))


class Database:
    """The database ``name`` ("vault" or "keys") at ``url``; ``pragmas`` are added to SQLite's `PRAGMAS`."""

    def __init__(self, url: URL, name: str, **pragmas: str) -> None:
        self.url, self.name, self.metadata = url, name, tables.METADATA[name]
        self.engine = _engine(url, {**PRAGMAS, **pragmas})
        self._lock, self._own = threading.RLock(), threading.local()
        self._closed = False

    def __str__(self) -> str:
        if self.url.get_backend_name() == "sqlite":
            return str(self.url.database)
        return self.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Ends its connections; whatever is asked of it from now on raises `Unreachable`."""
        self._closed = True
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads, or the one that this thread is in already."""
        if (current := getattr(self._own, "connection", None)) is not None:
            yield current
            return
        with self.failures(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction that sees one moment, however long this thread reads in it. It must not write."""
        with self.failures(), self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin(), self._its_own(connection):
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: all or nothing, and alone, also against other threads and processes.
        Inside another one of this thread it is part of that. Raises `Unreachable`."""
        if (current := getattr(self._own, "connection", None)) is not None:
            yield current
            return
        with self._lock, self.failures(), begun_to_write(self.engine) as connection:
            if self.name == "vault" and connection.dialect.name == "postgresql":
                # It would let several write at a time, and the journal has one newest row.
                connection.execute(sql(f"LOCK TABLE {tables.journal.name} IN EXCLUSIVE MODE"))
            with self._its_own(connection):
                yield connection

    @contextmanager
    def _its_own(self, connection: Connection) -> Iterator[None]:
        """Has what this thread asks meanwhile go to ``connection``."""
        self._own.connection = connection
        try:
            yield
        finally:
            self._own.connection = None

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Raises `Unreachable` where the database fails, `Refused` where something is there already."""
        if self._closed:
            raise Unreachable("its files cannot be used (they are closed)")
        try:
            yield
        except Conflict:
            raise Refused("what is held already is not taken again") from None
        except SQLAlchemyError as error:
            raise Unreachable(f"its files cannot be used ({_reason(error)})") from None

    def prepare(self, *, new: bool = True) -> None:
        """Makes the tables where there are none, if it may be ``new``; else sees that they are of this
        version's schema. Raises `VaultUnfit` where they are not, `NotFound` and `Unreachable`."""
        found = self.schema()
        if found is None and not new:
            raise NotFound(f"{self} holds nothing of a keyholder")
        if found is None:
            self._make_file()
            found = self._make_tables()
        wanted = tables.SCHEMAS[self.name]
        if found < wanted:
            raise VaultUnfit(
                f"{self} was written by an older version (schema {found}; this one reads {wanted}): make a "
                "copy of it, then run `consentry keyholder migrate`"
            )
        if found > wanted:
            raise VaultUnfit(
                f"{self} was written by a newer version (schema {found}; this one reads {wanted}): install "
                "that version again; nothing was changed"
            )

    def schema(self) -> int | None:
        """The number of the schema that it has; None where it has no table of ours."""
        if not self._is_there():
            return None
        with self.reading() as connection:
            return schema_of(connection, self.name)

    def _is_there(self) -> bool:
        return self.url.get_backend_name() != "sqlite" or Path(str(self.url.database)).exists()

    def _make_file(self) -> None:
        if self._is_there():
            return
        path = Path(str(self.url.database))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as error:
            raise Unreachable(f"its files cannot be used ({error.strerror})") from None

    def _make_tables(self) -> int:
        with self.failures(), begun_to_write(self.engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sql("SELECT pg_advisory_xact_lock(:number)"), {"number": _MAKING})
            found = schema_of(connection, self.name)
            if found is None:
                found = tables.SCHEMAS[self.name]
                self.metadata.create_all(connection)
                tables.version.create(connection)
                connection.execute(insert(tables.version), {"version_num": f"{self.name}_{found}"})
        return found


@contextmanager
def begun_to_write(engine: Engine) -> Iterator[Connection]:
    """A transaction that is to write: SQLite locks at its beginning."""
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        yield connection


def schema_of(connection: Connection, name: str) -> int | None:
    """The number of the schema that a database has; None where it has no table of ours."""
    there = set(inspect(connection).get_table_names())
    if not there & set(tables.METADATA[name].tables):
        return None
    if tables.version.name not in there:
        return 1  # from before schemas had a number
    found = [str(number) for number in connection.scalars(select(tables.version.c.version_num))]
    numbers = [one.removeprefix(f"{name}_") for one in found if one.startswith(f"{name}_")]
    if len(numbers) != 1 or not numbers[0].isdecimal():
        raise VaultUnfit(f"the database is not a keyholder's {name}: its schema is called {found}")
    return int(numbers[0])


def _engine(url: URL, pragmas: dict[str, str]) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": PATIENCE}, hide_parameters=True)
        _tame(engine, pragmas)
        return engine
    options = f"-c synchronous_commit=on -c lock_timeout={PATIENCE}s"
    return create_engine(
        url,
        connect_args={"connect_timeout": PATIENCE, "options": options},
        isolation_level="READ COMMITTED",
        hide_parameters=True,
        pool_pre_ping=True,  # after a restart of the server the first call is served again
    )


def _tame(engine: Engine, pragmas: dict[str, str]) -> None:
    """Sees to it that SQLite's transactions are ours: the driver begins none by itself."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None
        for name, value in pragmas.items():
            connection.execute(f"PRAGMA {name} = {value}").close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writing")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _reason(error: SQLAlchemyError) -> str:
    """What the driver said, without the statement and its values."""
    said = str(error.orig) if isinstance(error, DBAPIError) else type(error).__name__
    return (said.strip().splitlines() or [type(error).__name__])[0]
