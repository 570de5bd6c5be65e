"""Audit who looked, and whether all books agree.

\b
  ape run audit
  ape run audit --patient 0x... --report report.html
  ape run audit --account alice --report mine.html

Holds the access log, the grants, the keyholders' journals and the blobs against each other. Needs no
secret. With --account a patient adds what she holds herself: her sentences, and the keyholders'
signed answers, against which a journal that was cut shows. Ends with exit code 7 if anything was found.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from consentry.cli.arguments import ADDRESS
from consentry.cli.workshop import Command, account_option


@click.command(cls=Command, help=__doc__)
@account_option("The patient, for what she holds herself.", required=False)
@click.option(
    "--patient", type=ADDRESS, help="Report on this patient; default: that account, else everybody."
)
@click.option(
    "--report", metavar="FILE.HTML", type=click.Path(path_type=Path), help="Also write a page to look at."
)
def cli(account: Any, provider: Any, patient: str | None, report: Path | None) -> None:
    """Audit; the module says more."""
    from consentry.cli.ape import web3_of
    from consentry.cli.auditing import run
    from consentry.cli.workshop import desk_of, the_home

    desk = desk_of(account, provider) if account else None
    run(the_home(), web3_of(provider), desk, patient=patient, page=report)
