"""Five keyholders as processes of their own on loopback, started by the command that institutions run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest.mock import patch

from web3 import HTTPProvider, Web3

from bench._anvil import free_port
from consentry.chain import Chain, Deployments
from consentry.cli.services import is_ready
from consentry.keyholder.local import open_keyholders
from consentry.keyholder.messages import Keyholder
from consentry.keyholder.place import Place
from consentry.keyholder.roster import Roster, assemble
from consentry.keys import keyring
from tests.support.world import _QUICK, World, make_world

COMMAND = Path(__file__).parents[2] / ".venv" / "bin" / "consentry"
PASSPHRASE = "the passphrase of five keyholders"
START_SECONDS = 300  # of a machine with much else to do


@dataclass
class Services:
    """The processes of ``world``'s keyholders, by number; ``folder`` holds one folder each and their logs."""

    folder: Path
    node: str
    roster: Roster
    options: tuple[str, ...] = ("--rate", "0")
    running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    world: World = field(init=False)

    def place(self, index: int) -> Path:
        """The keyholder's folder."""
        return self.folder / str(index)

    def log(self, index: int) -> Path:
        """What the keyholder wrote."""
        return self.folder / f"{index}.log"

    def open(self, chain: Chain) -> list[Keyholder]:
        """Hands out what who deploys hands out, and starts all of them."""
        home = self.folder.parent
        self.roster.save(home / "keyholders.json")
        Deployments(home / "deployments.json").add(chain.deployed)
        for card in self.roster.keyholders:
            for name in ("keyholders.json", "deployments.json"):
                shutil.copy(home / name, self.place(card.index))
            (mine := home / "keyholders" / str(card.index)).mkdir(parents=True)
            shutil.copy(self.place(card.index) / "journal-token", mine)
        self.start(*range(1, self.roster.count + 1))
        return open_keyholders(home / "keyholders", self.roster, chain)

    def start(self, *indexes: int) -> None:
        """Starts keyholders, and waits until each is ready."""
        self.begin(*indexes)
        for index in indexes:
            self.wait(index, partial(is_ready, self.roster.card(index).url))

    def begin(self, *indexes: int) -> None:
        """Starts keyholders."""
        for index in indexes:
            port = self.roster.card(index).url.rpartition(":")[2]
            words = [COMMAND, "keyholder", "serve", "--home", self.place(index), "--rpc", self.node]
            with self.log(index).open("ab") as log:
                self.running[index] = subprocess.Popen(
                    list(map(str, [*words, "--port", port, *self.options])),
                    env={**os.environ, "CONSENTRY_PASSPHRASE": PASSPHRASE},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )

    def wait(self, index: int, ready: Callable[[], bool]) -> None:
        """Waits until a keyholder that was started is ``ready``."""
        until = time.monotonic() + START_SECONDS
        while not ready():
            wrote = self.log(index).read_text("utf-8")[-3000:]
            assert self.running[index].poll() is None, wrote
            assert time.monotonic() < until, wrote
            time.sleep(0.1)

    def signal(self, number: signal.Signals, *indexes: int) -> None:
        """Sends a signal to keyholders, and waits for those that it ends."""
        for index in indexes:
            self.running[index].send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            for index in indexes:
                self.running.pop(index).wait(60)

    def end(self) -> None:
        """Ends all of them, and the connections to them."""
        for keyholder in self.world.keyholders if hasattr(self, "world") else ():
            keyholder.close()
        for process in self.running.values():
            process.kill()
            process.wait()
        self.running.clear()


@contextmanager
def services(
    home: Path,
    node: str,
    *,
    options: tuple[str, ...] = ("--rate", "0"),
    threshold: int = 3,
    count: int = 5,
) -> Iterator[Services]:
    """A world on the chain at ``node`` whose ``count`` keyholders are processes, ``threshold`` of which are
    needed."""
    cards = []
    for index in range(1, count + 1):
        place = Place(home / "services" / str(index))
        with patch.dict(keyring._COST, _QUICK):
            keys = place.create(PASSPHRASE)
        cards.append(place.introduce(keys, f"institution {index}", f"http://127.0.0.1:{free_port()}"))
    found = Services(home / "services", node, assemble(cards, threshold), options)
    try:
        web3 = Web3(HTTPProvider(node))
        found.world = make_world(home, web3, roster=found.roster, started=found.open)
        yield found
    finally:
        found.end()
