"""Which tests passed in this checkout, as it stands now.

Every run of pytest, Ape's included, writes each test's outcome down in a file of `.build/passed` that bears
the fingerprint of the sources. So runs add up (`make test` has several), the last word on a test counts, and
after any change nothing counts any more.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".build" / "passed"
TOOLS = ("tools/assure", "tools/clients", "tools/setup")
SOURCES = ("bench", "contracts", "scripts", "src", "tests", *TOOLS)
FILES = ("ape-config.yaml", "foundry.toml", "pyproject.toml", "tools/package.json", "uv.lock")
LEFT_OUT = {"__pycache__", ".cache"}


def fingerprint(root: Path = ROOT) -> str:
    """What stands in every source file under ``root``, in one word of 16 digits."""
    paths = [root / name for name in FILES]
    paths += [path for name in SOURCES for path in (root / name).rglob("*") if path.is_file()]
    digest = hashlib.sha256()
    for name in sorted(path.relative_to(root) for path in paths):
        if not LEFT_OUT & set(name.parts):
            digest.update(name.as_posix().encode() + b"\0")
            digest.update(hashlib.sha256((root / name).read_bytes()).digest())
    return digest.hexdigest()[:16]


def write(report: pytest.TestReport, file: Path) -> None:
    """Write down that a test passed, or that it did not: skipped, failed, or broken before or after."""
    passed = report.outcome == "passed"
    if passed and report.when != "call":
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(f"{'passed' if passed else 'not'} {report.nodeid}\n")


def passed(file: Path) -> set[tuple[str, str]]:
    """(file, function) of each test of which every case that ran last passed."""
    last: dict[str, bool] = {}
    for line in file.read_text("utf-8").splitlines() if file.exists() else []:
        word, _, test = line.partition(" ")
        last[test] = word == "passed"
    return {function(test) for test in last} - {function(test) for test, good in last.items() if not good}


def function(test: str) -> tuple[str, str]:
    """The file and the function of a test's id, without the case in brackets."""
    path, _, name = test.partition("::")
    return path, name.partition("[")[0]


def current() -> Path:
    """The file for the sources as they are."""
    return FOLDER / f"{fingerprint()}.txt"


class Recorder:
    """A pytest plugin that writes down each outcome, where the reports of all workers come together."""

    def __init__(self) -> None:
        self.file = current()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """See `write`."""
        write(report, self.file)


def record(config: pytest.Config) -> None:
    """Have this run recorded, if it is not only a part of one; what other sources passed is forgotten."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        for old in set(FOLDER.glob("*.txt")) - {current()}:
            old.unlink(missing_ok=True)
        config.pluginmanager.register(Recorder(), "consentry-passed")
