"""What one keyholder holds, in SQLite.

A record's leaf and share lie sealed under a key of their own, which is kept in a second file that is
left out of backups: destroying that key shreds the record, whatever pages and logs a database keeps.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from consentry.envelope.deposit import Header
from consentry.envelope.statement import SignedStatement, Statement
from consentry.errors import Unreachable
from consentry.keyholder.journal import Row
from consentry.keys.binding import abi_decode, abi_encode
from consentry.keys.hpke import open_once, seal_once

_HELD = ["bytes", "bytes", "bytes32"]  # open part, sealed part, share
_SCHEMA = """
CREATE TABLE IF NOT EXISTS statements (
    segment BLOB, version INTEGER, hash BLOB, patient BLOB, body BLOB, signature BLOB,
    PRIMARY KEY (segment, version, hash, signature));
CREATE TABLE IF NOT EXISTS boxes (
    patient BLOB, grant_id BLOB, segment BLOB, box BLOB, PRIMARY KEY (patient, grant_id));
CREATE TABLE IF NOT EXISTS envelopes (
    envelope BLOB PRIMARY KEY, patient BLOB, segment BLOB, header BLOB, grant_id BLOB);
CREATE TABLE IF NOT EXISTS records (
    record_id BLOB PRIMARY KEY, envelope BLOB REFERENCES envelopes, position INTEGER, sealed BLOB);
CREATE TABLE IF NOT EXISTS stops (patient BLOB, grant_id BLOB, signature BLOB,
    PRIMARY KEY (patient, grant_id));
CREATE TABLE IF NOT EXISTS nonces (nonce BLOB PRIMARY KEY);
CREATE TABLE IF NOT EXISTS journal (row INTEGER PRIMARY KEY, document TEXT);
"""
_KEYS = "CREATE TABLE IF NOT EXISTS record_keys (record_id BLOB PRIMARY KEY, key BLOB)"


def unreadable(error: sqlite3.Error) -> Unreachable:
    """What a keyholder whose files cannot be used says."""
    return Unreachable(f"its files cannot be used ({error})")


@dataclass(frozen=True, slots=True)
class Held:
    """One record as it is held: its envelope's header, the two parts of its leaf, and the share."""

    header: Header
    open_part: bytes
    sealed_part: bytes
    share: bytes = field(repr=False)


