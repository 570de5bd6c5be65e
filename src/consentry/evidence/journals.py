"""Keyholders' journals: whether they are whole, and what they admit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from consentry.chain.contracts import Entry
from consentry.errors import IntegrityError, JournalBroken
from consentry.evidence.model import Attempt, Finding, LabelRead, Report, counted
from consentry.evidence.replay import Replay, end_of
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.checks import MAX_AGE
from consentry.keyholder.journal import Row, verify_journal
from consentry.keyholder.lookback import MOVED, VANISHED
from consentry.keyholder.messages import Signed
from consentry.keys.binding import Deployment


@dataclass(frozen=True, slots=True)
class Journal:
    """One keyholder's journal, as it gave it."""

    card: KeyholderCard
    rows: Sequence[Row]


def whole(
    report: Report, deployment: Deployment, journals: Sequence[Journal], heard: Sequence[Signed]
) -> list[Journal]:
    """Checks each journal against itself, against other copies of it, and against the signed answers that
    the asker kept. Gives the longest copy of each; a broken one too, since what it admits still counts."""
    copies: dict[str, list[Journal]] = defaultdict(list)
    for journal in journals:
        copies[journal.card.address].append(journal)
    found: list[Finding] = []
    longest: list[Journal] = []
    for alike in copies.values():
        *shorter, best = sorted(alike, key=lambda journal: len(journal.rows))
        longest.append(best)
        found += _whole(deployment, best, _answers(report, deployment, best.card, heard))
        for copy in shorter:
            found += [*_whole(deployment, copy, []), *_forked(copy, best)]
    report.journals = {journal.card.index: journal.card.name for journal in longest}
    _missing(report, heard)
    rows = sum(len(journal.rows) for journal in longest)
    whole_ones = counted(len(longest), "journal is whole", "journals are whole")
    report.conclude(found, f"{whole_ones}: {counted(rows, 'row')} follow one another and are signed")
    return longest


def _answers(
    report: Report, deployment: Deployment, card: KeyholderCard, heard: Sequence[Signed]
) -> list[Signed]:
    """The answers that this keyholder really signed."""
    kept = [one for one in heard if one.keyholder == card.index]
    answers = [one for one in kept if _is_signed(deployment, card, one)]
    if len(answers) < len(kept):
        report.notes.append(
            f"of the answers that were kept, {len(kept) - len(answers)} in the name of {card.name} are not "
            "signed by it: they were not used"
        )
    return answers


def _whole(deployment: Deployment, journal: Journal, answers: Sequence[Signed]) -> Iterator[Finding]:
    where = _where(journal)
    try:
        seen = [(one.row, one.row_hash) for one in answers]
        verify_journal(deployment, journal.card.address, journal.rows, seen)
    except JournalBroken as error:
        yield Finding(where, str(error))
    if any(not _isreadable(row) for row in journal.rows):
        yield Finding(where, "it has rows that cannot be read")
    released = {row.body.get("answer") for row in readable(journal, "release")}
    for one in answers:
        if one.verb == "release" and "0x" + one.subject.hex() not in released:
            yield Finding(where, f"an answer that it gave in block {one.block} does not stand in it")


def _is_signed(deployment: Deployment, card: KeyholderCard, answer: Signed) -> bool:
    try:
        answer.verify(deployment, card, answer.verb, answer.subject)
    except IntegrityError:
        return False
    return True


def _forked(one: Journal, other: Journal) -> Iterator[Finding]:
    for a, b in zip(one.rows, other.rows, strict=False):
        if a.hash != b.hash:
            yield Finding(_where(one), f"it was forked: there are two different rows {a.index}")
            return


def _missing(report: Report, heard: Sequence[Signed]) -> None:
    lacking = sorted({one.keyholder for one in heard} - set(report.journals))
    if lacking:
        names = ", ".join(f"keyholder {index}" for index in lacking)
        report.notes.append(f"answers of {names} were kept, and no journal of theirs was given")
    if len(report.journals) < report.threshold:
        report.notes.append(
            f"{counted(len(report.journals), 'journal was', 'journals were')} given, and {report.threshold} "
            "keyholders are needed for a record: more may have been released than is seen here"
        )


def _where(journal: Journal) -> str:
    return f"journal of {journal.card.name}"


def _isreadable(row: Row) -> bool:
    texts = [row.kind, *row.body, *row.body.values()]
    return type(row.index) is int and type(row.time) is int and all(isinstance(one, str) for one in texts)


def readable(journal: Journal, kind: str) -> Iterator[Row]:
    """The rows of one kind; journals are foreign, and may hold anything."""
    return (row for row in journal.rows if _isreadable(row) and row.kind == kind)


