"""Onboarding the rows of providers.csv; see `consentry.cli.providers` for the file."""

from __future__ import annotations

from pathlib import Path

import click

from consentry.admin import Admin, Applicant
from consentry.cli.arguments import DAY, day_of
from consentry.cli.desk import Desk
from consentry.cli.providers import read_providers, standing
from consentry.cli.terminal import plural, table
from consentry.consent.card import Card, Offer
from consentry.files import write_private

_BATCH = 100  # a transaction with so many credentials uses a fifth of what one may


def onboard(desk: Desk, path: Path) -> None:
    """Puts what is left of the file on chain and writes the cards. Raises `UsageError`, `Refused`."""
    deployment, admin = desk.chain.deployment, Admin(desk.chain, desk.me)

    def check(offer: Offer) -> None:
        offer.verify(deployment, desk.chain.wallet_accepts)

    applicants = read_providers(path, check, desk.chain.head().time)
    left = [one for one in applicants if standing(desk.home, desk.chain, one) is None]
    with desk.working("onboarding"):
        for start in range(0, len(left), _BATCH):
            for card in admin.onboard(left[start : start + _BATCH]):
                write_private(desk.home.card_file(card.address), card.to_json().encode())
    _show(desk, applicants, {one.offer.address for one in left})


def _show(desk: Desk, applicants: list[Applicant], new: set[str]) -> None:
    rows = []
    for one in applicants:
        card: Card = desk.home.card(one.offer.address)
        state = "new" if card.address in new else "there"
        rows.append([card.name, card.number, card.address, day_of(one.valid_until - DAY), state])
    table("", ["name", "=number", "=account", "=until", ""], rows)
    count, folder = plural(len(applicants), "provider"), desk.home.path / "cards"
    click.echo(f"{count}, {len(new)} of them new. Cards are in {folder}. {desk.cost()}.", err=True)
