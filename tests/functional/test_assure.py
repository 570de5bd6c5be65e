"""The assurance run: what its steps take for passed, and when its page is written."""

import json
import re
import shutil
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.assure import __main__ as whole
from tools.assure import command, halmos, invariants, medusa, page, slither
from tools.assure.halmos import Proof
from tools.assure.outcome import Outcome
from tools.assure.sabotage import SABOTAGES, Sabotage
from tools.setup import analysers
from tools.setup.base import SetupError

ROOT = Path(__file__).resolve().parents[2]

# --- The run ----------------------------------------------------------------------------------


@pytest.fixture
def steps(monkeypatch) -> dict[str, object]:
    """What each step does when it is run: gives an outcome, or raises; all pass at first."""
    does: dict[str, object] = {name: Outcome(name, True, {"looked at": "all"}) for name in whole.STEPS}

    def module(name: str) -> SimpleNamespace:
        result = does[name.rsplit(".", 1)[1]]

        def run() -> Outcome:
            if isinstance(result, Exception):
                raise result
            assert isinstance(result, Outcome)
            return result

        return SimpleNamespace(run=run)

    monkeypatch.setattr(whole.importlib, "import_module", module)
    return does


@pytest.fixture
def written(monkeypatch, tmp_path) -> Path:
    """The page of a checkout that is clean at one commit."""
    monkeypatch.setattr(page, "ROOT", tmp_path)
    monkeypatch.setattr(page, "PAGE", tmp_path / "run.md")
    monkeypatch.setattr(page, "clean_commit", lambda: "c0ffee")
    return tmp_path / "run.md"


def test_a_whole_run_that_passes_ends_with_0_and_is_written_with_its_commit(steps, written):
    assert whole.main([]) == 0
    assert "`c0ffee`" in written.read_text()
    rows = re.findall(r"^\| (\w+) \| passed \| looked at all \|", written.read_text(), re.M)
    assert rows == list(whole.STEPS)


def test_a_failed_step_ends_the_run_with_1_and_the_others_are_run_all_the_same(steps, written, capsys):
    steps["slither"] = Outcome("slither", False, {"findings": "1"}, ["a finding"])
    steps["medusa"] = RuntimeError("no such program")
    assert whole.main([]) == 1
    said = capsys.readouterr().out
    assert "  a finding\nslither: FAILED" in said
    assert "RuntimeError: no such program" in said
    assert "mutation: passed" in said
    assert re.findall(r"^\| (\w+) \| FAILED", written.read_text(), re.M) == ["slither", "medusa"]


def test_single_steps_can_be_asked_for_and_are_not_written(steps, written, capsys):
    assert whole.main(["halmos", "slither"]) == 0
    said = capsys.readouterr().out
    assert said.index("slither: passed") < said.index("halmos: passed")
    assert "medusa" not in said
    assert not written.exists()


def test_a_step_that_does_not_exist_is_refused_with_2(steps, capsys):
    assert whole.main(["slithr"]) == 2
    assert f"no step: slithr; there are {', '.join(whole.STEPS)}" in capsys.readouterr().err


def test_nothing_is_written_for_a_tree_that_is_no_commit(steps, written, monkeypatch, capsys):
    monkeypatch.setattr(page, "clean_commit", lambda: None)
    assert whole.main([]) == 0
    assert not written.exists()
    assert "not written" in capsys.readouterr().out


def test_nothing_is_written_where_the_tree_changed_during_the_run(steps, written, monkeypatch):
    answers = iter(["c0ffee", "decaf"])
    monkeypatch.setattr(page, "clean_commit", lambda: next(answers))
    assert whole.main([]) == 0
    assert not written.exists()


def test_every_step_exists():
    for name in whole.STEPS:
        assert callable(__import__(f"tools.assure.{name}", fromlist=["run"]).run)


