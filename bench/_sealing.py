"""Sealing and opening beside `age`: in memory, in turn; and one large file as a process, for its memory.

``python -m bench._sealing seal|open SOURCE SINK`` is that process.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import BinaryIO, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from consentry import seal

KEY, BOUND = bytes(range(32)), bytes(32)


@dataclass(frozen=True)
class Beside:
    """One side of a comparison, in bytes a second: ours, `age`'s, the median ratio of paired rounds, and the
    floor of ours."""

    name: str
    ours: float
    age: float
    ratio: float
    floor: float
    rounds: int


class _Nowhere(io.RawIOBase):
    def write(self, data: object) -> int:
        return len(data)  # type: ignore[arg-type]


@contextmanager
def memory() -> Iterator[Path]:
    """A folder that is in memory, where the system has one."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def beside_age(size: int, rounds: int) -> list[Beside]:
    """Seals and opens ``size`` bytes in memory, ours in this process and `age` as one of its own, whose files
    are in memory too; in turn, after a round that does not count."""
    with memory() as folder:
        data = secrets.token_bytes(size)
        (folder / "plain").write_bytes(data)
        recipient = keys(folder)
        blob = io.BytesIO()
        seal.seal(io.BytesIO(data), blob, KEY, BOUND)
        sealed = blob.getvalue()
        write = ["age", "-R", str(recipient), str(folder / "plain")]
        read = ["age", "-d", "-i", str(folder / "id"), str(folder / "sealed")]
        subprocess.run([write[0], "-o", str(folder / "sealed"), *write[1:]], check=True)
        ways: dict[str, tuple[Callable[[], object], list[str]]] = {
            "seal": (lambda: seal.seal(io.BytesIO(data), cast("BinaryIO", _Nowhere()), KEY, BOUND), write),
            "open": (lambda: opened(sealed), read),
        }
        found = []
        for name, (ours, words) in ways.items():
            pairs = [(clock(ours), clock(partial(to_nowhere, words))) for _ in range(rounds + 1)][1:]
            mine, theirs = zip(*pairs, strict=True)
            bare = median(clock(partial(digest, data)) for _ in range(rounds))
            speeds = (size / median(mine), size / median(theirs))
            found.append(Beside(name, *speeds, median(b / a for a, b in pairs), size / bare, rounds))
        return found


def to_nowhere(words: list[str]) -> None:
    """Runs a process whose output nobody keeps."""
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)


def clock(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def opened(sealed: bytes) -> None:
    """As a reader does it: the digest that was anchored, then the chunks into memory."""
    hashlib.sha256(sealed).digest()
    seal.unseal(io.BytesIO(sealed), io.BytesIO(), KEY, BOUND)


def digest(data: bytes) -> None:
    """What the blob's digest takes alone, without any cipher: anchor and content id need it."""
    hashlib.sha256(data).digest()


def keys(folder: Path) -> Path:
    """An SSH key that `age` opens with, and the recipient's file: what it seals with is the same."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    (folder / "id").write_bytes(private)
    (folder / "id").chmod(0o600)
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    (folder / "recipient").write_bytes(public + b"\n")
    return folder / "recipient"


def main(way: str, source: Path, sink: Path) -> None:
    """Seals or opens one file."""
    with source.open("rb") as plain, sink.open("w+b") as target:
        if way == "seal":
            seal.seal(plain, target, KEY, BOUND)
        else:
            hashlib.file_digest(plain, "sha256")
            plain.seek(0)
            seal.unseal(plain, target, KEY, BOUND)
        target.flush()
        os.fsync(target.fileno())
    print([])  # what `run` reads: no parts


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
