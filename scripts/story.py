"""The insider: what an administrator of store, hospital and two keyholders can do, and what not.

\b
  ape run story
  ape run story --bundle record.json --report report/story.html

Starts an Anvil, a Kubo (the `ipfs` on PATH, offline) and five keyholders, plays six scenes, and leaves a page
to look at. Takes Trenton Turner's record where the shared data are (CONSENTRY_SHARED), else a generated one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from ape import accounts, networks, project
from ape.logging import LogLevel, logger
from rich.console import Console

from consentry.cli.ape import ApeSigner, code_of, web3_of
from consentry.cli.demo.stage import PEOPLE
from consentry.cli.insider import tell
from consentry.cli.insider.story import Places
from consentry.cli.kubo import running_kubo
from consentry.cli.terminal import exit_codes

ROOT = Path(__file__).parent.parent
PATIENT = 1  # of Ape's test accounts, in the order of PEOPLE


@click.command(help=__doc__, context_settings={"max_content_width": 100})
@click.option(
    "--bundle",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another FHIR R4 Bundle; it has to hold something about substance use.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report/story.html"),
    show_default=True,
    help="Where the page goes.",
)
def cli(bundle: Path | None, report: Path) -> None:
    """Play; the module says more."""
    sys.path.insert(0, str(ROOT))
    from bench._anvil import anvil

    # Set-up put them beside this Python; whoever did not activate the environment has them too.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    logger.set_level(LogLevel.WARNING)
    with exit_codes(), anvil() as url, running_kubo() as kubo, networks.parse_network_choice(url) as provider:
        people = dict(zip(PEOPLE, accounts.test_accounts, strict=False))
        signers = {name: ApeSigner(account, provider) for name, account in people.items()}
        key = bytes.fromhex(accounts.test_accounts[PATIENT].private_key.removeprefix("0x"))
        tell(
            web3_of(provider),
            code_of(project),
            signers,
            Places(url, kubo, key),
            bundle=bundle or shared(),
            page=report,
            console=Console(highlight=False),
        )


def shared() -> Path | None:
    """Trenton Turner's record, where the shared data are."""
    folder = Path(os.environ.get("CONSENTRY_SHARED", ROOT.parent / "shared"))
    path = folder / "data" / "fhir" / "Trenton_Turner.json"
    return path if path.is_file() else None
