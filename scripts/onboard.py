"""Onboard the providers of a CSV file.

\b
  ape run onboard providers.csv --account authority

Each gets a credential on chain and a signed card. The first row of the file names its columns:

\b
  file          the provider.json that the provider made with enrol, beside the CSV file
  name          how sentences name the provider
  number        NPI with its check digit, or another register's as REGISTER:NUMBER
  roles         words: treating research public-health reviewer organisation
  organisation  whose member: the number of an organisation row, or an address, or empty
  valid_until   the credential's last day, as YYYY-MM-DD

The whole file is checked first, and every wrong row is named. Cards go to cards/ in CONSENTRY_HOME; give
each provider its own. Run again, it does what is left.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from consentry.cli.workshop import Command, account_option


@click.command(cls=Command, help=__doc__)
@click.argument("providers", metavar="PROVIDERS.CSV", type=click.Path(path_type=Path))
@account_option("The authority.")
def cli(providers: Path, account: Any, provider: Any) -> None:
    """Onboard; the module says more."""
    from consentry.cli.onboarding import onboard
    from consentry.cli.workshop import desk_of

    onboard(desk_of(account, provider, create=True), providers)
