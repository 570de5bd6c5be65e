"""The whole of it in one process: compiles the mutants of the contracts and tries them, into a file.

``python -m tools.assure.mutation.campaign FILE [--each N] [--seed S] [--seconds S] [--after FILE]
[--only NAME ...]``
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from tools.setup.base import ROOT

from .compiler import Code, Compiler, read
from .coverage import Atlas, Recorder
from .mutants import Mutant, mutants
from .score import Key, explanations
from .source import Sources, study
from .trial import Case, Order, Trials, gather

TESTS = "tests/contracts"
FIELDS = [each.name for each in fields(Mutant)]
LEFT_OUT = (
    # What a drawn sequence of calls finds depends on chance, and takes half a minute.
    f"{TESTS}/test_promises.py::test_no_sequence_of_calls_breaks_a_promise",
    # These compare code with code, or read the metadata behind it: every mutant would fall by them.
    f"{TESTS}/test_completeness.py::test_what_these_tests_run_is_what_the_package_ships",
    f"{TESTS}/test_faults_of_others.py::test_no_contract_ends_becomes_another_or_makes_one",
)
OURS = "contracts/"
APART = ("contracts/interfaces/", "contracts/mocks/")


class Campaign:
    """One run over some files."""

    def __init__(self, compiler: Compiler, chosen: argparse.Namespace) -> None:
        self.compiler, self.chosen = compiler, chosen
        self.sources: Sources = study(compiler)
        self.files = [file for file in sorted(self.sources.reach) if wanted(file, chosen.only)]
        self.files.sort(key=lambda file: chosen.only.index(Path(file).stem) if chosen.only else 0)
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.tried: list[Mutant] = []
        self.twins: dict[str, Key] = {}
        self.stale: list[tuple[str, ...]] = []
        self.rows: list[dict[str, Any]] = []
        self.order = Order({}, {})
        earlier = json.loads(chosen.after.read_text("utf-8"))["rows"] if chosen.after else []
        self.killers = {Mutant(*(row[name] for name in FIELDS)).key: row["by"] for row in earlier}
        self.until = time.monotonic() + chosen.seconds
        self.whole = True

    def play(self, trials: Trials) -> None:
        """Run the tests on the original, to see them pass and to see what they run; then all trials."""
        self._prepare(trials)
        for verdict in trials.decide(self._cases()):
            mutant = self.tried[verdict.name]
            self.rows[verdict.name] |= {"by": verdict.by, "seconds": round(verdict.seconds, 1)}
            if verdict.by:
                self.order.killed(f"{mutant.file}:{mutant.function}", verdict.by)
            else:
                print(f"lives  {mutant.file}:{mutant.number}  {mutant.becomes.strip()}", flush=True)
            if verdict.name % 20 == 0:
                self._write(trials, whole=False)
        self._write(trials, whole=self.whole)

    def _prepare(self, trials: Trials) -> None:
        names = list(trials.items)
        plain = self._codes()

        def time_them() -> dict[str, Any]:
            for name, code in plain.items():
                trials.swap(name, code)
            seconds: dict[str, float] = {}
            last = time.monotonic()

            def note(name: str) -> None:
                nonlocal last
                seconds[name], last = time.monotonic() - last, time.monotonic()

            return {"failed": trials.run(names, note), "seconds": seconds}

        def watch() -> dict[str, Any]:
            recorder, atlas = Recorder(), Atlas(self.sources)
            covers: dict[str, list[str]] = {}
            for name, told in self.sources.contracts.items():
                evm = told["evm"]
                trials.swap(name, Code(evm["bytecode"]["object"], evm["deployedBytecode"]["object"]))
            recorder.start()
            shared: list[str] = []

            def stand() -> None:
                shared.extend(atlas.places(recorder.take()))
                trials.on_call = None

            def note(name: str) -> None:
                covers[name] = sorted(atlas.places(recorder.take()))

            trials.on_call = stand
            return {"failed": trials.run(names, note), "covers": covers, "shared": shared}

        kept = ROOT / ".build" / f"mutation-{fingerprint()}.json"
        if not kept.exists():
            looked = gather(trials, [time_them, watch])
            for told in looked:
                if told["failed"]:
                    raise SystemExit(f"with the original fails {told['failed']}")
            kept.write_text(json.dumps(looked), "utf-8")
        timed, watched = json.loads(kept.read_text("utf-8"))
        trials.seconds = timed["seconds"]
        covers = {name: set(places) for name, places in watched["covers"].items()}
        self.order = Order(covers, trials.seconds, watched["shared"])

    def _codes(self) -> dict[str, Code]:
        found = self.compiler.compile(frozenset(self.sources.contracts), {})
        assert found is not None
        return found

    def _cases(self) -> Iterator[Case]:
        """The cases of all files, by turns: a run that is cut short has looked at each."""
        going = [self._cases_of(file) for file in self.files]
        while going:
            for cases in list(going):
                if time.monotonic() > self.until:
                    self.whole = False
                    return
                if case := next(cases, None):
                    yield case
                else:
                    going.remove(cases)

    def _cases_of(self, file: str) -> Iterator[Case]:
        """The mutants of a file that compile to something new, until there are enough."""
        text, reach, count = read(file), self.sources.reach[file], self.counts[file]
        made = mutants(file, text, self.sources.function_at)
        count["made"] = len(made)
        original = str(self.compiler.compile(reach, {}))
        self._know(file, text, made, original)
        random.Random(f"{self.chosen.seed} {file}").shuffle(made)  # noqa: S311
        known = {original}
        for mutant in made:
            if self.chosen.each and count["tried"] >= self.chosen.each:
                return
            codes = self.compiler.compile(reach, {file: mutant.apply(text)})
            sort = "invalid" if codes is None else "same" if str(codes) in known else "tried"
            count[sort] += 1
            if sort != "tried" or codes is None:
                continue
            known.add(str(codes))
            self.tried.append(mutant)
            self.rows.append({**mutant.told(), "twin": self.twins.get(str(codes))})
            tests = self.order.tests(f"{file}:{mutant.function}", f"{file}:{mutant.number}")
            killer = self.killers.get(mutant.key)
            tests.sort(key=lambda name: name != killer)
            yield Case(len(self.tried) - 1, codes, tests)

    def _know(self, file: str, text: str, made: list[Mutant], original: str) -> None:
        """Compile the mutants that are explained: to know them in another shape, and see which are gone."""
        by_key = {mutant.key: mutant for mutant in made}
        for key in (key for key in explanations() if key[0] == file):
            if key not in by_key:
                self.stale.append((*key, "no rule makes it"))
                continue
            codes = self.compiler.compile(self.sources.reach[file], {file: by_key[key].apply(text)})
            if codes is None or str(codes) == original:
                self.stale.append((*key, "does not compile" if codes is None else "compiles to the original"))
            else:
                self.twins.setdefault(str(codes), key)

    def _write(self, trials: Trials, *, whole: bool) -> None:
        told = {"seed": self.chosen.seed, "each": self.chosen.each, "tests": len(trials.items)}
        told |= {"whole": whole, "counts": self.counts, "stale": self.stale}
        told["rows"] = [row for row in self.rows if "by" in row]
        self.chosen.into.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def fingerprint() -> str:
    """What the tests and the contracts are now, in a few letters."""
    paths = [
        p
        for folder in (OURS, TESTS)
        for p in sorted((ROOT / folder).rglob("*"))
        if p.suffix in (".py", ".sol")
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def wanted(file: str, only: list[str]) -> bool:
    """Whether a file is one of ours to mutate."""
    ours = file.startswith(OURS) and not file.startswith(APART)
    return ours and (not only or Path(file).stem in only)


def swap(name: str, code: Code) -> None:
    """Put a code where Ape takes it from to deploy a contract."""
    from ape import project
    from ethpm_types import Bytecode

    made = getattr(project, name).contract_type
    made.deployment_bytecode = Bytecode(bytecode=f"0x{code.creation}")
    made.runtime_bytecode = Bytecode(bytecode=f"0x{code.runtime}")


def main(words: list[str]) -> int:
    """Run a campaign; gives pytest's exit code."""
    parser = argparse.ArgumentParser(prog="campaign")
    parser.add_argument("into", type=Path)
    parser.add_argument("--each", type=int, default=0, help="how many of each file; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=6 * 3600, help="after which no trial begins")
    parser.add_argument("--after", type=Path, help="an earlier FILE: what killed a mutant there goes first")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    chosen = parser.parse_args(words)
    with Compiler() as compiler:
        campaign = Campaign(compiler, chosen)
        plugin = Trials(campaign.play, swap, chosen.jobs)
        options = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--capture=sys"]
        options += [word for name in LEFT_OUT for word in ("--deselect", name)]
        return int(pytest.main([*options, str(ROOT / TESTS)], plugins=[plugin]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
