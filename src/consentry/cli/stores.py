"""Which store a command uses: a folder, or a Kubo.

::

    CONSENTRY_STORE       folder | kubo
    CONSENTRY_KUBO        where Kubo's RPC API is: a multiaddr or an http(s) URL; else the `api` file of the
                          local repository (IPFS_PATH), else /ip4/127.0.0.1/tcp/5001
    CONSENTRY_KUBO_AUTH   bearer:TOKEN or basic:USER:PASSWORD, as in Kubo's API.Authorizations
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from consentry.cli.kubo import running_kubo
from consentry.errors import NotFound, StoreUnfit, StoreUnreachable, UsageError
from consentry.store import FolderStore, Store
from consentry.store.kubo import LOCAL, KuboStore

CHOICE, ADDRESS, AUTH = "CONSENTRY_STORE", "CONSENTRY_KUBO", "CONSENTRY_KUBO_AUTH"
CHOICES = ("folder", "kubo")


def open_store(folder: Path) -> Store:
    """The store that the environment chooses, by default the one in ``folder``. Raises `UsageError`, and
    `StoreUnreachable` for a folder that cannot be used; a Kubo is not asked for anything yet."""
    return KuboStore(address(), auth=auth()) if choice() == "kubo" else FolderStore(folder)


def choice() -> str:
    """What CONSENTRY_STORE says: folder, kubo, or nothing. Raises `UsageError` for anything else."""
    if (chosen := os.environ.get(CHOICE, "")) not in ("", *CHOICES):
        raise UsageError(f"{CHOICE}={chosen} is no store; there are {' and '.join(CHOICES)}")
    return chosen


def address() -> str:
    """Where Kubo's API should be."""
    if given := os.environ.get(ADDRESS):
        return given
    try:
        return (Path(os.environ.get("IPFS_PATH") or Path.home() / ".ipfs") / "api").read_text().strip()
    except OSError:
        return LOCAL


def auth() -> str:
    """The secret for Kubo's API; empty where it wants none."""
    return os.environ.get(AUTH, "")


@dataclass(frozen=True, slots=True)
class Found:
    """A store for a while, and in words which one it is and why."""

    store: Store
    words: str


@contextmanager
def found_store(folder: Path) -> Iterator[Found]:
    """A store for as long as the block runs: a Kubo that answers, else the `ipfs` on PATH started offline,
    else one in ``folder``. CONSENTRY_STORE forces one of the two kinds; a CONSENTRY_KUBO that is given has
    to answer. What was put into somebody's Kubo is unpinned at the end.

    Raises `UsageError`, and where a Kubo is forced `StoreUnreachable`, `StoreUnfit` or `NotFound`."""
    chosen = choice()
    with ExitStack() as stack:
        if chosen == "folder":
            yield Found(FolderStore(folder), f"FolderStore, embedded, as {CHOICE} says")
            return
        try:
            found = _kubo(stack)
        except (StoreUnreachable, StoreUnfit, NotFound) as error:
            if chosen or os.environ.get(ADDRESS):
                raise
            why = "no Kubo answers and no ipfs is on PATH" if isinstance(error, NotFound) else str(error)
            found = Found(FolderStore(folder), f"FolderStore, embedded: {why}")
        yield found


def _kubo(stack: ExitStack) -> Found:
    there = _Guest(address(), auth=auth())
    try:
        found = Found(there, f"Kubo {there.version()}, which answers at {there.address}")
        stack.callback(there.leave)
        return found
    except (StoreUnreachable, StoreUnfit):
        if os.environ.get(ADDRESS):
            raise
    own = KuboStore(stack.enter_context(running_kubo()))
    return Found(own, f"Kubo {own.version()}, the ipfs on PATH, started offline")


class _Guest(KuboStore):
    """In somebody's Kubo, for a while."""

    def __init__(self, address: str, *, auth: str) -> None:
        super().__init__(address, auth=auth)
        self._brought: set[str] = set()

    def put(self, source: BinaryIO) -> str:
        """See `KuboStore`."""
        self._brought.add(cid := super().put(source))
        return cid

    def put_many(self, sources: Iterable[BinaryIO]) -> list[str]:
        """See `KuboStore`."""
        self._brought.update(cids := super().put_many(sources))
        return cids

    def leave(self) -> None:
        """Unpins what was brought."""
        for cid in self._brought:
            self.drop(cid)
