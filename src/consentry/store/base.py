"""The one interface that every store has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, Protocol


class Store(Protocol):
    """Holds blobs by content id (:mod:`consentry.store.cid`), in constant memory whatever their size.

    Every store gives the same id for the same bytes, so blobs can be moved between stores. A store is
    never trusted: ``get`` hashes what it reads. Any method raises :class:`~consentry.errors.CidInvalid`
    for text that is no content id, and :class:`~consentry.errors.Unreachable` where the store itself
    fails (disk full, daemon gone); such a call can be repeated.
    """

    def put(self, source: BinaryIO) -> str:
        """Stores all bytes left in ``source`` and gives their content id.

        When it returns, the blob is durable. Storing the same bytes again changes nothing. If it fails,
        or the machine stops, the store holds either the whole blob or none of it.
        """
        ...

    def put_many(self, sources: Iterable[BinaryIO]) -> list[str]:
        """Stores one blob a source, and gives their content ids in that order; each source is read when its
        turn comes. As :meth:`put` for each of them: if it fails, some may be stored and the others not at
        all."""
        ...

    def get(self, cid: str, sink: BinaryIO) -> None:
        """Writes the blob to ``sink`` and checks it against its id.

        Raises :class:`~consentry.errors.BlobMissing` before the first byte is written, and
        :class:`~consentry.errors.BlobAltered` **at the end at latest**: altered bytes may have reached
        the sink by then. Give a temporary sink, and use what is in it only after this returned.
        """
        ...

    def drop(self, cid: str) -> None:
        """Lets the blob go; when it returns, this store no longer gives it. Dropping twice is no error."""
        ...
