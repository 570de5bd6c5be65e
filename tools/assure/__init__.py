"""Attacks the contracts with tools that know nothing of our tests: `make assure`, under an hour on two cores.

Each step is a module here with `run() -> Outcome`; docs/assurance.md says what each shows and what not.

- `slither`: static analysis, clean.
- `model`: the model in Python beside the contracts, through more sequences than in `make test`.
- `invariants`: forge's invariants, deeper than in `make test`.
- `halmos`: proofs of tests/proofs, and that each fails on a contract broken for it.
- `medusa`: the same people as the invariants, led by coverage.
- `mutation`: each small change of a contract has to be noticed by its tests.

`outcome` is what a step gives, `command` runs a tool, `page` writes docs/assurance-run.md.
"""
