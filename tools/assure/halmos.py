"""Proofs about every state and every call; and that each of them fails on a contract broken for it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tools.setup.base import ROOT

from .command import call, last_lines, need, stop
from .outcome import Outcome
from .sabotage import SABOTAGES, Sabotage
from .workspace import copied

PROOFS = ROOT / "tests" / "proofs"
PROVED, REFUTED = 0, 1  # halmos' exit codes of a test; the others are kinds of not knowing
WITH_ALL = ("--solver-timeout-assertion", "300s", "--no-status")


@dataclass(frozen=True)
class Proof:
    """What halmos says of a proof: its name, its code, and how many paths it followed."""

    name: str
    code: int
    paths: int


def run() -> Outcome:
    """Prove tests/proofs; passed when every proof holds, and each fails on every contract broken for it."""
    need("analysers")
    with ThreadPoolExecutor(os.cpu_count() or 1) as workers:
        contracts = sorted(re.findall(r"^contract (\w+Proofs) ", sources(), re.MULTILINE))
        proving = [workers.submit(proved, name) for name in contracts]
        breaking = [workers.submit(found, sabotage) for sabotage in SABOTAGES]
        try:
            proofs = [proof for work in proving for proof in work.result()]
            missed = [line for work in breaking for line in work.result()]
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)
            stop()
            raise
    return judge(declared(), proofs, missed)


def judge(names: Sequence[str], proofs: Sequence[Proof], missed: Sequence[str]) -> Outcome:
    """The outcome of what halmos says of the proofs, which are all that there are by `names`, and of the
    sabotages that were missed."""
    broken = {sabotage.proof for sabotage in SABOTAGES}
    sure = {proof.name for proof in proofs if proof.code == PROVED and proof.paths}
    lines = [f"not proved: {name}" for name in names if name not in sure]
    lines += [f"never seen to fail: {name}" for name in names if name not in broken]
    lines += missed
    figures = {
        "proofs": f"{len(sure)} of {len(names)}",
        "paths": f"{sum(proof.paths for proof in proofs):,}",
        "broken contracts found": f"{len(SABOTAGES) - len(missed)} of {len(SABOTAGES)}",
    }
    return Outcome("halmos", bool(names) and not lines, figures, lines)


def sources() -> str:
    """The Solidity of all proofs."""
    return "".join(path.read_text("utf-8") for path in sorted(PROOFS.glob("*.t.sol")))


def declared() -> list[str]:
    """The names of the proofs that there are."""
    return re.findall(r"function (check_\w+)", sources())


def proved(contract: str) -> list[Proof]:
    """What halmos says of all proofs of a contract."""
    proofs = prove(("--contract", contract))
    for proof in proofs:
        print(f"  {proof.name} {'holds' if proof.code == PROVED else 'DOES NOT HOLD'}", flush=True)
    return proofs


def found(sabotage: Sabotage) -> list[str]:
    """Nothing, where the proof finds a counterexample in the broken contract; else a line that says what was
    missed."""
    proofs = prove(("--function", sabotage.proof, "--early-exit"), sabotage)
    seen = len(proofs) == 1 and proofs[0].code == REFUTED
    line = f"  {sabotage.proof} {'fails' if seen else 'HOLDS'} where {sabotage.says}"
    print(line, flush=True)
    return [] if seen else [line.strip()]


def prove(words: Sequence[str], sabotage: Sabotage | None = None) -> list[Proof]:
    """Run halmos with these words on a copy of contracts and proofs, broken where a sabotage is given.

    RuntimeError with the end of what it printed where it comes to no answer.
    """
    with copied("proofs") as (folder, settings):
        if sabotage:
            sabotage.do(folder / "contracts")
        answer = folder / "halmos.json"
        command = ["halmos", "--forge-build-out", "out", "--json-output", str(answer), *WITH_ALL]
        # Its queries to the solver stay in the folder as well.
        _, printed = call([*command, *words], folder=folder, env={**settings, "TMPDIR": str(folder)})
        try:
            return read(json.loads(answer.read_text("utf-8")))
        except (OSError, ValueError) as error:
            raise RuntimeError("halmos: " + "\n".join(last_lines(printed))) from error


def read(answer: dict[str, Any]) -> list[Proof]:
    """The proofs in halmos' JSON answer."""
    tests = [test for tests in answer["test_results"].values() for test in tests]
    return [
        Proof(test["name"].split("(")[0], test["exitcode"], (test["num_paths"] or [0])[0]) for test in tests
    ]
