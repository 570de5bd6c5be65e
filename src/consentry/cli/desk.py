"""One actor's place of work: what a command opens from CONSENTRY_HOME, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from web3 import HTTPProvider, Web3

from consentry.chain import Chain, LocalSigner
from consentry.cli.home import VARIABLE, Home
from consentry.cli.terminal import plural, progress
from consentry.client import Client, Group, Person
from consentry.errors import ConsentryError, NotFound, UsageError
from consentry.keys.typed import Signer

ETHER = 10**18


class NotEnoughEther(ConsentryError):
    """An account cannot pay for a transaction; it was not sent."""


class Counted:
    """A signer that remembers what it sent, so that a command can say what it cost, and that says in words
    when it cannot pay: nodes say it in as many ways as there are nodes."""

    def __init__(self, signer: Signer, web3: Web3) -> None:
        self._signer, self._web3 = signer, web3
        self.sent: list[bytes] = []

    @property
    def address(self) -> str:
        """The signer's checksummed address."""
        return self._signer.address

    def sign_typed_data(self, message: dict[str, Any]) -> bytes:
        """See `Signer`."""
        return self._signer.sign_typed_data(message)

    def send(self, transaction: dict[str, Any]) -> bytes:
        """See `Signer`. Raises `NotEnoughEther`."""
        there = self._web3.eth.get_balance(Web3.to_checksum_address(self.address))
        if there < (most := transaction["gas"] * transaction["maxFeePerGas"]):
            raise NotEnoughEther(
                f"{self.address} has {there / ETHER:.6f} ether, and the transaction may cost "
                f"{most / ETHER:.6f}; send it some, then run the same command again"
            )
        self.sent.append(self._signer.send(transaction))
        return self.sent[-1]


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
    signer: Counted
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
        return cost(self.chain, self.signer.sent)

    def held(self, acknowledged: int) -> str:
        """How many of the keyholders, in words."""
        return f"{acknowledged} of {self.group.roster.count}"


def open_desk(home: Home, web3: Web3, signer: Signer, *, create: bool = False) -> Desk:
    """The desk of who signs with ``signer``; ``create`` makes a keyring where there is none.

    Raises `NotFound` (no deployment here, no keyring), `KeyringLocked`, `UsageError`, `Unreachable`."""
    chain = home.chain(web3)
    group = home.group(chain)
    counted = Counted(signer, web3)
    keyring = home.keyring(signer.address, create=create)
    me, steps = Person(counted, keyring, home.path, chain.deployment.id), _Steps()
    client = Client(home.store, chain, group, me, steps)
    return Desk(home, chain, group, me, client, counted, steps)


def desk_at(rpc: str, address: str | None) -> Desk:
    """The desk of who signs with the key in the keyring of ``address``, through the node at ``rpc``; None
    is whose keyring is the only one here. Raises as `open_desk`, and `UsageError` where there are several."""
    home = Home()
    web3 = Web3(HTTPProvider(rpc))
    return open_desk(home, web3, key_signer(home, address or _only(home), web3))


def key_signer(home: Home, address: str, web3: Web3) -> LocalSigner:
    """The signing key in the keyring of ``address``. Raises `NotFound` where it holds none."""
    keyring = home.keyring(address)
    if keyring.signing_key is None:
        raise NotFound(f"the keyring of {address} holds no signing key: its account lies in a wallet")
    return LocalSigner(keyring.signing_key, web3)


def _only(home: Home) -> str:
    found = [path.stem for path in home.path.glob("keyrings/*.json")]
    if not found:
        raise NotFound(f"there is no keyring in {home.path}; run enrol first, or set {VARIABLE}")
    if len(found) > 1:
        raise UsageError(f"there are several keyrings here, say whose: --as {' | '.join(sorted(found))}")
    return found[0]


def cost(chain: Chain, sent: list[bytes]) -> str:
    """The number of transactions ``sent`` and the gas that they used, in words."""
    if not sent:
        return "No transaction, no gas"
    gas = sum(chain.rpc.wait(one).gas for one in sent)
    return f"{plural(len(sent), 'transaction')}, {gas:,} gas"
