"""What counts as passed: seen in this checkout as it stands, and not failed since."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support import passed

TEST = ("tests/test_x.py", "test_y")


def report(case: str, outcome: str, when: str = "call") -> pytest.TestReport:
    return pytest.TestReport(
        f"tests/test_x.py::test_y{case}",
        ("tests/test_x.py", 0, "test_y"),
        {},
        outcome,  # type: ignore[arg-type]
        None,
        when,  # type: ignore[arg-type]
    )


def told(tmp_path: Path, *reports: pytest.TestReport) -> set[tuple[str, str]]:
    file = tmp_path / "passed" / "now.txt"
    for each in reports:
        passed.write(each, file)
    return passed.passed(file)


def test_what_passed_is_known_also_in_many_cases(tmp_path: Path) -> None:
    assert told(tmp_path, report("[one]", "passed"), report("[a [b]]", "passed")) == {TEST}


def test_what_was_never_run_did_not_pass(tmp_path: Path) -> None:
    assert told(tmp_path) == set()


@pytest.mark.parametrize("outcome", ["failed", "skipped"])
@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
def test_what_did_not_run_through_did_not_pass(tmp_path: Path, outcome: str, when: str) -> None:
    before = [report("[one]", "passed", step) for step in ("setup", "call", "teardown")]
    assert told(tmp_path, *before, report("[two]", outcome, when)) == set()


def test_a_set_up_that_went_well_is_no_test_that_passed(tmp_path: Path) -> None:
    assert told(tmp_path, report("", "passed", "setup"), report("", "passed", "teardown")) == set()


def test_the_last_word_counts(tmp_path: Path) -> None:
    assert told(tmp_path, report("", "failed"), report("", "passed")) == {TEST}
    assert told(tmp_path, report("", "failed")) == set()


@pytest.mark.parametrize("name", ["contracts/A.sol", "src/a.py", "uv.lock", "tests/vectors/new.json"])
def test_after_a_change_nothing_counts_any_more(tmp_path: Path, name: str) -> None:
    for each in (*passed.FILES, *(f"{folder}/kept" for folder in passed.SOURCES), "contracts/A.sol"):
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_text("as it was")
    before = passed.fingerprint(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("changed")
    assert passed.fingerprint(tmp_path) != before


def test_what_builds_leave_is_no_change(tmp_path: Path) -> None:
    for each in (*passed.FILES, "src/a.py"):
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_text("as it was")
    before = passed.fingerprint(tmp_path)
    for left in ("src/__pycache__/a.pyc", "contracts/.cache/x.sol", ".build/y"):
        (tmp_path / left).parent.mkdir(parents=True)
        (tmp_path / left).write_text("left")
    assert passed.fingerprint(tmp_path) == before
    shutil.move(tmp_path / "src/a.py", tmp_path / "src/b.py")
    assert passed.fingerprint(tmp_path) != before
