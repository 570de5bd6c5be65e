"""Forge's invariants, with many more sequences of calls than in `make test`."""

from __future__ import annotations

import json
from typing import Any

from .command import call, last_lines
from .outcome import Outcome

RUNS, DEPTH = 300, 200


def run() -> Outcome:
    """Run tests/invariants; passed when every invariant held over all its calls."""
    words = ["forge", "test", "--json", "--out", ".build/invariants"]
    words += ["--cache-path", ".build/invariants-cache"]
    settings = {"FOUNDRY_INVARIANT_RUNS": str(RUNS), "FOUNDRY_INVARIANT_DEPTH": str(DEPTH)}
    code, printed = call(words, seconds=900, env=settings)
    try:
        suites = json.loads(next(line for line in printed.splitlines() if line.startswith("{")))
    except (StopIteration, ValueError):
        return Outcome("invariants", False, {"exit code": str(code)}, last_lines(printed))
    return judge(code, suites)


def judge(code: int, suites: dict[str, Any]) -> Outcome:
    """The outcome of forge's exit code and its JSON answer."""
    tests = {name: test for suite in suites.values() for name, test in suite["test_results"].items()}
    kinds = {name: test["kind"].get("Invariant") for name, test in tests.items()}
    calls = {name: kind["calls"] for name, kind in kinds.items() if kind}
    failed = [f"{name}: {test.get('reason')}" for name, test in tests.items() if test["status"] != "Success"]
    idle = [f"{name}: fewer calls than were asked for" for name in calls if calls[name] < RUNS * DEPTH]
    figures = {"invariants": f"{len(tests)}", "calls": f"{sum(calls.values()):,}"}
    passed = code == 0 and bool(calls) and not failed and not idle
    return Outcome("invariants", passed, figures, [*failed, *idle])
