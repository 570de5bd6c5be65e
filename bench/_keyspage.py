"""What `bench/keys.py` tells: docs/bench-keys.md."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from bench._opening import AROUND, BLOB, HALVES, NEEDED, REST
from bench._releasing import WRITTEN, Rate
from bench._report import PARTS, markdown
from bench._sealing import Beside
from bench._watch import Spread

MEDIAN, P95, TIMES, BESIDE = 40.0, 50.0, 2.0, 1.2
ASKS = ("depth", "entry", "consent at head", "credential at head", "anchor")
LIMIT = 200 << 20  # bytes of memory for one large file
_HEAD = ("", "median ms", "p95 ms", "count")


@dataclass
class Page:
    """All that was measured; seconds by room of the deposits, everything else as its names say."""

    opened: list[tuple[str, Spread, Spread]]
    ratio: Spread
    opening: dict[str, Spread]
    rate: Rate
    release: dict[str, Spread]
    refused: dict[str, Spread]
    deposits: tuple[int, dict[str, float]]
    beside: list[Beside] = field(default_factory=list)
    memory: dict[str, tuple[float, int]] = field(default_factory=dict)
    mebibytes: int = 0

    def text(self, note: str) -> str:
        """The page, in Markdown."""
        count, seconds = self.deposits
        whole = sum(seconds.values())
        folder = Environment(loader=FileSystemLoader(Path(__file__).parent), keep_trailing_newline=True)
        return folder.get_template("_keys.md.j2").render(
            machine=f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python "
            f"{platform.python_version()}",
            note=note,
            **self._floor(),
            targets="\n".join(f"| {' | '.join(row)} |" for row in self.targets()),
            opened=markdown(_HEAD, self._openings()),
            ratio=f"{self.ratio.median:.2f}",
            worst=f"{self.ratio.p95:.2f}",
            opening=markdown(_HEAD, _rows(self.opening)),
            rate=f"**{self.rate.count / self.rate.seconds:.0f} a second** on {_cores(self.rate.cores)} "
            f"({self.rate.count:,} in {self.rate.seconds:.1f} s, eight callers at once).",
            release=markdown(_HEAD, _rows(self.release)),
            count=f"{count:,}",
            speed=f"{count / whole:.0f}",
            deposits=markdown(
                ("room", "seconds", "share"),
                [
                    (part, f"{seconds.get(part, 0):.2f}", f"{seconds.get(part, 0) / whole:.0%}")
                    for part in PARTS
                ],
            ),
            beside=markdown(
                ("", "ours MB/s", "age MB/s", "ratio", "floor MB/s", "rounds"),
                [_beside(b) for b in self.beside],
            ),
            mebibytes=f"{self.mebibytes:,}",
            limit=LIMIT >> 20,
            memory=markdown(
                ("", "seconds", "memory"),
                [(way, f"{s:.2f}", f"{size / (1 << 20):.0f} MiB") for way, (s, size) in self.memory.items()],
            ),
            refused=markdown(_HEAD, _rows(self.refused)),
        )

    def _floor(self) -> dict[str, object]:
        """What stands between the targets and what is measured."""
        return {
            "whole": f"{self.release['all'].median:.1f}",
            "disk": f"{self.release[WRITTEN].median:.1f}",
            "node": f"{sum(self.release[f'check: {name}'].median for name in ASKS):.1f}",
            "floors": [f"{one.floor / one.age:.2f}" for one in self.beside],
            **self._least(),
        }

    def _least(self) -> dict[str, str]:
        """What opening takes where the node answers in no time: the client's part, and t releases side by
        side on these cores."""
        release = self.release["all"].median - sum(self.release[f"check: {name}"].median for name in ASKS)
        client = sum(self.opening[part].median for part in (AROUND, HALVES, BLOB, REST))
        cores = min(NEEDED, os.cpu_count() or 1)
        three = NEEDED * release / cores
        words = {"unasked": release, "three": three, "client": client, "least": client + three}
        return {name: f"{value:.1f}" for name, value in words.items()} | {"cores": str(cores)}

    def _openings(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for name, beyond, verb in self.opened:
            rows.append((f"{name}, from the listing on", *beyond.cells()))
            rows.append((f"{name}, the whole verb", *verb.cells()))
        return rows

    def targets(self) -> list[tuple[str, str, str]]:
        """What was to be reached, what was, and whether."""
        (_, many, _), _ = self.opened
        most = max((size for _, size in self.memory.values()), default=0)
        rows = [
            (
                f"open by 3 of 5: median at most {MEDIAN:.0f} ms",
                f"{many.median:.1f} ms",
                many.median <= MEDIAN,
            ),
            (f"open by 3 of 5: p95 at most {P95:.0f} ms", f"{many.p95:.1f} ms", many.p95 <= P95),
            (
                f"3 of 5 takes at most {TIMES:.0f} times 1 of 1",
                f"{self.ratio.median:.2f}",
                self.ratio.median <= TIMES,
            ),
            *(
                (f"{b.name}: at least {BESIDE} times age", f"{b.ratio:.2f}", b.ratio >= BESIDE)
                for b in self.beside
            ),
            (
                f"a file of {self.mebibytes:,} MiB in at most {LIMIT >> 20} MiB",
                f"{most / (1 << 20):.0f} MiB",
                most <= LIMIT,
            ),
        ]
        return [(what, measured, "reached" if held else "**missed**") for what, measured, held in rows]


def _rows(spreads: dict[str, Spread]) -> list[tuple[str, ...]]:
    return [(name, *spread.cells()) for name, spread in spreads.items()]


def _beside(b: Beside) -> tuple[str, ...]:
    speeds = [f"{speed / 1e6:,.0f}" for speed in (b.ours, b.age, b.floor)]
    return b.name, speeds[0], speeds[1], f"{b.ratio:.2f}", speeds[2], str(b.rounds)


def _cores(count: int) -> str:
    return "one core" if count == 1 else f"{count} cores"
