"""What an ended grant to read left its grantee: what was opened, what never was, what is out of reach."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from consentry.consent.terms import READ
from consentry.evidence.deals import dealt_in, stands
from consentry.evidence.journals import Journal, readable, word
from consentry.evidence.model import Access, Consent, Ending, Report
from consentry.evidence.replay import Replay

_NO_RECORD = bytes(32)


@dataclass(slots=True)
class _Told:
    """What journals tell: of each segment the records with their key versions, and how many keyholders hold
    each version's statement; of each grant (grantee, segment, newest version of its key box)."""

    records: dict[tuple[bytes, ...], dict[bytes, int]] = field(default_factory=lambda: defaultdict(dict))
    versions: dict[tuple[bytes, ...], dict[int, set[int]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )
    boxes: dict[tuple[bytes, bytes], tuple[bytes, bytes, int]] = field(default_factory=dict)


def endings(report: Report, replay: Replay, journals: Sequence[Journal]) -> None:
    """One for each grant to read that ended. A key version counts once t journals name it, or all that were
    given."""
    told = _read(replay, journals)
    need = min(report.threshold, len(journals))
    for consent in report.consents:
        grantee, segment, version = _reach(told, consent)
        if consent.in_force or not version:
            continue
        place = (consent.patient, segment)
        held = {one: at for one, at in told.records[place].items() if _reaches(consent, one)}
        opened, asked = _accesses(report, grantee, {one for one, at in held.items() if at <= version})
        never = tuple(one for one, at in held.items() if at <= version and one not in opened | asked.keys())
        newer = [at for at, who in told.versions[place].items() if at > version and len(who) >= need > 0]
        beyond = tuple(one for one, at in held.items() if at > version)
        report.endings.append(Ending(consent, opened, asked, never, min(newer, default=0), beyond))


def _reach(told: _Told, consent: Consent) -> tuple[bytes, bytes, int]:
    """Grantee, segment and the newest key version that the grantee has; version 0 for what reads nothing. A
    box of which no journal tells, or tells no version, is of the first one."""
    grantee, segment, version = told.boxes.get((consent.patient, consent.grant_id), (b"", b"", 1))
    if (terms := consent.terms) is not None:
        return terms.grantee, terms.segment, version if terms.flags & READ else 0
    return grantee, segment, version if segment else 0


def _reaches(consent: Consent, record: bytes) -> bool:
    return consent.terms is None or consent.terms.record in (_NO_RECORD, record)


def _accesses(report: Report, grantee: bytes, held: set[bytes]) -> tuple[dict[bytes, int], dict[bytes, int]]:
    """The records that the grantee opened, by whichever grant, and those that it asked for and got too few
    releases, as far as the journals tell; each with the time of the first entry."""
    mine = [one for one in report.accesses if one.terms and one.terms.grantee == grantee]
    mine = [one for one in mine if one.entry.record_id in held]
    opened = _first(one for one in mine if one.verdict == "released")
    asked = _first(one for one in mine if one.entry.record_id not in opened)
    return opened, asked


def _first(accesses: Iterable[Access]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for one in accesses:
        found.setdefault(one.entry.record_id, one.time)
    return found


def _read(replay: Replay, journals: Sequence[Journal]) -> _Told:
    told = _Told()
    for journal in journals:
        for row in readable(journal, "deal"):
            anchored = [word(one.record) for one in dealt_in(row) if stands(replay, one)]
            for place in _words(row.body, "patient", "segment"):
                told.records[place] |= {record: _version(row.body) for record in anchored if record}
        for row in readable(journal, "statement"):
            for place in _words(row.body, "patient", "segment"):
                told.versions[place][_version(row.body)].add(journal.card.index)
        for row in readable(journal, "box"):
            for patient, grant, grantee, segment in _words(
                row.body, "patient", "grant", "grantee", "segment"
            ):
                *_, known = told.boxes.get((patient, grant), (0,))
                told.boxes[patient, grant] = (grantee, segment, max(known, _version(row.body)))
    return told


def _words(body: dict[str, str], *names: str) -> list[tuple[bytes, ...]]:
    """The ids that a row names, once; nothing where one is none."""
    found = [word(body.get(name, "")) for name in names]
    return [tuple(one for one in found if one is not None)] if None not in found else []


def _version(body: dict[str, str]) -> int:
    """The key version that a row names; the first one where it names none."""
    text = body.get("version", "1")
    return int(text) if text.isdecimal() and len(text) < 20 else 1
