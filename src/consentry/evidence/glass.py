"""Break-glass: who asked, confirmed and reviewed, and whether each was allowed where it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from consentry.admin import EMERGENCY, REVIEWER
from consentry.chain.rpc import Event
from consentry.consent.terms import minute
from consentry.evidence.acts import ASKED, CONFIRMED
from consentry.evidence.model import CONFIRM_WITHIN, OVERDUE, Finding, Glass, Report, counted
from consentry.evidence.replay import Place, Replay


def glasses(report: Report, replay: Replay) -> None:
    """Adds every break-glass of the report's patient, and what is wrong with any."""
    broken: dict[bytes, Glass] = {}
    found: list[Finding] = []
    for event in replay.glass_events:
        key, place = event.args["accessId"], (event.block, event.index)
        for text in _unlawful(replay, broken.get(key), broken.values(), event, place):
            found.append(Finding(f"break-glass in block {event.block}", f"not lawful there: {text}"))
        if event.name == ASKED:
            broken[key] = _asked(replay, event, place)
        elif key in broken:
            broken[key] = _after(replay, broken[key], event, place)
    for glass in broken.values():
        found += _reviewed_badly(glass, report.at)
        report.notes += _notes(glass, report.at)
    report.glasses += [glass for glass in broken.values() if report.patient in (None, glass.patient)]
    if broken:
        text = "each asked for and confirmed by two people in the emergency role, no review by one of theirs"
        report.conclude(found, f"{counted(len(broken), 'break-glass', 'break-glasses')}: {text}")


def _asked(replay: Replay, event: Event, place: Place) -> Glass:
    a = event.args
    who = (a["accessId"], a["requester"], a["patient"], a["segment"], a["reasonHash"], a["agent"])
    _, organisation = replay.holds(a["requester"], EMERGENCY, place)
    return Glass(*who, event.block, replay.time(event.block), (organisation,))


def _after(replay: Replay, glass: Glass, event: Event, place: Place) -> Glass:
    """The glass after a confirmation or a review."""
    a, now = event.args, replay.time(event.block)
    if event.name == CONFIRMED:
        _, organisation = replay.holds(a["confirmer"], EMERGENCY, place)
        both = (*glass.organisations[:1], organisation)
        return replace(glass, confirmer=a["confirmer"], confirmed_at=now, organisations=both)
    said = {"justified": a["justified"], "note_hash": a["noteHash"]}
    return replace(glass, reviewer=a["reviewer"], reviewed_at=now, **said)


def _unlawful(
    replay: Replay, glass: Glass | None, others: Collection[Glass], event: Event, place: Place
) -> Iterator[str]:
    """Why an act was not allowed where it stands: the rules of ``BreakGlass.sol``, replayed."""
    now = replay.time(event.block)
    if event.name == ASKED:
        who = event.args["requester"]
        if any(one.requester == who and not one.reviewed_at and one.is_overdue(now) for one in others):
            yield "a review of the requester's was overdue"
        yield from _lacks(replay, who, EMERGENCY, place)
    elif glass is None:
        yield "nobody asked for it"
    elif event.name == CONFIRMED:
        if glass.confirmed_at:
            yield "it was confirmed before"
        if event.args["confirmer"] == glass.requester:
            yield "the requester confirmed it"
        if now > glass.requested_at + CONFIRM_WITHIN:
            yield "it was confirmed later than an hour"
        for who in (glass.requester, event.args["confirmer"]):
            yield from _lacks(replay, who, EMERGENCY, place)
    else:
        yield from _not_a_third(replay, glass, event.args["reviewer"], place)


def _not_a_third(replay: Replay, glass: Glass, reviewer: str, place: Place) -> Iterator[str]:
    if not glass.confirmed_at:
        yield "it was reviewed unconfirmed"
    if glass.reviewed_at:
        yield "it was reviewed before"
    two = (glass.requester, glass.confirmer)
    theirs = {*glass.organisations, *(replay.holds(who, EMERGENCY, place)[1] for who in two if who)}
    if replay.holds(reviewer, REVIEWER, place)[1] in theirs:
        yield "the reviewer was no third of another organisation"
    yield from _lacks(replay, reviewer, REVIEWER, place)


def _lacks(replay: Replay, who: str, role: int, place: Place) -> Iterator[str]:
    if not replay.holds(who, role, place)[0]:
        name = {EMERGENCY: "emergency", REVIEWER: "reviewer's"}[role]
        yield f"{who} did not act in the {name} role"


def _reviewed_badly(glass: Glass, at: int) -> Iterator[Finding]:
    where = f"break-glass in block {glass.block}"
    if glass.reviewed_at and not glass.justified:
        yield Finding(where, f"its reviewer {glass.reviewer} found it not justified")
    elif not glass.reviewed_at and glass.is_overdue(at):
        yield Finding(where, f"nobody has reviewed it; that was due on {minute(glass.open_until)}")


def _notes(glass: Glass, at: int) -> Iterator[str]:
    where = f"the break-glass in block {glass.block}"
    if not glass.confirmed_at:
        yield f"{where} was confirmed by nobody, and opened nothing"
    elif not glass.reviewed_at and not glass.is_overdue(at):
        last = minute(glass.open_until + OVERDUE)
        yield f"{where} waits for its review, which is overdue after {last}"
    elif glass.reviewed_at and glass.is_overdue(at):
        yield f"the review of {where} came more than 72 hours late"
