"""What a node says of a block, held against the block's hash.

A block's hash is keccak256 over the RLP of its header's fields (Yellow Paper section 4.4; later forks added
some), and the header has the root of the trie of all receipts: receipt ``i`` under ``rlp(i)``, a typed one as
``type || rlp(fields)`` (EIP-2718). Who gives receipts that lead to that root gave every log of the block, and
none that is not in it. Only a forged block could hide that, and it has another hash than the others give.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import rlp
from eth_utils.crypto import keccak
from trie import HexaryTrie

from consentry.errors import BlockUnproved

_HEX = re.compile("0x[0-9a-fA-F]*")
_LONDON = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom"),
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce"),
)
_LATER = (
    "baseFeePerGas",  # London, EIP-1559
    "withdrawalsRoot",  # Shanghai, EIP-4895
    *("blobGasUsed", "excessBlobGas"),  # Cancun, EIP-4844
    "parentBeaconBlockRoot",  # Cancun, EIP-4788
    "requestsHash",  # Prague, EIP-7685; Osaka added none
    "blockAccessListHash",  # Amsterdam, EIP-7928
    "slotNumber",  # Amsterdam, EIP-7843
)
_QUANTITIES = (
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp"),
    *("baseFeePerGas", "blobGasUsed", "excessBlobGas", "slotNumber"),
)


@dataclass(frozen=True, slots=True)
class Header:
    """A block's ``number``, ``time`` in seconds, and 32-byte ``hash``, which vouches for the others."""

    number: int
    time: int
    hash: bytes
    receipts_root: bytes


@dataclass(frozen=True, slots=True)
class Log:
    """One log of a block: the contract's 20 bytes, its topics, its data, and its index in the block."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    index: int


def prove_header(block: Mapping[str, Any]) -> Header:
    """The header in ``block`` (JSON of ``eth_getBlockByNumber``). Raises `BlockUnproved` unless the hash that
    it claims is that of its fields."""
    with _reading():
        names = (*_LONDON, *(name for name in _LATER if block.get(name) is not None))
        fields = {name: _field(name, block[name]) for name in names}
        made, claimed = keccak(rlp.encode(list(fields.values()))), _data(block["hash"])
    if made != claimed:
        raise BlockUnproved("the node gave a block that does not have the hash it claims")
    return Header(fields["number"], fields["timestamp"], made, fields["receiptsRoot"])


def prove_logs(header: Header, receipts: Sequence[Mapping[str, Any]]) -> list[Log]:
    """All logs of the block, from all its receipts (JSON, in order). Raises `BlockUnproved` unless the
    receipts lead to the header's root."""
    logs: list[Log] = []
    with _reading():
        trie = HexaryTrie({})
        for position, receipt in enumerate(receipts):
            own = [_log(log, index) for index, log in enumerate(receipt["logs"], len(logs))]
            trie[rlp.encode(position)] = _receipt(receipt, own)
            logs += own
        root = trie.root_hash
    if root != header.receipts_root:
        raise BlockUnproved(f"the node gave receipts that are not those of block {header.number}")
    return logs


def _log(log: Mapping[str, Any], index: int) -> Log:
    topics = tuple(_data(topic) for topic in log["topics"])
    return Log(_data(log["address"]), topics, _data(log["data"]), index)


def _receipt(receipt: Mapping[str, Any], logs: Sequence[Log]) -> bytes:
    kind = _quantity(receipt.get("type") or "0x0")
    told = [[log.address, list(log.topics), log.data] for log in logs]
    bloom = _data(receipt["logsBloom"])
    fields = [_quantity(receipt["status"]), _quantity(receipt["cumulativeGasUsed"]), bloom, told]
    return (bytes([kind]) if kind else b"") + bytes(rlp.encode(fields))


def _field(name: str, value: Any) -> Any:
    return _quantity(value) if name in _QUANTITIES else _data(value)


def _data(value: Any) -> bytes:
    if not _HEX.fullmatch(value):
        raise ValueError
    return bytes.fromhex(value[2:])


def _quantity(value: Any) -> int:
    if not _HEX.fullmatch(value):
        raise ValueError
    return int(value, 16)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, rlp.RLPException):
        raise BlockUnproved("the node gave a block or receipts that cannot be read") from None
