"""Enrolling: patients, providers, and members of organisations."""

from __future__ import annotations

from pathlib import Path

import click

from consentry.cli.desk import Desk
from consentry.cli.terminal import table, visible, write_new
from consentry.consent import membership
from consentry.errors import NotAllowed, NotFound, UsageError
from consentry.record import kinds


def run(
    desk: Desk,
    *,
    role: str,
    output: str | None,
    force: bool,
    admit: str | None,
    member_of: str | None,
    card: str | None,
) -> None:
    """What the options of ``enrol`` say. Raises `UsageError` where they do not fit each other."""
    if admit and member_of:
        raise UsageError("--admit is for the organisation, --member-of for its member: give one of them")
    if admit:
        _admit(desk, admit, output, force=force)
    elif member_of:
        _member(desk, Path(member_of), card)
    elif role == "provider":
        _provider(desk, output, force=force)
    else:
        _patient(desk)


def _patient(desk: Desk) -> None:
    with desk.working("enrolling"):
        segments = desk.client.enrol([kind.name for kind in kinds()])
    rows = [[one.kind, "0x" + one.statement.segment.hex()] for one in segments]
    table(f"Patient {desk.me.address}", ["kind", "segment (the chain sees only this)"], rows)
    click.echo(f"Key published, statements with the keyholders. {desk.cost()}.", err=True)
    click.echo(f"Keep {desk.home.keyring_file(desk.me.address)} and its passphrase safe.", err=True)
    desk.say_rotation()


def _provider(desk: Desk, output: str | None, *, force: bool) -> None:
    path = Path(output or "provider.json")
    write_new(path, desk.client.offer().to_json().encode(), force=force)
    click.echo(f"Provider {desk.me.address}")
    click.echo(f"Wrote {path}: give it to the authority. It holds no secret.", err=True)


def _admit(desk: Desk, named: str, output: str | None, *, force: bool) -> None:
    card = desk.home.card(named)
    desk.chain.verify_card(card)
    if card.address == desk.me.address or not desk.chain.may(card.address, desk.me.identity, members=True):
        raise NotAllowed(f"{card.name!r} is no member of {desk.me.address} in the authority's word")
    made = membership.admit(desk.chain.deployment, desk.me.signer, desk.me.keyring.seed, card)
    path = Path(output or f"member-{card.address}.json")
    write_new(path, made.to_json().encode(), force=force)
    click.echo(f"Wrote {path}: give it to {visible(card.name)}. Nobody else can open it.", err=True)


def _member(desk: Desk, path: Path, named: str | None) -> None:
    try:
        handed = membership.Membership.from_json(path.read_bytes())
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}; the organisation writes it with --admit") from None
    card = desk.home.card(named or handed.organisation)
    desk.chain.verify_card(card)
    seed = membership.take(
        desk.chain.deployment,
        handed,
        me=desk.me.address,
        my_seed=desk.me.keyring.seed,
        card=card,
        wallet=desk.chain.wallet_accepts,
    )
    desk.me.keyring.organisations[card.address] = seed
    desk.home.keep(desk.me.address, desk.me.keyring)
    click.echo(f"Your keyring now opens what is granted to the staff of {visible(card.name)}.", err=True)
