"""The outbox: every unfinished verb, written before its first durable step, found again by its input.

Repeating a command with the same input finishes what the first run began: the same salts, the same
sealed bytes, the same transaction. Names are an HMAC of verb and input, contents are sealed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import shutil
from pathlib import Path
from typing import Any

from consentry.client.steps import Step, durable
from consentry.errors import IntegrityError, WrapBroken
from consentry.files import write_private
from consentry.keys.hpke import hkdf, open_once, seal_once

_STATE = "state"


class Parcel:
    """One unfinished verb: ``state`` is JSON values, `path` a place for its large files.

    Change ``state`` and `save` before the step that relies on it. A parcel that is kept for its result
    carries ``finished`` in its state.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder, self._key = folder, key
        self.state: dict[str, Any] = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            return dict(json.loads(unseal_file(self._folder / _STATE, self._key)))
        except FileNotFoundError:
            return {}

    def save(self) -> None:
        """Makes ``state`` durable."""
        seal_file(self._folder / _STATE, self._key, json.dumps(self.state).encode())

    def path(self, name: str) -> Path:
        """Where the file ``name`` of this parcel lies."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / name

    def drop(self) -> None:
        """Forgets the verb: it is finished."""
        shutil.rmtree(self._folder, ignore_errors=True)
        durable(Step.OVER)


class Outbox:
    """The unfinished verbs of one person, in ``folder``, sealed under ``key`` (32 bytes)."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder, self._key = folder, key

    def parcel(self, verb: str, *inputs: bytes | str | int) -> Parcel:
        """The parcel of ``verb`` with these ``inputs``: the one begun earlier, or an empty one."""
        mac = hmac.new(self._key, verb.encode(), hashlib.sha256)
        for value in inputs:
            raw = value if isinstance(value, bytes) else str(value).encode()
            mac.update(len(raw).to_bytes(8, "big") + raw)
        return Parcel(self._folder / mac.hexdigest()[:40], self._key)

    def parcels(self) -> list[Parcel]:
        """All parcels, finished ones that are kept for their result included."""
        return [Parcel(state.parent, self._key) for state in sorted(self._folder.glob(f"*/{_STATE}"))]

    def unfinished(self) -> int:
        """How many verbs are waiting to be finished: calling each again with its input does it."""
        return sum(1 for parcel in self.parcels() if "finished" not in parcel.state)


def seal_file(path: Path, key: bytes, data: bytes) -> None:
    """Seals ``data`` into ``path`` under a fresh subkey of ``key``, atomically."""
    salt = secrets.token_bytes(32)
    write_private(path, salt + seal_once(hkdf(key, salt), data))


def unseal_file(path: Path, key: bytes) -> bytes:
    """What `seal_file` wrote. Raises `FileNotFoundError`, or `IntegrityError` for a damaged file."""
    data = path.read_bytes()
    try:
        return open_once(hkdf(key, data[:32]), data[32:])
    except WrapBroken:
        raise IntegrityError(
            f"{path.parent.name}/{path.name} is damaged or of another keyring; remove it to begin anew"
        ) from None
