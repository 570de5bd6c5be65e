"""CONSENTRY_HOME: what stands between one command and the next, and what is opened from it.

::

    deployments.json  keyholders.json  cards/<address>.json
    keyrings/<address>.json  outbox/  underway/  store/  keyholders/1..5/
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from consentry.cli.terminal import passphrase
from consentry.errors import CardInvalid, NotFound, UsageError

if TYPE_CHECKING:
    from web3 import Web3

    from consentry.chain import Chain, Deployments
    from consentry.client import Group
    from consentry.consent.card import Card
    from consentry.keyholder.messages import Keyholder
    from consentry.keyholder.roster import Roster
    from consentry.keys.keyring import Keyring
    from consentry.store import Store

VARIABLE = "CONSENTRY_HOME"


@dataclass(frozen=True, slots=True)
class Home:
    """The folder, by default what CONSENTRY_HOME says, else ``.consentry`` where the command runs."""

    path: Path = field(default_factory=lambda: Path(os.environ.get(VARIABLE) or ".consentry"))
    _phrases: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def deployments(self) -> Deployments:
        """Which contracts stand on which chain."""
        from consentry.chain import Deployments

        return Deployments(self.path / "deployments.json")

    @property
    def roster_file(self) -> Path:
        """keyholders.json."""
        return self.path / "keyholders.json"

    @property
    def keyholders(self) -> Path:
        """The folder of the keyholders on this machine, for development; of others, by number, what
        lets us read their journals."""
        return self.path / "keyholders"

    @property
    def store(self) -> Store:
        """The store for blobs: the one in this folder, or what `consentry.cli.stores` says instead."""
        from consentry.cli.stores import open_store

        return open_store(self.path / "store")

    def chain(self, web3: Web3) -> Chain:
        """The contracts on the chain that ``web3`` is connected to. Raises `NotFound`, `Unreachable`."""
        from consentry.chain import Chain
        from consentry.chain.node import identify

        return Chain(web3, self.deployments.find(*identify(web3)), self.under_way)

    @property
    def under_way(self) -> Path:
        """Where transactions that were sent and not seen mined are written down."""
        return self.path / "underway"

    def roster(self, chain: Chain) -> Roster:
        """Who the keyholders are: those that the deployment names, or who came after them."""
        from consentry.keyholder.roster import Roster

        return Roster.load(self.roster_file, chain.deployed.keyholders, chain.deployment)

    def services(self, chain: Chain) -> list[Keyholder]:
        """The keyholders, each where its URL says. Raises `NotFound`."""
        from consentry.keyholder.local import open_keyholders

        return open_keyholders(self.keyholders, self.roster(chain), chain)

    def group(self, chain: Chain) -> Group:
        """The keyholders together, as a client meets them."""
        from consentry.client import Group

        return Group(chain.deployment, self.roster(chain), self.services(chain))

    def keyring_file(self, address: str) -> Path:
        """Where the keyring of ``address`` lies."""
        return self.path / "keyrings" / f"{address}.json"

    def keyring(self, address: str, *, create: bool = False) -> Keyring:
        """The keyring of ``address``, opened with the passphrase; ``create`` makes one where none is.
        Raises `NotFound`, `KeyringLocked`, or `UsageError` where nobody can be asked."""
        from consentry.keys.keyring import Keyring

        path = self.keyring_file(address)
        if path.exists():
            return Keyring.load(path, self._phrase(address, new=False))
        if not create:
            raise NotFound(f"{address} has no keyring in {self.path}; run enrol first")
        keyring = Keyring()
        self.keep(address, keyring)
        return keyring

    def keep(self, address: str, keyring: Keyring) -> None:
        """Seals ``keyring`` as that of ``address``."""
        path = self.keyring_file(address)
        keyring.save(path, self._phrase(address, new=not path.exists()))

    def _phrase(self, address: str, *, new: bool) -> str:
        if address not in self._phrases:
            self._phrases[address] = passphrase(f"the keyring of {address}", new=new)
        return self._phrases[address]

    def card_file(self, address: str) -> Path:
        """Where the card of the provider ``address`` lies."""
        return self.path / "cards" / f"{address}.json"

    def card(self, named: str) -> Card:
        """The card in the file ``named``, or that of the address ``named`` in cards/. Not verified yet.
        Raises `UsageError`, `NotFound` or `CardInvalid`."""
        from eth_utils.address import is_hex_address, to_checksum_address

        from consentry.consent.card import Card

        path = self.card_file(to_checksum_address(named)) if is_hex_address(named) else Path(named)
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            raise NotFound(f"there is no card {path}; the authority that onboards has it") from None
        except OSError as error:
            raise UsageError(f"{path} cannot be read ({error.strerror})") from None
        return Card.from_json(text)

    def cards(self) -> list[Card]:
        """All cards in cards/ that can be read. Not verified."""
        found = []
        for path in sorted((self.path / "cards").glob("*.json")):
            with suppress(CardInvalid):
                found.append(self.card(str(path)))
        return found