class Vault:
    """The tables of one keyholder, in ``folder``. Every change is one transaction with its journal row.
    Raises `Unreachable` where the files cannot be used."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._data = self._open(folder / "vault.sqlite", _SCHEMA)
        self._keys = self._open(folder / "record-keys.sqlite", _KEYS)

    @staticmethod
    def _open(path: Path, schema: str) -> sqlite3.Connection:
        try:
            database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA secure_delete = ON")
            database.executescript(schema)
        except sqlite3.Error as error:
            raise unreadable(error) from None
        return database

    def close(self) -> None:
        """Closes both files."""
        self._data.close()
        self._keys.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; also against other processes that have the files open."""
        with self._lock:
            self._data.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._data.execute("ROLLBACK")
                raise
            self._data.execute("COMMIT")

    # --- journal and nonces

    def last_row(self) -> Row | None:
        """The newest journal row."""
        found = self._data.execute("SELECT document FROM journal ORDER BY row DESC LIMIT 1").fetchone()
        return Row.from_json(json.loads(found[0])) if found else None

    def rows(self) -> list[Row]:
        """The whole journal."""
        found = self._data.execute("SELECT document FROM journal ORDER BY row").fetchall()
        return [Row.from_json(json.loads(document)) for (document,) in found]

    def add_row(self, row: Row) -> None:
        """Appends a row; its index must be free."""
        self._data.execute("INSERT INTO journal VALUES (?, ?)", (row.index, json.dumps(row.to_json())))

    def use_nonce(self, nonce: bytes) -> bool:
        """Whether ``nonce`` was unused until now."""
        done = self._data.execute("INSERT OR IGNORE INTO nonces VALUES (?)", (nonce,))
        return done.rowcount == 1

    # --- statements, boxes, stops

    def add_statement(self, statement: Statement, signed: SignedStatement) -> None:
        """Holds a statement; the same bytes with another signature stand beside the first."""
        key = (statement.segment, statement.version, statement.hash, statement.patient)
        values = (*key, signed.body, signed.signature)
        self._data.execute("INSERT OR IGNORE INTO statements VALUES (?, ?, ?, ?, ?, ?)", values)

    def statements(self, patient: bytes, segment: bytes | None = None) -> list[SignedStatement]:
        """The statements of a patient, or of one of her segments, oldest version first."""
        found = self._data.execute(
            "SELECT body, signature FROM statements WHERE patient = ? AND (? IS NULL OR segment = ?) "
            "ORDER BY version, rowid",
            (patient, segment, segment),
        )
        return [SignedStatement(*row) for row in found]

    def add_box(self, patient: bytes, grant_id: bytes, segment: bytes, box: bytes) -> None:
        """Holds a key box; a newer one of the same patient's grant replaces it."""
        values = (patient, grant_id, segment, box)
        self._data.execute("INSERT OR REPLACE INTO boxes VALUES (?, ?, ?, ?)", values)

    def find_box(self, patient: bytes, grant_id: bytes) -> bytes | None:
        """The key box of a grant."""
        where = "SELECT box FROM boxes WHERE patient = ? AND grant_id = ?"
        found = self._data.execute(where, (patient, grant_id)).fetchone()
        return found[0] if found else None

    def boxes_of(self, patient: bytes) -> list[bytes]:
        """All key boxes of a patient's grants."""
        found = self._data.execute("SELECT box FROM boxes WHERE patient = ? ORDER BY rowid", (patient,))
        return [row[0] for row in found]

    def add_stop(self, patient: bytes, grant_id: bytes, signature: bytes) -> None:
        """Holds a signed revocation."""
        values = (patient, grant_id, signature)
        self._data.execute("INSERT OR IGNORE INTO stops VALUES (?, ?, ?)", values)

    def stopped(self, patient: bytes, grant_id: bytes) -> bool:
        """Whether the grant was stopped here."""
        where = "SELECT 1 FROM stops WHERE patient = ? AND grant_id = ?"
        return self._data.execute(where, (patient, grant_id)).fetchone() is not None

    # --- envelopes

    def envelope_of(self, record_id: bytes) -> bytes | None:
        """The hash of the envelope through which a record is held."""
        where = "SELECT envelope FROM records WHERE record_id = ?"
        found = self._data.execute(where, (record_id,)).fetchone()
        return found[0] if found else None

    def add_envelope(
        self, envelope: bytes, header: Header, grant_id: bytes, held: Sequence[tuple[bytes, Held]]
    ) -> None:
        """Holds an envelope's records, each (record id, held) sealed under a fresh key of its own."""
        values = (envelope, header.patient, header.segment, header.encode(), grant_id)
        self._data.execute("INSERT INTO envelopes VALUES (?, ?, ?, ?, ?)", values)
        for position, (record_id, one) in enumerate(held):
            key = secrets.token_bytes(32)
            sealed = seal_once(key, abi_encode(_HELD, [one.open_part, one.sealed_part, one.share]))
            row = (record_id, envelope, position, sealed)
            # The record first: one that is held already ends here, before its key is replaced.
            self._data.execute("INSERT INTO records VALUES (?, ?, ?, ?)", row)
            self._keys.execute("INSERT OR REPLACE INTO record_keys VALUES (?, ?)", (record_id, key))

    def find(self, record_id: bytes) -> Held | None:
        """A record, or None where it was never dealt or its key is destroyed."""
        found = self._records("record_id = ?", record_id)
        return found[0] if found else None

    def held(self, patient: bytes, segment: bytes | None = None) -> list[Held]:
        """All records of a patient, or of one of her segments, in the order they were dealt."""
        return self._records("patient = ? AND (? IS NULL OR segment = ?)", patient, segment, segment)

    def _records(self, where: str, *values: bytes | None) -> list[Held]:
        found = self._data.execute(
            "SELECT header, record_id, sealed FROM records JOIN envelopes USING (envelope) "
            f"WHERE {where} ORDER BY records.rowid",
            values,
        )
        opened = []
        for header, record_id, sealed in found.fetchall():
            by_record = "SELECT key FROM record_keys WHERE record_id = ?"
            if key := self._keys.execute(by_record, (record_id,)).fetchone():
                parts = abi_decode(_HELD, open_once(key[0], sealed), "a held record")
                opened.append(Held(Header.decode(header), *parts))
        return opened
