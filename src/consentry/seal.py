"""Blobs: a record's bytes padded and sealed under a random data key, in constant memory.

Padding is Padmé over data, zeros and a 64-bit length (Nikitin et al., PURBs 2019); sealing is
Cobblestone-256 (C2SP chunked encryption, key-committing). The context binds deployment, record and
media type, so that a blob of another record, chain or type does not open.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from consentry.errors import BlobAltered
from consentry.keys.binding import Deployment

_STEP = 16 * 1024  # small steps are the fast ones here
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
    encryptor = Cobblestone256Encryptor(key, bound_to)
    digest = hashlib.sha256()
    for step in _padded(source):
        sealed = encryptor.update(step)
        digest.update(sealed)
        sink.write(sealed)
    sealed = encryptor.finalize()
    digest.update(sealed)
    sink.write(sealed)
    return digest.digest()


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


def unseal(source: BinaryIO, sink: BinaryIO, key: bytes, bound_to: bytes) -> int:
    """Opens a blob into ``sink`` (readable, seekable, temporary); gives the record's length.

    Plaintext lands in ``sink`` before the end is verified: on any error the caller drops ``sink``, and
    publishes it only after this returned. Raises `BlobAltered`.
    """
    decryptor = Cobblestone256Decryptor(key, bound_to)
    total = 0
    try:
        while step := source.read(_STEP):
            total += sink.write(decryptor.update(step))
        total += sink.write(decryptor.finalize())
    except (InvalidTag, ValueError):
        raise BlobAltered(
            "the blob does not open: altered, cut, or of another record; fetch it from another store"
        ) from None
    return _unpad(sink, total)


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