def test_the_page_says_machine_tools_and_how_long(monkeypatch):
    monkeypatch.setattr(page, "versions", lambda: {"solc": "0.8.37"})
    outcome = Outcome("halmos", True, {"proofs": "3 of 3", "odd": "a|b"})
    text = page.text("c0ffee", [(outcome, 61.4)], datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    assert "| ended | 2026-01-02 03:04 UTC |" in text
    assert "| tools | solc 0.8.37 |" in text
    assert "| halmos | passed | proofs 3 of 3; odd a\\|b | 1 min 1 s |" in text
    assert re.search(r"^\| machine \| \d+ cores", text, re.M)


def test_a_tool_that_does_not_end_is_killed():
    with pytest.raises(command.subprocess.TimeoutExpired):
        command.call(["sleep", "60"], seconds=0)


def test_tools_that_threads_wait_for_can_be_stopped():
    with ThreadPoolExecutor() as workers:
        work = workers.submit(command.call, ["sh", "-c", "echo begun; sleep 60; echo ended"])
        while not command._RUNNING:
            assert not work.done()
        command.stop()
        code, printed = work.result()
    assert code < 0
    assert "ended" not in printed


# --- Slither ----------------------------------------------------------------------------------

LOOKED = "INFO:Slither:. analyzed (33 contracts with 101 detectors), 0 result(s) found"
FINDING = {"description": "Reentrancy in AccessLog.request\n"}


def test_slither_without_a_finding_passes():
    outcome = slither.judge({"success": True, "results": {}}, LOOKED)
    assert outcome.passed
    assert outcome.figures == {"contracts": "33", "detectors": "101", "findings": "0"}


@pytest.mark.parametrize(
    ("report", "printed"),
    [
        ({"success": True, "results": {"detectors": [FINDING]}}, LOOKED),
        ({"success": False, "error": "no compiler", "results": {}}, LOOKED),
        ({"success": True, "results": {}}, "nothing"),
        ({"success": True, "results": {}}, LOOKED.replace("33", "3")),
        ({"success": True, "results": {}}, LOOKED.replace("101", "11")),
    ],
    ids=["a finding", "broke off", "did not look", "few contracts", "few detectors"],
)
def test_slither_fails_with(report, printed):
    outcome = slither.judge(report, printed)
    assert not outcome.passed
    assert outcome.lines


def test_slither_leaves_out_one_detector_and_says_why():
    config = json.loads((ROOT / "slither.config.json").read_text())
    text = (ROOT / "docs/assurance.md").read_text()
    for name in config["detectors_to_exclude"].split(","):
        assert f"`{name}`" in text
    assert set(config) == {"filter_paths", "detectors_to_exclude"}


def test_every_suppression_has_its_reason_in_the_line_above():
    for path in (ROOT / "contracts").rglob("*.sol"):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if "slither-disable" in line:
                assert "slither-disable-next-line " in line, f"{path.name}:{number + 1} is too wide"
                assert re.match(r"\s*// \w.{15,}\.$", lines[number - 1]), f"{path.name}:{number + 1}: why?"


# --- Forge's invariants -----------------------------------------------------------------------


def suites_of(status: str = "Success", calls: int = invariants.RUNS * invariants.DEPTH) -> dict:
    kind = {"Invariant": {"runs": invariants.RUNS, "calls": calls}}
    test = {"status": status, "reason": "a revoked grant lives", "kind": kind}
    unit = {"status": "Success", "reason": None, "kind": {"Unit": {"gas": 1}}}
    return {"a.t.sol:A": {"test_results": {"invariant_x()": test, "test_y()": unit}}}


def test_invariants_that_held_over_all_calls_pass():
    outcome = invariants.judge(0, suites_of())
    assert outcome.passed
    assert outcome.figures["calls"] == f"{invariants.RUNS * invariants.DEPTH:,}"


@pytest.mark.parametrize(
    ("code", "suites"),
    [(0, suites_of("Failure")), (0, suites_of(calls=10)), (1, suites_of()), (0, {})],
    ids=["an invariant broken", "few calls", "an exit code", "nothing run"],
)
def test_invariants_fail_with(code, suites):
    assert not invariants.judge(code, suites).passed


# --- Halmos -----------------------------------------------------------------------------------

NAMES = sorted({sabotage.proof for sabotage in SABOTAGES})
PROVED = [Proof(name, halmos.PROVED, 7) for name in NAMES]


def test_proofs_that_hold_and_were_seen_to_fail_pass():
    outcome = halmos.judge(NAMES, PROVED, [])
    assert outcome.passed
    assert outcome.figures["proofs"] == f"{len(NAMES)} of {len(NAMES)}"


@pytest.mark.parametrize("code", range(1, 6))
def test_a_proof_that_is_not_known_to_hold_fails(code):
    assert not halmos.judge(NAMES, [*PROVED[1:], Proof(NAMES[0], code, 7)], []).passed


@pytest.mark.parametrize(
    ("names", "proofs", "missed"),
    [
        (NAMES, PROVED[1:], []),
        (NAMES, [*PROVED[1:], Proof(NAMES[0], halmos.PROVED, 0)], []),
        ([*NAMES, "check_new"], [*PROVED, Proof("check_new", halmos.PROVED, 7)], []),
        (NAMES, PROVED, ["a proof holds for a broken contract"]),
        ([], [], []),
    ],
    ids=["not run", "no path", "never seen to fail", "a sabotage missed", "no proofs"],
)
def test_halmos_fails_with(names, proofs, missed):
    assert not halmos.judge(names, proofs, missed).passed


def test_halmos_answer_is_read():
    test = {"name": "check_x(address)", "exitcode": 0, "num_paths": [12, 9, 0]}
    broken = {"name": "check_y()", "exitcode": 5, "num_paths": None}
    answer = {"exitcode": 1, "test_results": {"tests/proofs/X.t.sol:XProofs": [test, broken]}}
    assert halmos.read(answer) == [Proof("check_x", 0, 12), Proof("check_y", 5, 0)]


def test_every_proof_is_seen_to_fail_and_no_sabotage_is_for_nothing():
    assert sorted(halmos.declared()) == NAMES


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.says)
def test_every_sabotage_still_fits_the_contracts(sabotage, tmp_path):
    shutil.copytree(ROOT / "contracts", tmp_path / "contracts")
    sabotage.do(tmp_path / "contracts")
    changed = (tmp_path / "contracts" / sabotage.file).read_text()
    assert changed != (ROOT / "contracts" / sabotage.file).read_text()


