"""The house: imports go one way, every public name says what it is, and no module grows out of hand."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "src" / "consentry"
MODULES = sorted(SOURCE.rglob("*.py"))

# Each room sees those before it; the last two are doors, and a door sees no other door unless it is said.
ORDER = (
    *("errors", "files", "record", "keys", "seal", "envelope", "consent", "store", "chain", "keyholder"),
    *("client", "admin", "evidence", "fhir", "cli"),
)
FHIR_SEES = {"errors", "record", "consent", "fhir"}

# Where Ape is at hand: shared by the scripts that `ape run` starts.
WORKSHOP = SOURCE / "cli" / "workshop.py"

# Longer than a module should be, and why.
LONG: dict[str, str] = {
    "fhir/synthetic.py": "one made-up patient, mostly data",
}
LONGEST = 250


def room(path: Path) -> str:
    """The room of a module: the first part of its path."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """The names that a module imports, wherever it does so."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            if node.module != "consentry":
                yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_seen(path: Path) -> set[str]:
    """The rooms that a module imports from."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("consentry.")}


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_room_sees_only_the_rooms_before_it(path: Path) -> None:
    if path == SOURCE / "__init__.py":
        assert not rooms_seen(path)
        return
    assert room(path) in ORDER, "a new room: give it its place in the order"
    allowed = set(ORDER[: ORDER.index(room(path)) + 1])
    assert rooms_seen(path) <= (FHIR_SEES if room(path) == "fhir" else allowed)


def test_the_test_sees_an_import_that_goes_the_wrong_way(tmp_path: Path) -> None:
    module = tmp_path / "keys.py"
    module.write_text("def f():\n    from consentry import store\n    import consentry.client.desk\n")
    assert rooms_seen(module) == {"store", "client"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_workshop_imports_ape(path: Path) -> None:
    assert path == WORKSHOP or "ape" not in {name.split(".")[0] for name in imports(path)}


def test_neither_the_core_nor_the_command_reaches_the_workshop() -> None:
    paths = {dotted(path): path for path in MODULES}
    reached, ahead = set(), [name for name, path in paths.items() if room(path) != "cli"]
    ahead.append("consentry.cli")
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += [seen for seen in imports(paths[name]) if seen in paths]
    assert len(reached) > 60
    assert dotted(WORKSHOP) not in reached


def dotted(path: Path) -> str:
    """The name by which a module is imported."""
    parts = ("consentry", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_public_name_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    silent = [] if ast.get_docstring(tree) or not tree.body else ["the module"]
    for owner in [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]:
        if isinstance(owner, ast.ClassDef) and owner.name.startswith("_"):
            continue
        for node in owner.body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if not node.name.startswith("_") and not ast.get_docstring(node):
                silent.append(node.name)
    assert not silent


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_longer_than_a_sitting(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    if name_of(path) in LONG:
        assert lines > LONGEST, "it is short again: take it off the list"
    else:
        assert lines <= LONGEST


def test_every_long_module_exists() -> None:
    assert set(LONG) <= {name_of(path) for path in MODULES}


def test_ape_reads_its_own_file_and_not_the_projects() -> None:
    """A table of Ape's in pyproject.toml would make it ignore ape-config.yaml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "ape" not in project["tool"]
    assert (ROOT / "ape-config.yaml").exists()


def make_targets() -> set[str]:
    """The commands that the Makefile has."""
    text = (ROOT / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", text, re.MULTILINE))


def documents() -> list[Path]:
    """Every text for people in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split()]


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_no_make_target_that_does_not_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    named = re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text, re.MULTILINE)
    assert set(named) <= make_targets()


def test_the_readme_begins_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert {"demo", "test"} <= make_targets()
    assert 0 < text.index("make demo") < 3000
    assert 0 < text.index("make test") < 3000


def fixtures(room: str) -> Iterator[tuple[str, str]]:
    """The name and the decorator of each fixture in a folder of tests."""
    for path in sorted((ROOT / "tests" / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                made = (ast.unparse(decorator) for decorator in node.decorator_list)
                yield from ((node.name, one) for one in made if one.startswith("pytest.fixture"))


def test_no_wider_fixture_has_the_name_of_one_of_the_contracts() -> None:
    """Where `ape test` runs everything, Ape tells fixtures apart by name alone: it would take the one for the
    other, and set it up where the chain is not put back."""
    contracts = {name for name, _ in fixtures("contracts")}
    others = [*fixtures("functional"), *fixtures("attacks"), *fixtures("integration")]
    assert "consents" in contracts
    assert not {name for name, made in others if "scope=" in made} & contracts
