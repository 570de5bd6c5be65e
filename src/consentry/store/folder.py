"""A store in a folder: the embedded default, without a daemon."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from consentry.errors import BlobAltered, BlobMissing, StoreUnreachable
from consentry.files import claim, remove_leftovers, sync
from consentry.store.cid import STEP, CidHasher, parse_cid


class FolderStore:
    """Keeps each blob as a file named by its content id; implements :class:`~consentry.store.base.Store`.

    ``path`` is made if it is missing. Below it, ``tmp/`` holds puts under way, and the other folders the
    blobs, spread by two letters of their id. A put writes and syncs a temporary file, renames it and
    syncs the folder, so a crash leaves the whole blob or none. Each put holds a lock on its temporary
    file; whoever opens the store removes the files that nobody locks any more. Several processes may use
    one folder at once. The disk needs POSIX locks and renames.
    """

    def __init__(self, path: Path) -> None:
        self._root = Path(path)
        self._tmp = self._root / "tmp"
        with self._disk():
            self._tmp.mkdir(parents=True, exist_ok=True)
            sync(self._root.parent)
            remove_leftovers(self._tmp.iterdir())

    def put(self, source: BinaryIO) -> str:
        """See :meth:`Store.put <consentry.store.base.Store.put>`."""
        with self._temporary() as (name, handle):
            hasher = CidHasher()
            while step := source.read(STEP):
                hasher.update(step)
                with self._disk():
                    _write(handle, step)
            cid = hasher.cid()
            with self._disk():
                os.fsync(handle)
                self._publish(name, self._place(cid))
        return cid

    def put_many(self, sources: Iterable[BinaryIO]) -> list[str]:
        """See :meth:`Store.put_many <consentry.store.base.Store.put_many>`."""
        return [self.put(source) for source in sources]

    def get(self, cid: str, sink: BinaryIO) -> None:
        """See :meth:`Store.get <consentry.store.base.Store.get>`."""
        place = self._place(cid)
        hasher = CidHasher()
        with self._open(place) as blob:
            while step := self._read(blob):
                hasher.update(step)
                sink.write(step)
        if hasher.cid() != cid:
            raise BlobAltered(f"the bytes stored as {cid} are not those that were put; use none of them")

    def drop(self, cid: str) -> None:
        """See :meth:`Store.drop <consentry.store.base.Store.drop>`."""
        place = self._place(cid)
        with self._disk():
            place.unlink(missing_ok=True)
            if place.parent.is_dir():
                sync(place.parent)

    def _place(self, cid: str) -> Path:
        parse_cid(cid)
        # The first letters of all ids are alike and the last one holds few bits.
        return self._root / cid[-3:-1] / cid

    def _publish(self, name: Path, place: Path) -> None:
        # Also over a file that is there already: if its bytes went bad, this heals it.
        place.parent.mkdir(exist_ok=True)
        sync(self._root)
        name.replace(place)
        sync(place.parent)

    @contextmanager
    def _temporary(self) -> Iterator[tuple[Path, int]]:
        """Gives a new locked file in ``tmp/``; on the way out it is gone, by a rename or removed."""
        with self._disk():
            name, handle = claim(lambda: self._tmp / secrets.token_hex(16))
        try:
            yield name, handle
        finally:
            name.unlink(missing_ok=True)
            os.close(handle)

    def _open(self, place: Path) -> BinaryIO:
        with self._disk():
            try:
                return place.open("rb")
            except FileNotFoundError:
                raise BlobMissing(
                    f"the store has no blob {place.name}; it was dropped, or it lies in another store"
                ) from None

    def _read(self, blob: BinaryIO) -> bytes:
        with self._disk():
            return blob.read(STEP)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Names what the disk refuses; only around calls on this store's own files."""
        try:
            yield
        except OSError as error:
            raise StoreUnreachable(
                f"the store {self._root} cannot be used: {error.strerror}; make room or give access, "
                "then repeat the call"
            ) from error


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
