"""How fast records get into the store, beside the usual ways, all in one run.

``make bench-store`` prints the tables; with ``--write`` it also rewrites docs/bench-store.md and its plot.
Two questions: many small records sealed, dealt, pinned on Kubo and anchored on Anvil, beside `add_bytes` and
one awaited transaction each, in clear; and one large file sealed and pinned, beside `age` piped into
`ipfs add`. Ratios count; seconds are of the machine at hand.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from eth_account import Account
from web3 import HTTPProvider, Web3

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench._anvil import anvil  # noqa: E402
from bench._report import Large, Small, write  # noqa: E402
from bench._sides import Clock, ours, usual  # noqa: E402
from consentry.chain.manifest import abi  # noqa: E402
from consentry.cli.kubo import running_kubo  # noqa: E402
from consentry.client import Client  # noqa: E402
from consentry.store.kubo import KuboStore  # noqa: E402
from tests.support.world import World, fund, make_world  # noqa: E402

RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"  # nobody's: only sealed to
IPFS_ADD = "ipfs add --quieter --cid-version 1 --chunker size-1048576"
BODY = 4096
# A new process counts the memory of who started it as its own, so a small one starts what is measured.
TIMER = """
import os, sys, time
begun = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print([time.perf_counter() - begun, usage.ru_maxrss])
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Ended:
    """A process that ended well: its seconds, the most memory it took, in bytes, and of ours the seconds of
    sealing and pinning."""

    seconds: float
    memory: int
    parts: tuple[float, ...]


def say(text: str) -> None:
    """Progress, on standard error."""
    click.echo(text, err=True)


def small(count: int) -> Small:
    """``count`` records of 4 KiB, on one Kubo and one Anvil, the usual way first."""
    bodies = [secrets.token_bytes(BODY) for _ in range(count)]
    with tempfile.TemporaryDirectory() as folder, running_kubo() as api, anvil() as rpc:
        world = make_world(Path(folder), Web3(HTTPProvider(rpc)), synced=True)
        desk = patient(world, KuboStore(api))
        say(f"the usual way: {count:,} records")
        registry = world.chain.deployed.contracts["RecordRegistry"].address
        key = secrets.token_bytes(32)
        fund(world.web3, Account.from_key(key).address)
        begun = time.perf_counter()
        usual(api, rpc, registry, abi("RecordRegistry"), key, bodies)
        theirs = time.perf_counter() - begun
        say(f"ours: {count:,} records")
        clock = Clock()
        clock.start()
        ours(desk, world.patient, bodies)
        clock.stop()
    return Small(count, theirs, dict(clock.seconds))


def patient(world: World, store: KuboStore) -> Client:
    """The desk of a patient who is enrolled, at ``store``."""
    desk = Client(store, world.chain, world.group, world.person("patient"))
    desk.enrol(["general"])
    return desk


def mebibytes(size: int) -> str:
    """A size in words."""
    return f"{size >> 20:,} MiB"


def large(size: int, rounds: int) -> list[Large]:
    """One file of ``size`` bytes, four ways in turn, ``rounds`` times; the medians."""
    ways = {
        "add": "ours, streaming add",
        "car": "ours, CAR import",
        "age": "age piped into ipfs add",
        "floor": "ipfs add alone, in clear",
    }
    measured: dict[str, list[Ended]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "record"
        with source.open("wb") as file:
            for _ in range(size >> 20):
                file.write(secrets.token_bytes(1 << 20))
        for number in range(rounds):
            for way, name in ways.items():
                say(f"{mebibytes(size)}, {name}: round {number + 1} of {rounds}")
                with tempfile.TemporaryDirectory() as work, kubo_of_its_own() as (api, repo):
                    measured[way].append(run(command(way, api, repo, source, work)))
    return [
        Large(
            name,
            statistics.median(one.seconds for one in measured[way]),
            max(one.memory for one in measured[way]),
            tuple(map(statistics.median, zip(*(one.parts for one in measured[way]), strict=True))),
        )
        for way, name in ways.items()
    ]


@contextmanager
def kubo_of_its_own() -> Iterator[tuple[str, Path]]:
    """A new Kubo for each measurement, so that none finds blocks of another: its API, and its repo."""
    with tempfile.TemporaryDirectory() as folder, running_kubo(Path(folder)) as api:
        yield api, Path(folder)


def command(way: str, api: str, repo: Path, source: Path, work: str) -> list[str]:
    """What is run, as somebody would type it."""
    if way == "floor":
        return ["/bin/sh", "-c", f"IPFS_PATH={repo} {IPFS_ADD} {source}"]
    if way == "age":
        pipe = f"age -r {RECIPIENT} {source} | IPFS_PATH={repo} {IPFS_ADD}"
        return ["/bin/sh", "-c", pipe]
    return [sys.executable, "-m", "bench._sides", way, api, str(source), work]


def run(words: list[str]) -> Ended:
    """Runs a process to its end; of a pipe, the memory of its largest part."""
    timed = [sys.executable, "-S", "-E", "-c", TIMER, *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(timed, env=env, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"`{' '.join(words)}` failed")
    said, last = done.stdout.splitlines()[-2:]
    seconds, memory = json.loads(last)
    parts = json.loads(said) if said.startswith("[") else []
    return Ended(seconds, memory * (1 if platform.system() == "Darwin" else 1024), tuple(parts))


@click.command(help=__doc__)
@click.option("--records", default=2000, show_default=True, help="How many small records.")
@click.option("--mebibytes", "size", default=1024, show_default=True, help="The size of the large file.")
@click.option("--rounds", default=3, show_default=True, help="How often the large file is measured.")
@click.option("--write", "keep", is_flag=True, help="Rewrite docs/bench-store.md and its plot.")
def main(records: int, size: int, rounds: int, keep: bool) -> None:
    """Measures, prints, and perhaps writes."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for program in ("ipfs", "age"):
        if not shutil.which(program):
            raise click.ClickException(f"there is no {program} on PATH; `make bench-store` sees to it")
    many = small(records)
    click.echo(many.table())
    one = large(size << 20, rounds)
    click.echo("\n".join(way.row(one[2]) for way in one))
    if keep:
        write(ROOT / "docs", many, one, size << 20)


if __name__ == "__main__":
    main()
