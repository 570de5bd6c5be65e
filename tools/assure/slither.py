"""Static analysis of the contracts; no finding may stand."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from tools.setup.base import BUILD

from .command import call, last_lines, need
from .outcome import Outcome

# Slither clears what it compiles into: a place of its own.
OUT = {"FOUNDRY_OUT": ".build/slither", "FOUNDRY_CACHE_PATH": ".build/slither-cache"}
# A run that looked at less has not looked at our contracts.
LEAST_CONTRACTS, LEAST_DETECTORS = 25, 100


def run() -> Outcome:
    """Run slither over contracts/; passed when it looked at them and found nothing."""
    need("analysers")
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        answer = Path(folder) / "slither.json"
        words = ["slither", ".", "--foundry-out-directory", OUT["FOUNDRY_OUT"], "--json", str(answer)]
        code, printed = call(words, seconds=300, env=OUT)
        try:
            report = json.loads(answer.read_text("utf-8"))
        except (OSError, ValueError):
            return Outcome("slither", False, {"exit code": str(code)}, last_lines(printed))
    return judge(report, printed)


def judge(report: dict[str, Any], printed: str) -> Outcome:
    """The outcome of slither's JSON answer, and of what it printed beside."""
    said = re.search(r"analyzed \((\d+) contracts with (\d+) detectors\)", printed)
    if not report.get("success") or not said:
        return Outcome(
            "slither", False, {"broke off": "yes"}, [str(report.get("error")), *last_lines(printed)]
        )
    contracts, detectors = int(said[1]), int(said[2])
    findings = [found["description"].strip() for found in report["results"].get("detectors", [])]
    few = contracts < LEAST_CONTRACTS or detectors < LEAST_DETECTORS
    figures = {"contracts": said[1], "detectors": said[2], "findings": str(len(findings))}
    idle = [f"fewer than {LEAST_CONTRACTS} contracts or {LEAST_DETECTORS} detectors"] if few else []
    return Outcome("slither", not findings and not few, figures, [*findings, *idle])
