"""Blobs: a record's bytes padded and sealed under a random data key, in constant memory.

Padding is Padmé over data, zeros and a 64-bit length (Nikitin et al., PURBs 2019); sealing is
Cobblestone-256 (C2SP chunked encryption, key-committing). The context binds deployment, record and
media type, so that a blob of another record, chain or type does not open.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import BinaryIO

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from consentry.errors import BlobAltered
from consentry.keys.binding import Deployment

_STEP = 64 * 1024  # the fastest here: smaller ones cost calls, larger ones fresh memory each
_TURN = 32  # steps that are digested at once
_LENGTH = 8
_SMALLEST = 1024


def padme(length: int) -> int:
    """The padded size of ``length`` bytes: at most 12 % more, and few distinct values."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    kept = exponent.bit_length()
    mask = (1 << (exponent - kept)) - 1
    return (length + mask) & ~mask


def padded_size(length: int) -> int:
    """The size of ``length`` bytes of record with their padding and length."""
    return padme(max(length + _LENGTH, _SMALLEST))


def context(deployment: Deployment, record_id: bytes, media_type: str) -> bytes:
    """What a blob is bound to (32 bytes)."""
    return hashlib.sha256(deployment.info("blob", record_id) + media_type.encode()).digest()


def seal(source: BinaryIO, sink: BinaryIO, key: bytes, bound_to: bytes) -> bytes:
    """Seals all of ``source`` into ``sink`` under the 32-byte ``key``; gives the blob's SHA-256."""
    digest = hashlib.sha256()
    for step in _beside(_sealed(source, Cobblestone256Encryptor(key, bound_to)), digest.update):
        sink.write(step)
    return digest.digest()


def _sealed(source: BinaryIO, encryptor: Cobblestone256Encryptor) -> Iterator[bytes]:
    for step in _padded(source):
        yield encryptor.update(step)
    yield encryptor.finalize()


def _padded(source: BinaryIO) -> Iterator[bytes]:
    length = 0
    while step := source.read(_STEP):
        length += len(step)
        yield step
    zeros = padded_size(length) - length - _LENGTH
    while zeros > 0:
        yield bytes(min(zeros, _STEP))
        zeros -= _STEP
    yield length.to_bytes(_LENGTH, "big")


def unseal(source: BinaryIO, sink: BinaryIO, key: bytes, bound_to: bytes, anchored: bytes) -> int:
    """Opens the blob whose SHA-256 was ``anchored`` into ``sink`` (readable, seekable, temporary); gives the
    record's length.

    Plaintext lands in ``sink`` before the end is verified: on any error the caller drops ``sink``, and
    publishes it only after this returned. Raises `BlobAltered`, for another digest first.
    """
    decryptor, digest = Cobblestone256Decryptor(key, bound_to), hashlib.sha256()
    steps = _beside(iter(partial(source.read, _STEP), b""), digest.update)
    total, opens = 0, True
    try:
        for step in steps:
            total += sink.write(decryptor.update(step))
        total += sink.write(decryptor.finalize())
    except (InvalidTag, ValueError):
        opens = False
    for _ in steps:  # what is left of it counts in the digest alone
        pass
    if digest.digest() != anchored:
        raise BlobAltered("the store gave another blob than the one that was anchored; ask another store")
    if not opens:
        raise BlobAltered(
            "the blob does not open: altered, cut, or of another record; fetch it from another store"
        )
    return _unpad(sink, total)


def _beside(steps: Iterator[bytes], take: Callable[[bytes], None]) -> Iterator[bytes]:
    """Gives ``steps`` on while a thread of its own takes them too, turn by turn: neither a digest nor the
    cipher holds the interpreter's lock. What is shorter than a turn is worth no thread."""
    turn: list[bytes] = []
    with ThreadPoolExecutor(1, "digest") as thread:
        before: Future[None] | None = None
        for step in steps:
            yield step
            turn.append(step)
            if len(turn) == _TURN:
                if before is not None:
                    before.result()  # one turn waits at most: memory stays as it is
                before, turn = thread.submit(_all, take, turn), []
        if before is not None:
            before.result()
    _all(take, turn)


def _all(take: Callable[[bytes], None], steps: Sequence[bytes]) -> None:
    for step in steps:
        take(step)


def _unpad(sink: BinaryIO, total: int) -> int:
    sink.seek(max(total - _LENGTH, 0))
    length = int.from_bytes(sink.read(_LENGTH), "big")
    if total < _LENGTH or padded_size(length) != total:
        raise BlobAltered("the blob's padding has the wrong size; it was not made by this format")
    sink.seek(length)
    remaining = total - _LENGTH - length
    while remaining > 0:
        zeros = sink.read(min(remaining, _STEP))
        if not zeros or any(zeros):
            raise BlobAltered("the blob's padding is not zero; it was not made by this format")
        remaining -= len(zeros)
    sink.truncate(length)
    sink.seek(0)
    return length
