"""Batches as a contributor builds them: `Place` in contracts/interfaces/IRecordRegistry.sol, said again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi import encode
from eth_utils.crypto import keccak

from tests.contracts.words import NO_WORD, raw, word


def node(left: bytes, right: bytes) -> bytes:
    """Two siblings' parent."""
    return keccak(left + right)


def link(before: bytes, root: bytes, count: int) -> bytes:
    """A page's link: the one before, and a batch."""
    return keccak(encode(["bytes32", "bytes32", "uint32"], [before, root, count]))


@dataclass(frozen=True)
class Batch:
    """Anchors of one contributor, in their order."""

    contributor: bytes
    anchors: list[tuple[bytes, bytes]]

    @classmethod
    def of(cls, contributor: Any, count: int, label: str = "batch") -> Batch:
        """A batch of made-up records."""
        anchors = [(word(f"{label} record {i}"), word(f"{label} anchor {i}")) for i in range(count)]
        return cls(raw(contributor), anchors)

    @property
    def levels(self) -> list[list[bytes]]:
        """The tree from its leaves, filled up with zero words, to its root."""
        leaves = [
            keccak(bytes(12) + self.contributor + record + anchor + i.to_bytes(32))
            for i, (record, anchor) in enumerate(self.anchors)
        ]
        while len(leaves) & (len(leaves) - 1):
            leaves.append(NO_WORD)
        found = [leaves]
        while len(found[-1]) > 1:
            below = found[-1]
            found.append([node(*below[i : i + 2]) for i in range(0, len(below), 2)])
        return found

    @property
    def link(self) -> tuple[bytes, int]:
        """Root and count, as they are anchored."""
        return self.levels[-1][0], len(self.anchors)

    def proof(self, index: int) -> list[bytes]:
        """The siblings from a leaf to the root."""
        return [level[index >> depth ^ 1] for depth, level in enumerate(self.levels[:-1])]


def place(batches: list[Batch], which: int, index: int, page: int = 0) -> dict[str, Any]:
    """The place of a record on a page that holds these batches and no others."""
    before = NO_WORD
    for each in batches[:which]:
        before = link(before, *each.link)
    return {
        "page": page,
        "index": index,
        "count": len(batches[which].anchors),
        "before": before,
        "proof": batches[which].proof(index),
        "later": [each.link for each in batches[which + 1 :]],
    }
