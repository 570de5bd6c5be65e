"""Deploy the contracts, with the keyholders whose cards you give or five on this machine.

\b
  ape run deploy --network http://127.0.0.1:8545 --account TEST::0
  ape run deploy --network ethereum:sepolia:node --account hospital-it --authority 0x... --dry-run
  ape run deploy --account hospital-it --keyholder cards/a.json --keyholder cards/b.json --threshold 2

Compiles with Ape, deploys the four contracts in order, and writes deployments.json and keyholders.json under
CONSENTRY_HOME. Authorities issue, suspend and retire credentials; two of them together replace one later (so
name two at least), and none can grant or read.
"""

from __future__ import annotations

from pathlib import Path
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
    "(1337, 31337), which mine nothing when idle, else 3 (36 seconds on Ethereum). 64 (13 minutes) waits "
    "until the entry is final.",
)
@click.option(
    "--finality",
    type=click.Choice(["latest", "safe", "finalized"]),
    default="latest",
    show_default=True,
    help="The block from which the depth counts: the newest, or what the chain's validators call safe or "
    "final (depth 0 then, unless said). Development chains may never have a final block.",
)
@click.option(
    "--keyholder",
    "cards",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="CARD",
    help="The card.json that a keyholder made with `consentry keyholder init`, or a folder of them. Default: "
    "five on this machine, which show the path and protect from nobody.",
)
@click.option("--threshold", type=click.IntRange(1, 255), help="How many keyholders are needed. Default: 3.")
@click.option(
    "--again", is_flag=True, help="Replace this very chain's deployment; its grants and records stay behind."
)
@click.option(
    "--dry-run", "dry", is_flag=True, help="Say what would be sent and what it costs; send nothing."
)
def cli(account: Any, provider: Any, authorities: tuple[str, ...], dry: bool, **options: Any) -> None:
    """Deploy; the module says more."""
    from ape import project

    from consentry.cli.deploying import deploy, dry_run, show
    from consentry.cli.workshop import the_home

    if dry:
        dry_run(account, provider, project, authorities=list(authorities), **options)
        return
    made = deploy(account, provider, project, authorities=list(authorities), **options)
    show(the_home(), made, inside=provider.name == "test")
