"""What came of a campaign: scores, and a reason for each mutant that lives."""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.setup.base import BUILD

from ..command import call, last_lines
from ..outcome import Outcome

LIVES = Path(__file__).with_name("lives.toml")
LEAST = 95.0
EACH, SEED, SECONDS = 40, 20261123, 2100

Key = tuple[str, str, str, str]
"""File, function, line, and what the line becomes; without the spaces around."""


@dataclass
class Score:
    """Of one file."""

    file: str
    made: int = 0
    compiled: int = 0
    """To a code of their own; in a sample, of those that were drawn."""
    killed: int = 0
    timeouts: int = 0
    """Killed by never coming to an end; in `killed` too."""
    lives: list[Key] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """How many have a verdict."""
        return self.killed + len(self.lives)


@dataclass(frozen=True)
class Result:
    """Of a campaign."""

    scores: list[Score]
    unexplained: list[Key]
    stale: list[str]
    """Explanations that explain nothing any more, and why."""
    seed: int
    each: int
    whole: bool
    """Whether all that was to be tried was tried."""

    @property
    def tried(self) -> int:
        """How many mutants have a verdict."""
        return sum(score.tried for score in self.scores)

    @property
    def killed(self) -> int:
        """How many of them the tests noticed."""
        return sum(score.killed for score in self.scores)


def percent(killed: int, tried: int) -> float:
    """The score, never rounded up to the goal."""
    return int(1000 * killed / tried) / 10 if tried else 0.0


def explanations(path: Path = LIVES) -> dict[Key, str]:
    """Why each mutant that is known to live does."""
    told = tomllib.loads(path.read_text("utf-8"))
    found: dict[Key, str] = {}
    for group in told.get("reason", []):
        for mutant in group["mutants"]:
            key = (mutant["file"], mutant["function"], mutant["line"], mutant["becomes"])
            if key in found:
                raise ValueError(f"explained twice: {key}")
            found[key] = group["why"]
    return found


def judge(told: dict[str, Any], known: dict[Key, str]) -> Result:
    """The result of what a campaign wrote, beside the known explanations."""
    scores = {
        file: Score(file, counts.get("made", 0), counts.get("tried", 0))
        for file, counts in told["counts"].items()
    }
    explained: Counter[Key] = Counter()
    stale = [f"{' | '.join(key)}: {why}" for *key, why in told.get("stale", [])]
    unexplained = []
    for row in told["rows"]:
        key: Key = (row["file"], row["function"], row["line"].strip(), row["becomes"].strip())
        # A twin compiles to the same code, and is the one that is explained.
        key = tuple(row.get("twin") or key)
        score = scores[row["file"]]
        if row["by"]:
            score.killed += 1
            score.timeouts += row["by"] == "timeout"
            if key in known:
                stale.append(f"{' | '.join(key)}: is killed by {row['by']}")
            continue
        score.lives.append(key)
        explained[key] += 1
        if key not in known:
            unexplained.append(key)
    if not told["each"]:
        gone = [key for key in known if key[0] in scores and not explained[key]]
        stale += [f"{' | '.join(key)}: no such mutant lives" for key in gone]
    return Result(list(scores.values()), unexplained, stale, told["seed"], told["each"], told["whole"])


def outcome(result: Result) -> Outcome:
    """Passed when enough were noticed, each mutant that lives is explained, and no explanation is stale."""
    score = percent(result.killed, result.tried)
    lives = result.tried - result.killed
    drawn = f"a sample: {result.each} of each file, seed {result.seed}" if result.each else "all"
    figures = {
        "killed": f"{score} % ({result.killed:,} of {result.tried:,}, {drawn})",
        "alive": f"{lives}, of which explained {lives - len(result.unexplained)}",
        "stale explanations": f"{len(result.stale)}",
    }
    lines = [table_row(each) for each in result.scores]
    lines += [f"lives unexplained: {' | '.join(key)}" for key in result.unexplained]
    lines += [f"stale: {each}" for each in result.stale]
    if not result.whole:
        lines.append("the time was over before all were tried")
    good = result.whole and score >= LEAST and not result.unexplained and not result.stale
    return Outcome("mutation", good and bool(result.scores), figures, lines)


def table_row(score: Score) -> str:
    """One file's score as a line."""
    return (
        f"{score.file}: {percent(score.killed, score.tried)} % "
        f"({score.killed} of {score.tried}, {len(score.lives)} live)"
    )


def campaign(words: Sequence[str], seconds: int) -> dict[str, Any] | str:
    """Run a campaign in a process of its own; gives what it wrote, or the end of what it printed."""
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        into = Path(folder) / "campaign.json"
        command = [sys.executable, "-m", "tools.assure.mutation.campaign", str(into), *words]
        code, printed = call(command, seconds=seconds)
        if code or not into.exists():
            return "\n".join(last_lines(printed))
        told: dict[str, Any] = json.loads(into.read_text("utf-8"))
    return told


def run() -> Outcome:
    """Try a drawn sample of mutants of each file."""
    words = ["--each", str(EACH), "--seed", str(SEED), "--seconds", str(SECONDS)]
    told = campaign(words, SECONDS + 900)
    if isinstance(told, str):
        return Outcome("mutation", False, {"broke off": "yes"}, told.splitlines())
    return outcome(judge(told, explanations()))
