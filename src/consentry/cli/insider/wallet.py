"""The patient's revocation by another program: `cast`, which knows nothing of this one."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eth_account import Account

from consentry.cli.demo.stage import StoryBroken
from consentry.errors import KeyholderRefused, NotFound
from consentry.files import write_private

_PAUSE = 0.05
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Revoked:
    """How long it took from pressing return to the first refused key, and until `cast` was done (seconds);
    how many keys were given meanwhile; the gas that it cost."""

    refused: float
    done: float
    given: int
    gas: int


def keystore(folder: Path, key: bytes) -> list[str]:
    """Puts a wallet's ``key`` into ``folder`` as a keystore file, as any wallet exports it, and gives the
    options by which `cast` takes it."""
    password = secrets.token_urlsafe(16)
    write_private(folder / "wallet.json", sealed(key, password).encode())
    write_private(folder / "password", password.encode())
    return ["--keystore", "wallet.json", "--password-file", "password"]


def sealed(key: bytes, password: str, iterations: int | None = None) -> str:
    """A keystore file (Web3 Secret Storage 3) with ``key``; ``iterations`` is the work that opening it takes.
    One vector in 256 begins with a zero, which eth-account leaves out, and `cast` needs all 16 bytes."""
    file = Account.encrypt(key, password, iterations=iterations)
    vector = file["crypto"]["cipherparams"]
    vector["iv"] = vector["iv"].zfill(32)
    return json.dumps(file)


def command(registry: str, patient: bytes, grant_id: bytes, options: list[str], url: str) -> list[str]:
    """What the patient types."""
    call = [registry, "revoke(bytes32,bytes32)", "0x" + patient.hex(), "0x" + grant_id.hex()]
    return ["cast", "send", *call, *options, "--rpc-url", url]


def revoke(words: list[str], folder: Path, ask: Callable[[], object]) -> Revoked:
    """Runs ``words`` in ``folder``, without anything of ours in its environment, and calls ``ask`` for a key
    all the while, until that is refused. Raises `StoryBroken` where it is still given when `cast` is done,
    `NotFound` without `cast`."""
    program = shutil.which(words[0])
    if program is None:
        raise NotFound(f"there is no {words[0]} on PATH; run make setup")
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder)}
    start, given, refused = time.monotonic(), 0, 0.0
    with (
        subprocess.Popen(  # noqa: S603
            [program, *words[1:], "--json"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as cast
    ):
        while not refused:
            ended = cast.poll() is not None
            try:
                ask()
                given += 1
            except KeyholderRefused:
                refused = time.monotonic() - start
            if ended and not refused:
                break
            if time.monotonic() - start > _SECONDS:
                cast.kill()
            time.sleep(_PAUSE)
        out, err = cast.communicate()
        done = time.monotonic() - start
    if cast.returncode:
        raise StoryBroken(f"cast did not send the revocation: {err.strip()[-300:]}")
    if not refused:
        raise StoryBroken("cast has revoked, and a keyholder still gives out its key")
    return Revoked(refused, done, given, int(json.loads(out)["gasUsed"], 16))
