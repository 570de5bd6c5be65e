"""What ties every key and signature to one deployment on one chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_abi.codec import ABIDecoder
from eth_abi.decoding import ContextFramesBytesIO
from eth_abi.registry import registry
from eth_utils.crypto import keccak
from pydantic_core import from_json

from consentry.errors import IntegrityError, UsageError

PROTOCOL = "consentry/1"
_TIMES = 8  # an honest encoding is read four times over: heads and what is nested in them are looked at first


def word(value: bytes | int | str) -> bytes:
    """One 32-byte word, left-padded: ``bytes`` of at most 32, an ``int`` >= 0, or a ``0x`` address."""
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    raw = bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else value
    if len(raw) > 32:
        raise UsageError(f"a field of {len(raw)} bytes does not fit a 32-byte word; hash it first")
    return raw.rjust(32, b"\0")


def text_word(text: str) -> bytes:
    """A role or protocol name as a right-padded 32-byte word (at most 32 ASCII characters)."""
    raw = text.encode("ascii")
    if len(raw) > 32:
        raise UsageError(f"the role {text!r} is longer than 32 bytes")
    return raw.ljust(32, b"\0")


@dataclass(frozen=True, slots=True)
class Deployment:
    """One set of contracts on one chain: chain ids alone repeat, a genesis hash does not.

    ``chain_id`` as EIP-155, ``genesis`` the 32-byte hash of block 0, ``registry`` the address of the
    ConsentRegistry (``0x`` and 40 hex digits).
    """

    chain_id: int
    genesis: bytes
    registry: str

    @property
    def id(self) -> bytes:
        """``keccak256(abi.encode(chain id, genesis hash, ConsentRegistry))``, 32 bytes."""
        return keccak(encode(["uint256", "bytes32", "address"], [self.chain_id, self.genesis, self.registry]))

    def info(self, role: str, *fields: bytes | int | str) -> bytes:
        """The ``info`` of HKDF and HPKE for one use of one key: protocol, role, deployment, fields."""
        words = (word(field) for field in fields)
        return text_word(PROTOCOL) + text_word(role) + self.id + b"".join(words)


def abi_encode(types: list[str], values: list[Any]) -> bytes:
    """Contract ABI encoding of ``values`` (the codec of every structure that is hashed or signed)."""
    return bytes(encode(types, values))


class _Bounded(ContextFramesBytesIO):
    """Gives what it holds a few times over and no more: pointers may all lead to one tail, and what they give
    would grow with the square of what came."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)  # type: ignore[no-untyped-call]
        self._left = _TIMES * len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self._left -= len(found)
        if self._left < 0:
            raise IntegrityError
        return found


class _Decoder(ABIDecoder):
    stream_class = _Bounded


_decode = _Decoder(registry).decode


def abi_decode(types: list[str], data: bytes, what: str) -> tuple[Any, ...]:
    """The inverse of `abi_encode`, for exactly these bytes: a second encoding of the same values,
    trailing bytes or a truncation raise `IntegrityError` naming ``what``."""
    try:
        values = _decode(types, data)
        again = encode(types, list(values))
    except Exception:  # eth_abi raises many kinds on hostile bytes; none may get past a parser
        raise IntegrityError(f"{what} cannot be read; it was altered, cut or is not one") from None
    if again != data:
        raise IntegrityError(f"{what} is not in its one encoding; it was altered or is not one")
    return values


def json_decode(data: str | bytes) -> Any:
    """JSON from outside. Raises `ValueError` for anything else, for a depth without end, which Python's own
    reader goes down with, and for NaN and halves of a character."""
    return from_json(data, allow_inf_nan=False)


def identity(address: str) -> bytes:
    """The on-chain ``bytes32`` identity of a wallet address (left-padded)."""
    return word(address)
