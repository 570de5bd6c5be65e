"""Deposit a FHIR Bundle, or any file, for a patient.

\b
  ape run deposit bundle.json --patient 0x... --account hospital
  ape run deposit scan.pdf --patient 0x... --account hospital --kind general

A Bundle becomes one record a kind, sorted by security labels and code lists; look at the table and its
flags. The patient has to have granted DEPOSIT for every kind in it, or nothing is deposited. A patient
deposits for herself without a grant. Run again with the same input, an interrupted deposit is finished.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from consentry.cli.arguments import ADDRESS
from consentry.cli.workshop import Command, account_option


@click.command(cls=Command, help=__doc__)
@click.argument("bundle", metavar="BUNDLE", type=click.Path(path_type=Path))
@account_option("Who deposits.")
@click.option("--patient", type=ADDRESS, required=True, help="Whose record it is.")
@click.option("--kind", help="The kind of a file that is no Bundle; otherwise it is found by what is in it.")
@click.option("--media-type", help="The media type; otherwise it is guessed from the file's name.")
def cli(
    bundle: Path, account: Any, provider: Any, patient: str, kind: str | None, media_type: str | None
) -> None:
    """Deposit; the module says more."""
    from consentry.cli.depositing import deposit
    from consentry.cli.workshop import desk_of
    from consentry.fhir import records_from_file

    records = records_from_file(bundle, media_type, kind=kind)
    deposit(desk_of(account, provider), patient, records)