def releases(report: Report, replay: Replay, journals: Sequence[Journal]) -> dict[str, dict[int, int]]:
    """Holds each journalled release against the entry that it names, and against what held when it was
    written. Gives the row number by keyholder, by access id (``0x`` and 64 hex digits)."""
    entries = {"0x" + entry.access_id.hex(): entry for entry in replay.entries}
    released: dict[str, dict[int, int]] = defaultdict(dict)
    found: list[Finding] = []
    count = 0
    for journal in journals:
        stops, taken = _stops(journal), _reorganised(journal)
        for row in readable(journal, "release"):
            count += 1
            entry = entries.get(row.body.get("access", ""))
            names = (row.body.get("record"), row.body.get("actor"), row.body.get("grant"))
            if entry is None or names != (_hex(entry.record_id), entry.actor, _hex(entry.grant_id)):
                text = f"row {row.index} is a release without an entry on chain"
                found.append(Finding(_where(journal), text + taken.get(str(row.index), "")))
                continue
            released[_hex(entry.access_id)][journal.card.index] = row.index
            terms = replay.terms.get(entry.grant_id)
            stopped = terms is not None and stops.get((terms.patient, terms.grant_id), row.index) < row.index
            wrong = "came after the patient's stop" if stopped else ""
            if wrong := wrong or _untimely(replay, entry, row.time) or _ended(replay, entry, row.time):
                wrong += taken.get(str(row.index), "")
                found.append(Finding(_where(journal), f"the release in row {row.index} {wrong}"))
    text = "each names its entry, and came while consent and credential held"
    report.conclude(found, f"{counted(count, 'release')} in the journals: {text}")
    return released


def _reorganised(journal: Journal) -> dict[str, str]:
    """What the keyholder says became of the entry of a release, by the release's row."""
    said = {VANISHED: "vanished", MOVED: "was moved to another block"}
    return {
        row.body.get(
            "release", ""
        ): f": it {became} in a reorganisation, as its keyholder says in row {row.index}"
        for kind, became in said.items()
        for row in readable(journal, kind)
    }


def _stops(journal: Journal) -> dict[tuple[bytes | None, bytes | None], int]:
    """The first row in which the keyholder took a stop, by patient and grant."""
    found: dict[tuple[bytes | None, bytes | None], int] = {}
    for row in readable(journal, "stop"):
        key = word(row.body.get("patient", "")), word(row.body.get("grant", ""))
        found.setdefault(key, row.index)
    return found


def _untimely(replay: Replay, entry: Entry, time: int) -> str:
    start = replay.time(entry.block)
    if time < start:
        return "is older than its entry"
    late = replay.time(replay.eve(time, entry.block)) - start > MAX_AGE
    return f"came later than {MAX_AGE // 60} minutes after its entry" if late else ""


def _ended(replay: Replay, entry: Entry, time: int) -> str:
    """A keyholder looks at its head, which may be a block older than the one it writes its row at."""
    why_not = replay.why_not(entry, end_of(replay.eve(time, entry.block)))
    return f"came when it was not allowed any more: {why_not}" if why_not else ""


def refusals(report: Report, journals: Sequence[Journal]) -> None:
    """The calls that were refused: one attempt for those alike in one block, whoever refused them. Those that
    a keyholder could not answer are counted in a note."""
    alike: dict[tuple[int, str, str, str], set[int]] = defaultdict(set)
    for journal in journals:
        if times := len(list(readable(journal, "uncertain"))):
            told = f"could not tell the chain {counted(times, 'time')}, and answered nothing then"
            report.notes.append(f"{journal.card.name} {told}")
        for row in readable(journal, "refused"):
            fields = [row.body.get(name, "") for name in ("verb", "claimed caller", "check")]
            alike[row.time, fields[0], fields[1], fields[2]].add(journal.card.index)
    report.attempts += [Attempt(*key, tuple(sorted(indexes))) for key, indexes in sorted(alike.items())]


def label_reads(report: Report, journals: Sequence[Journal]) -> None:
    """The labels that were given, without an entry."""
    alike: dict[tuple[int, str, str], set[int]] = defaultdict(set)
    for journal in journals:
        for row in readable(journal, "labels"):
            caller, patient, grant = (row.body.get(name, "") for name in ("caller", "patient", "grant"))
            if report.patient in (None, word(patient)) and word(grant) is not None:
                alike[row.time, caller, grant].add(journal.card.index)
    for (time, caller, grant), indexes in sorted(alike.items()):
        one = LabelRead(time, caller, bytes.fromhex(grant[2:]), tuple(sorted(indexes)))
        report.label_reads.append(one)


def word(text: str) -> bytes | None:
    """The 32 bytes that a row's text is, or None."""
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        return None
    return found if len(found) == 32 else None


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
