"""Reads docs/assurance.md: which test shows what."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from consentry.keyholder.service import KeyholderService

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "assurance.md"
TEST_ID = re.compile(r"`(tests/[\w/.]+\.py)::(\w+)`")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its section's heading, its cells, and the (file, function) of each test in it."""

    section: str
    cells: tuple[str, ...]
    tests: tuple[tuple[str, str], ...]


@cache
def rows() -> tuple[Row, ...]:
    """All rows of all tables, without headings and rulers."""
    found, section = [], ""
    lines = DOCUMENT.read_text("utf-8").splitlines()
    for number, line in enumerate(lines):
        if line.startswith("#"):
            section = line.lstrip("# ")
        elif line.startswith("|") and not line.startswith("|--"):
            following = lines[number + 1] if number + 1 < len(lines) else ""
            if not following.startswith("|--"):
                cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
                found.append(Row(section, cells, tuple(TEST_ID.findall(line))))
    return tuple(found)


def table(section: str) -> dict[str, Row]:
    """The rows of the sections whose heading names ``section``, by their first cell."""
    return {row.cells[0]: row for row in rows() if section in row.section}


def check_test(section: str, check: str) -> str:
    """The function of the one test that the table gives for a check."""
    [(_, function)] = table(section)[check].tests
    return function


def service_sources() -> dict[type, ast.Module]:
    """The modules of the keyholder service, parsed, by its class in each."""
    classes = [cls for cls in KeyholderService.__mro__ if cls is not object]
    return {cls: ast.parse(inspect.getsource(inspect.getmodule(cls) or cls)) for cls in classes}


def refusal(node: ast.AST) -> str | None:
    """The name in a ``raise Denied("name")``."""
    match node:
        case ast.Raise(exc=ast.Call(func=ast.Name(id="Denied"), args=[ast.Constant(value=str() as name)])):
            return name
    return None


def service_checks() -> set[tuple[str, str]]:
    """(method, check) of each refusal that the service makes by itself."""
    found = set()
    for module in service_sources().values():
        classes = (node for node in module.body if isinstance(node, ast.ClassDef))
        for method in (part for one in classes for part in one.body if isinstance(part, ast.FunctionDef)):
            found |= {(method.name, name) for one in ast.walk(method) if (name := refusal(one))}
    return found


def service_test(method: str, check: str) -> Callable[..., None]:
    """The test that the table gives for a refusal of the service."""
    [row] = [row for row in rows() if row.cells[:2] == (check, f"`{method}`")]
    [(path, function)] = row.tests
    found: Callable[..., None] = getattr(import_module(path.removesuffix(".py").replace("/", ".")), function)
    return found
