"""docs/assurance-run.md: the result of a whole run, with the commit that it belongs to."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tools.setup.analysers import PROGRAMS, installed_version
from tools.setup.base import ROOT, SetupError
from tools.setup.golang import MEDUSA, dotted
from tools.setup.node import pins

from .outcome import Outcome

PAGE = ROOT / "docs" / "assurance-run.md"
HEAD = """# The last assurance run

What `make assure` found, as it was written by it; [assurance.md](assurance.md#the-assurance-run) says what
each step shows and what it does not.

"""


def clean_commit() -> str | None:
    """The id of the commit that the checkout is at; None where it holds anything else."""
    if git("status", "--porcelain"):
        return None
    return git("rev-parse", "HEAD") or None


def git(*words: str) -> str:
    """What git answers about this checkout; something that is no commit where it cannot."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "git failed"


def word(outcome: Outcome) -> str:
    """How a step ended, in a word."""
    return "passed" if outcome.passed else "FAILED"


def duration(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def versions() -> dict[str, str]:
    """The tools and their versions."""
    npm = pins()
    found = {"solc": npm["solc"], "forge": npm["@foundry-rs/forge"]}
    try:
        found.update({name: installed_version(package) for name, package in PROGRAMS.items()})
    except SetupError:
        found.update(dict.fromkeys(PROGRAMS, "missing"))
    return {**found, "medusa": dotted(MEDUSA.version("medusa"))}


def text(commit: str, done: Sequence[tuple[Outcome, float]], when: datetime) -> str:
    """The page, from the outcomes of all steps with their seconds."""
    facts = {
        "commit": f"`{commit}`",
        "ended": f"{when:%Y-%m-%d %H:%M} UTC",
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "duration": duration(sum(seconds for _, seconds in done)),
        "tools": ", ".join(f"{name} {version}" for name, version in versions().items()),
    }
    rows = ["| | |", "|---|---|", *(f"| {name} | {fact} |" for name, fact in facts.items()), ""]
    rows += ["| step | result | figures | duration |", "|---|---|---|---|"]
    for outcome, seconds in done:
        figures = "; ".join(f"{name} {figure}" for name, figure in outcome.figures.items())
        cells = (outcome.name, word(outcome), figures.replace("|", "\\|"), duration(seconds))
        rows.append(f"| {' | '.join(cells)} |")
    return HEAD + "\n".join(rows) + "\n"


def write(commit: str, done: Sequence[tuple[Outcome, float]]) -> Path:
    """Write the page for a run at this commit, and give its place in the checkout."""
    PAGE.write_text(text(commit, done, datetime.now(UTC)), "utf-8")
    return PAGE.relative_to(ROOT)
