"""Shamir's secret sharing over GF(2^256 - 189), for 32-byte secrets.

Shares sit at x = 1..n and are 32-byte big-endian numbers below the prime (Shamir 1979).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence

from eth_utils.crypto import keccak

from consentry.errors import UsageError
from consentry.keys.binding import text_word, word

PRIME = 2**256 - 189
GROUP_K = 1


def new_secret() -> bytes:
    """32 random bytes below the prime."""
    return secrets.randbelow(PRIME).to_bytes(32, "big")


def split(secret: bytes, threshold: int, count: int) -> list[bytes]:
    """``count`` shares of ``secret``, any ``threshold`` of which give it back; share i is at x = i + 1."""
    if not 1 <= threshold <= count <= 255 or int.from_bytes(secret, "big") >= PRIME:
        raise UsageError("a secret below the prime, and 1 <= threshold <= count <= 255, are needed")
    drawn = [new_secret() for _ in range(threshold - 1)]
    return list(evaluations([secret, *drawn], range(1, count + 1)).values())


def evaluations(coefficients: Sequence[bytes], at: Iterable[int]) -> dict[int, bytes]:
    """The polynomial with those ``coefficients`` (32 bytes each, the secret first) at each of ``at``."""
    shares = {}
    for x in at:
        y = 0
        for coefficient in reversed(coefficients):
            y = (y * x + int.from_bytes(coefficient, "big")) % PRIME
        shares[x] = y.to_bytes(32, "big")
    return shares


def evaluate(shares: Mapping[int, bytes], at: int) -> bytes:
    """The polynomial through ``shares`` (x to share) at ``at``; 0 gives the secret.

    Give exactly the threshold's number of shares: more change nothing, fewer give noise.
    """
    total = 0
    for x, share in shares.items():
        numerator, denominator = 1, 1
        for other in shares:
            if other != x:
                numerator = numerator * (at - other) % PRIME
                denominator = denominator * (x - other) % PRIME
        total += int.from_bytes(share, "big") * numerator * pow(denominator, -1, PRIME)
    return (total % PRIME).to_bytes(32, "big")


def commitment(record_id: bytes, index: int, share: bytes, group: int = GROUP_K) -> bytes:
    """What an envelope says of one share in advance, so that a wrong one names its sender (32 bytes)."""
    return keccak(text_word("consentry/1 share") + record_id + word(group) + word(index) + share)
