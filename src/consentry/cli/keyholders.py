"""Which keyholders a story uses, as `consentry.cli.stores` says which store.

::

    CONSENTRY_KEYHOLDERS   local | services | a keyholders.json

``local`` (the default) are five in this process; ``services`` five of `consentry keyholder serve`, started
for the story and stopped with it. The file is that of a deployment, in its CONSENTRY_HOME: its keyholders
are met where it says that they are, and what stands on the chain is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from web3 import Web3

from consentry.chain import Chain
from consentry.chain.node import identify
from consentry.cli.home import Home
from consentry.cli.services import Services
from consentry.errors import NotFound, UsageError
from consentry.keyholder.card import is_local
from consentry.keyholder.local import create_keyholders, open_keyholder, open_keyholders
from consentry.keyholder.messages import Keyholder
from consentry.keyholder.roster import Roster

CHOICE = "CONSENTRY_KEYHOLDERS"
LOCAL, SERVICES = "local", "services"


class Machines(Protocol):
    """What the keyholders of a story run on. ``home`` is that of the deployment that they serve already;
    None: the story deploys, and names them."""

    roster: Roster
    home: Home | None

    @property
    def words(self) -> str:
        """Where they are, in words."""

    def open(self, chain: Chain) -> list[Keyholder]:
        """Has them serve what stands on ``chain``. Raises `Unreachable`, `NotFound`."""

    def stop(self, *indexes: int) -> None:
        """Stops some, as a machine that is switched off. Raises `UsageError` where they are others'."""

    def start(self, *indexes: int) -> None:
        """Starts these again, with what lies on their disks."""


def choice() -> str:
    """What CONSENTRY_KEYHOLDERS says. Raises `UsageError` for what is neither a word nor a file."""
    chosen = os.environ.get(CHOICE) or LOCAL
    if chosen not in (LOCAL, SERVICES) and not Path(chosen).is_file():
        raise UsageError(f"{CHOICE}={chosen}: there are {LOCAL}, {SERVICES}, or the file keyholders.json")
    return chosen


@contextmanager
def found_keyholders(folder: Path, web3: Web3, node: str | None) -> Iterator[Machines]:
    """The keyholders that the environment chooses, for as long as the block runs; ``folder`` is for what ours
    keep, ``node`` the URL of the chain. Raises `UsageError`, `NotFound`, `IntegrityError`, `Unreachable`."""
    chosen = choice()
    if chosen not in (LOCAL, SERVICES):
        with closing(_Others(Path(chosen), web3)) as others:
            yield others
    elif chosen == LOCAL:
        with closing(_InProcess(folder)) as inside:
            yield inside
    elif node is None:
        raise UsageError("the chain is inside this process, where no service can ask it: give --network URL")
    else:
        with closing(Services.create(folder, node)) as services:
            yield services


@dataclass
class _InProcess:
    folder: Path
    roster: Roster = field(init=False)
    home: Home | None = field(default=None, init=False)
    _opened: list[Any] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.roster = create_keyholders(self.folder)

    @property
    def words(self) -> str:
        """See `Machines`."""
        return f"{self.roster.threshold} of {self.roster.count}, in this process"

    def open(self, chain: Chain) -> list[Keyholder]:
        """See `Machines`."""
        self._chain = chain
        self._opened += [self._one(index) for index in range(1, self.roster.count + 1)]
        return self._opened

    def stop(self, *indexes: int) -> None:
        """See `Machines`: their files are closed."""
        for index in indexes:
            self._opened[index - 1].close()

    def start(self, *indexes: int) -> None:
        """See `Machines`."""
        for index in indexes:
            self._opened[index - 1] = self._one(index)

    def close(self) -> None:
        """Stops all."""
        self.stop(*range(1, len(self._opened) + 1))

    def _one(self, index: int) -> Keyholder:
        return open_keyholder(self.folder, self.roster, self.roster.keyholders[index - 1], self._chain)


class _Others:
    """Those of a deployment that stands."""

    def __init__(self, file: Path, web3: Web3) -> None:
        self.home: Home | None = (home := Home(file.parent))
        deployed = home.deployments.find(*identify(web3))
        self.roster = Roster.load(file, deployed.keyholders, deployed.deployment)
        self._file, self._folder = file, home.keyholders
        self._opened: list[Any] = []

    @property
    def words(self) -> str:
        """See `Machines`."""
        roster, inside = self.roster, sum(map(is_local, self.roster.keyholders))
        where = "in this process" if inside == roster.count else f"{roster.count - inside} of them services"
        return f"{roster.threshold} of {roster.count}, {where}, as {self._file} says"

    def open(self, chain: Chain) -> list[Keyholder]:
        """See `Machines`. All have to be there: the story is about what they do."""
        self._opened = opened = open_keyholders(self._folder, self.roster, chain)
        if len(opened) < self.roster.count:
            raise NotFound(f"not all keyholders of {self._file} can be opened")
        return opened

    def stop(self, *indexes: int) -> None:
        """See `Machines`."""
        raise UsageError(f"these keyholders are not ours to stop: take {CHOICE}={LOCAL} or {SERVICES}")

    start = stop

    def close(self) -> None:
        """Ends the connections to them."""
        for keyholder in self._opened:
            with suppress(AttributeError):
                keyholder.close()


__all__ = ["CHOICE", "LOCAL", "SERVICES", "Machines", "choice", "found_keyholders"]
