"""The tests of the contracts once more on every other chain: ``python -m tests.contracts [NAME ...]``.

``foundry`` is Anvil as Ape's plugin starts it, ``anvil`` and ``ganache`` are nodes known by a URL alone. The
drawn sequences of `test_model` have a node of their own: they search what the contracts allow, which the
chain under them does not change. EIP-7702 came after Ganache's last fork. Two chains are run at a time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from bench._anvil import anvil
from tests.support.chains import ganache

ROOT = Path(__file__).parents[2]
DRAWN = "test_model.py"
DELEGATED = "test_signatures.py::test_a_wallet_that_delegated_itself_keeps_its_own_signature"
# Ape lets the socket of its first connection go.
LEFT_OPEN = "ignore:unclosed <socket.socket:ResourceWarning"


@contextmanager
def by_foundry() -> Iterator[str]:
    """Anvil, started by Ape's plugin."""
    yield "ethereum:local:foundry"


@contextmanager
def by_anvil() -> Iterator[str]:
    """Anvil, by its URL; a second passes from block to block, as in process."""
    with anvil("--accounts", "20") as url:
        Web3(HTTPProvider(url)).provider.make_request(RPCEndpoint("anvil_setBlockTimestampInterval"), [1])
        yield url


@contextmanager
def by_ganache() -> Iterator[str]:
    """Ganache, by the entry in ape-config.yaml and its URL; a second passes from block to block."""
    with ganache("--miner.timestampIncrement", "1") as url:
        yield f"ethereum:ganache:{url}"


# The slowest one first.
NETWORKS: dict[str, Callable[[], object]] = {
    "ganache": by_ganache,
    "foundry": by_foundry,
    "anvil": by_anvil,
}


def run(name: str) -> int:
    """Runs them on one chain; gives pytest's exit code."""
    started = time.monotonic()
    with NETWORKS[name]() as network:  # type: ignore[attr-defined]
        command = [str(ROOT / ".venv/bin/ape"), "test", "tests/contracts", "--network", network]
        for left_out in (DRAWN, *([DELEGATED] if name == "ganache" else [])):
            command += ["--deselect", f"tests/contracts/{left_out}"]
        done = subprocess.run(
            [*command, "-q", "-W", LEFT_OPEN], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    print(f"\nThe tests of the contracts on {name} ({network})\n{done.stdout.decode()}", flush=True)
    print(f"{name}: exit code {done.returncode} after {time.monotonic() - started:.0f} s", flush=True)
    return done.returncode


if __name__ == "__main__":
    os.environ.setdefault("APE_DATA_FOLDER", str(ROOT / ".build" / "ape"))
    with ThreadPoolExecutor(2) as threads:
        sys.exit(max(threads.map(run, sys.argv[1:] or NETWORKS)))
