"""Many blobs as one stream of blocks: CAR version 1 (https://ipld.io/specs/transport/car/carv1/).

The header of a CAR names its roots, and a root is known only when its blob has been read. What is streamed
is therefore two CARs, one after the other: all blocks under a header without roots, then a header with all
roots and no block. ``ipfs dag import`` takes both in one request, and pins after the last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import BinaryIO

from consentry.store.cid import CHUNK, Cid, Tree, varint


class Blobs:
    """The blobs of some sources on their way: ``roots`` and ``blocks`` (their number) grow with each one."""

    def __init__(self, sources: Iterable[BinaryIO]) -> None:
        self._sources = sources
        self.roots: list[Cid] = []
        self.blocks = 0

    def content(self) -> Iterator[bytes]:
        """The CAR of all blocks, in steps of at most 1 MiB; each source is read from where it stands."""
        yield header([])
        for source in self._sources:
            self.roots.append((yield from self._blob(source)))

    def names(self) -> Iterator[bytes]:
        """The CAR of all roots; to be read after the other."""
        yield header(list(dict.fromkeys(self.roots)))

    def _blob(self, source: BinaryIO) -> Generator[bytes, None, Cid]:
        nodes: list[tuple[Cid, bytes]] = []
        tree = Tree(lambda cid, node: nodes.append((cid, node)))
        leaf = _fill(source)
        while True:
            after = _fill(source) if len(leaf) == CHUNK else b""
            yield from self._block(tree.add(hashlib.sha256(leaf).digest(), len(leaf)), leaf)
            root = None if after else tree.root()
            for cid, node in nodes:
                yield from self._block(cid, node)
            nodes.clear()
            if root:
                return root
            leaf = after

    def _block(self, cid: Cid, data: bytes) -> Iterator[bytes]:
        self.blocks += 1
        name = bytes(cid)
        yield varint(len(name) + len(data)) + name
        yield data


def header(roots: Sequence[Cid]) -> bytes:
    """A CAR's header: the length and the DAG-CBOR of ``{"roots": [...], "version": 1}``."""
    links = b"".join(b"\xd8\x2a" + _cbor(2, b"\0" + bytes(root)) for root in roots)  # tag 42: a link
    body = b"\xa2" + _cbor(3, b"roots") + _cbor_head(4, len(roots)) + links + _cbor(3, b"version") + b"\x01"
    return varint(len(body)) + body


def _fill(source: BinaryIO) -> bytes:
    """The next leaf: 1 MiB, or what is left."""
    parts: list[bytes] = []
    missing = CHUNK
    while missing and (part := source.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _cbor(major: int, value: bytes) -> bytes:
    """Bytes (major type 2) or text (3) of CBOR (RFC 8949)."""
    return _cbor_head(major, len(value)) + value


def _cbor_head(major: int, count: int) -> bytes:
    """The head of a CBOR item, in its shortest form."""
    if count < 24:
        return bytes((major << 5 | count,))
    size = next(size for size in range(4) if count < 1 << (8 << size))
    return bytes((major << 5 | 24 + size,)) + count.to_bytes(1 << size, "big")
