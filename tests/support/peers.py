"""Others that speak what we speak: HPKE in Go and in npm, and C2SP's chunked encryption as its specification
has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".venv" / "bin"
X_WING = 0x647A
HKDF_SHA256, HKDF_SHA512 = 1, 3
AES_128_GCM, AES_256_GCM = 1, 2

# --- HPKE


@dataclass(frozen=True)
class Question:
    """What a peer is asked: ``public`` of a seed, to ``seal`` to a public key, or to ``open`` with a seed."""

    op: str
    key: bytes
    info: bytes = b""
    data: bytes = b""
    aad: bytes = b""
    kem: int = X_WING
    kdf: int = HKDF_SHA256
    aead: int = AES_256_GCM


def _asked(command: Sequence[str | Path], questions: Sequence[Question]) -> list[bytes | None]:
    fields = [{n: v.hex() if isinstance(v, bytes) else v for n, v in asdict(q).items()} for q in questions]
    run = subprocess.run(command, input=json.dumps(fields), capture_output=True, text=True, check=True)
    answers = json.loads(run.stdout)
    assert len(answers) == len(questions)
    return [None if "error" in answer else bytes.fromhex(answer.get("data", "")) for answer in answers]


def by_go(*questions: Question) -> list[bytes | None]:
    """What Go's crypto/hpke says; None where it refuses."""
    return _asked([BIN / "hpke-peer"], questions)


def by_npm(*questions: Question) -> list[bytes | None]:
    """What npm's @hpke says; None where it refuses."""
    node = shutil.which("node", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{BIN}")
    assert node is not None
    return _asked([node, ROOT / "tools" / "clients" / "hpke.mjs"], questions)


PEERS: dict[str, Callable[..., list[bytes | None]]] = {"go": by_go, "npm": by_npm}

# --- chunked encryption (https://c2sp.org/chunked-encryption)

CHUNK, TAG, SALT, COMMITMENT = 16 * 1024, 16, 24, 32


class Broken(Exception):
    """What it was given does not open."""


def _keys(key: bytes, context: bytes, salt: bytes, hashed: hashes.HashAlgorithm) -> tuple[bytes, int, bytes]:
    if len(key) != 32:
        raise Broken
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context
    made = HKDFExpand(hashed, 32 + 12 + COMMITMENT, info).derive(key)
    return made[:32], int.from_bytes(made[32:44], "big"), made[44:]


def open_chunks(key: bytes, context: bytes, sealed: bytes, hashed: hashes.HashAlgorithm) -> bytes:
    """The message. Raises `Broken`."""
    salt, commitment, body = sealed[:SALT], sealed[SALT : SALT + COMMITMENT], sealed[SALT + COMMITMENT :]
    chunk_key, nonce, expected = _keys(key, context, salt, hashed)
    if commitment != expected:
        raise Broken
    opened = []
    for number in range(len(body) // (CHUNK + TAG) + 1):
        chunk = body[number * (CHUNK + TAG) : (number + 1) * (CHUNK + TAG)]
        try:
            opened.append(AESGCM(chunk_key).decrypt((nonce ^ number).to_bytes(12, "big"), chunk, None))
        except Exception:
            raise Broken from None
    return b"".join(opened)


def seal_chunks(
    key: bytes, context: bytes, message: bytes, hashed: hashes.HashAlgorithm, salt: bytes
) -> bytes:
    """The message, sealed under a ``salt`` of 24 bytes."""
    chunk_key, nonce, commitment = _keys(key, context, salt, hashed)
    chunks = [message[at : at + CHUNK] for at in range(0, len(message) + 1, CHUNK)]
    sealed = [
        AESGCM(chunk_key).encrypt((nonce ^ number).to_bytes(12, "big"), chunk, None)
        for number, chunk in enumerate(chunks)
    ]
    return salt + commitment + b"".join(sealed)
