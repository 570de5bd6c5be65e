"""Where the story happens: contracts deployed, keyholders, a store, and the people with their desks."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from web3 import Web3

from consentry.admin import Admin
from consentry.chain import Chain, Deployed
from consentry.chain.deploying import Code, Deployer
from consentry.chain.node import identify
from consentry.client import Client, Group, Person
from consentry.consent.card import Card
from consentry.errors import ConsentryError
from consentry.keyholder.local import create_keyholders, open_keyholder
from consentry.keyholder.service import KeyholderService
from consentry.keys.keyring import Keyring
from consentry.keys.typed import Signer
from consentry.store import Store

PEOPLE = ("authority", "patient", "hospital", "clinician", "stranger", "impostor")


class StoryBroken(ConsentryError):
    """Something in the story went otherwise than it must: a refusal that did not come, or came for
    another reason."""


class Teller:
    """Tells the story on a terminal: numbered scenes, a line for each thing that happened."""

    def __init__(self, console: Console) -> None:
        self.console, self._scene, self._start = console, 0, time.monotonic()

    def scene(self, title: str) -> None:
        """Begins a scene."""
        self._scene += 1
        elapsed = f"{time.monotonic() - self._start:.0f} s"
        self.console.print(f"\n[bold]{self._scene:>2}. {title}[/bold] [dim]({elapsed})[/dim]")

    def done(self, text: str) -> None:
        """Something happened as it should."""
        self._line("[green]✓[/green]", text)

    def refused(self, text: str) -> None:
        """Something was refused as it should be."""
        self._line("[red]✗[/red]", text)

    def quote(self, text: str) -> None:
        """Words that somebody reads."""
        self._line(" ", f"[italic]“{escape(text)}”[/italic]")

    def typed(self, words: Sequence[str]) -> None:
        """A command that somebody types."""
        self._line("$", escape(shlex.join(words)))

    def _line(self, mark: str, text: str) -> None:
        grid = Table.grid(padding=(0, 1))
        grid.add_row("   ", mark, text)
        self.console.print(grid)

    @contextmanager
    def expect(self, error: type[ConsentryError], who: str, name: str = "") -> Iterator[None]:
        """What happens inside must be refused by ``error`` (and, by a contract, as ``name``)."""
        try:
            yield
        except error as refusal:
            if name and name not in str(refusal):
                raise StoryBroken(f"{who}: refused, but not as {name}: {refusal}") from refusal
            self.refused(f"{who}: [bold]{type(refusal).__name__}[/bold]: {escape(str(refusal))}")
        else:
            raise StoryBroken(f"{who}: was not refused; {error.__name__} had to come")


@dataclass
class Stage:
    """Everything on stage. ``home`` is a temporary CONSENTRY_HOME."""

    tell: Teller
    home: Path
    chain: Chain
    keyholders: list[KeyholderService]
    group: Group
    store: Store
    people: dict[str, Person]
    cards: dict[str, Card] = field(default_factory=dict)

    def desk(self, name: str) -> Client:
        """The desk of a person; its steps are not told one by one."""
        return Client(self.store, self.chain, self.group, self.people[name])

    @property
    def admin(self) -> Admin:
        """The authority's desk."""
        return Admin(self.chain, self.people["authority"])

    @property
    def patient(self) -> bytes:
        """The patient's identity."""
        return self.people["patient"].identity


def set_up(
    tell: Teller,
    home: Path,
    web3: Web3,
    code: Code,
    signers: Mapping[str, Signer],
    store: Store,
) -> Stage:
    """Deploys the contracts of ``code`` and puts everybody in place."""
    roster = create_keyholders(home / "keyholders")
    authority = signers["authority"].address
    contracts = Deployer(web3, code).deploy(signers["authority"], [authority])
    deployed = Deployed(*identify(web3), contracts, [authority], 0, roster.hash)
    chain = Chain(web3, deployed)
    keyholders = [open_keyholder(home / "keyholders", roster, card, chain) for card in roster.keyholders]
    scope = chain.deployment.id
    people = {name: Person(signers[name], Keyring(), home / name, scope) for name in PEOPLE}
    group = Group(chain.deployment, roster, keyholders)
    return Stage(tell, home, chain, keyholders, group, store, people)
