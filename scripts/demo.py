"""The main job as a story: seal, pin, deal, anchor, grant, request, release, open, audit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from ape import accounts, networks, project
from ape.cli import ConnectedProviderCommand
from ape.logging import LogLevel, logger
from rich.console import Console

from consentry.cli.ape import ApeSigner, code_of, url_of, web3_of
from consentry.cli.demo import tell
from consentry.cli.demo.stage import PEOPLE
from consentry.cli.keyholders import SERVICES, choice
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

    CONSENTRY_KEYHOLDERS says which keyholders: local (in this process, the default), services (five
    processes of `consentry keyholder serve`, started and stopped with the story), or the keyholders.json
    of a deployment on --network.

    Example: ape run demo --bundle record.json
    """
    logger.set_level(LogLevel.WARNING)
    console = Console(highlight=False)
    with exit_codes(), shared_chain(networks.active_provider, console) as provider:
        people = dict(zip(PEOPLE, accounts.test_accounts, strict=False))
        signers = {name: ApeSigner(account, provider) for name, account in people.items()}
        tell(web3_of(provider), code_of(project), signers, bundle=bundle, page=report, console=console)


@contextmanager
def shared_chain(provider: Any, console: Console) -> Iterator[Any]:
    """The connected chain; an Anvil for a while where that lives in this process and services have to ask
    it."""
    if url_of(provider) is not None or choice() != SERVICES:
        yield provider
        return
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from bench._anvil import anvil

    console.print("No service can ask a chain inside this process: the story has an Anvil of its own")
    with anvil() as url, networks.parse_network_choice(url) as own:
        yield own
