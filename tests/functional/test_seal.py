"""Blobs: padding, sealing, and what does not open."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from cryptography.cobblestone import Cobblestone256Encryptor
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry import seal
from consentry.errors import BlobAltered
from tests.support.fixed import DEPLOYMENT, ELSEWHERE, seed

BOUND = seal.context(DEPLOYMENT, seed(1), "text/plain")
KEY = seed(9)


def sealed(body: bytes, key: bytes = KEY, bound: bytes = BOUND) -> bytes:
    sink = io.BytesIO()
    digest = seal.seal(io.BytesIO(body), sink, key, bound)
    assert digest == hashlib.sha256(sink.getvalue()).digest()
    return sink.getvalue()


def opened(blob: bytes, key: bytes = KEY, bound: bytes = BOUND, anchored: bytes = b"") -> bytes:
    """Opened as what was ``anchored``, by default as this very blob."""
    sink = io.BytesIO()
    length = seal.unseal(io.BytesIO(blob), sink, key, bound, anchored or hashlib.sha256(blob).digest())
    assert sink.tell() == 0
    assert len(sink.getvalue()) == length
    return sink.read()


@pytest.mark.parametrize("length", [0, 1, 1015, 1016, 1017, 16_383, 16_384, 16_385, 100_000])
def test_a_record_of_any_length_comes_back(length: int) -> None:
    body = b"x" * length
    assert opened(sealed(body)) == body


@given(st.binary(max_size=3000))
@settings(max_examples=25, deadline=None)
def test_every_record_comes_back(body: bytes) -> None:
    assert opened(sealed(body)) == body


def test_short_records_all_look_alike() -> None:
    assert {len(sealed(b"x" * n)) for n in (0, 1, 500, 1016)} == {len(sealed(b""))}


@given(st.integers(0, 1 << 50))
@settings(max_examples=200)
def test_padding_grows_by_an_eighth_at_most_and_keeps_few_sizes(length: int) -> None:
    size = seal.padded_size(length)
    assert size >= max(length + 8, 1024)
    assert size <= max((length + 8) * 1.125, 1024)
    assert seal.padme(size) == size


def test_padme_is_that_of_the_paper() -> None:
    assert [seal.padme(n) for n in (0, 1, 2, 8, 9, 10, 1_000_000)] == [0, 1, 2, 8, 10, 10, 1_015_808]


@pytest.mark.parametrize(
    ("key", "bound"),
    [
        (seed(8), BOUND),
        (KEY, seal.context(DEPLOYMENT, seed(2), "text/plain")),
        (KEY, seal.context(DEPLOYMENT, seed(1), "text/html")),
        (KEY, seal.context(ELSEWHERE, seed(1), "text/plain")),
    ],
    ids=["another key", "another record", "another media type", "another chain"],
)
def test_a_blob_opens_for_its_own_record_only(key: bytes, bound: bytes) -> None:
    with pytest.raises(BlobAltered, match="does not open"):
        opened(sealed(b"Test letter"), key, bound)


SPOILS: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda blob: blob[:-1],
    "longer": lambda blob: blob + b"\0",
    "half": lambda blob: blob[: len(blob) // 2],
    "empty": lambda blob: b"",
    "last bit": lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]),
    "first bit": lambda blob: bytes([blob[0] ^ 1]) + blob[1:],
    "a bit inside": lambda blob: blob[:9000] + bytes([blob[9000] ^ 128]) + blob[9001:],
    "the middle": lambda blob: (
        blob[: len(blob) // 2] + bytes([blob[len(blob) // 2] ^ 1]) + blob[len(blob) // 2 + 1 :]
    ),
    "turned round": lambda blob: blob[20_000:] + blob[:20_000],
    "twice": lambda blob: blob + blob,
}
SIZES = {"small": 44_000, "digested beside": 5 << 20}


@pytest.fixture(scope="module", params=SIZES.values(), ids=SIZES)
def blob(request: pytest.FixtureRequest) -> bytes:
    return sealed((b"Test letter" * (request.param // 11 + 1))[: request.param])


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_an_altered_blob_is_not_the_one_that_was_anchored(
    blob: bytes, spoil: Callable[[bytes], bytes]
) -> None:
    """That it does not open either is not said: the store is to blame, not who sealed it."""
    with pytest.raises(BlobAltered, match="another blob than the one that was anchored") as caught:
        opened(spoil(blob), anchored=hashlib.sha256(blob).digest())
    assert "Test letter" not in str(caught.value)


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_an_altered_blob_does_not_open(blob: bytes, spoil: Callable[[bytes], bytes]) -> None:
    """Were it the one that was anchored."""
    with pytest.raises(BlobAltered, match="does not open") as caught:
        opened(spoil(blob))
    assert "Test letter" not in str(caught.value)


def test_a_blob_that_opens_and_was_not_anchored_is_refused(blob: bytes) -> None:
    """Sealed anew under the same key, for the same record: by whoever has the key, or from an older copy."""
    with pytest.raises(BlobAltered, match="another blob than the one that was anchored"):
        opened(blob, anchored=hashlib.sha256(sealed(b"Test letter")).digest())


def test_nothing_behind_an_altered_byte_is_even_written(blob: bytes) -> None:
    """Of a blob that is none, however long, no plaintext lands anywhere."""
    spoilt, sink = bytes([blob[0] ^ 1]) + blob[1:], io.BytesIO()
    with pytest.raises(BlobAltered):
        seal.unseal(io.BytesIO(spoilt), sink, KEY, BOUND, hashlib.sha256(spoilt).digest())
    assert sink.getvalue() == b""


class Full(io.BytesIO):
    """A sink that is full when a first turn is digested."""

    room = seal._TURN + 8

    def write(self, data: object) -> int:
        self.room -= 1
        if self.room < 0:
            raise OSError("no space left")
        return super().write(data)  # type: ignore[arg-type]


def test_what_is_digested_beside_ends_with_the_blob_however_that_ends() -> None:
    """No thread is left, neither by a record that came back nor by one that did not."""
    plain = bytes(SIZES["digested beside"])
    blob = sealed(plain)
    assert opened(blob) == plain
    with pytest.raises(BlobAltered):
        opened(blob[:-1])
    with pytest.raises(OSError, match="no space left"):
        seal.unseal(io.BytesIO(blob), Full(), KEY, BOUND, hashlib.sha256(blob).digest())
    with pytest.raises(OSError, match="no space left"):
        seal.seal(io.BytesIO(plain), Full(), KEY, BOUND)
    assert not [one.name for one in threading.enumerate() if one.name.startswith("digest")]


def test_a_slow_digest_is_waited_for() -> None:
    """Else a large file would pile up in memory."""
    given = taken = most = 0

    def steps() -> Iterator[bytes]:
        nonlocal given
        for _ in range(20 * seal._TURN):
            given += 1
            yield b"step"

    def take(_: bytes) -> None:
        nonlocal taken
        time.sleep(0.0005)
        taken += 1

    for _ in seal._beside(steps(), take):
        most = max(most, given - taken)
    assert taken == given
    assert most <= 2 * seal._TURN + 1


@pytest.mark.parametrize("count", [seal._TURN - 1, seal._TURN, 2 * seal._TURN])
def test_a_digest_that_fails_is_not_passed_over(count: int) -> None:
    """Else a blob would be anchored under a digest that is not its own, and never open again."""

    def take(_: bytes) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        list(seal._beside(iter([b"step"] * count), take))


def _raw(padded: bytes) -> bytes:
    """A blob of bytes that nobody padded."""
    encryptor = Cobblestone256Encryptor(KEY, BOUND)
    return bytes(encryptor.update(padded) + encryptor.finalize())


@pytest.mark.parametrize(
    ("padded", "says"),
    [
        (b"", "wrong size"),
        (bytes(7), "wrong size"),
        (bytes(1023), "wrong size"),
        (bytes(1016) + (5000).to_bytes(8, "big"), "wrong size"),
        (bytes(1016) + b"\xff" * 8, "wrong size"),
        (bytes(2040) + (10).to_bytes(8, "big"), "wrong size"),
        (bytes(10) + b"\1" + bytes(1005) + (10).to_bytes(8, "big"), "not zero"),
        (bytes(1015) + b"\1" + (10).to_bytes(8, "big"), "not zero"),
    ],
)
def test_a_padding_that_this_format_does_not_make_is_refused(padded: bytes, says: str) -> None:
    with pytest.raises(BlobAltered, match=says):
        opened(_raw(padded))


def test_two_blobs_of_one_record_under_two_keys_have_nothing_in_common() -> None:
    one, other = sealed(b"Test letter", seed(1)), sealed(b"Test letter", seed(2))
    assert len(one) == len(other)
    assert sum(a == b for a, b in zip(one, other, strict=True)) < len(one) / 20


def test_a_large_record_is_sealed_in_small_steps() -> None:
    class Slow(io.RawIOBase):
        """Gives 64 MiB without holding it, and remembers the largest bite."""

        left, largest = 64 << 20, 0

        def read(self, size: int = -1) -> bytes:
            self.largest = max(self.largest, size)
            bite = bytes(min(size, self.left))
            self.left -= len(bite)
            return bite

    class Sink(io.RawIOBase):
        largest = 0

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.largest = max(self.largest, len(data))
            return len(data)

    source, sink = Slow(), Sink()
    seal.seal(source, sink, KEY, BOUND)  # type: ignore[arg-type]
    assert 0 < source.largest <= 1 << 16
    assert 0 < sink.largest <= 1 << 17
