"""Static analysis of the contracts; no finding may stand."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from tools.setup.base import BUILD

from .command import call, last_lines, need
from .outcome import Outcome

# Slither clears what it compiles into: a place of its own.
OUT = {"FOUNDRY_OUT": ".build/slither", "FOUNDRY_CACHE_PATH": ".build/slither-cache"}
# A run that looked at less has not looked at our contracts.
LEAST_DETECTORS = 90
LEAST_CONTRACTS = 4


def run() -> Outcome:
    """Run slither over contracts/; passed when it looked at them and found nothing."""
    need("analysers")
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        answer = Path(folder) / "slither.json"
        words = ["slither", ".", "--foundry-out-directory", ".build/slither", "--json", str(answer)]
        code, printed = call(words, seconds=300, env=OUT)
        try:
            report = json.loads(answer.read_text("utf-8"))
        except (OSError, ValueError):
            return Outcome("slither", False, {"exit code": str(code)}, last_lines(printed))
    return judge(report, printed)


def judge(report: dict[str, Any], printed: str) -> Outcome:
    """The outcome of slither's JSON answer, and of what it printed beside."""
    if not report.get("success"):
        return Outcome("slither", False, {"findings": "none: it broke off"}, [str(report.get("error"))])
    return Outcome("slither", False, {}, last_lines(printed))
