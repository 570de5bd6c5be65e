"""What was sent and not seen mined, one file an account: the next command finishes it before its own.

Only what is public anyway stands there. A lock keeps two processes with one folder from sending for one
account at the same time.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO

from consentry.chain.transaction import Call, UnderWay
from consentry.errors import Unreachable
from consentry.files import write_private

_LOCK_SECONDS = 150  # longer than another process waits for a block
_FORMAT = "consentry transaction 1"


class Page:
    """One account's line: ``left`` is what is under way, None if nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.left: UnderWay | None = self._read()

    def _read(self) -> UnderWay | None:
        try:
            document = json.loads(self._path.read_text("utf-8")) if self._path else {}
            if document.pop("format", None) != _FORMAT:
                return None
            return UnderWay(**{**document, "call": Call(**document["call"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None  # of a version that is gone: the verbs themselves see what holds on chain

    def write(self, transaction: UnderWay) -> None:
        """Writes it down, durably, before it leaves."""
        self.left = transaction
        if self._path:
            write_private(self._path, json.dumps({"format": _FORMAT, **asdict(transaction)}).encode())

    def clear(self) -> None:
        """Nothing is under way."""
        self.left = None
        if self._path:
            self._path.unlink(missing_ok=True)


class Book:
    """The pages of one chain in ``folder``; None keeps them in memory, for this process alone."""

    def __init__(self, folder: Path | None, chain: str) -> None:
        self._folder, self._chain = folder, chain
        self._pages: dict[str, Page] = {}

    @contextmanager
    def page(self, address: str) -> Iterator[Page]:
        """The page of an account, for this process alone while the block runs. Raises `Unreachable` when
        another one does not give it back."""
        if self._folder is None:
            yield self._pages.setdefault(address, Page(None))
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{self._chain}-{address}.json"
        with path.with_suffix(".lock").open("w") as file:
            _lock(file, address)
            yield Page(path)


def _lock(file: IO[str], address: str) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Unreachable(
                    f"another command is sending for {address}; run this one again when it has ended"
                ) from None
            time.sleep(0.1)
        else:
            return
