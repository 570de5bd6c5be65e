"""Deliver a grant that somebody else signed.

\b
  ape run deliver grant.json --account anybody

Gives the key box to the keyholders, then puts the grant in force on chain. Whoever delivers pays the gas,
and learns neither the terms nor a key. A grant that is in force already
counts as delivered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from consentry.cli.workshop import Command, account_option


@click.command(cls=Command, help=__doc__)
@click.argument("grant", metavar="GRANT.JSON", type=click.Path(path_type=Path))
@account_option("Who delivers, and pays.")
def cli(grant: Path, account: Any, provider: Any) -> None:
    """Deliver; the module says more."""
    from consentry.cli.ape import web3_of
    from consentry.cli.granting import deliver_file
    from consentry.cli.workshop import signer_of, the_home

    chain = the_home().chain(web3_of(provider))
    deliver_file(chain, the_home().group(chain), signer_of(account, provider), grant)
