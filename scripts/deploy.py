"""Deploy the contracts, and five keyholders on this machine.

\b
  ape run deploy --network http://127.0.0.1:8545 --account TEST::0
  ape run deploy --network ethereum:sepolia:node --account hospital-it --authority 0x... --depth 3

Compiles with Ape, deploys the four contracts in order, makes the keyholders where there are none, and
writes deployments.json and keyholders.json under CONSENTRY_HOME. Authorities issue, suspend and retire
credentials; they are fixed for ever, and can neither grant nor read.
"""

from __future__ import annotations

from typing import Any

import click

from consentry.cli.arguments import ADDRESS
from consentry.cli.workshop import Command, account_option


@click.command(cls=Command, help=__doc__)
@account_option("Who deploys.")
@click.option(
    "--authority", "authorities", type=ADDRESS, multiple=True, help="Up to four; default: who deploys."
)
@click.option(
    "--depth",
    type=click.IntRange(0, 256),
    help="Blocks that must follow an entry before keyholders answer it. Default: 0 on development chains "
    "(1337, 31337), which mine nothing when idle, else 2 (about half a minute on Ethereum).",
)
@click.option(
    "--again", is_flag=True, help="Replace this very chain's deployment; its grants and records stay behind."
)
def cli(account: Any, provider: Any, authorities: tuple[str, ...], depth: int | None, again: bool) -> None:
    """Deploy; the module says more."""
    from ape import project

    from consentry.cli.deploying import deploy, show
    from consentry.cli.workshop import the_home

    made = deploy(account, provider, project, authorities=list(authorities), depth=depth, again=again)
    show(the_home(), made, inside=provider.name == "test")
