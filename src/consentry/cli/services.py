"""Keyholders as services of one's own: five of `consentry keyholder serve`, on this machine only."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from consentry.chain import Chain, Deployments
from consentry.cli.daemons import Daemon
from consentry.cli.home import Home
from consentry.cli.terminal import PASSPHRASE
from consentry.errors import NotFound, Refused, Unreachable
from consentry.keyholder.local import create_keyholders, open_keyholders, passphrase_of
from consentry.keyholder.messages import Keyholder
from consentry.keyholder.place import Place
from consentry.keyholder.roster import Roster

START_SECONDS = 120
"""How long all may take until they are ready."""
_HOST = "127.0.0.1"


@dataclass
class Services:
    """The services of ``roster``, each with a folder of its own in ``folder``, beside its log; ``node`` is
    the chain's URL. They end with `close`, and with this process however that ends."""

    folder: Path
    node: str
    roster: Roster
    home: Home | None = None
    running: dict[int, Daemon] = field(default_factory=dict)
    _opened: list[Any] = field(default_factory=list)

    @classmethod
    def create(cls, folder: Path, node: str, *, count: int = 5, threshold: int = 3) -> Services:
        """Makes their keys, and finds a free port for each."""
        urls = [f"http://{_HOST}:{port}" for port in free_ports(count)]
        return cls(folder, node, create_keyholders(folder, threshold=threshold, count=count, urls=urls))

    @property
    def words(self) -> str:
        """Where they are, in words."""
        ports = ", ".join(str(_port(card.url)) for card in self.roster.keyholders)
        each = "each a process of its own, started for this"
        return f"{self.roster.threshold} of {self.roster.count}, {each}: {_HOST}, ports {ports}"

    def open(self, chain: Chain) -> list[Keyholder]:
        """Hands out deployments.json and keyholders.json, starts all, and gives them as callers meet them.
        Raises `Unreachable`, `NotFound`."""
        for index in (everyone := [card.index for card in self.roster.keyholders]):
            self.roster.save(self.folder / str(index) / "keyholders.json")
            Deployments(self.folder / str(index) / "deployments.json").add(chain.deployed)
        self.start(*everyone)
        self._opened = open_keyholders(self.folder, self.roster, chain)
        return [*self._opened]

    def start(self, *indexes: int) -> None:
        """Starts some, side by side, and waits until each is ready. Raises `Unreachable` with what it said,
        `NotFound` where the command is not installed."""
        for index in indexes:
            port = str(_port(self.roster.card(index).url))
            home, log = str(self.folder / str(index)), self.folder / f"{index}.log"
            words = [_command(), "keyholder", "serve", "--home", home, "--host", _HOST, "--port", port]
            self.running[index] = Daemon(words, self._environment(index), log)
        for index in indexes:
            url, daemon = self.roster.card(index).url, self.running[index]
            if not daemon.becomes(lambda url=url: is_ready(url), START_SECONDS):  # type: ignore[misc]
                raise Unreachable(f"keyholder {index} does not serve: {daemon.said().strip()[-500:]}")

    def type(self, index: int, *words: str) -> str:
        """What the command `consentry keyholder` writes that one of them types, in ``folder``. Raises
        `Refused` with that where it fails, `NotFound`."""
        words = (_command(), "keyholder", words[0], "--home", str(index), *words[1:])
        done = subprocess.run(  # noqa: S603
            words,
            cwd=self.folder,
            env=self._environment(index),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Refused(f"keyholder {index} cannot {words[2]}: {done.stderr.strip()[-500:]}")
        return done.stdout + done.stderr

    def follow(self, roster: Roster, chain: Chain) -> list[Keyholder]:
        """From now on they are those of ``roster``, who start anew; who left goes on as it was. Gives them as
        callers meet them. Raises `Unreachable`."""
        self.stop(*roster.keys.keys() & self.running.keys())
        self.roster = roster
        self.start(*roster.keys)
        found = open_keyholders(self.folder, roster, chain)
        self._opened += found
        return found

    def _environment(self, index: int) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("CONSENTRY_")}
        return {**env, PASSPHRASE: passphrase_of(Place(self.folder / str(index))), "CONSENTRY_RPC": self.node}

    def stop(self, *indexes: int) -> None:
        """Has some stop, as SIGTERM does."""
        for index in indexes:
            self.running.pop(index).end(seconds=30)

    def kill(self, *indexes: int) -> None:
        """Ends some at once, as a power cut would."""
        for index in indexes:
            self.running.pop(index).kill()

    def freeze(self, *indexes: int) -> None:
        """Stops the clock of some: they hold their connections, and answer nothing."""
        for index in indexes:
            self.running[index].signal(signal.SIGSTOP)

    def thaw(self, *indexes: int) -> None:
        """Lets these go on."""
        for index in indexes:
            self.running[index].signal(signal.SIGCONT)

    def close(self) -> None:
        """Ends all of them, and the connections to them."""
        for keyholder in self._opened:
            keyholder.close()
        for daemon in self.running.values():
            daemon.end()
        self.running.clear()


def free_ports(count: int) -> Sequence[int]:
    """Ports of this machine that nobody uses now."""
    sockets = [socket.create_server((_HOST, 0)) for _ in range(count)]
    try:
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def is_ready(url: str) -> bool:
    """Whether the keyholder there says that it is ready."""
    try:
        return httpx.get(f"{url}/readyz", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def _command() -> str:
    """The command that institutions run: the one beside this Python, or on PATH."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    if (found := shutil.which("consentry", path=beside)) is None:
        raise NotFound("there is no consentry command beside this Python or on PATH; install the package")
    return found
