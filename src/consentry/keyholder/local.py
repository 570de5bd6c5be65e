"""All keyholders in one process, for development: each with its own sealed key, file and journal.

One process can read all of them, so this shows the path and not the protection: institutions run
theirs apart. Each folder holds the passphrase of its key, since there is nobody to type five.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from consentry.chain.contracts import Chain
from consentry.chain.signers import LocalSigner
from consentry.errors import KeyringLocked, NotFound, Unreachable
from consentry.files import write_private
from consentry.keyholder.roster import KeyholderCard, Roster
from consentry.keyholder.service import KeyholderService
from consentry.keyholder.vault import Vault
from consentry.keys.keyring import Keyring


def create_keyholders(folder: Path, *, threshold: int = 3, count: int = 5) -> Roster:
    """Makes the keys of ``count`` keyholders under ``folder`` (1..n), or finds those that are there."""
    cards = []
    for index in range(1, count + 1):
        home = folder / str(index)
        try:
            keyring = _keyring(home)
        except NotFound:
            keyring = Keyring(signing_key=secrets.token_bytes(32))
            passphrase = secrets.token_urlsafe(24)
            write_private(home / "passphrase", passphrase.encode())
            keyring.save(home / "keyring.json", passphrase)
        assert keyring.signing_key is not None
        address = LocalSigner(keyring.signing_key).address
        cards.append(
            KeyholderCard(index, f"keyholder {index}", address, keyring.public_key, f"local:{index}")
        )
    return Roster(threshold, tuple(cards))


def _keyring(home: Path) -> Keyring:
    try:
        passphrase = (home / "passphrase").read_text("utf-8")
    except FileNotFoundError:
        raise NotFound(f"there is no keyholder in {home.name}; run deploy first") from None
    return Keyring.load(home / "keyring.json", passphrase)


def open_keyholders(folder: Path, roster: Roster, chain: Chain) -> list[KeyholderService]:
    """The keyholders of ``roster``, opened from ``folder``. Their files carry the deployment's id, so that
    a chain started anew finds empty ones. One whose files are gone or cannot be read is left out, as one that
    does not answer. Raises `NotFound` where all are."""
    opened = []
    for card in roster.keyholders:
        with suppress(NotFound, KeyringLocked, Unreachable):
            opened.append(open_keyholder(folder, roster, card, chain))
    if not opened:
        raise NotFound(f"there is no keyholder in {folder}; run deploy first")
    return opened


def open_keyholder(folder: Path, roster: Roster, card: KeyholderCard, chain: Chain) -> KeyholderService:
    """The one of ``card``. Raises `NotFound`, `KeyringLocked`, `Unreachable`."""
    home = folder / str(card.index)
    keyring = _keyring(home)
    assert keyring.signing_key is not None
    signer, vault = LocalSigner(keyring.signing_key), Vault(home / chain.deployment.id.hex()[:16])
    return KeyholderService(card, roster, signer=signer, seed=keyring.seed, vault=vault, chain=chain)
