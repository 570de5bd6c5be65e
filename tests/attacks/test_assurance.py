"""docs/assurance.md tells the truth: no check without a row, no row without a test that runs."""

from __future__ import annotations

import ast
import json
from functools import cache

import pytest

from consentry.keyholder.checks import DEAL, RELEASE
from tests.attacks.assurance import ROOT, check_test, rows, service_checks, table

LEFT_OUT = {"skip", "skipif", "xfail", "importorskip"}
ALL_TESTS = sorted({test for row in rows() for test in row.tests})


@cache
def module(path: str) -> ast.Module:
    """A test file, parsed."""
    return ast.parse((ROOT / path).read_text("utf-8"))


def named(node: ast.AST) -> set[str]:
    """All names and attributes in ``node``."""
    return {
        one.attr if isinstance(one, ast.Attribute) else one.id
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute | ast.Name)
    }


def module_marks(path: str) -> set[str]:
    """What stands at the top of a test file outside its functions: there a skip would hold for all."""
    return {
        name
        for node in module(path).body
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom)
        for name in named(node)
    }


def function_of(path: str, name: str) -> ast.FunctionDef | None:
    found = [n for n in module(path).body if isinstance(n, ast.FunctionDef) and n.name == name]
    return found[0] if len(found) == 1 else None


@pytest.mark.parametrize(("checks", "section"), [(RELEASE, "RELEASE"), (DEAL, "DEAL")])
def test_every_check_has_its_row_in_its_order(checks: dict[str, object], section: str) -> None:
    """And there is no row for a check that was taken away."""
    assert list(table(f"`{section}`")) == list(checks)
    assert all(check_test(section, check).startswith("test_") for check in checks)


def test_every_other_refusal_of_a_keyholder_has_its_row() -> None:
    found = {
        (row.cells[1].strip("`"), row.cells[0])
        for row in rows()
        if row.section == SERVICE
        if len(row.cells) == 4
    }
    assert found == service_checks()


SERVICE = "What else a keyholder refuses"


def test_every_promise_has_its_tests() -> None:
    assert {row.cells[0] for row in rows() if row.section == "The promises"} == set("1234567")


FAULTS = json.loads((ROOT / "tests" / "vectors" / "faults.json").read_text("utf-8"))
ELSEWHERE = "Faults of others that no contract can have"


@pytest.mark.parametrize(
    ("section", "kind"), [("Faults of others that a contract can have", "contract"), (ELSEWHERE, "elsewhere")]
)
def test_every_fault_of_others_has_its_row(section: str, kind: str) -> None:
    """The list of faults is committed by itself, so that a row cannot go unseen."""
    found = [row.cells[:2] for row in rows() if row.section == section]
    assert found == [(system, fault) for system, faults in FAULTS.items() for fault in faults[kind]]


def test_the_faults_of_eight_systems_are_gone_through() -> None:
    assert len(FAULTS) == 8
    assert all(faults["contract"] for faults in FAULTS.values())


def test_every_row_names_a_test() -> None:
    """But for what lies outside every contract, and may have to be left unanswered."""
    assert len(rows()) > 130
    assert not [row for row in rows() if not row.tests and row.section != ELSEWHERE]


@pytest.mark.parametrize(("path", "name"), ALL_TESTS, ids=[name for _, name in ALL_TESTS])
def test_what_is_named_exists_and_is_not_skipped(path: str, name: str) -> None:
    """Found in its file once, by this name, under no mark that leaves it out, and in a folder that
    `make test` runs."""
    function = function_of(path, name)
    assert function is not None, f"there is no {path}::{name}"
    assert not LEFT_OUT & named(function)
    assert not LEFT_OUT & module_marks(path)
    assert path.rpartition("/")[0] in (ROOT / "Makefile").read_text("utf-8")


def test_every_check_of_a_keyholder_stands_in_a_table_of_checks() -> None:
    """A function of `checks` that takes a release or a deal and stands in neither table would never run."""
    path = "src/consentry/keyholder/checks.py"
    takes = {
        function.name
        for function in module(path).body
        if isinstance(function, ast.FunctionDef)
        and function.args.args
        and {"Release", "Deal"} & named(function.args.args[0].annotation or ast.Pass())
    }
    assert takes == {check.__name__ for check in (*RELEASE.values(), *DEAL.values())}
