"""Revoke a grant, or all of them.

\b
  ape run revoke --account alice                      (lists what you have granted)
  ape run revoke --account alice --grant 0x1f0c44d2
  ape run revoke --account alice --all

The keyholders stop at once, and on chain the grant is over for ever. Nobody can stop a revocation. It
cannot make a reader forget what was read before.
"""

from __future__ import annotations

from typing import Any

import click

from consentry.cli.arguments import IDENTIFIER
from consentry.cli.workshop import Command, account_option


@click.command(cls=Command, help=__doc__)
@account_option("The patient.")
@click.option(
    "--grant", "grants", type=IDENTIFIER, multiple=True, help="A grant's id, or how it begins; repeatable."
)
@click.option("--all", "every", is_flag=True, help="Every grant there is.")
def cli(account: Any, provider: Any, grants: tuple[str, ...], every: bool) -> None:
    """Revoke; the module says more."""
    from consentry.cli.granting import list_grants, revoke
    from consentry.cli.workshop import desk_of

    if grants and every:
        raise click.UsageError("give --grant ID, or --all, not both")
    desk = desk_of(account, provider)
    if grants or every:
        revoke(desk, None if every else grants)
    else:
        list_grants(desk)
