"""How long keyholders take that are institutions of their own: processes on loopback, one chain, one store.

``make bench-keys`` prints the tables; with ``--write`` it also rewrites docs/bench-keys.md. One run: one
record opened by 3 of 5 keyholders beside 1 of 1, and where that time goes; releases a second of one keyholder
on one core; small records deposited; sealing and opening beside `age`; the memory of a large file; how long
each refusal takes. Ratios of paired rounds count; milliseconds are of the machine at hand.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench._anvil import anvil  # noqa: E402
from bench._keyspage import Page  # noqa: E402
from bench._opening import Opener, institutions, pairs  # noqa: E402
from bench._releasing import entries, inside, rate, refusals  # noqa: E402
from bench._sealing import Beside, beside_age  # noqa: E402
from bench._sides import Clock  # noqa: E402
from bench._watch import Spread  # noqa: E402
from bench.store import run, say  # noqa: E402
from consentry.record import Record  # noqa: E402
from tests.support.services import Services  # noqa: E402

SMALL = 1024
ENTRIES = 100


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    opens: int
    warm: int
    releases: int
    deposits: int
    refusals: int
    mebibytes: int
    rounds: int


def together(sizes: Sizes) -> Page:
    """Everything that takes keyholders, in one run on one chain."""
    with (
        tempfile.TemporaryDirectory() as folder,
        anvil() as node,
        institutions(Path(folder) / "many", node, 3, 5) as many,
        institutions(Path(folder) / "one", node, 1, 1) as one,
    ):
        say(f"opening: {sizes.warm} + {sizes.opens} times by 3 of 5 and by 1 of 1, in turn")
        of_five, of_one = pairs(many, one, sizes.opens, sizes.warm)
        mine = entries(of_five, ENTRIES)
        say(f"releases of one keyholder: {sizes.releases}")
        quick = rate(many, mine, sizes.releases)
        rooms = inside(many, mine, min(sizes.releases, 200))
        say(f"refusals: {sizes.refusals} of each reason")
        refused = refusals(many, sizes.refusals)
        say(f"deposits: {sizes.deposits:,} records")
        deposits = deposited(many, sizes.deposits)
    return Page(
        opened=[spreads("3 of 5", of_five), spreads("1 of 1", of_one)],
        ratio=Spread.of([a / b for a, b in zip(of_five.beyond(), of_one.beyond(), strict=True)]),
        opening={room: Spread.of(values) for room, values in of_five.rooms().items()},
        rate=quick,
        release={room: Spread.of(values) for room, values in rooms.items()},
        refused=refused,
        deposits=(sizes.deposits, deposits),
    )


def spreads(name: str, opener: Opener) -> tuple[str, Spread, Spread]:
    """How long openings took beyond the entry: from the listing on, and the whole verb."""
    return name, Spread.of(opener.beyond()), Spread.of(opener.verb())


def deposited(running: Services, count: int) -> dict[str, float]:
    """Seconds by room in which the hospital deposits ``count`` records of 1 KiB."""
    bodies = [secrets.token_bytes(SMALL) for _ in range(count)]
    records = [Record("general", "application/octet-stream", body, "2026-01-01") for body in bodies]
    desk, clock = running.world.desk("hospital"), Clock()
    clock.start()
    desk.deposit(running.world.patient, records)
    clock.stop()
    return dict(clock.seconds)


def beside(sizes: Sizes) -> list[Beside]:
    """Sealing and opening beside `age`."""
    say(f"sealing and opening beside age: {sizes.mebibytes // 4} MiB, {sizes.rounds} rounds")
    return beside_age(sizes.mebibytes << 18, sizes.rounds)


def memory(mebibytes: int) -> dict[str, tuple[float, int]]:
    """Seconds and the most memory, in bytes, of sealing and of opening one large file."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        plain, sealed, opened = (Path(folder) / name for name in ("plain", "sealed", "opened"))
        with plain.open("wb") as file:
            for _ in range(mebibytes):
                file.write(secrets.token_bytes(1 << 20))
        for way, source, sink in (("seal", plain, sealed), ("open", sealed, opened)):
            say(f"{way} one file of {mebibytes:,} MiB")
            words = [sys.executable, "-m", "bench._sealing", way, str(source), str(sink)]
            if way == "open":
                with sealed.open("rb") as blob:
                    words.append(hashlib.file_digest(blob, "sha256").hexdigest())
            ended = run(words)
            found[way] = (ended.seconds, ended.memory)
    return found


@click.command(help=__doc__)
@click.option("--opens", default=200, show_default=True, help="How often the record is opened, each way.")
@click.option("--warm", default=20, show_default=True, help="How often before that, not counted.")
@click.option("--releases", default=1000, show_default=True, help="Releases of one keyholder.")
@click.option("--deposits", default=10_000, show_default=True, help="Small records, deposited at once.")
@click.option("--refusals", default=1000, show_default=True, help="Refusals of each reason.")
@click.option("--mebibytes", default=1024, show_default=True, help="The large file.")
@click.option("--rounds", default=5, show_default=True, help="Rounds beside age.")
@click.option("--note", default="", help="A sentence on the machine's state, for the page.")
@click.option("--write", "keep", is_flag=True, help="Rewrite docs/bench-keys.md.")
def main(note: str, keep: bool, **sizes: int) -> None:
    """Measures, prints, and perhaps writes."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    if not shutil.which("age"):
        raise click.ClickException("there is no age on PATH; `make bench-keys` sees to it")
    wanted = Sizes(**sizes)
    page = together(wanted)
    page.beside, page.memory = beside(wanted), memory(wanted.mebibytes)
    page.mebibytes = wanted.mebibytes
    click.echo(page.text(note))
    if keep:
        (ROOT / "docs" / "bench-keys.md").write_text(page.text(note), "utf-8")


if __name__ == "__main__":
    main()
