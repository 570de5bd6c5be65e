"""Grant a provider access until a day that you name.

\b
  ape run grant --account alice --to cards/0x...json --kind general --days 90
  ape run grant --account alice --to 0x... --kind general --kind hiv --deposit --until 2027-12-31
  ape run grant --account alice --to 0x... --kind general --members --days 30
  ape run grant --account alice --to 0x... --kind general --days 30 --sign-only -o grant.json

The provider's card is verified first: its hash on chain, its authority's signature, its credential. You
read the sentence that you sign, and are asked once. With --sign-only nothing is sent: give the file to
anybody, who delivers it with `ape run deliver`. You can end any grant at any time with `ape run revoke`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from consentry.cli.arguments import DAY_TYPE, IDENTIFIER
from consentry.cli.workshop import Command, account_option


@click.command(cls=Command, help=__doc__)
@account_option("The patient.")
@click.option(
    "--to", required=True, metavar="CARD", help="The provider's card: a file, or an address in cards/."
)
@click.option("--kind", "kinds", multiple=True, help="A kind of records; repeat it for more.")
@click.option("--record", type=IDENTIFIER, help="One single record of that kind.")
@click.option(
    "--purpose", "purposes", multiple=True, help="PurposeOfUse code, default TREAT; repeat it for more."
)
@click.option("--deposit", is_flag=True, help="To add records, and read nothing.")
@click.option("--members", is_flag=True, help="Also to the staff of the organisation on the card.")
@click.option("--until", type=DAY_TYPE, help="The last day (UTC).")
@click.option("--days", type=click.IntRange(1, 36_500), help="So many days from today.")
@click.option("--sign-only", is_flag=True, help="Write FILE instead of sending; one grant a file.")
@click.option("-o", "--output", metavar="FILE", help="Where a signed grant goes.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def cli(account: Any, provider: Any, to: str, yes: bool, **options: Any) -> None:
    """Grant; the module says more."""
    from consentry.cli.granting import offer, send, show, sign
    from consentry.cli.terminal import confirm
    from consentry.cli.workshop import desk_of

    sign_only, output, force = (options.pop(name) for name in ("sign_only", "output", "force"))
    if sign_only != bool(output) or (sign_only and len(options["kinds"]) != 1):
        raise click.UsageError("--sign-only and -o FILE belong together, with one --kind")
    desk = desk_of(account, provider)
    offered = offer(desk, desk.home.card(to), **options)
    proposals = desk.client.propose(offered)
    show(proposals)
    confirm("Sign this?" if sign_only else "Grant this?", yes=yes)
    if sign_only:
        sign(desk, proposals[0], Path(output), force=force)
    else:
        send(desk, offered, proposals)
