"""What stands on chain of an envelope's records: an anchor each, or all anchors as one batch.

A batch is a tree, that of ``Place`` in ``contracts/interfaces/IRecordRegistry.sol``: a leaf of it is
``keccak256(abi.encode(contributor, recordId, anchorHash, index))``, a node that of its two sides, and leaves
are filled up with zero words to a power of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_utils.crypto import keccak

from consentry.keys.binding import abi_encode

_EMPTY = bytes(32)


def anchor_hash(anchor_salt: bytes, record: bytes, digest: bytes) -> bytes:
    """``keccak256(abi.encode(anchorSalt, recordId, sha256(blob)))``."""
    return keccak(abi_encode(["bytes32", "bytes32", "bytes32"], [anchor_salt, record, digest]))


@dataclass(frozen=True, slots=True)
class Batched:
    """Where a record's anchor stands: on which ``page`` of its contributor's (64 bits), at which ``index`` of
    how many (``count``, 32 bits each), and the siblings from there to the root."""

    page: int
    index: int
    count: int
    proof: tuple[bytes, ...]

    def root(self, contributor: str, record: bytes, anchor: bytes) -> bytes:
        """The root to which this place leads from a record's anchor; 32 zero bytes, which is no root, where
        it is no place in a batch of ``count``."""
        if not self.index < self.count or (self.count - 1).bit_length() != len(self.proof):
            return _EMPTY
        node = _leaf(contributor, record, anchor, self.index)
        for depth, sibling in enumerate(self.proof):
            node = _node(sibling, node) if self.index >> depth & 1 else _node(node, sibling)
        return node


def batched(contributor: str, page: int, anchors: Sequence[tuple[bytes, bytes]]) -> list[Batched]:
    """The place of each of the ``anchors`` (record id, anchor), at least one, in a batch of them all."""
    level = [_leaf(contributor, *anchor, index) for index, anchor in enumerate(anchors)]
    level += [_EMPTY] * ((1 << (len(anchors) - 1).bit_length()) - len(anchors))
    levels = [level]
    while len(level) > 1:
        level = [_node(*pair) for pair in zip(level[::2], level[1::2], strict=True)]
        levels.append(level)
    return [
        Batched(
            page,
            index,
            len(anchors),
            tuple(nodes[index >> depth ^ 1] for depth, nodes in enumerate(levels[:-1])),
        )
        for index in range(len(anchors))
    ]


def link(before: bytes, root: bytes, count: int) -> bytes:
    """What stands for a page of which a batch is the last one; ``before`` it stood for (zeros: nothing)."""
    return keccak(abi_encode(["bytes32", "bytes32", "uint32"], [before, root, count]))


def _leaf(contributor: str, record: bytes, anchor: bytes, index: int) -> bytes:
    return keccak(
        abi_encode(["address", "bytes32", "bytes32", "uint256"], [contributor, record, anchor, index])
    )


def _node(left: bytes, right: bytes) -> bytes:
    return keccak(left + right)
