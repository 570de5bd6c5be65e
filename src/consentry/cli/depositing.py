"""Depositing, with what goes in and what came of it as tables."""

from __future__ import annotations

from collections.abc import Sequence

import click

from consentry.cli.desk import Desk
from consentry.cli.terminal import brief, table
from consentry.keys.binding import identity
from consentry.record import Record


def deposit(desk: Desk, patient: str, records: Sequence[Record]) -> None:
    """Shows ``records``, deposits them for the patient at that address, and shows where they are."""
    rows = [[one.kind, f"{one.size:,}", one.date or "-", "; ".join(one.flags)] for one in records]
    table(f"For {patient}", ["=kind", ">bytes", "=newest", "flags"], rows, out=False)
    with desk.working("depositing"):
        made = desk.client.deposit(identity(patient), records)
    rows = [[one.kind, brief(one.record_id), one.cid, desk.held(one.acknowledged)] for one in made]
    table("", ["=kind", "=record", "=CID", ">held by"], rows)
    click.echo(f"Sealed, pinned, dealt and anchored. {desk.cost()}.", err=True)
    if any(one.acknowledged < desk.group.roster.count for one in made):
        click.echo("Not every keyholder holds it yet: run the same command again later.", err=True)
