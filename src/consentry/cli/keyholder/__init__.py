"""``consentry keyholder``: what an institution runs that keeps shares.

``place``   where a keyholder's folder, nodes and databases are
``serving`` init, serve
``keeping`` check, backup, restore, migrate, journal verify
``members`` propose, approve, join, leave
"""

from __future__ import annotations

import click

from consentry.cli.keyholder.keeping import backup, check, journal, migrate, restore
from consentry.cli.keyholder.members import approve, join, leave, propose
from consentry.cli.keyholder.serving import init, serve


@click.group()
def keyholder() -> None:
    """Run one of the keyholders that together release a record's key.

    A keyholder is an institution of its own, with nodes of its own. Its folder (CONSENTRY_KEYHOLDER, default
    .keyholder) holds its sealed key and what it keeps for others; deployments.json and keyholders.json come
    from who deploys. The passphrase of its key is asked for, or taken from CONSENTRY_PASSPHRASE.
    """


for command in (init, serve, check, backup, restore, migrate, propose, approve, join, leave, journal):
    keyholder.add_command(command)

__all__ = ["keyholder"]
