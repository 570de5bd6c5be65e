"""Mutation testing notices what a weak test lets through, and what an explanation no longer explains."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.assure.mutation.compiler import Compiler, read
from tools.assure.mutation.mutants import mutants
from tools.assure.mutation.score import Key, explanations, judge, outcome
from tools.assure.mutation.source import Sources, study
from tools.assure.mutation.trial import Order

ROOT = Path(__file__).parents[2]
FILE = "contracts/EntryChain.sol"
KILLED, LIVES = ("    a = b + c;\n", "    a = b - c;\n"), ("    if (a >= 1) f();\n", "    if (a != 0) f();\n")
KEY: Key = (FILE, "f", "if (a >= 1) f();", "if (a != 0) f();")


@pytest.fixture(scope="module")
def compiler() -> Any:
    with Compiler() as running:
        yield running


@pytest.fixture(scope="module")
def sources(compiler: Compiler) -> Sources:
    return study(compiler)


def told(*rows: tuple[tuple[str, str], str], each: int = 0, **more: Any) -> dict[str, Any]:
    """What a campaign writes about mutants of one function."""
    listed = [
        {"file": FILE, "function": "f", "number": 1, "line": line, "becomes": becomes, "by": by}
        for (line, becomes), by in rows
    ]
    counts = {FILE: {"made": 9, "tried": len(rows)}}
    return {"seed": 1, "each": each, "whole": True, "counts": counts, "rows": listed, **more}


MANY = [(KILLED, "test_a")] * 39


def test_every_mutant_is_one_line_of_a_function(sources: Sources) -> None:
    made = mutants(FILE, read(FILE), sources.function_at)
    assert {mutant.function for mutant in made} == {"", "_headOf", "_append"}
    lines = read(FILE).splitlines()
    for mutant in made:
        changed = mutant.apply(read(FILE)).splitlines()
        differing = [
            number for number, pair in enumerate(zip(lines, changed, strict=True), 1) if len({*pair}) == 2
        ]
        assert differing == [mutant.number]


def test_a_comment_and_a_name_are_never_changed(sources: Sources) -> None:
    for file in ("contracts/AccessLog.sol", "contracts/libraries/TypedData.sol"):
        for mutant in mutants(file, read(file), sources.function_at):
            assert not mutant.line.lstrip().startswith(("//", "import", "contract", "event", "error"))


def test_a_mutant_that_does_not_compile_is_told_from_one_that_changes_nothing(compiler: Compiler) -> None:
    whole = frozenset({"AccessLog"})
    original = compiler.compile(whole, {})
    assert original
    text = read(FILE)
    assert compiler.compile(whole, {FILE: text.replace("= link;", "= lonk;")}) is None
    assert compiler.compile(whole, {FILE: text.replace("/// @dev", "/// Another word. @dev", 1)}) == original
    assert compiler.compile(whole, {FILE: text.replace("== 0", "!= 0")}) != original


def test_a_file_is_compiled_with_every_contract_that_it_is_part_of(sources: Sources) -> None:
    assert sources.reach[FILE] == {"AccessLog"}
    assert sources.reach["contracts/libraries/TypedData.sol"] == {"AccessLog", "ConsentRegistry"}
    assert sources.reach["contracts/Authorities.sol"] == {"ProviderRegistry"}


def test_a_score_under_the_goal_does_not_pass() -> None:
    assert outcome(judge(told(*MANY, (LIVES, "")), {KEY: "equal"})).passed
    few = outcome(judge(told(*MANY[:18], (LIVES, "")), {KEY: "equal"}))
    assert not few.passed
    assert few.figures["killed"].startswith("94.7 %")


def test_a_mutant_that_lives_unexplained_does_not_pass() -> None:
    found = outcome(judge(told(*MANY, (LIVES, "")), {}))
    assert not found.passed
    assert any("lives unexplained" in line and "a != 0" in line for line in found.lines)


def test_an_explained_mutant_still_counts_as_alive() -> None:
    result = judge(told(*MANY, (LIVES, "")), {KEY: "equal"})
    assert (result.killed, result.tried) == (39, 40)


@pytest.mark.parametrize(
    "found",
    [
        told(*MANY, (LIVES, "test_b")),
        told(*MANY),
        told(*MANY, (LIVES, ""), each=40, stale=[(*KEY, "no rule makes it")]),
    ],
    ids=["killed since", "no longer made", "gone, seen by a sample"],
)
def test_an_explanation_that_explains_nothing_does_not_pass(found: dict[str, Any]) -> None:
    done = outcome(judge(found, {KEY: "equal"}))
    assert not done.passed
    assert any("stale" in line and "a != 0" in line for line in done.lines)


def test_a_sample_does_not_miss_what_it_did_not_draw() -> None:
    assert outcome(judge(told(*MANY, each=40), {KEY: "equal"})).passed


def test_a_mutant_in_another_shape_is_explained_by_its_twin() -> None:
    found = told(*MANY, (("    if (a >= 1) f();\n", "    if (a > 0) f();\n"), ""), each=40)
    assert not outcome(judge(found, {KEY: "equal"})).passed
    found["rows"][-1]["twin"] = list(KEY)
    assert outcome(judge(found, {KEY: "equal"})).passed


def test_a_run_that_was_cut_short_or_saw_nothing_does_not_pass() -> None:
    assert not outcome(judge(told(*MANY) | {"whole": False}, {})).passed
    assert not outcome(judge(told(), {})).passed


def test_nothing_is_explained_twice_and_every_explanation_names_a_line() -> None:
    for (file, _, line, becomes), why in explanations().items():
        assert line in read(file), f"{file} holds no {line}"
        assert line != becomes
        assert why.endswith(".")


def test_first_are_tried_those_that_killed_a_neighbour_then_those_of_the_line() -> None:
    covers = {
        "wide": {"a:f", "a:1", *map(str, range(40))},
        "line": {"a:f", "a:1"},
        "other": {"a:f"},
        "far": {"a:g"},
    }
    order = Order(covers, {})
    assert order.tests("a:f", "a:1") == ["line", "wide", "other"]
    order.killed("a:f", "other")
    assert order.tests("a:f", "a:1") == ["other", "line", "wide"]
    assert set(order.tests("a:constant", "a:9")) == set(covers)


def test_what_runs_before_every_test_and_elsewhere_is_tried_on_every_test() -> None:
    covers = {"runs": {"a:f", "a:1"}, "far": {"a:g"}, "on a node of its own": set[str]()}
    assert Order(covers, {}).tests("a:f", "a:1") == ["runs", "on a node of its own"]
    assert set(Order(covers, {}, ["a:f"]).tests("a:f", "a:1")) == set(covers)


PLAY = """
import json, sys
import pytest
from tools.assure.mutation.compiler import Code
from tools.assure.mutation.trial import Case, Trials

