"""The ``consentry`` command: for those who have no workshop, only this package and a node's URL.

Nothing heavy is imported before a command runs, so that ``consentry --help`` is there at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from consentry.cli import opening
from consentry.cli.arguments import ADDRESS
from consentry.cli.keyholder import keyholder
from consentry.cli.terminal import exit_codes


class _Commands(click.Group):
    """A group whose named errors become messages and exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        """See `click.Command`."""
        with exit_codes():
            return super().invoke(ctx)


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="consentry")
def cli() -> None:
    """Open health records that a patient let you read, or your own; run a keyholder; check a proof.

    What stands between one command and the next lies in CONSENTRY_HOME (default: .consentry). The
    passphrase of your keyring is asked for, or taken from CONSENTRY_PASSPHRASE; it is never an argument.

    Exit codes: 0 done, 1 error or answered with no, 2 wrong call, 3 not found, 4 refused, 5 altered or
    forged, 6 unreachable (try again), 7 verification found problems, 130 interrupted. Take any other as
    a failure too.
    """


_rpc = click.option(
    "--rpc", envvar="CONSENTRY_RPC", default="http://127.0.0.1:8545", show_default=True, metavar="URL"
)


@cli.command("open")
@opening.options
@click.option("--as", "me", type=ADDRESS, help="Whose keyring opens; by default the only one there is.")
@_rpc
def open_record(rpc: str, me: str | None, **asked: Any) -> None:
    """List what you may see of a patient's records, or open one.

    Your keyring has to hold a signing key of its own; with a wallet, use the workshop's scripts. A patient
    opens her own records alone; anybody else writes an entry into the access log first.

    \b
      consentry open
      consentry open --kind general -o general.json
      consentry open --patient 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed --record 0x1f0c44d2 -o -
    """
    what = opening.Asked(**asked)
    from consentry.cli.desk import desk_at

    opening.list_or_open(desk_at(rpc, me), what)


@cli.command()
@_rpc
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def proof(rpc: str, file: Path) -> None:
    """Say against whom FILE proves that it cheated.

    Who opens a record keeps such a file where a keyholder or contributor cheats, in CONSENTRY_HOME/proofs. To
    check it takes nobody's word: only a node, and deployments.json and keyholders.json in CONSENTRY_HOME.
    Ends with exit code 5 where it proves nothing.
    """
    from consentry.chain import connect
    from consentry.cli.home import Home
    from consentry.client.proof import Proof

    home, found = Home(), Proof.load(file)
    chain = home.chain(connect(rpc))
    click.echo(found.verify(chain, home.roster(chain)))


cli.add_command(keyholder)


def main() -> None:
    """What the installed ``consentry`` runs."""
    sys.exit(cli(prog_name="consentry"))
