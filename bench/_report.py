"""What `bench/store.py` tells: tables, docs/bench-store.md, and a plot."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from consentry.client.deposit import MOST

PARTS = ("seal", "pin", "envelope", "deal", "anchor", "rest")
LIMIT = 200 << 20  # bytes of memory for one large file
COLOURS = ("#1864ab", "#0b7285", "#5c940d", "#e67700", "#c92a2a", "#868e96")
_PAGE = """# Store benchmark

`make bench-store` measures this; `python bench/store.py --write` rewrites it. Ratios count; seconds are of
the machine at hand: {machine}.

## {count:,} records of 4 KiB

Sealed, dealt to five keyholders in one process, pinned on Kubo as one CAR, and anchored on Anvil, a thousand
in one transaction; beside `add_bytes` and one awaited transaction each, in clear.

{small}

**Ratio: {ratio:.2f}** (the usual way's time over ours; above 1, ours is faster). Where ours goes:

{parts}

Blocks cost nothing on Anvil, which mines at once: on a chain with blocks of 12 s the usual way waits for
{count:,} of them, ours for {batches}.

![Where the time goes](img/bench-store.svg)

## One file of {size:,} MiB

Sealed and pinned, beside `age` piped into `ipfs add`, each round on a new Kubo; the median of the times, the
most memory of any round (of a pipe, its largest part). Ours seals into the outbox first, so that a retry
sends the same bytes: written, synced and read once more than a pipe.

{large}

Memory has to stay under {limit} MiB, whatever the file's size. What limits the time: `ipfs add` alone, in
clear, is the floor of pinning, for Kubo hashes and writes every byte whoever brings it, and both of our ways
stand near it. The rest is sealing with its sync to the disk, and the start of Python.
"""


@dataclass(frozen=True)
class Small:
    """Many small records: seconds the usual way, and ours by room."""

    count: int
    usual: float
    parts: dict[str, float]

    @property
    def ours(self) -> float:
        """Seconds in all."""
        return sum(self.parts.values())

    def table(self) -> str:
        """Both sides, as Markdown."""
        rows = [("the usual way, in clear", self.usual), ("ours", self.ours)]
        return markdown(
            ("way", "seconds", "records a second"),
            [(name, f"{seconds:.1f}", f"{self.count / seconds:,.0f}") for name, seconds in rows],
        )

    def parts_table(self) -> str:
        """Where ours goes, as Markdown."""
        rows = [(part, self.parts.get(part, 0.0)) for part in PARTS]
        return markdown(
            ("room", "seconds", "share"),
            [(part, f"{seconds:.2f}", f"{seconds / self.ours:.0%}") for part, seconds in rows],
        )


@dataclass(frozen=True)
class Large:
    """One large file, one way: seconds, the most memory in bytes, and of ours the seconds of sealing and
    pinning."""

    name: str
    seconds: float
    memory: int
    parts: tuple[float, ...]

    def cells(self, beside: Large) -> tuple[str, ...]:
        """Its row in a table; the ratio is of times, to ``beside``."""
        memory = f"{self.memory / (1 << 20):.0f} MiB"
        parts = [f"{part:.2f}" for part in self.parts] or ["", ""]
        return self.name, f"{self.seconds:.2f}", f"{self.seconds / beside.seconds:.2f}", memory, *parts

    def row(self, beside: Large) -> str:
        """Its row, for a terminal."""
        name, seconds, ratio, memory, *_ = self.cells(beside)
        return f"{name:<26} {seconds:>7} s   x {ratio:<6} {memory}"


def markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown, numbers to the right."""
    lines = [head, ("---",) + ("---:",) * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(docs: Path, small: Small, large: list[Large], size: int) -> None:
    """Writes the page and its plot under ``docs``."""
    head = ("way", "seconds", "times age", "memory", "of it sealing", "pinning")
    page = _PAGE.format(
        machine=f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}",
        count=small.count,
        batches=-(-small.count // MOST),
        small=small.table(),
        ratio=small.usual / small.ours,
        parts=small.parts_table(),
        size=size >> 20,
        large=markdown(head, [way.cells(large[2]) for way in large]),
        limit=LIMIT >> 20,
    )
    (docs / "bench-store.md").write_text(page, "utf-8")
    plot(docs / "img" / "bench-store.svg", small)


def plot(path: Path, small: Small) -> None:
    """One bar a side, ours by room."""
    unit = 640 / max(small.usual, small.ours)  # pixels a second
    parts, left = [], 0.0
    for name, colour in zip(PARTS, COLOURS, strict=True):
        seconds = small.parts.get(name, 0.0)
        part = {"name": name, "colour": colour, "seconds": seconds}
        parts.append({**part, "left": left * unit, "width": seconds * unit})
        left += seconds
    page = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    template = page.get_template("_plot.svg.j2")
    path.write_text(template.render(small=small, parts=parts, width=small.usual * unit), "utf-8")
