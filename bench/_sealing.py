"""Sealing and opening beside `age`: files in memory, in turn; and one large file as a process: its memory.

``python -m bench._sealing seal SOURCE SINK`` and ``open SOURCE SINK DIGEST`` (hex) are that process.
"""

from __future__ import annotations

import hashlib
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


@contextmanager
def memory() -> Iterator[Path]:
    """A folder that is in memory, where the system has one."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def beside_age(size: int, rounds: int) -> list[Beside]:
    """Seals and opens ``size`` bytes, ours in this process and `age` as one of its own, both out of a file in
    memory into another: in turn, after a round that does not count."""
    with memory() as folder:
        data = secrets.token_bytes(size)
        plain, sealed, theirs, out = (folder / name for name in ("plain", "sealed", "theirs", "out"))
        plain.write_bytes(data)
        recipient = keys(folder)
        anchored = sealing(plain, sealed)
        write = ["age", "-R", str(recipient), "-o"]
        read = ["age", "-d", "-i", str(folder / "id"), "-o"]
        subprocess.run([*write, str(theirs), str(plain)], check=True)
        ways: dict[str, tuple[Callable[[], object], list[str]]] = {
            "seal": (partial(sealing, plain, out), [*write, str(out), str(plain)]),
            "open": (partial(opening, sealed, out, anchored), [*read, str(out), str(theirs)]),
        }
        found = []
        for name, (ours, words) in ways.items():
            run = partial(subprocess.run, words, check=True)
            pairs = [(clock(ours), clock(run)) for _ in range(rounds + 1)][1:]
            mine, other = zip(*pairs, strict=True)
            bare = median(clock(partial(digest, data)) for _ in range(rounds))
            speeds = (size / median(mine), size / median(other))
            found.append(Beside(name, *speeds, median(b / a for a, b in pairs), size / bare, rounds))
        return found


def clock(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def sealing(source: Path, sink: Path) -> bytes:
    """Seals one file into another; gives the blob's SHA-256."""
    with source.open("rb") as plain, sink.open("wb") as target:
        return seal.seal(plain, target, KEY, BOUND)


def opening(source: Path, sink: Path, anchored: bytes) -> None:
    """Opens one file into another, as a reader does it: against the digest that was anchored."""
    with source.open("rb") as blob, sink.open("w+b") as target:
        seal.unseal(blob, target, KEY, BOUND, anchored)


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


def main(way: str, source: Path, sink: Path, anchored: str = "") -> None:
    """Seals or opens one file, onto the disk."""
    if way == "seal":
        sealing(source, sink)
    else:
        opening(source, sink, bytes.fromhex(anchored))
    with sink.open("rb") as written:
        os.fsync(written.fileno())
    print([])  # what `run` reads: no parts


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
