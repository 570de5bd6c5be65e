"""Granting, delivering, revoking: what a patient is shown before, and what is said after."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path

import click

from consentry.chain import Chain
from consentry.chain.transaction import Receipt
from consentry.cli.arguments import day_of, end, pick
from consentry.cli.desk import Desk, cost
from consentry.cli.terminal import brief, plural, progress, table, visible, write_new
from consentry.client import Group, Offered, Proposal, deliver
from consentry.consent.card import Card
from consentry.consent.terms import DEPOSIT, MEMBERS, READ
from consentry.errors import UsageError
from consentry.keys.binding import json_decode
from consentry.keys.typed import Signer

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
    until: int | None,
    days: int | None,
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
    last = end(until, days, desk.chain)
    one = bytes(32)
    if record:
        one = pick(record, (known for known, _ in desk.client.my_records()), "record")
    return Offered(card, tuple(dict.fromkeys(kinds)), flags, codes, last, record=one)


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
    table("", ["=grant", "=status", "=since", "what you said"], rows)


def send(desk: Desk, offered: Offered, proposals: Sequence[Proposal]) -> None:
    """Puts the proposals in force and says so."""
    with desk.working("giving the key to the keyholders, then granting on chain"):
        receipt = desk.client.grant(offered, proposals)
    for proposal in proposals:
        click.echo(f"0x{proposal.grant_id.hex()}")
    _in_force(receipt, desk.cost())
    click.echo(f"To end it: ape run revoke --grant {brief(proposals[0].grant_id)}", err=True)
    desk.say_rotation()


def sign(desk: Desk, proposal: Proposal, path: Path, *, force: bool) -> None:
    """Writes the signed grant to hand over."""
    write_new(path, json.dumps(desk.client.sign(proposal), indent=1).encode(), force=force)
    click.echo(f"0x{proposal.grant_id.hex()}")
    click.echo(
        f"Signed, nothing sent. Wrote {path}: anybody can deliver it, with `ape run deliver`.", err=True
    )
    desk.say_rotation()


def deliver_file(chain: Chain, group: Group, signer: Signer, path: Path) -> None:
    """Delivers the grant in the file ``path``. Raises `UsageError` for a file that is none."""
    try:
        handed = json_decode(path.read_bytes())
    except (OSError, ValueError):
        raise UsageError(f"{path} cannot be read as a grant; ask the patient for it again") from None
    with progress("giving the key to the keyholders, then granting on chain"):
        receipt = deliver(chain, group, signer, handed)
    click.echo(handed["grantId"])
    _in_force(receipt, cost(chain))


def _in_force(receipt: Receipt | None, cost: str) -> None:
    if receipt is None:
        click.echo("It is in force already; nothing was sent.", err=True)
    else:
        click.echo(f"In force since block {receipt.block}. {cost}.", err=True)


def revoke(desk: Desk, grants: Sequence[str] | None) -> None:
    """Ends the grants whose ids begin so, or all (None), and says what happened."""
    known = desk.chain.grants_of(desk.me.identity)
    ids = None if grants is None else [pick(digits, known, "grant") for digits in grants]
    with desk.working("revoking, at the keyholders first"):
        ended = desk.client.revoke(ids)
    for grant_id in ended.grants:
        click.echo(f"0x{grant_id.hex()}")
    what = "every grant" if ids is None else plural(len(ended.grants), "grant")
    stopped = desk.held(ended.stopped)
    click.echo(
        f"Ended {what}: {stopped} keyholders stopped at once, the chain at block {ended.receipt.block}.",
        err=True,
    )
    click.echo(f"Transaction 0x{ended.receipt.hash.hex()}. {desk.cost()}.", err=True)
    click.echo("What was read before stays read.", err=True)
    desk.say_rotation()
