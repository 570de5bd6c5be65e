"""The assurance run: all steps in order, or those that are named."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from . import page
from .outcome import Outcome

STEPS = ("slither", "model", "invariants", "halmos", "medusa", "mutation")


def run_step(name: str) -> Outcome:
    """Run one step; one that breaks off has failed, with the reason."""
    try:
        outcome: Outcome = importlib.import_module(f"tools.assure.{name}").run()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()
        outcome = Outcome(name, False, {"broke off": reason[0][:100]}, reason)
    return outcome


def run_steps(names: Sequence[str]) -> list[tuple[Outcome, float]]:
    """Run steps one after the other, whatever happens to each; gives outcomes with seconds."""
    done = []
    for name in names:
        print(f"{name} ...", flush=True)
        begun = time.monotonic()
        outcome = replace(run_step(name), name=name)
        seconds = time.monotonic() - begun
        for line in outcome.lines:
            print(f"  {line}")
        told = ", ".join(f"{what} {value}" for what, value in outcome.figures.items())
        print(f"{name}: {page.word(outcome)} after {page.duration(seconds)}; {told}", flush=True)
        done.append((outcome, seconds))
    return done


def main(words: Sequence[str]) -> int:
    """Run the steps with these names, without names all: 0 when all passed, 1 when one did not, 2 when there
    is no such step. A whole run on a clean tree is written to docs/assurance-run.md."""
    if unknown := sorted(set(words) - set(STEPS)):
        print(f"no step: {', '.join(unknown)}; there are {', '.join(STEPS)}", file=sys.stderr)
        return 2
    before = page.clean_commit()
    done = run_steps([step for step in STEPS if step in words or not words])
    if words:
        print("not written: only a whole run is")
    elif before is None or page.clean_commit() != before:
        print("not written: the tree held changes that are not committed, or changed meanwhile")
    else:
        print(f"written: {page.write(before, done)}")
    return 0 if all(outcome.passed for outcome, _ in done) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
