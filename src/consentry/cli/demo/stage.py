"""Where the story happens: contracts deployed, keyholders, a store, and the people with their desks."""

from __future__ import annotations

import secrets
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
from consentry.chain import Chain, Deployed, LocalSigner
from consentry.chain.deploying import Code, Deployer
from consentry.chain.node import identify
from consentry.chain.sending import Sender
from consentry.chain.transaction import ETHER, Call
from consentry.cli.keyholders import Machines
from consentry.client import Client, Group, Person
from consentry.consent.card import Card
from consentry.errors import ConsentryError, UsageError
from consentry.keyholder.messages import Keyholder
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
    """Everything on stage. ``home`` is a temporary CONSENTRY_HOME, ``first`` the block in which the story
    begins."""

    tell: Teller
    home: Path
    chain: Chain
    first: int
    machines: Machines
    keyholders: list[Keyholder]
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
    machines: Machines,
) -> Stage:
    """Puts everybody in place: on the contracts of ``code``, which are deployed, or where the keyholders of
    ``machines`` serve already. Raises `UsageError` where another than this authority is in office there."""
    authority, first = signers["authority"], int(web3.eth.block_number) + 1
    if machines.home is None:
        contracts = Deployer(web3, code).deploy(authority, [authority.address])
        deployed = Deployed(*identify(web3), contracts, [authority.address], 0, machines.roster.hash)
    else:
        deployed = machines.home.deployments.find(*identify(web3))
        if authority.address not in deployed.authorities:
            raise UsageError(
                f"the story is played by {authority.address}, which is no authority of this deployment"
            )
        signers = {"authority": authority, **_newcomers(web3, authority)}
    chain = Chain(web3, deployed)
    keyholders, scope = machines.open(chain), chain.deployment.id
    people = {name: Person(signers[name], Keyring(), home / name, scope) for name in PEOPLE}
    group = Group(chain.deployment, machines.roster, keyholders)
    return Stage(tell, home, chain, first, machines, keyholders, group, store, people)


def _newcomers(web3: Web3, giver: Signer) -> dict[str, Signer]:
    """Everybody but the authority, each with an account that nobody used before, and some ether of
    ``giver``'s."""
    people: dict[str, Signer] = {name: LocalSigner(secrets.token_bytes(32)) for name in PEOPLE[1:]}
    for person in people.values():
        Sender(web3).send(giver, Call(person.address, "0x", ETHER // 20))
    return people
