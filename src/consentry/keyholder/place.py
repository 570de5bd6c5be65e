"""Where one keyholder keeps what is its own.

::

    keyring.json                        its signing and encryption key, sealed under its passphrase
    card.json                           what it gives to who deploys
    journal-token                       what it gives to the auditors that it lets read its journal
    deployments.json  keyholders.json   what who deployed gave to it
    under-way/                          transactions that it sent and has not seen mined
    <deployment>/                       what it holds for that deployment
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from consentry.chain.contracts import Chain
from consentry.chain.signers import LocalSigner
from consentry.errors import NotFound, UsageError
from consentry.files import write_private
from consentry.keyholder.answering import Answering
from consentry.keyholder.card import KeyholderCard, write_card
from consentry.keyholder.roster import Roster
from consentry.keyholder.service import KeyholderService
from consentry.keys.binding import Deployment
from consentry.keys.keyring import Keyring

if TYPE_CHECKING:
    from consentry.keyholder.vault import Vault


Acting = TypeVar("Acting", bound=Answering)


def card_of(keyring: Keyring, index: int, name: str, url: str) -> KeyholderCard:
    """The public card of the keyholder with that keyring."""
    return KeyholderCard(index, name, signer_of(keyring).address, keyring.public_key, url)


def signer_of(keyring: Keyring) -> LocalSigner:
    """Who signs for the keyholder with that keyring. Raises `UsageError` where it is a person's."""
    if keyring.signing_key is None:
        raise UsageError("this keyring holds no signing key: it is not that of a keyholder")
    return LocalSigner(keyring.signing_key)


@dataclass(frozen=True, slots=True)
class Place:
    """The folder ``path``."""

    path: Path

    def create(self, passphrase: str) -> Keyring:
        """Makes the keyholder's keys, sealed under ``passphrase``."""
        keyring = Keyring(signing_key=secrets.token_bytes(32))
        keyring.save(self.path / "keyring.json", passphrase)
        return keyring

    def introduce(self, keyring: Keyring, name: str, url: str) -> Path:
        """Writes the card, and a token for its journal where there is none. Gives the card's file."""
        if not self.token():
            write_private(self.path / "journal-token", secrets.token_urlsafe(32).encode())
        path = self.path / "card.json"
        write_card(path, card_of(keyring, 1, name, url))
        return path

    def keyring(self, passphrase: str) -> Keyring:
        """Opens the keys. Raises `NotFound`, `KeyringLocked`."""
        return Keyring.load(self.path / "keyring.json", passphrase)

    def token(self) -> str:
        """What lets an auditor read this keyholder's journal; empty where there is none."""
        try:
            return (self.path / "journal-token").read_text("utf-8").strip()
        except FileNotFoundError:
            return ""

    def vault(self, chain: Chain, database: str | None = None, keys: str | None = None) -> Vault:
        """What it holds for the deployment of ``chain``: in a folder here, so that a chain started anew finds
        an empty one, or in a ``database`` (and that of its record ``keys``) by URL. Raises `Unreachable`
        where they cannot be used, `VaultUnfit` where another version wrote them, and `UsageError` where the
        packages of their database are not installed."""
        from consentry.keyholder.vault import Vault

        return Vault.open(database or self.folder(chain.deployment), keys)

    def folder(self, deployment: Deployment) -> Path:
        """Where it keeps what it holds for ``deployment``, unless in a database by URL."""
        return self.path / deployment.id.hex()[:16]

    def service(
        self,
        keyring: Keyring,
        roster: Roster,
        chain: Chain,
        database: str | None = None,
        keys: str | None = None,
    ) -> KeyholderService:
        """The keyholder itself. Raises `NotFound` where ``roster`` does not name it, and as `vault`."""
        return self.acting(KeyholderService, keyring, roster, chain, database, keys)

    def acting(
        self,
        as_: type[Acting],
        keyring: Keyring,
        roster: Roster,
        chain: Chain,
        database: str | None = None,
        keys: str | None = None,
    ) -> Acting:
        """The keyholder, serving, `Joining` or `Leaving`; as `service`."""
        signer = signer_of(keyring)
        for card in roster.keyholders:
            if (card.address, card.public_key) == (signer.address, keyring.public_key):
                vault = self.vault(chain, database, keys).of(roster.generation)
                return as_(card, roster, signer=signer, seed=keyring.seed, vault=vault, chain=chain)
        raise NotFound(
            f"keyholders.json does not name the keyholder {signer.address}; give who deploys its card.json"
        )
