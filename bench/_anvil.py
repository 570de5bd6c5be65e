"""An Anvil of our own: on a free port, with nothing left behind.

The native executable is started, not npm's wrapper around it: ending that would leave the node listening.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from consentry.cli.daemons import Daemon

PACKAGES = Path(__file__).parent.parent / "tools" / "node_modules" / "@foundry-rs"
START_SECONDS = 30


class AnvilFailed(RuntimeError):
    """No Anvil for this machine, or it ended before it answered; the message ends with what it wrote."""


def executable() -> Path:
    """The native Anvil that set-up fetched for this machine; raises `AnvilFailed` where there is none."""
    system = platform.system().lower().replace("windows", "win32")
    cpu = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine().lower())
    path = PACKAGES / f"anvil-{system}-{cpu}" / "bin" / "anvil"
    if not path.is_file():
        raise AnvilFailed(f"no Anvil for {system}-{cpu}; run make setup")
    return path


@contextmanager
def anvil(*options: str, hardfork: str = "osaka", timestamp: int | None = None) -> Iterator[str]:
    """Start Anvil, give its URL, and end it with all it started.

    ``timestamp`` (seconds) fixes the genesis block, and with it every hash that follows; ``options`` are
    further options of Anvil's.
    """
    port = free_port()
    command = [str(executable()), "--port", str(port), "--hardfork", hardfork, "--silent", *options]
    if timestamp is not None:
        command += ["--timestamp", str(timestamp)]
    with serving(command, port) as url:
        yield url


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(command: list[str], port: int) -> Iterator[str]:
    """Start a node by ``command``, give its URL once it answers at ``port``; it ends with the block, and with
    this process however that ends. Raises `AnvilFailed`."""
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="node-", ignore_cleanup_errors=True) as folder:
        node = Daemon(command, os.environ, Path(folder) / "log")
        try:
            if not node.becomes(lambda: _answers(url), START_SECONDS):
                raise AnvilFailed(
                    f"the node did not answer within {START_SECONDS} seconds: {node.said()[-500:]}"
                )
            yield url
        finally:
            node.end(10)


def _answers(url: str) -> bool:
    question = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
    ask = urllib.request.Request(url, question, {"Content-Type": "application/json"})
    with suppress(OSError), urllib.request.urlopen(ask, timeout=2):
        return True
    return False
