"""The audit: entries, releases, journals and blobs held against each other. It needs no secrets."""

from __future__ import annotations

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eth_utils.crypto import keccak

from consentry.chain.contracts import Chain, Entry
from consentry.client.own import OwnGrant
from consentry.consent.card import Card
from consentry.errors import BlobAltered, BlobMissing, JournalBroken
from consentry.evidence.model import Access, Attempt, Consent, Finding, Report
from consentry.evidence.replay import Replay
from consentry.keyholder.journal import Row, verify_journal
from consentry.keyholder.messages import Signed
from consentry.keyholder.roster import KeyholderCard
from consentry.keys.binding import abi_encode
from consentry.store import Store

Known = Card | OwnGrant | Signed
"""What an asker holds anyway: cards, her own grants, signed answers of keyholders."""

_ENTRY = ["bytes32", "bytes32", "bytes32", "uint32", "bytes32", "bytes32"]


@dataclass(frozen=True, slots=True)
class Journal:
    """One keyholder's journal, as it gave it."""

    card: KeyholderCard
    rows: Sequence[Row]


def audit(
    chain: Chain,
    store: Store | None,
    journals: Sequence[Journal],
    known: Iterable[Known] = (),
    *,
    threshold: int,
    patient: bytes | None = None,
) -> Report:
    """The report on a deployment, or on one ``patient`` of it (journals and blobs are checked whole).

    ``store`` None leaves the blobs unchecked, and the report says so. Raises `Unreachable` only; what is
    wrong stands in the findings.
    """
    head, deployment, held = chain.head(), chain.deployment, list(known)
    report = Report(
        deployment.chain_id, deployment.genesis, deployment.registry, head.number, head.time, threshold
    )
    report.cards = {card.address: card for card in held if isinstance(card, Card)}
    own = {grant.terms.grant_id: grant for grant in held if isinstance(grant, OwnGrant)}
    report.cards |= {grant.card.address: grant.card for grant in own.values()}
    replay = Replay(chain)
    sound = _journals(report, chain, journals, [one for one in held if isinstance(one, Signed)])
    _chains(report, chain, replay)
    _accesses(report, replay, sound, threshold, patient)
    _consents(report, replay, own, patient)
    _attempts(report, sound)
    _deals(report, replay, sound, store)
    return report


def _journals(
    report: Report, chain: Chain, journals: Sequence[Journal], heard: Sequence[Signed]
) -> list[Journal]:
    """Checks each journal; even a broken one is read on, since what it admits still counts."""
    whole = 0
    for journal in journals:
        seen = [(one.row, one.row_hash) for one in heard if one.keyholder == journal.card.index]
        try:
            verify_journal(chain.deployment, journal.card.address, journal.rows, seen)
            whole += 1
        except JournalBroken as error:
            report.findings.append(Finding(f"journal of {journal.card.name}", str(error)))
    rows = sum(len(journal.rows) for journal in journals)
    report.verified.append(
        f"{whole} of {len(journals)} journals are whole: {rows} rows, hashes and signatures follow, and "
        f"{len(heard)} signed answers that were kept stand in them"
    )
    return list(journals)


def _chains(report: Report, chain: Chain, replay: Replay) -> None:
    """Each actor's entries hash to the head that the contract holds: none was left out or altered."""
    by_actor: dict[str, list[Entry]] = defaultdict(list)
    for entry in replay.entries:
        by_actor[entry.actor].append(entry)
    log = chain.deployed.contracts["AccessLog"].address
    for actor, entries in by_actor.items():
        first = [chain.deployment.chain_id, log, actor]
        head = keccak(abi_encode(["uint256", "address", "address"], first))
        for e in entries:
            words = [e.record_id, e.grant_id, e.purpose, e.reply_key_hash, e.agent]
            head = keccak(abi_encode(_ENTRY, [head, *words]))
            if head != e.access_id:
                report.findings.append(
                    Finding(f"entry in block {e.block}", "it does not follow in its chain")
                )
                break
        if head != chain.rpc.call("AccessLog", "headOf", actor):
            report.findings.append(
                Finding(
                    f"access log of {actor}", "its entries do not lead to the head on chain: some are missing"
                )
            )
    report.verified.append(
        f"{len(replay.entries)} entries by {len(by_actor)} actors follow one another up to the heads on chain"
    )


