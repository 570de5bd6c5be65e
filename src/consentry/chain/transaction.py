"""A transaction: what it does, what it may cost, while it waits, and when it was mined."""

from __future__ import annotations

from dataclasses import dataclass, field

ETHER, GWEI = 10**18, 10**9  # in wei


@dataclass(frozen=True, slots=True)
class Call:
    """What a transaction does: ``to`` (None: a new contract), its ``data`` as hex, ``value`` in wei."""

    to: str | None
    data: str
    value: int = 0


@dataclass(slots=True)
class UnderWay:
    """A transaction with its ``nonce`` and ``gas``; ``fee`` and ``tip`` are the most it offers now, in wei a
    unit of gas; ``hashes`` are those of all its offers (hex): one of them at most is ever mined."""

    call: Call
    nonce: int
    gas: int
    fee: int
    tip: int
    hashes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A mined transaction: its hash (32 bytes), block number, the gas it used, and the contract it made."""

    hash: bytes
    block: int
    gas: int
    contract: str | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What a transaction may cost: ``gas`` units, at most ``fee`` wei each; the block now asks ``base``."""

    gas: int
    base: int
    fee: int
    tip: int

    @property
    def most(self) -> int:
        """The most that it can cost, in wei."""
        return self.gas * self.fee
