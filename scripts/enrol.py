"""Enrol a patient, a provider, or a member.

\b
  ape run enrol --account alice
  ape run enrol --account clinic --as provider -o clinic.json
  ape run enrol --account clinic --admit cards/0x...json -o member.json
  ape run enrol --account bob --member-of member.json

Makes a keyring in CONSENTRY_HOME where there is none, sealed with CONSENTRY_PASSPHRASE or one you type.
A patient publishes an encryption key and gives the keyholders one statement a kind. A provider writes
provider.json, which goes to the authority. An organisation hands its key to a member whose card
verifies, and the member takes it: both need the other's card.

With --own-key somebody without a wallet gets a keyring that signs for itself: --account then only gives it
some ether for its first transactions.
"""

from __future__ import annotations

from typing import Any

import click

from consentry.cli.workshop import Command, account_option


@click.command(cls=Command, help=__doc__)
@account_option("Who enrols.")
@click.option(
    "--as", "role", type=click.Choice(["patient", "provider"]), default="patient", show_default=True
)
@click.option(
    "-o", "--output", metavar="FILE", help="Where the file to hand over goes; default: its own name, here."
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--admit", metavar="CARD", help="Hand this organisation's key to the member with that card.")
@click.option("--member-of", metavar="FILE", help="Take the key of the organisation that handed over FILE.")
@click.option(
    "--card", metavar="CARD", help="The organisation's card, for --member-of; default: the one in cards/."
)
@click.option("--own-key", is_flag=True, help="Make a keyring with a signing key of its own.")
@click.option(
    "--ether", type=click.FloatRange(0, 10), default=0.05, show_default=True, help="What --own-key gets."
)
def cli(account: Any, provider: Any, **options: Any) -> None:
    """Enrol; the module says more."""
    from consentry.cli.enrolling import run
    from consentry.cli.workshop import desk_of, own_key

    if options.pop("own_key"):
        account = own_key(account, provider, options["ether"])
    del options["ether"]
    run(desk_of(account, provider, create=True), **options)