def test_a_sabotage_that_no_longer_fits_is_refused(tmp_path):
    (tmp_path / "A.sol").write_text("contract A {}")
    with pytest.raises(ValueError, match=r"A\.sol has changed"):
        Sabotage("check_x", "anything", "A.sol", "contract B", "contract C").do(tmp_path)


# --- Medusa -----------------------------------------------------------------------------------

ENDED = "fuzz: elapsed: 58s, calls:       6761 (   108/sec)\nTest summary: 3 test(s) passed, 0 test(s) failed"
NAME = "ConsentCampaign"
REACHED = dict.fromkeys(medusa.CAMPAIGNS[NAME], 1.0)


def test_a_campaign_that_called_and_reached_enough_has_nothing_wrong():
    assert medusa.most_calls(ENDED) == 6761
    assert medusa.complaints(NAME, 0, ENDED, 6761, REACHED) == []


@pytest.mark.parametrize(
    ("code", "printed", "calls", "reached"),
    [
        (7, ENDED, 6761, REACHED),
        (0, ENDED.replace("3 test(s) passed, 0", "2 test(s) passed, 1"), 6761, REACHED),
        (0, ENDED.replace("3 test(s)", "0 test(s)"), 6761, REACHED),
        (0, "", 0, REACHED),
        (0, ENDED, 12, REACHED),
        (0, ENDED, 6761, {}),
        (0, ENDED, 6761, {**REACHED, "contracts/ConsentRegistry.sol": 0.1}),
    ],
    ids=["an exit code", "a failed test", "no test", "no word", "few calls", "no lines", "few lines"],
)
def test_a_campaign_fails_with(code, printed, calls, reached):
    assert medusa.complaints(NAME, code, printed, calls, reached)


def test_a_line_counts_as_reached_where_any_part_of_it_was():
    lcov = "SF:/x/contracts/A.sol\nDA:1,0\nDA:1,4\nDA:2,0\nend_of_record\nSF:/x/contracts/B.sol\nDA:9,1\n"
    assert medusa.shares(lcov, Path("/x")) == {"contracts/A.sol": 0.5, "contracts/B.sol": 1.0}


def test_every_campaign_is_run():
    source = (ROOT / "tests/fuzz/Campaigns.sol").read_text()
    assert set(re.findall(r"^contract (\w+) is Campaign", source, re.M)) == set(medusa.CAMPAIGNS)


# --- What is installed ------------------------------------------------------------------------


def test_the_analysers_are_pinned_exactly_and_locked_from_pypi_alone():
    project = tomllib.loads((ROOT / "tools/analysers/pyproject.toml").read_text())
    assert all(re.fullmatch(r"[\w-]+==\d+\.\d+\.\d+", line) for line in project["project"]["dependencies"])
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "tools/analysers/uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


@pytest.fixture
def fetched(monkeypatch, tmp_path) -> list[Path]:
    """The environments that were made: each with programs that start; in a `.venv` of its own."""
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").symlink_to(sys.executable)
    made: list[Path] = []

    def uv(words: list[str], cache: Path, environment: Path) -> str:
        made.append(environment)
        (environment / "bin").mkdir(parents=True)
        for name in (*analysers.PROGRAMS, "python"):
            (environment / "bin" / name).write_text("#!/bin/sh\necho 1.2.3\n")
            (environment / "bin" / name).chmod(0o755)
        return ""

    monkeypatch.setattr(analysers, "VENV", tmp_path / "venv")
    monkeypatch.setattr(analysers, "uv", uv)
    return made


def test_the_analysers_are_fetched_once_and_stand_beside_the_workshops_programs(fetched, tmp_path, capsys):
    for _ in range(2):
        analysers.install(tmp_path / "cache")
    assert len(fetched) == 1
    assert "fetched  slither       1.2.3" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "venv/bin").iterdir()} == {*analysers.PROGRAMS, "python"}


def test_analysers_of_which_one_does_not_start_are_fetched_again(fetched, tmp_path):
    analysers.install(tmp_path / "cache")
    (fetched[0] / "bin/halmos").unlink()
    analysers.install(tmp_path / "cache")
    assert len(fetched) == 2
    assert (tmp_path / "venv/bin/halmos").exists()


def test_analysers_that_do_not_start_are_said_to_be_missing_and_not_kept(fetched, tmp_path, monkeypatch):
    monkeypatch.setattr(analysers, "uv", lambda words, cache, environment: environment.mkdir() or "")
    with pytest.raises(SetupError, match="not whole"):
        analysers.install(tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("analysers-*"))
