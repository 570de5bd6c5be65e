"""The drill: keyholders fail and people cheat, with real processes, and each line says what they got.

\b
  ape run drill
  ape run drill --scene machines --scene entries

Starts two Anvils and five `consentry keyholder serve` on this machine, and stops them at the end. What is
told is measured in this run. Ends with exit code 7 where anybody got anything.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
from ape import accounts, networks, project
from ape.logging import LogLevel, logger
from rich.console import Console

from consentry.chain import connect
from consentry.cli.ape import ApeSigner, code_of, web3_of
from consentry.cli.demo.stage import PEOPLE
from consentry.cli.drill import SCENES, tell
from consentry.cli.terminal import exit_codes

ROOT = Path(__file__).parent.parent
AHEAD = 3600  # seconds: another genesis, at a time at which the terms have begun


@click.command(help=__doc__, context_settings={"max_content_width": 100})
@click.option(
    "--scene", "scenes", type=click.Choice(SCENES), multiple=True, help="Only this one; repeatable."
)
def cli(scenes: tuple[str, ...]) -> None:
    """Play; the module says more."""
    sys.path.insert(0, str(ROOT))
    from bench._anvil import anvil

    logger.set_level(LogLevel.WARNING)
    with (
        exit_codes(),
        anvil(timestamp=int(time.time()) + AHEAD) as elsewhere,
        anvil() as url,
        networks.parse_network_choice(url) as provider,
    ):
        people = dict(zip(PEOPLE, accounts.test_accounts, strict=False))
        signers = {name: ApeSigner(account, provider) for name, account in people.items()}
        console = Console(highlight=False)
        other = connect(elsewhere)
        tell(web3_of(provider), code_of(project), signers, url, other, console=console, only=scenes)
