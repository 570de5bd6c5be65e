"""A person's secrets at rest: random seeds, sealed with a passphrase, never derived from a wallet."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from consentry.errors import KeyringLocked, NotFound, WrapBroken
from consentry.files import write_private
from consentry.keys.binding import json_decode
from consentry.keys.hpke import hkdf, new_seed, open_once, public_key, seal_once

_FORMAT = "consentry keyring 1"
_COST = {"iterations": 3, "lanes": 4, "memory_cost": 64 * 1024}  # RFC 9106, second recommended choice
_COST_LIMIT = {"iterations": 16, "lanes": 16, "memory_cost": 1024 * 1024}


@dataclass(slots=True)
class Keyring:
    """The secret side of a person.

    ``seed`` is the X-Wing seed (32 bytes); ``signing_key`` is set for those without a wallet (32 bytes);
    ``organisations`` holds the encryption seed of each organisation that let this member open for it,
    by address. None of it shows in ``repr``.
    """

    seed: bytes = field(default_factory=new_seed, repr=False)
    signing_key: bytes | None = field(default=None, repr=False)
    organisations: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def public_key(self) -> bytes:
        """The X-Wing public key that belongs to ``seed`` (1,216 bytes)."""
        return public_key(self.seed)

    def subkey(self, purpose: str) -> bytes:
        """A 32-byte key for this person's own files (outbox, own copy)."""
        return hkdf(self.seed, b"consentry/1 keyring " + purpose.encode())

    def save(self, path: Path, passphrase: str) -> None:
        """Seals the keyring under ``passphrase`` (Argon2id, AES-256-GCM) and writes it atomically,
        readable by its owner only."""
        salt = secrets.token_bytes(16)
        secret = {
            "seed": self.seed.hex(),
            "signing_key": self.signing_key.hex() if self.signing_key else None,
            "organisations": {who: seed.hex() for who, seed in self.organisations.items()},
        }
        sealed = seal_once(_derive(passphrase, salt, _COST), json.dumps(secret).encode())
        document = {"format": _FORMAT, "argon2id": {**_COST, "salt": salt.hex()}, "sealed": sealed.hex()}
        write_private(path, json.dumps(document, indent=1).encode())

    @classmethod
    def load(cls, path: Path, passphrase: str) -> Keyring:
        """Opens a keyring file. Raises `NotFound` where there is none and `KeyringLocked` where the
        passphrase is wrong or the file was damaged (the two cannot be told apart)."""
        try:
            document = json_decode(path.read_bytes())
        except FileNotFoundError:
            raise NotFound(f"there is no keyring {path.name}; run enrol first") from None
        except ValueError:
            document = {}
        try:
            if document["format"] != _FORMAT:
                raise ValueError
            cost = {name: int(document["argon2id"][name]) for name in _COST}
            if any(not 1 <= cost[name] <= _COST_LIMIT[name] for name in cost):
                raise ValueError
            salt = bytes.fromhex(document["argon2id"]["salt"])
            opened = open_once(_derive(passphrase, salt, cost), bytes.fromhex(document["sealed"]))
            return cls._from(json.loads(opened))
        except (KeyError, OverflowError, TypeError, ValueError, WrapBroken):
            raise KeyringLocked(
                f"the keyring {path.name} does not open: the passphrase is wrong or the file is damaged; "
                "try the passphrase again, or put back a copy of the file"
            ) from None

    @classmethod
    def _from(cls, secret: dict[str, Any]) -> Keyring:
        signing_key = secret["signing_key"]
        return cls(
            seed=bytes.fromhex(secret["seed"]),
            signing_key=bytes.fromhex(signing_key) if signing_key else None,
            organisations={who: bytes.fromhex(s) for who, s in secret["organisations"].items()},
        )


def _derive(passphrase: str, salt: bytes, cost: dict[str, int]) -> bytes:
    kdf = Argon2id(
        salt=salt,
        length=32,
        iterations=cost["iterations"],
        lanes=cost["lanes"],
        memory_cost=cost["memory_cost"],
    )
    return kdf.derive(passphrase.encode())
