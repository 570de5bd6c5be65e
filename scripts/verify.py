"""Verify that the chain runs exactly what the sources in the manifest compile to.

\b
  ape run verify --network http://127.0.0.1:8545
  ape run verify --network ethereum:mainnet:node --manifest manifest.json

Compiles the manifest's standard-JSON input again, and compares all four contracts of deployments.json with
their code on chain: immutables with what the constructor arguments make, metadata too. Needs no secret.
Ends with exit code 5 if the manifest is not what its sources compile to, 7 if the chain runs something else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from consentry.cli.workshop import Command


@click.command(cls=Command, help=__doc__)
@click.option(
    "--manifest",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Another manifest than the one that the package ships.",
)
def cli(provider: Any, manifest: Path | None) -> None:
    """Verify; the module says more."""
    from consentry.chain.manifest import FILE
    from consentry.cli.ape import web3_of
    from consentry.cli.verifying import run
    from consentry.cli.workshop import the_home

    run(the_home().chain(web3_of(provider)), manifest or FILE)
