"""Entries that a reorganisation took away after a keyholder had released to them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import NamedTuple

from consentry.chain.contracts import Chain
from consentry.keyholder.journal import Row

VANISHED, MOVED = "entry vanished", "entry moved"
"""Kinds of journal rows: the entry of an earlier release is gone, or in another block now."""

_NAMED = ("access", "record", "actor", "grant")
_KEPT = 10_000  # releases that are looked back at: no reorganisation reaches further


class _Released(NamedTuple):
    """The block that holds a release's entry, its hash, and the words of the release's row."""

    block: int
    hash: str
    named: dict[str, str]


class Lookback:
    """The blocks of the entries that were released to, as the ``rows`` of the journal tell; for several
    threads."""

    def __init__(self, rows: list[Row]) -> None:
        self._released: dict[str, _Released] = {}
        self._one = threading.Lock()
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        """Takes note of a new journal row."""
        with self._one:
            self._add(row)

    def _add(self, row: Row) -> None:
        body = row.body
        if row.kind == VANISHED:
            self._released.pop(body["release"], None)
        elif row.kind in ("release", MOVED) and "block hash" in body:
            named = {name: body[name] for name in _NAMED}
            release = body.get("release", str(row.index))
            self._released[release] = _Released(int(body["block"]), body["block hash"], named)
        while len(self._released) > _KEPT:
            self._released.pop(next(iter(self._released)))

    def changed(self, chain: Chain) -> Iterator[tuple[str, dict[str, object]]]:
        """What became of releases whose entry is not in its block any more: kind and body of a journal row
        for each. The newest are looked at first: a block that stands vouches for all before it.

        Raises `ChainUncertain`."""
        with self._one:
            known = list(self._released.items())
        newest_first = sorted(known, key=lambda item: -item[1].block)
        for release, one in newest_first:
            found = chain.hash_of(one.block)
            if found is not None and "0x" + found.hex() == one.hash:
                return
            now = _place(chain, one.named)
            block, hashed = now or (one.block, one.hash)
            where = {"release": release, "block": block, "block hash": hashed}
            yield MOVED if now else VANISHED, {**one.named, **where}


def _place(chain: Chain, named: dict[str, str]) -> tuple[int, bytes] | None:
    """The block in which the entry stands now, and its hash."""
    record, grant = (bytes.fromhex(named[name][2:]) for name in ("record", "grant"))
    for entry in chain.entries(actor=named["actor"], recordId=record, grantId=grant):
        hashed = chain.hash_of(entry.block)
        if "0x" + entry.access_id.hex() == named["access"] and hashed:
            return entry.block, hashed
    return None
