"""Auditing: who looked, whether it was allowed, and whether anybody's books are wrong."""

from __future__ import annotations

import datetime
from contextlib import suppress
from pathlib import Path

import click
from web3 import Web3

from consentry.chain import Chain
from consentry.cli.desk import Desk
from consentry.cli.home import Home
from consentry.cli.terminal import brief, plural, progress, table, visible
from consentry.errors import FindingsError, JournalBroken, KeyholderRefused, Unreachable
from consentry.evidence import Access, Ending, Finding, Glass, Journal, Known, Report, audit, write_report
from consentry.keyholder.local import open_some
from consentry.keys.binding import identity
from consentry.record import purpose_codes


def run(home: Home, web3: Web3, desk: Desk | None, *, patient: str | None, page: Path | None) -> None:
    """Audits, prints the report and writes the ``page``. ``desk`` is that of a patient who adds what she
    holds. Raises `FindingsError` where something was found."""
    chain = desk.chain if desk else home.chain(web3)
    about = identity(patient) if patient else desk.me.identity if desk else None
    journals, unread = _journals(home, chain)
    earlier, lacking = _earlier(home, chain)
    with progress("auditing"):
        report = audit(
            chain,
            home.store,
            journals + earlier,
            _known(home, desk),
            threshold=home.roster(chain).threshold,
            patient=about,
        )
    report.findings += unread
    report.notes += lacking
    _show(report)
    if page is not None:
        write_report(report, page)
        click.echo(f"Wrote {page}.", err=True)
    if report.findings:
        raise FindingsError(f"{plural(len(report.findings), 'finding')}, see above")
    click.echo("Nothing was found wrong.", err=True)


def _journals(home: Home, chain: Chain) -> tuple[list[Journal], list[Finding]]:
    """The journals of the keyholders here; one that is not here or cannot be read is a finding."""
    journals, unread = [], []
    services = {service.card.index: service for service in home.services(chain)}
    for card in home.roster(chain).keyholders:
        if (service := services.get(card.index)) is None:
            unread.append(Finding(card.name, f"it does not answer from {home.keyholders / str(card.index)}"))
            continue
        try:
            journals.append(Journal(card, service.journal()))
        except (JournalBroken, KeyholderRefused, Unreachable, ValueError) as error:
            unread.append(Finding(card.name, f"its journal cannot be read: {error}"))
    return journals, unread


def _earlier(home: Home, chain: Chain) -> tuple[list[Journal], list[str]]:
    """The journals of keyholders that are none any more; one that cannot be read is a note, since nobody can
    expect it to be there for ever."""
    now, found = home.roster(chain), dict[int, Journal]()
    former = {card.index: card for card in now.ever if card.index not in now.keys}
    for roster in reversed(now.line[:-1]):
        for service in open_some(home.keyholders, roster, chain, former.keys() - found.keys()):
            with suppress(JournalBroken, KeyholderRefused, Unreachable, ValueError):
                found[service.card.index] = Journal(service.card, service.journal())
    lacking = [card.name for index, card in former.items() if index not in found]
    told = "was a keyholder before, and its journal cannot be read: what it released is not seen here"
    return list(found.values()), [f"{name} {told}" for name in lacking]


def _known(home: Home, desk: Desk | None) -> list[Known]:
    known: list[Known] = list(home.cards())
    if desk is not None:
        known += desk.client.my_grants().values()
        known += desk.me.copy.heard()
    return known


def _show(report: Report) -> None:
    rows = [_access(report, one) for one in report.accesses]
    table("", ["=when (UTC)", "=record", "who", "=for", "", "keyholders"], rows or [["none"] + [""] * 5])
    if report.glasses:
        asked = [_glass(report, one) for one in report.glasses]
        columns = [
            "=when (UTC)",
            "=segment",
            "who asked",
            "who confirmed",
            "who reviewed",
            "",
            "=hash of reason",
        ]
        table("Break-glass: asked for without a grant; no keyholder answers to it yet", columns, asked)
    for ending in report.endings:
        for text in _ending(report, ending):
            click.echo(f"  ended   {visible(text)}")
    for text in report.verified:
        click.echo(f"  holds   {visible(text)}")
    for text in report.notes:
        click.echo(f"  note    {visible(text)}")
    for finding in report.findings:
        click.secho(f"  FOUND   {visible(finding.where)}: {visible(finding.what)}", fg="red")


def _ending(report: Report, ending: Ending) -> list[str]:
    """What an ended grant left its grantee, a line for each sort of record."""
    consent = ending.consent
    who = report.behind(consent.terms.grantee) if consent.terms else "somebody who never used it"
    lines = [f"{brief(consent.grant_id)} to {who}, {consent.how} {_minute(consent.ended)}"]
    opened, asked = _dated(ending.opened), _dated(ending.asked)
    if opened:
        lines.append(f"  opened before, and may be kept: {opened}")
    if asked:
        lines.append(f"  asked for, too few releases known: {asked}")
    if ending.never:
        lines.append(f"  never opened, the second half protects them: {', '.join(map(brief, ending.never))}")
    if ending.beyond_from:
        count = plural(len(ending.beyond), "record")
        lines.append(f"  out of reach from key version {ending.beyond_from} on: {count} so far")
    elif consent.terms is None or consent.terms.record == bytes(32):
        lines.append("  no newer key version yet: the patient's next command makes one")
    return lines


def _dated(times: dict[bytes, int]) -> str:
    return ", ".join(f"{brief(record)} ({_minute(at)})" for record, at in times.items())


def _access(report: Report, access: Access) -> list[str]:
    at = _minute(access.time)
    verdict = access.verdict if access.lawful else f"{access.verdict}, {access.why_not}"
    entry, purpose = access.entry, " ".join(purpose_codes(access.entry.purpose))
    keyholders = ", ".join(map(str, access.releases)) or "none"
    return [at, brief(entry.record_id), report.name(entry.actor), purpose, verdict, keyholders]


def _glass(report: Report, glass: Glass) -> list[str]:
    people = [report.name(who) if who else "-" for who in (glass.requester, glass.confirmer, glass.reviewer)]
    where = [_minute(glass.requested_at), brief(glass.segment)]
    return [*where, *people, glass.state(report.at), brief(glass.reason_hash)]


def _minute(at: int) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M")
