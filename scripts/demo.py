"""The main job as a story: seal, pin, deal, anchor, grant, request, release, open, audit."""

from __future__ import annotations

from pathlib import Path

import click
from ape import accounts, networks, project
from ape.cli import ConnectedProviderCommand
from ape.logging import LogLevel, logger
from rich.console import Console

from consentry.cli.ape import ApeSigner, code_of, web3_of
from consentry.cli.demo import tell
from consentry.cli.demo.stage import PEOPLE
from consentry.cli.terminal import exit_codes


@click.command(cls=ConnectedProviderCommand)
@click.option(
    "--bundle",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A FHIR R4 Bundle; by default one of a synthetic patient is generated.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report/demo.html"),
    show_default=True,
    help="Where the report goes.",
)
def cli(bundle: Path | None, report: Path) -> None:
    """Plays the whole story with Ape's test accounts and leaves a report to look at.

    Example: ape run demo --bundle record.json
    """
    logger.set_level(LogLevel.WARNING)
    provider = networks.active_provider
    people = dict(zip(PEOPLE, accounts.test_accounts, strict=False))
    signers = {name: ApeSigner(account, provider) for name, account in people.items()}
    console = Console(highlight=False)
    with exit_codes():
        tell(web3_of(provider), code_of(project), signers, bundle=bundle, page=report, console=console)
