"""The report as one self-contained page: no script, no link to anywhere, good on screen and on paper."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path

from eth_utils.address import to_checksum_address
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from consentry.consent.terms import DEPOSIT, MEMBERS, Terms
from consentry.evidence.model import Access, Attempt, Consent, Report
from consentry.files import write_private
from consentry.record import kinds, purposes

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_NOBODY = bytes(32)
_ASKED = {
    "release": "to open a record",
    "labels": "to list records",
    "box given": "to fetch a key box",
    "own": "to read as the patient",
    "deal": "to add records",
    "statement": "to leave a statement",
    "box": "to leave a key box",
    "stop": "to stop a grant",
}
_REFUSED = {
    "caller": "the caller did not prove who it is",
    "SignatureInvalid": "the caller did not prove who it is",
    "verb": "the call was signed for something else",
    "nonce": "the call was used before",
    "reply key": "the entry names another reply key",
    "actor": "the entry is somebody else's",
    "record": "the keyholder holds no such record for this grant",
    "stop": "the patient has stopped the grant",
    "depth": "the entry was too new",
    "entry": "there is no such entry",
    "age": "the entry was too old",
    "consent at head": "the patient's consent did not allow it",
    "credential at head": "the caller's credential did not count",
    "anchor": "the record is not the one that was anchored",
    "controller": "the caller does not act for the patient",
    "contributor": "the patient did not let this contributor deposit",
}


@dataclass(frozen=True, slots=True)
class Tries:
    """Refused calls of one sort: ``count`` of them, the ``first`` and the ``last`` (block times), and the
    keyholders that say so."""

    verb: str
    claimed_caller: str
    check: str
    count: int
    first: int
    last: int
    keyholders: tuple[int, ...]


def write_report(report: Report, path: Path) -> None:
    """Writes the report to ``path`` as one HTML page, atomically and readable by its owner only.

    Every name and text in it is foreign and is escaped; the page's policy (CSP) allows its one style
    sheet, by hash, and nothing else.
    """
    write_private(path, render(report).encode("utf-8", "replace"))


def render(report: Report) -> str:
    """The page as text."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            style=Markup(style),  # noqa: S704 - our own file
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
            people=People(report),
            standing=_newest(one for one in report.consents if one.in_force),
            ended=_newest(one for one in report.consents if not one.in_force),
            accesses=sorted(
                report.accesses, key=lambda one: (one.entry.block, one.entry.index), reverse=True
            ),
            label_reads=sorted(report.label_reads, key=lambda one: one.time, reverse=True),
            tries=grouped(report.attempts),
            costs=_costs(report.gas),
        )
    )


def _newest(consents: Iterable[Consent]) -> list[Consent]:
    """Who may read comes before who may only add."""

    def rank(one: Consent) -> tuple[bool, int]:
        return one.terms is None or not one.terms.flags & DEPOSIT, one.began or one.ended

    return sorted(consents, key=rank, reverse=True)


def grouped(attempts: list[Attempt]) -> list[Tries]:
    """Attempts of one sort together, the latest sort first."""
    sorts: dict[tuple[str, str, str], list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        sorts[attempt.verb, attempt.claimed_caller, attempt.check].append(attempt)
    found = []
    for key, alike in sorts.items():
        times = [attempt.time for attempt in alike]
        keyholders = sorted({index for attempt in alike for index in attempt.keyholders})
        found.append(Tries(*key, len(alike), min(times), max(times), tuple(keyholders)))
    return sorted(found, key=lambda one: one.last, reverse=True)


def _costs(gas: list[tuple[str, int]]) -> list[tuple[str, int, int, int]]:
    """Each step with how often it was done, and its gas the first and the last time."""
    steps: dict[str, list[int]] = defaultdict(list)
    for step, used in gas:
        steps[step].append(used)
    return [(step, len(each), each[0], each[-1]) for step, each in steps.items()]


class People:
    """How the page names who and what it shows."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._kinds = {one.terms.segment: one.kind for one in report.consents if one.terms and one.kind}

    def name(self, address: str) -> str:
        """The name on the card of ``address``, or nothing."""
        card = self._report.cards.get(address)
        return card.name if card else ""

    def number(self, address: str) -> str:
        """The register number on the card of ``address``, or nothing."""
        card = self._report.cards.get(address)
        return card.number if card else ""

    def behind(self, identity: bytes) -> str:
        """The address that a 32-byte identity is, or its hex digits where it is none."""
        if identity[:12] == bytes(12) and identity != _NOBODY:
            return to_checksum_address(identity[12:])
        return "0x" + identity.hex()

    def represents(self, access: Access) -> str:
        """The organisation whose grant the actor used as its member; nothing where it used its own."""
        grantee = self.behind(access.terms.grantee) if access.terms else access.entry.actor
        return "" if grantee == access.entry.actor else grantee

    def what(self, terms: Terms | None) -> str:
        """The kind that a grant is about, where the asker knows it, or nothing."""
        name = self._kinds.get(terms.segment, "") if terms else ""
        return next((kind.title for kind in kinds() if kind.name == name), name)

    def may(self, terms: Terms) -> str:
        """What terms let their grantee do."""
        done = "add records" if terms.flags & DEPOSIT else "read"
        return f"{done}, also through its staff" if terms.flags & MEMBERS else done

    def state(self, consent: Consent) -> str:
        """Where a grant stands, in a word or two."""
        if consent.in_force:
            later = consent.terms is not None and consent.terms.not_before > self._report.at
            return "begins later" if later else "in force"
        unseen = consent.how == "revoked" and not consent.began
        return "revoked in advance" if unseen else {"void": "never held"}.get(consent.how, consent.how)


def _purposes(mask: int) -> str:
    names = {purpose.bit: purpose.display.lower() for purpose in purposes()}
    found = [names.get(bit, f"purpose {bit}, which has no name") for bit in range(32) if mask >> bit & 1]
    return ", ".join(found)


def _when(at: int) -> Markup:
    """A block time for people, in UTC; a time after year 9999 is no end at all."""
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return Markup("no end")
    day = f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"
    clock = moment.strftime("%H:%M") if moment.second == 0 else moment.strftime("%H:%M:%S")
    shown = Markup('<time datetime="{}">{} <span class="clock">{} UTC</span></time>')
    return shown.format(moment.strftime("%Y-%m-%dT%H:%M:%SZ"), day, clock)


def _plain(text: str) -> str:
    """Foreign text without what could turn the letters around it: controls and direction overrides."""
    return "".join("\ufffd" if ord(c) < 32 or ord(c) in _BIDI or c == "\x7f" else c for c in text)


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _short(value: bytes | str) -> str:
    """The first digits of an id; the full one is in the page's data."""
    text = value if isinstance(value, str) else _hex(value)
    return text if len(text) <= 12 else text[:10] + "…"


@cache
def _style() -> str:
    return (files("consentry.evidence") / "templates" / "report.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("consentry.evidence"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"when": _when, "plain": _plain, "hex": _hex, "short": _short}
    environment.filters |= {
        "purposes": _purposes,
        "asked": lambda verb: _ASKED.get(verb, verb),
        "refused": lambda check: _REFUSED.get(check, check),
    }
    return environment
