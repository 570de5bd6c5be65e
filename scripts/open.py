"""List or open a patient's records.

\b
  ape run open --account bob --patient 0x...
  ape run open --account bob --patient 0x... --kind general -o general.json
  ape run open --account alice --record 0x1f0c44d2 -o -

A list costs nothing and shows labels. To open one, a provider writes an entry into the access log, and
then the keyholders release their shares. A patient opens her own records alone, without an entry.
"""

from __future__ import annotations

from typing import Any

import click

from consentry.cli import opening
from consentry.cli.workshop import Command, account_option


@click.command(cls=Command, help=__doc__)
@account_option("Who opens.")
@opening.options
def cli(account: Any, provider: Any, **asked: Any) -> None:
    """Open; the module says more."""
    from consentry.cli.workshop import desk_of

    what = opening.Asked(**asked)
    opening.list_or_open(desk_of(account, provider), what)
