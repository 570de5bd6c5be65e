"""What was dealt, as journals tell it: held against the chain, and against the store."""

from __future__ import annotations

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from consentry.errors import BlobAltered, BlobMissing, CidInvalid
from consentry.evidence.journals import Journal, readable, word
from consentry.evidence.model import Finding, Report, counted
from consentry.evidence.replay import Replay
from consentry.keyholder.journal import Row
from consentry.store import Store


@dataclass(frozen=True, slots=True)
class Dealt:
    """One record as a deal's row names it: ``0x`` digits of record id and digest, content id, address, and
    the batch in which it is anchored: page, root and count, all empty where it is anchored alone."""

    record: str
    digest: str
    cid: str
    contributor: str
    batch: tuple[str, ...]


def dealt_in(row: Row) -> Iterator[Dealt]:
    """The records that a deal's row names."""
    body = row.body
    batch = tuple(body.get(name, "") for name in ("page", "root", "count"))
    for number in count():
        if f"record {number}" not in body:
            return
        record, digest, cid = (body.get(f"{name} {number}", "") for name in ("record", "digest", "cid"))
        yield Dealt(record, digest, cid, body.get("contributor", ""), batch)


def stands(replay: Replay, dealt: Dealt) -> bool:
    """Whether a record stands on chain: alone, or in the batch that its keyholders say it is in."""
    alone = (dealt.contributor, word(dealt.record)) in replay.anchors
    return alone or (dealt.contributor, *dealt.batch) in replay.batches


def deals(report: Report, replay: Replay, journals: Sequence[Journal], store: Store | None) -> None:
    """Every record that was dealt is anchored by its contributor, and its blob is what was dealt."""
    found: list[Finding] = []
    dealt, looked = defaultdict[Dealt, set[int]](set), 0
    for journal in journals:
        for row in readable(journal, "deal"):
            for one in dealt_in(row):
                dealt[one].add(journal.card.index)
    twice: dict[tuple[str, str], set[Dealt]] = defaultdict(set)
    for one, keyholders in dealt.items():
        named = f"record {one.record[:10]}"
        twice[one.record, one.contributor].add(one)
        if not stands(replay, one):
            report.notes.append(f"{named} was dealt, never anchored: it cannot be opened")
            continue
        if len(keyholders) < len(journals):
            report.notes.append(f"{named} was dealt to {len(keyholders)} of {len(journals)} keyholders")
        if store is not None:
            looked += 1
            found += [Finding(named, text) for text in _blob(store, one)]
    for (text, _), different in twice.items():
        if len(different) > 1:
            found.append(Finding(f"record {text[:10]}", "keyholders do not say the same of what was dealt"))
    if store is None:
        report.notes.append("no store was given: the blobs were not looked at")
        report.findings += found
    else:
        blobs = counted(looked, "blob is", "blobs are")
        report.conclude(found, f"{blobs} in the store, each as it was dealt")


def _blob(store: Store, dealt: Dealt) -> Iterator[str]:
    with tempfile.TemporaryFile() as sink:
        try:
            store.get(dealt.cid, sink)
            sink.seek(0)
            if "0x" + hashlib.file_digest(sink, "sha256").hexdigest() != dealt.digest:
                raise BlobAltered
        except (BlobMissing, CidInvalid):
            yield "its blob is missing from the store"
        except BlobAltered:
            yield "its blob was altered in the store; nobody will open it"
