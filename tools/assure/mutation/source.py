"""What the sources say of themselves: which contracts a file is part of, and its functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .compiler import APART, MAPPED, Compiler, deployed, read, root, settings

FUNCTIONS = ("FunctionDefinition", "ModifierDefinition")


@dataclass(frozen=True)
class Function:
    """A function of a file, by the bytes it takes there."""

    file: str
    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Sources:
    """The sources, compiled so that each instruction tells where it comes from."""

    contracts: dict[str, Any]
    """The compiler's answer by contract, `evm` in it."""
    files: dict[int, str]
    """Files by the compiler's numbers."""
    functions: dict[str, list[Function]]
    reach: dict[str, frozenset[str]]
    """The deployed contracts that hold something of a file, by file."""

    def function_at(self, file: str, start: int) -> str:
        """The name of the function there; empty outside of functions."""
        return next((f.name for f in self.functions.get(file, []) if f.start <= start < f.end), "")


def study(compiler: Compiler) -> Sources:
    """Compile what is deployed, and see what it is made of."""
    names = deployed()
    wanted: dict[str, Any] = {root(name): {name: MAPPED} for name in names}
    optimizer = settings()["optimizer"] | {"details": APART}
    answer = compiler.ask(
        {root(name): read(root(name)) for name in names},
        outputSelection={"*": {"": ["ast"]}} | {k: v | {"": ["ast"]} for k, v in wanted.items()},
        optimizer=optimizer,
    )
    trees = {path: told["ast"] for path, told in answer["sources"].items()}
    imports = {path: set(imported(tree)) for path, tree in trees.items()}
    reach: dict[str, set[str]] = {}
    for name in names:
        for path in closure(root(name), imports):
            reach.setdefault(path, set()).add(name)
    return Sources(
        contracts={name: answer["contracts"][root(name)][name] for name in names},
        files={told["id"]: path for path, told in answer["sources"].items()},
        functions={path: list(functions(path, tree)) for path, tree in trees.items()},
        reach={path: frozenset(names) for path, names in reach.items()},
    )


def imported(tree: Any) -> Iterator[str]:
    """The files that a file imports."""
    return (node["absolutePath"] for node in tree["nodes"] if node["nodeType"] == "ImportDirective")


def closure(path: str, imports: dict[str, set[str]]) -> set[str]:
    """A file and all that it stands on."""
    found, ahead = {path}, [path]
    while ahead:
        new = imports[ahead.pop()] - found
        found |= new
        ahead += new
    return found


def functions(path: str, tree: Any) -> Iterator[Function]:
    """The functions and modifiers of a file."""
    for contract in tree["nodes"]:
        for node in contract.get("nodes", []):
            if node["nodeType"] in FUNCTIONS:
                start, length, _ = map(int, node["src"].split(":"))
                yield Function(path, node["name"] or node["kind"], start, start + length)
