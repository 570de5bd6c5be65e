"""Content ids exactly as Kubo makes them.

``ipfs add --cid-version 1 --raw-leaves --chunker size-1048576``: a blob of up to 1 MiB is one raw block;
a longer one is cut into raw blocks of 1 MiB under a balanced tree of dag-pb nodes with UnixFS file data,
at most 174 links each. Sources: the CID, dag-pb and UnixFS specifications of IPFS and IPLD.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from consentry.errors import CidInvalid

CHUNK = 1 << 20
LINKS = 174
RAW = 0x55
DAG_PB = 0x70
STEP = 1 << 18

_SHA2_256 = b"\x12\x20"
_UNIXFS_FILE = b"\x08\x02"


@dataclass(frozen=True, slots=True)
class Cid:
    """A content id taken apart: its codec (``RAW`` or ``DAG_PB``) and the SHA-256 of its root block."""

    codec: int
    digest: bytes

    def __str__(self) -> str:
        return "b" + base64.b32encode(bytes(self)).decode().rstrip("=").lower()

    def __bytes__(self) -> bytes:
        return bytes((1, self.codec)) + _SHA2_256 + self.digest


@dataclass(frozen=True, slots=True)
class _Link:
    cid: Cid
    blob_size: int  # bytes of the blob below this link
    dag_size: int  # the same and all nodes on the way


class Tree:
    """The balanced tree over a blob's leaves, in constant memory. ``seen`` is given each dag-pb node, with
    its content id, as soon as its last link is known, so always after what lies below it."""

    def __init__(self, seen: Callable[[Cid, bytes], None] = lambda cid, node: None) -> None:
        self._seen = seen
        self._levels: list[list[_Link]] = [[]]

    def add(self, digest: bytes, size: int) -> Cid:
        """Takes the next leaf by the SHA-256 and number of its bytes, and gives its content id."""
        cid = Cid(RAW, digest)
        self._add(0, _Link(cid, size, size))
        return cid

    def root(self) -> Cid:
        """Ends the tree, of one leaf at least, and gives the content id at its top; call it once."""
        level = 0
        while True:
            links = self._levels[level]
            if len(links) == 1 and level == len(self._levels) - 1:
                return links[0].cid
            if links:
                self._add(level + 1, self._node(links))
            level += 1

    def _add(self, level: int, link: _Link) -> None:
        if level == len(self._levels):
            self._levels.append([])
        links = self._levels[level]
        links.append(link)
        if len(links) == LINKS:
            self._levels[level] = []
            self._add(level + 1, self._node(links))

    def _node(self, links: Sequence[_Link]) -> _Link:
        node = _encode(links)
        cid = Cid(DAG_PB, hashlib.sha256(node).digest())
        self._seen(cid, node)
        below = sum(link.dag_size for link in links)
        return _Link(cid, sum(link.blob_size for link in links), len(node) + below)


class CidHasher:
    """Computes a content id from bytes in steps of any size, in constant memory."""

    def __init__(self) -> None:
        self._leaf = hashlib.sha256()
        self._filled = 0
        self._tree = Tree()
        self._empty = True

    def update(self, data: bytes) -> None:
        """Takes the next bytes of the blob."""
        view = memoryview(data)
        while view:
            part = view[: CHUNK - self._filled]
            self._leaf.update(part)
            self._filled += len(part)
            view = view[len(part) :]
            if self._filled == CHUNK:
                self._close_leaf()

    def cid(self) -> str:
        """Ends the blob and gives its id; call it once."""
        if self._filled or self._empty:
            self._close_leaf()
        return str(self._tree.root())

    def _close_leaf(self) -> None:
        self._tree.add(self._leaf.digest(), self._filled)
        self._leaf = hashlib.sha256()
        self._filled = 0
        self._empty = False


def cid_of(source: BinaryIO) -> str:
    """Gives the content id of all bytes left in ``source``."""
    hasher = CidHasher()
    while step := source.read(STEP):
        hasher.update(step)
    return hasher.cid()


def parse_cid(text: str) -> Cid:
    """Takes a content id apart. Raises :class:`CidInvalid` for any but those that this module writes.

    Each id has one spelling only, of lower-case letters and digits, so it is safe as a file name.
    """
    try:
        packed = base64.b32decode(text[1:].upper() + "=" * (-len(text[1:]) % 8))
    except (binascii.Error, ValueError):
        packed = b""
    for codec in (RAW, DAG_PB):
        cid = Cid(codec, packed[4:])
        if len(cid.digest) == 32 and packed == bytes(cid) and str(cid) == text:
            return cid
    raise CidInvalid(
        f"{text[:80]!r} is no content id of a blob; one starts with bafkrei or bafybei (CIDv1, base32, "
        "raw or dag-pb, sha2-256)"
    )


def _encode(links: Sequence[_Link]) -> bytes:
    """The dag-pb node over some links (dag-pb writes links before data)."""
    blob_size = sum(link.blob_size for link in links)
    sizes = b"".join(b"\x20" + varint(link.blob_size) for link in links)
    data = _field(1, _UNIXFS_FILE + b"\x18" + varint(blob_size) + sizes)
    return b"".join(_field(2, _pb_link(link)) for link in links) + data


def _pb_link(link: _Link) -> bytes:
    return _field(1, bytes(link.cid)) + _field(2, b"") + b"\x18" + varint(link.dag_size)


def _field(number: int, value: bytes) -> bytes:
    """A length-delimited field of Protocol Buffers."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    """An unsigned number as Protocol Buffers and CAR write it (LEB128)."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
