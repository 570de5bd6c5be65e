"""Medusa: the people of the invariants, led by what code each of their calls reaches."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .command import call, last_lines, need
from .outcome import Outcome
from .workspace import copied

SECONDS = 120
# Of each campaign in tests/fuzz: what it has to reach, as a share of the lines in which code stands.
CAMPAIGNS: Mapping[str, Mapping[str, float]] = {
    "ConsentCampaign": {
        "contracts/identity/Accounts.sol": 0.7,
        "contracts/identity/Recovery.sol": 0.7,
        "contracts/identity/Guardianships.sol": 0.6,
        "contracts/ConsentRegistry.sol": 0.4,
    },
    "LogCampaign": {
        "contracts/AccessLog.sol": 0.8,
        "contracts/BreakGlass.sol": 0.4,
    },
}
LEAST_CALLS = 2000


def run() -> Outcome:
    """Run each campaign for its time; passed when no assertion failed and all that has to be was reached."""
    need("analysers", "medusa")
    figures: dict[str, str] = {}
    lines: list[str] = []
    for name, wanted in CAMPAIGNS.items():
        print(f"  {name}: {SECONDS} s", flush=True)
        with copied("fuzz", "invariants") as (folder, settings):
            (folder / "medusa.json").write_text(json.dumps(config(name)), "utf-8")
            words = ["medusa", "fuzz", "--config", "medusa.json"]
            code, printed = call(words, folder=folder, seconds=SECONDS + 600, env=settings)
            report = folder / "corpus" / "coverage" / "lcov.info"
            reached = shares(report.read_text("utf-8"), folder) if report.exists() else {}
        calls = most_calls(printed)
        figures[name] = f"{calls:,} calls"
        figures.update({Path(file).stem: f"{reached.get(file, 0):.0%} of lines" for file in wanted})
        lines += complaints(name, code, printed, calls, reached)
    return Outcome("medusa", not lines, figures, lines)


def complaints(name: str, code: int, printed: str, calls: int, reached: Mapping[str, float]) -> list[str]:
    """What is wrong with a campaign, by its exit code, its words, its calls and the shares of lines that it
    reached; empty where nothing is."""
    if (
        code
        or "[FAILED]" in printed
        or not re.search(r"\b[1-9]\d* test\(s\) passed, 0 test\(s\) failed", printed)
    ):
        return [f"{name}: medusa ended with {code}", *last_lines(printed)]
    lines = [f"{name}: {calls} calls, fewer than {LEAST_CALLS}"] if calls < LEAST_CALLS else []
    for file, share in CAMPAIGNS[name].items():
        if reached.get(file, 0) < share:
            lines.append(f"{name}: reached {reached.get(file, 0):.0%} of {file}, less than {share:.0%}")
    return lines


def most_calls(printed: str) -> int:
    """How many calls medusa says that it made; 0 where it says nothing."""
    return max((int(number) for number in re.findall(r"\bcalls:\s*(\d+)", printed)), default=0)


def shares(lcov: str, folder: Path) -> dict[str, float]:
    """By file, relative to a folder, the share of its lines that were reached, from an LCOV report."""
    lines: dict[str, dict[str, bool]] = {}
    file = ""
    for line in lcov.splitlines():
        if line.startswith("SF:"):
            file = os.path.relpath(line[3:], folder)
        elif line.startswith("DA:"):
            number, count = line[3:].split(",")[:2]
            held = lines.setdefault(file, {})
            held[number] = held.get(number, False) or count != "0"
    return {name: sum(held.values()) / len(held) for name, held in lines.items()}


def config(contract: str) -> dict[str, Any]:
    """What medusa is told: assertions alone, since that is how a campaign fails; a worker a core."""
    return {
        "fuzzing": {
            "workers": os.cpu_count() or 1,
            "timeout": SECONDS,
            "callSequenceLength": 100,
            "corpusDirectory": "corpus",
            "coverageEnabled": True,
            "coverageFormats": ["lcov"],
            "targetContracts": [contract],
            "transactionGasLimit": 30_000_000,
            "testing": {
                "stopOnFailedTest": True,
                "stopOnNoTests": True,
                "testViewMethods": False,
                "assertionTesting": {"enabled": True, "panicCodeConfig": {"failOnAssertion": True}},
                "propertyTesting": {"enabled": False},
                "optimizationTesting": {"enabled": False},
            },
            "chainConfig": {"codeSizeCheckDisabled": True, "cheatCodes": {"cheatCodesEnabled": True}},
        },
        "compilation": {
            "platform": "crytic-compile",
            "platformConfig": {
                "target": ".",
                "exportDirectory": "export",
                "args": ["--foundry-compile-all", "--foundry-out-directory", "out"],
            },
        },
        "slither": {"useSlither": False},
        "logging": {"level": "info", "noColor": True},
    }
