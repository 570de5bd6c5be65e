"""A keyholder's journal: signed, hash-chained rows, checkable by anyone who has them.

A row's hash is ``keccak256(previous hash || keccak256(canonical JSON of index, time, kind, body))``; the
first previous hash is the keccak of deployment and signing address. A cut tail shows against any answer
that carried a later row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from consentry.errors import JournalBroken
from consentry.keys.binding import Deployment, word
from consentry.keys.typed import SignatureInvalid, Signer, keys_message, verify

RELAYED = "relayed"
"""The kind of row that says that a stop is on chain."""

COLLECTED = "collected"
"""The kind of row that says that an envelope was let go: no record of it was anchored in time."""

LEFT = "left"
"""The kind of row that says that the keyholder destroyed its shares: others came after its group."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ``index`` from 0, block ``time`` in seconds, ``kind`` (statement, box, deal, collected, stop,
    relayed, grants, box given, labels, release, own, refused, uncertain, entry vanished, entry moved, handed
    over, took over, left) and a flat ``body`` of text. Calls are answered side by side: a time may be a block
    before the last row's."""

    index: int
    time: int
    kind: str
    body: dict[str, str]
    hash: bytes
    signature: bytes

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        fields = {"index": self.index, "time": self.time, "kind": self.kind, "body": self.body}
        return {**fields, "hash": self.hash.hex(), "signature": self.signature.hex()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Row:
        """Raises `JournalBroken`."""
        try:
            rest = bytes.fromhex(fields["hash"]), bytes.fromhex(fields["signature"])
            row = cls(fields["index"], fields["time"], fields["kind"], dict(fields["body"]), *rest)
        except (KeyError, ValueError, TypeError):
            raise JournalBroken("a journal row cannot be read") from None
        numbers = all(type(number) is int and number >= 0 for number in (row.index, row.time))
        if not numbers or not all(type(text) is str for text in (row.kind, *row.body, *row.body.values())):
            raise JournalBroken("a journal row cannot be read: a number or text in it is none")
        return row


def first_hash(deployment: Deployment, address: str) -> bytes:
    """What the first row chains to."""
    return keccak(deployment.id + word(address))


def row_hash(previous: bytes, index: int, time: int, kind: str, body: dict[str, str]) -> bytes:
    """The hash of a row."""
    fields = {"index": index, "time": time, "kind": kind, "body": body}
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return keccak(previous + keccak(canonical.encode()))


def next_row(
    deployment: Deployment, signer: Signer, last: Row | None, time: int, kind: str, body: dict[str, str]
) -> Row:
    """The row after ``last``, signed."""
    index = last.index + 1 if last else 0
    previous = last.hash if last else first_hash(deployment, signer.address)
    hashed = row_hash(previous, index, time, kind, body)
    signature = signer.sign_typed_data(_message(deployment, hashed))
    return Row(index, time, kind, body, hashed, signature)


def _message(deployment: Deployment, hashed: bytes) -> dict[str, Any]:
    return keys_message(deployment, "JournalRow", row=hashed)


def verify_journal(
    deployment: Deployment, address: str, rows: Sequence[Row], seen: Iterable[tuple[int, bytes]] = ()
) -> None:
    """Raises `JournalBroken`, naming the first row that does not hold.

    ``seen`` are (row, hash) pairs from answers that the asker kept: a journal that lacks one was cut or
    forked. Only the last row's signature is needed, since each row's hash covers all before it; all
    are checked, so that an edited row is named exactly.
    """
    verify_rows(deployment, address, rows)
    for index, hashed in seen:
        if index >= len(rows):
            raise JournalBroken(f"row {index} is missing although an answer names it: the tail was cut")
        if rows[index].hash != hashed:
            raise JournalBroken(f"row {index} is not the one that an answer names: the journal was forked")


def verify_rows(deployment: Deployment, address: str, rows: Sequence[Row], after: Row | None = None) -> None:
    """Raises `JournalBroken`, naming the first of some rows that does not follow from the one before it, or
    is not signed; ``after`` is the row before them, None where they are from the first on."""
    first = after.index + 1 if after else 0
    previous = after.hash if after else first_hash(deployment, address)
    for index, row in enumerate(rows, first):
        expected = row_hash(previous, index, row.time, row.kind, row.body)
        if row.index != index or row.hash != expected:
            raise JournalBroken(f"row {index} was edited, moved or removed: its hash does not follow")
        try:
            verify(_message(deployment, row.hash), row.signature, address)
        except SignatureInvalid:
            raise JournalBroken(f"row {index} is not signed by the keyholder") from None
        previous = row.hash
