"""What the administrator holds, read where it really lies."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from consentry.cli.demo.stage import Stage, StoryBroken
from consentry.cli.insider.disk import vault_file
from consentry.client import Deposited
from consentry.consent.terms import Terms
from consentry.envelope.leaf import Leaf
from consentry.keyholder.messages import Call, Keyholder, Released
from consentry.keyholder.vault import Held, Vault
from consentry.keys import shamir
from consentry.keys.keyring import Keyring
from consentry.store.rpc import connect

OWN = (1, 2)
"""The keyholders that the administrator runs."""

_TIMEOUT = 30.0


class Wiretap:
    """A keyholder as its administrator runs it: the calls for a release are kept."""

    def __init__(self, inner: Keyholder) -> None:
        self._inner = inner
        self.calls: list[Call] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def release(self, call: Call) -> Released:
        """See `Keyholder.release`."""
        self.calls.append(call)
        return self._inner.release(call)


@dataclass(frozen=True, slots=True)
class Loot:
    """Everything in the administrator's hands, about the one record that it wants.

    ``blobs`` by content id, from the store; ``disk`` the hospital's files; ``keyrings``, ``passphrases``
    and ``held`` (leaf and share of the record) of the keyholders it runs, by index, and the ``calls`` that
    came to them; ``own_terms`` the hospital's own grant for that kind, and ``terms`` the clinician's for
    another one, which are public since they were used."""

    target: Deposited
    blobs: dict[str, bytes]
    disk: list[Path]
    keyrings: dict[int, Keyring] = field(repr=False)
    passphrases: dict[int, str] = field(repr=False)
    held: dict[int, Held] = field(repr=False)
    record_keys: list[bytes] = field(repr=False)
    calls: list[Call] = field(repr=False)
    own_terms: Terms
    terms: Terms

    @property
    def leaf(self) -> Leaf:
        """The leaf of the record."""
        held = self.held[OWN[0]]
        return Leaf.decode(held.open_part, held.sealed_part)

    @property
    def shares(self) -> dict[int, bytes]:
        """The shares of the record, by keyholder."""
        return {index: held.share for index, held in self.held.items()}

    def keys(self) -> list[bytes]:
        """Every 32-byte value that could be a key, and what is easily made of one."""
        found = {bytes(32), self.target.record_id, shamir.evaluate(self.shares, 0), *self.record_keys}
        found |= {value for keyring in self.keyrings.values() for value in _values(keyring)}
        found |= {value for held in self.held.values() for value in (*_values(held), *_values(held.header))}
        found |= set(_values(self.leaf)) | {hashlib.sha256(blob).digest() for blob in self.blobs.values()}
        found |= {hashlib.sha256(value).digest() for value in list(found)}
        return sorted(value for value in found if len(value) == 32)


def _values(holder: Any) -> list[bytes]:
    """The byte strings of a dataclass, and the first and last 32 bytes of the longer ones."""
    found = []
    for one in fields(holder):
        value = getattr(holder, one.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, bytes):
                found += [part, part[:32], part[-32:]]
    return found


def rob(
    stage: Stage, api: str, target: Deposited, own_terms: Terms, terms: Terms, taps: list[Wiretap]
) -> Loot:
    """Takes what lies there: all that is pinned in the Kubo at ``api``, past our own store; the hospital's
    folder; files, keys and calls of the keyholders `OWN`."""
    kubo = connect(api, "", _TIMEOUT)
    pinned = [str(cid) for cid in kubo.pin.ls(type="recursive")["Keys"]]
    blobs = {cid: bytes(kubo.cat(cid)) for cid in pinned if cid[0] == "b"}  # the rest is Kubo's own
    if target.cid not in blobs:
        raise StoryBroken("the blob that the administrator wants is not in the Kubo that it runs")
    folders = {index: stage.home / "keyholders" / str(index) for index in OWN}
    passphrases = {index: (folder / "passphrase").read_text("utf-8") for index, folder in folders.items()}
    keyrings = {
        index: Keyring.load(folder / "keyring.json", passphrases[index]) for index, folder in folders.items()
    }
    held, record_keys = {}, []
    for index in OWN:
        folder = vault_file(stage, index).parent
        with closing(Vault.open(folder)) as vault:
            found = vault.find(target.record_id)
        if found is None:
            raise StoryBroken(f"keyholder {index} does not hold the record that the administrator wants")
        held[index] = found
        with closing(sqlite3.connect(folder / "record-keys.sqlite")) as keys:
            record_keys += [key for (key,) in keys.execute("SELECT key FROM record_keys")]
    disk = sorted(path for path in (stage.home / "hospital").rglob("*") if path.is_file())
    calls = [call for tap in taps for call in tap.calls]
    return Loot(target, blobs, disk, keyrings, passphrases, held, record_keys, calls, own_terms, terms)
