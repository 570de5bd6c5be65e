"""Listing and opening records, for ``ape run open`` and ``consentry open`` alike."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from consentry.cli.arguments import ADDRESS, IDENTIFIER, pick
from consentry.cli.terminal import brief, replacing, table
from consentry.errors import ConsentryError, NoGrant, NotFound, UsageError

if TYPE_CHECKING:
    from consentry.cli.desk import Desk
    from consentry.client import Opened
    from consentry.envelope.leaf import Label

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: ``patient`` (an address; None: me), one record by ``record`` (hex digits) or
    ``kind`` or neither, the PurposeOfUse ``purpose``, where to: ``output`` (``-``: stdout), and by which
    ``grant`` (hex digits; None: any)."""

    patient: str | None
    record: str | None
    kind: str | None
    purpose: str
    output: str | None
    force: bool
    grant: str | None = None

    def __post_init__(self) -> None:
        """Raises `UsageError`, before anything is asked of anybody."""
        if self.record and self.kind:
            raise UsageError("name the record by --record or by --kind, not by both")
        if (self.record or self.kind) and not self.output:
            raise UsageError("say where the record goes: -o FILE, or -o - for standard output")
        if self.output and not (self.record or self.kind):
            raise UsageError("say which record: --record ID or --kind KIND; without -o they are listed")


def options(function: Function) -> Function:
    """The options of both doors; together they are the fields of `Asked`."""
    for decorate in reversed(
        [
            click.option("--patient", type=ADDRESS, help="Whose records; by default your own."),
            click.option("--record", type=IDENTIFIER, help="The record's id, or how it begins."),
            click.option("--kind", help="The one record of this kind, such as general."),
            click.option("--grant", type=IDENTIFIER, help="The grant relied on; by default any that fits."),
            click.option("--purpose", default="TREAT", show_default=True, help="PurposeOfUse code."),
            click.option("-o", "--output", metavar="FILE", help="Where it goes; - is standard output."),
            click.option("--force", is_flag=True, help="Replace FILE if it is there."),
        ]
    ):
        function = decorate(function)
    return function


def list_or_open(desk: Desk, asked: Asked) -> None:
    """Lists labels, or opens one record. See `Client.list` and `Client.open` for what is raised."""
    from consentry.client.steps import Step, durable

    patient, grant_id, labels = _labels(desk, asked)
    if asked.output is None:
        _show(desk, labels)
        return
    mine = patient == desk.me.identity
    record = _chosen(asked, labels, NotFound if mine else NoGrant)
    with ExitStack() as stack, desk.working("opening"):
        sink = stack.enter_context(_sink(asked))  # a file that cannot be written costs no entry

        def deliver(opened: Opened) -> None:
            with opened.file as source:
                shutil.copyfileobj(source, sink)
            stack.close()
            durable(Step.PLACED)

        opened = desk.client.open(patient, record, purpose=asked.purpose, grant_id=grant_id, deliver=deliver)
    _say(desk, opened, asked)


def _labels(desk: Desk, asked: Asked) -> tuple[bytes, bytes | None, dict[bytes, Label]]:
    """The patient's identity, the one grant that was named, and what I may see of her records without an
    entry, by record id."""
    from consentry.keys.binding import identity

    if asked.patient in (None, desk.me.address):
        if asked.grant:
            raise UsageError("your own records need no --grant; whose are they? --patient ADDRESS")
        mine = dict(desk.client.my_records())
        desk.say_rotation()
        return desk.me.identity, None, mine
    assert asked.patient is not None
    patient = identity(asked.patient)
    grant_id = asked.grant and pick(asked.grant, desk.chain.grants_of(patient), "grant", NoGrant)
    listed = desk.client.list(patient, grant_id or None)
    if not listed:
        raise NoGrant(
            f"nothing of {asked.patient} is open to you: no grant to you is in force, or nothing was "
            "deposited yet; ask the patient for the grant's id and give it as --grant, to be told what is "
            "missing"
        )
    return patient, grant_id or None, {one.record_id: one.label for one in listed}


def _show(desk: Desk, labels: dict[bytes, Label]) -> None:
    if not labels:
        click.echo("There are no records of yours yet.", err=True)
        return
    names = {card.address: card.name for card in desk.home.cards()} | {desk.me.address: "you"}
    newest_first = sorted(labels.items(), key=lambda item: (item[1].date, item[0]), reverse=True)
    rows = []
    for record, label in newest_first:
        who = names.get(label.contributor, label.contributor)
        rows.append([brief(record), label.kind, label.date or "-", label.media_type, who])
    table("", ["=record", "=kind", "=date", "type", "contributor"], rows)
    click.echo("Open one with --record ID -o FILE.", err=True)


def _chosen(asked: Asked, labels: dict[bytes, Label], none: type[ConsentryError]) -> bytes:
    """The one record that is meant. Raises ``none`` where there is none, `UsageError` for several."""
    if asked.record:
        return pick(asked.record, labels, "record", none)
    found = [record for record, label in labels.items() if label.kind == asked.kind]
    if not found:
        kinds = ", ".join(sorted({label.kind for label in labels.values()})) or "none"
        raise none(f"you see no record of kind {asked.kind!r}; the kinds that you see: {kinds}")
    if len(found) > 1:
        shown = ", ".join(map(brief, found))
        raise UsageError(
            f"there are {len(found)} records of kind {asked.kind!r}: name one by --record: {shown}"
        )
    return found[0]


@contextmanager
def _sink(asked: Asked) -> Iterator[BinaryIO]:
    """Where the record goes. A file appears whole or not at all."""
    assert asked.output is not None
    if asked.output == "-":
        with nullcontext(sys.stdout.buffer) as out:
            yield out
            out.flush()
        return
    with replacing(Path(asked.output), force=asked.force) as path, path.open("wb") as file:
        yield file


def _say(desk: Desk, opened: Opened, asked: Asked) -> None:
    where = "standard output" if asked.output == "-" else asked.output
    click.echo(
        f"Opened {brief(opened.record_id)}: {opened.label.kind}, {opened.size:,} bytes, to {where}.", err=True
    )
    if not opened.access_id:
        click.echo("Alone: without an entry, without a keyholder's share.", err=True)
        return
    who = ", ".join(map(str, opened.keyholders))
    click.echo(f"Access id 0x{opened.access_id.hex()}.", err=True)
    click.echo(f"Keyholders {who} released their shares. {desk.cost()}.", err=True)
    for cheat in opened.cheats:
        click.secho(f"An answer did not hold and was not used: {cheat}", fg="red", err=True)
    for proof in opened.proofs:
        click.echo(f"What proves it, for who judges, and for nobody else: {proof}", err=True)