def play(trials):
    names = list(trials.items)
    codes = {"good": "a + b", "bad": "a - b", "endless": "loop()", "fatal": "die()"}
    cases = [Case(number, {"add": Code(text, "")}, names) for number, text in enumerate(codes.values())]
    trials.seconds = dict.fromkeys(names, 0.0)
    found = {list(codes)[verdict.name]: verdict.by for verdict in trials.decide(cases)}
    print("FOUND", json.dumps(found))

def swap(name, code):
    import subject
    subject.FORMULA = code.creation

trials = Trials(play, swap)
trials.limit = 3
options = ["-q", "-p", "no:cacheprovider", "-p", "no:ape_test", "--capture=sys", "--rootdir", "."]
sys.exit(pytest.main([*options, "."], plugins=[trials]))
"""
SUBJECT = """
import os
FORMULA = "a + b"
def loop():
    while True: pass
def die():
    os.abort()
def add(a, b):
    return eval(FORMULA)
"""
STRONG = "import subject\ndef test_add():\n    assert subject.add(2, 1) == 3\n"
WEAK = "import subject\ndef test_add():\n    assert subject.add(2, 0) == 2\n"


@pytest.mark.parametrize(("test", "bad"), [(STRONG, "test_add"), (WEAK, "")], ids=["strong", "weak"])
def test_a_weak_test_lets_a_mutant_live_and_a_copy_leaves_no_trace(
    test: str, bad: str, tmp_path: Path
) -> None:
    for name, text in {"subject.py": SUBJECT, "test_it.py": test, "play.py": PLAY}.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "play.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": ""},
        capture_output=True,
        text=True,
    )
    line = next((line for line in done.stdout.splitlines() if "FOUND" in line), done.stdout + done.stderr)
    found = json.loads(line.partition("FOUND ")[2])
    # The good one is first: had the mutants' code stayed, or the first trial's, the rest would tell.
    assert found == {"good": "", "bad": found["bad"], "endless": "timeout", "fatal": "died"}
    assert found["bad"].endswith(bad)
    assert bool(found["bad"]) == bool(bad)
