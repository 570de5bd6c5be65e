"""One actor's place of work: what a command opens from CONSENTRY_HOME, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click
from web3 import Web3

from consentry.chain import Chain, LocalSigner, connect
from consentry.cli.home import VARIABLE, Home
from consentry.cli.terminal import brief, plural, progress, visible
from consentry.client import Client, Group, Person
from consentry.errors import NotFound, UsageError
from consentry.keys.typed import Signer


class _Steps:
    """What the desk tells while it works goes wherever somebody listens."""

    def __init__(self) -> None:
        self.listener: Callable[[str], None] | None = None

    def __call__(self, step: str) -> None:
        if self.listener is not None:
            self.listener(step)


@dataclass(frozen=True, slots=True)
class Desk:
    """``me`` at the desk ``client``, on ``chain``, with the keyholders ``group``."""

    home: Home
    chain: Chain
    group: Group
    me: Person
    client: Client
    _steps: _Steps = field(default_factory=_Steps)

    @contextmanager
    def working(self, start: str) -> Iterator[None]:
        """Shows each step on the terminal while the block runs, ``start`` first."""
        with progress(start) as self._steps.listener:
            try:
                yield
            finally:
                self._steps.listener = None

    def cost(self) -> str:
        """What was sent from this desk so far, in words."""
        return cost(self.chain)

    def held(self, acknowledged: int) -> str:
        """How many of the keyholders, in words."""
        return f"{acknowledged} of {self.group.roster.count}"

    def say_rotation(self) -> None:
        """Says what became of the segments' keys with the last verb; nothing where nothing did."""
        rotation = self.client.rotation
        for one in rotation.done:
            grantees = f"boxes for {plural(one.boxes, 'grant')}, with {self.held(one.held)} keyholders"
            click.echo(f"New keys for {one.kind}, version {one.version}: {grantees}.", err=True)
            for grant_id, why in one.without:
                click.secho(f"Grant {brief(grant_id)} got none: {visible(why)}", fg="yellow", err=True)
        if rotation.failed:
            text = f"Not all new keys are in place: {visible(rotation.failed)}. Your next command goes on."
            click.secho(text, fg="yellow", err=True)


def open_desk(home: Home, web3: Web3, signer: Signer, *, create: bool = False) -> Desk:
    """The desk of who signs with ``signer``; ``create`` makes a keyring where there is none.

    Raises `NotFound` (no deployment here, no keyring), `KeyringLocked`, `UsageError`, `Unreachable`."""
    chain = home.chain(web3)
    group = home.group(chain)
    keyring = home.keyring(signer.address, create=create)
    me, steps = Person(signer, keyring, home.path, chain.deployment.id), _Steps()
    client = Client(home.store, chain, group, me, steps)
    return Desk(home, chain, group, me, client, steps)


def desk_at(rpc: str, address: str | None) -> Desk:
    """The desk of who signs with the key in the keyring of ``address``, through the node at ``rpc``; None
    is whose keyring is the only one here. Raises as `open_desk`, and `UsageError` where there are several."""
    home = Home()
    return open_desk(home, connect(rpc), key_signer(home, address or _only(home)))


def key_signer(home: Home, address: str) -> LocalSigner:
    """The signing key in the keyring of ``address``. Raises `NotFound` where it holds none."""
    keyring = home.keyring(address)
    if keyring.signing_key is None:
        raise NotFound(f"the keyring of {address} holds no signing key: its account lies in a wallet")
    return LocalSigner(keyring.signing_key)


def _only(home: Home) -> str:
    found = [path.stem for path in home.path.glob("keyrings/*.json")]
    if not found:
        raise NotFound(f"there is no keyring in {home.path}; run enrol first, or set {VARIABLE}")
    if len(found) > 1:
        raise UsageError(f"there are several keyrings here, say whose: --as {' | '.join(sorted(found))}")
    return found[0]


def cost(chain: Chain) -> str:
    """The number of transactions sent over this ``chain`` and the gas that they used, in words."""
    sent = chain.rpc.receipts
    if not sent:
        return "No transaction, no gas"
    return f"{plural(len(sent), 'transaction')}, {sum(one.gas for one in sent):,} gas"
