"""Mutation testing: each small change of a contract has to be noticed by the tests of the contracts.

A mutant is one line changed by a rule of `solidity.rules`. One that does not compile, or compiles to the code
of the original or of another mutant, is not counted. All others are tried: the tests of tests/contracts that
run the changed function are run on it, in process, until one fails.

- `mutants`: universalmutator makes them.
- `compiler`, `source`: solc with Ape's settings, and what it says of the sources.
- `coverage`: which tests run what.
- `trial`: a warm pytest that is copied for each mutant.
- `campaign`: these together, in a process of its own.
- `score`: what came of it, with the reasons for what lives (`lives.toml`).
- `page`: docs/mutation.md.

`make assure` tries a drawn sample. ``python -m tools.assure.mutation`` tries all and writes
docs/mutation.md.
"""

from .score import run

__all__ = ["run"]
