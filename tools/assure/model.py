"""The model in Python beside the contracts, through many more sequences of calls than in `make test`."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from tools.setup.base import ROOT

from .command import call, last_lines
from .outcome import Outcome

SEQUENCES = 300
TEST = "tests/contracts/test_model.py"


def run() -> Outcome:
    """Run the test with SEQUENCES of them; passed when both sides said the same all along."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        env = {"APE_DATA_FOLDER": str(ROOT / ".build" / "ape"), "MODEL_SEQUENCES": str(SEQUENCES)}
        words = ["ape", "test", TEST, "-q", "--tb=short", "--no-showlocals"]
        words += [f"--junitxml={report}", "-o", "junit_family=xunit1"]  # the one that holds figures
        code, printed = call(words, seconds=1800, env=env)
        told = report.read_text("utf-8") if report.exists() else ""
    return judge(code, told, printed)


def judge(code: int, report: str, printed: str) -> Outcome:
    """The outcome of pytest's exit code, its report, and what it printed."""
    said = {name: int(value) for name, value in re.findall(r'<property name="(\w+)" value="(\d+)"', report)}
    passed = code == 0 and said.get("sequences", 0) >= SEQUENCES
    figures = {name: f"{value:,}" for name, value in said.items()}
    return Outcome("model", passed, figures, () if passed else last_lines(printed))
