"""Onboard the providers of a CSV file: a credential on chain and a signed card for each.

\b
  ape run onboard providers.csv --account authority

The first row is file,name,number,roles,organisation,valid_until. file is the provider.json from `enrol`;
number an NPI with its check digit, or REGISTER:NUMBER; roles are words: treating research public-health
reviewer organisation; organisation is the number of an organisation row, or an address; valid_until is
YYYY-MM-DD. The whole file is checked first, and every wrong row is named. Cards go to cards/ in
CONSENTRY_HOME; give each provider its own. Run again, it does what is left.
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
