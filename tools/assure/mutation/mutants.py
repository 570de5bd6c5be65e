"""The mutants of a file: each one line that universalmutator changes by a rule of solidity.rules."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from universalmutator import mutator

RULES = Path(__file__).with_name("solidity.rules")


@dataclass(frozen=True)
class Mutant:
    """One line of a file changed."""

    file: str
    number: int
    """Of the line, from 1."""
    line: str
    becomes: str
    function: str
    """In which the line stands; empty outside of functions."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What names it also when lines above it come or go."""
        return self.file, self.function, self.line.strip(), self.becomes.strip()

    def apply(self, text: str) -> str:
        """The text of its file, changed."""
        lines = text.splitlines(keepends=True)
        assert lines[self.number - 1] == self.line
        return "".join([*lines[: self.number - 1], self.becomes, *lines[self.number :]])

    def told(self) -> dict[str, str | int]:
        """It as JSON has it."""
        return asdict(self)


def mutants(file: str, text: str, function_at: Callable[[str, int], str]) -> list[Mutant]:
    """All mutants of a file, in its order; ``function_at`` names the function at a byte of it."""
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    with contextlib.redirect_stdout(io.StringIO()):
        found = mutator.mutants_regexp(lines, ruleFiles=[str(RULES)], ignorePatterns=[])
    return [
        Mutant(file, number, lines[number - 1], becomes, function_at(file, starts[number] - 1))
        for number, becomes, *_ in found
    ]