def _accesses(
    report: Report, replay: Replay, journals: Sequence[Journal], threshold: int, patient: bytes | None
) -> None:
    entries = {entry.access_id: entry for entry in replay.entries}
    released: dict[bytes, dict[int, int]] = defaultdict(dict)
    count = 0
    for journal in journals:
        for row in (row for row in journal.rows if row.kind == "release"):
            access, count = bytes.fromhex(row.body.get("access", "")[2:]), count + 1
            found = entries.get(access)
            named = (row.body.get("record"), row.body.get("actor"))
            if found is None or named != ("0x" + found.record_id.hex(), found.actor):
                text = f"row {row.index} is a release without an entry on chain"
                report.findings.append(Finding(f"journal of {journal.card.name}", text))
            else:
                released[access][journal.card.index] = row.index
    for entry in replay.entries:
        terms = replay.terms.get(entry.grant_id)
        why_not = replay.why_not(entry)
        if why_not:
            report.findings.append(Finding(f"entry in block {entry.block}", f"not lawful there: {why_not}"))
        if patient is not None and (terms is None or terms.patient != patient):
            continue
        releases = released.get(entry.access_id, {})
        verdict = "released" if len(releases) >= threshold else "incomplete" if releases else "no release"
        time = replay.time(entry.block)
        report.accesses.append(Access(entry, time, terms, releases, verdict, not why_not, why_not))
    report.verified.append(f"{count} journalled releases each name an entry on chain, or are findings here")
    report.verified.append(
        "each entry was allowed in its block: consent, purpose, time, credential, replayed from events"
    )


def _consents(report: Report, replay: Replay, own: dict[bytes, OwnGrant], patient: bytes | None) -> None:
    for (who, grant_id), history in replay.grants.items():
        if patient is not None and who != patient:
            continue
        terms = replay.terms.get(grant_id) or (own[grant_id].terms if grant_id in own else None)
        sentence = own[grant_id].reading.sentence if grant_id in own else ""
        statuses = [int(str(value[0])) for value in history.values]
        times = [replay.time(place[0]) for place in history.places]
        began = times[0] if statuses[0] == 1 else 0
        ended, how = 0, ""
        if statuses[-1] == 2:
            ended, how = times[-1], "revoked"
        elif int(str(history.values[-1][1])) != replay.epoch(who, (report.head, 1 << 30)):
            places = [place for place in replay.epochs[who].places if place > history.places[-1]]
            ended, how = replay.time(places[0][0]), "all revoked"
        elif terms is not None and report.at >= terms.expires_at:
            ended, how = terms.expires_at, "expired"
        report.consents.append(Consent(who, grant_id, began, ended, how, terms, sentence))


def _attempts(report: Report, journals: Sequence[Journal]) -> None:
    grouped: dict[tuple[int, str, str, str], list[int]] = defaultdict(list)
    for journal in journals:
        for row in (row for row in journal.rows if row.kind == "refused"):
            fields = [row.body.get(name, "") for name in ("verb", "claimed caller", "check")]
            grouped[row.time, fields[0], fields[1], fields[2]].append(journal.card.index)
    for key, keyholders in sorted(grouped.items()):
        report.attempts.append(Attempt(*key, tuple(sorted(set(keyholders)))))


def _deals(report: Report, replay: Replay, journals: Sequence[Journal], store: Store | None) -> None:
    """Every record that was dealt is anchored by its contributor, and its blob is what was dealt."""
    dealt: dict[tuple[str, str, str, str], None] = {}
    for journal in journals:
        for row in (row for row in journal.rows if row.kind == "deal"):
            number = 0
            while f"record {number}" in row.body:
                fields = [row.body.get(f"{name} {number}", "") for name in ("record", "digest", "cid")]
                dealt[fields[0], fields[1], fields[2], row.body.get("contributor", "")] = None
                number += 1
    good = 0
    for record, digest, cid, contributor in dealt:
        if (contributor, bytes.fromhex(record[2:])) not in replay.anchors:
            report.notes.append(f"record {record[:10]} was dealt, never anchored: it cannot be opened")
        elif store is not None:
            good += _blob(report, store, record, digest, cid)
    if store is None:
        report.notes.append("no store was given: the blobs were not looked at")
    else:
        report.verified.append(
            f"{good} of {len(dealt)} blobs are in the store and have their anchored digest"
        )


def _blob(report: Report, store: Store, record: str, digest: str, cid: str) -> bool:
    with tempfile.TemporaryFile() as sink:
        try:
            store.get(cid, sink)
            sink.seek(0)
            if "0x" + hashlib.file_digest(sink, "sha256").hexdigest() == digest:
                return True
            raise BlobAltered
        except BlobMissing:
            text = "its blob is missing from the store"
        except BlobAltered:
            text = "its blob was altered in the store; nobody will open it"
    report.findings.append(Finding(f"record {record[:10]}", text))
    return False
