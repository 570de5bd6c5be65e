"""Bytes as an attacker returns them: with a bit flipped, cut, longer, or another's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from eth_utils.crypto import keccak

from consentry.chain.contracts import Chain
from consentry.keyholder.messages import Call, ReleaseAsked, Released, release_info
from consentry.keyholder.service import KeyholderService
from consentry.keyholder.vault import Held
from consentry.keys.hpke import wrap

SEED = 2026


def spread(length: int, count: int) -> list[int]:
    """``count`` positions below ``length`` (all, if there are fewer): the first and last 16, and others
    drawn with a fixed seed."""
    if length <= count:
        return list(range(length))
    edges = {*range(16), *range(length - 16, length)}
    drawn = random.Random(SEED + length).sample(range(16, length - 16), max(count - 32, 0))
    return sorted(edges | set(drawn))


def flipped(data: bytes, count: int) -> Iterator[bytes]:
    """``data`` with one bit flipped, at ``count`` positions."""
    bits = random.Random(SEED)
    for at in spread(len(data), count):
        changed = bytearray(data)
        changed[at] ^= 1 << bits.randrange(8)
        yield bytes(changed)


def cut(data: bytes) -> Iterator[bytes]:
    """``data`` cut short, or with something after it."""
    for length in {0, 1, 31, 32, 64, len(data) // 2, len(data) - 33, len(data) - 32, len(data) - 1}:
        if 0 <= length < len(data):
            yield data[:length]
    yield data + b"\0"
    yield data + bytes(32)
    yield data + data[-32:]


def tampered(data: bytes, count: int = 120) -> Iterator[bytes]:
    """All of these."""
    yield from flipped(data, count)
    yield from cut(data)


def re_released(keyholder: KeyholderService, chain: Chain, call: Call, change: Any) -> Released:
    """What a keyholder that colludes answers: sealed and signed like an honest answer, without a check,
    and with what ``change`` makes of the held record."""
    asked = ReleaseAsked.decode(call.body)
    held = keyholder._vault.find(asked.record_id)
    assert held is not None
    told: Held = change(held)
    info = release_info(chain.deployment, asked.terms.patient, asked.entry, keyholder.card.index)
    sealed = wrap(told.encode(), asked.reply_key, info)
    return Released(sealed, keyholder._sign("release", keccak(sealed), chain.head()))
