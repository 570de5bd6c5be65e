"""What a patient is shown before she grants, and of what she has granted."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import click

from consentry.cli.arguments import day_of, pick
from consentry.cli.desk import Desk
from consentry.cli.terminal import brief, table, visible
from consentry.client import Offered, Proposal
from consentry.consent.card import Card
from consentry.consent.terms import DEPOSIT, MEMBERS, READ
from consentry.errors import UsageError

_STATUS = {0: "not in force yet", 1: "in force", 2: "ended"}


def offer(
    desk: Desk,
    card: Card,
    *,
    kinds: Sequence[str],
    record: str | None,
    purposes: Sequence[str],
    deposit: bool,
    members: bool,
    until: int,
) -> Offered:
    """What the options of ``grant`` say. Raises `UsageError` where they do not fit each other."""
    if not kinds:
        raise UsageError("say what may be read or deposited: --kind KIND, once or more")
    if record and (len(kinds) != 1 or deposit):
        raise UsageError("a grant of a single --record names its one --kind, and is for reading")
    if deposit and purposes:
        raise UsageError("a grant to deposit names no --purpose")
    flags = (DEPOSIT if deposit else READ) | (MEMBERS if members else 0)
    codes = () if deposit else tuple(purposes) or ("TREAT",)
    one = bytes(32)
    if record:
        one = pick(record, (known for known, _ in desk.client.my_records()), "record")
    return Offered(card, tuple(dict.fromkeys(kinds)), flags, codes, until, record=one)


def show(proposals: Sequence[Proposal]) -> None:
    """Prints each sentence and the id that the grant will have."""
    for proposal in proposals:
        lines = textwrap.wrap(visible(proposal.sentence), 92)
        click.echo("\n" + textwrap.indent("\n".join(lines), "    "))
        click.echo(f"    grant 0x{proposal.grant_id.hex()}")
    click.echo("")


def list_grants(desk: Desk) -> None:
    """Prints the patient's own grants with their sentences."""
    rows = []
    for grant_id, grant in desk.client.my_grants().items():
        state = desk.chain.grant_state(desk.me.identity, grant_id)
        live = desk.chain.in_force(desk.me.identity, grant_id)
        over = grant.terms.expires_at <= desk.chain.head().time
        status = (
            "expired"
            if live and over
            else "ended"
            if state.status == 1 and not live
            else _STATUS[state.status]
        )
        rows.append([brief(grant_id), status, day_of(state.at) if state.at else "-", grant.reading.sentence])
    if not rows:
        click.echo("You have granted nothing yet.", err=True)
        return
    table("", ["grant", "status", "since", "what you said"], rows)
