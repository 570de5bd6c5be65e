"""The audit: entries, releases, journals and blobs held against each other. It needs no secrets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eth_utils.crypto import keccak

from consentry.chain.contracts import Chain
from consentry.client.own import OwnGrant
from consentry.consent.card import Card
from consentry.evidence.acts import Act, acts_of, follow, glass_events
from consentry.evidence.deals import deals
from consentry.evidence.endings import endings
from consentry.evidence.glass import glasses
from consentry.evidence.journals import Journal, label_reads, refusals, releases, whole
from consentry.evidence.model import Access, Consent, Finding, Report, counted
from consentry.evidence.replay import Replay
from consentry.keyholder.messages import Signed
from consentry.keys.binding import abi_encode
from consentry.keys.typed import SignatureInvalid, verify
from consentry.record import kinds
from consentry.store import Store

__all__ = ["Journal", "Known", "audit"]

Known = Card | OwnGrant | Signed
"""What an asker holds anyway: cards, her own grants, signed answers of keyholders."""


def audit(
    chain: Chain,
    store: Store | None,
    journals: Sequence[Journal],
    known: Iterable[Known] = (),
    *,
    threshold: int,
    patient: bytes | None = None,
) -> Report:
    """The report on a deployment, or on one ``patient`` (32-byte identity) of it; the log, the journals and
    the blobs are checked whole either way.

    ``store`` None leaves the blobs unchecked, and the report says so. Nothing that is given is believed:
    a card, sentence or answer that does not hold against the chain is left out, with a note. Raises
    `Unreachable` only; what is wrong stands in the findings.
    """
    head, deployment, held = chain.head(), chain.deployment, list(known)
    where = (deployment.chain_id, deployment.genesis, deployment.registry)
    report = Report(*where, head.number, head.time, threshold, patient=patient)
    replay = Replay(chain, head.number)
    own = _own(report, [one for one in held if isinstance(one, OwnGrant)])
    _cards(report, chain, replay, [one for one in held if isinstance(one, Card)], own)
    longest = whole(report, deployment, journals, [one for one in held if isinstance(one, Signed)])
    _chains(report, chain, replay)
    _accesses(report, replay, releases(report, replay, longest))
    glasses(report, replay)
    _consents(report, replay, own)
    refusals(report, longest)
    label_reads(report, longest)
    endings(report, replay, longest)
    deals(report, replay, longest, store)
    return report


def _own(report: Report, grants: Iterable[OwnGrant]) -> dict[bytes, OwnGrant]:
    """The asker's grants by id; their terms carry the hash of the sentence that was signed."""
    own = {}
    for grant in grants:
        if grant.reading.hash == grant.terms.reading_hash:
            own[grant.terms.grant_id] = grant
        else:
            named = grant.terms.grant_id.hex()[:8]
            report.notes.append(f"the sentence known for grant 0x{named} is not the one signed: left out")
    return own


def _cards(
    report: Report, chain: Chain, replay: Replay, cards: Iterable[Card], own: dict[bytes, OwnGrant]
) -> None:
    """Only a card whose hash an authority put on chain, and that it signed, names anybody. The newest
    wins; a credential that has ended since still names who looked."""
    age: dict[str, int] = {}
    for card in {*cards, *(grant.card for grant in own.values())}:
        issued = replay.cards.get(card.address, [])
        try:
            place = issued.index((card.hash, card.authority))
            verify(card.message(chain.deployment), card.signature, card.authority, chain.wallet_accepts)
        except (ValueError, SignatureInvalid):
            report.notes.append(f"a card for {card.address} is not the one that was issued: it names nobody")
            continue
        if place >= age.get(card.address, 0):
            report.cards[card.address], age[card.address] = card, place


def _chains(report: Report, chain: Chain, replay: Replay) -> None:
    """Each actor's entries hash to the head that the contract holds: none was left out or altered. Who
    ever had a credential and has no entry stands at the first head."""
    by_actor: dict[str, list[Act]] = {provider: [] for provider in replay.credentials}
    for act in acts_of(replay.entries, replay.glass_events):
        by_actor.setdefault(act.actor, []).append(act)
    found: list[Finding] = []
    log = chain.deployed.contracts["AccessLog"].address
    for actor, acts in by_actor.items():
        first = keccak(abi_encode(["uint256", "address", "address"], [chain.deployment.chain_id, log, actor]))
        head, broken = follow(first, acts)
        if broken is not None:
            found.append(Finding(f"entry in block {broken.block}", "it does not follow in its actor's chain"))
        elif not _is_head(chain, replay, actor, head):
            text = "its entries do not lead to the head on chain: some are missing"
            found.append(Finding(f"access log of {actor}", text))
    actors, glass = sum(map(bool, by_actor.values())), len(replay.glass_events)
    more = f" and {counted(glass, 'act', 'acts')} of break-glass" if glass else ""
    entries_by = f"{counted(len(replay.entries), 'entry', 'entries')}{more} by {counted(actors, 'actor')}"
    others = counted(len(by_actor), "provider has", "providers have")
    report.conclude(found, f"{entries_by} follow one another up to the heads on chain; {others} no others")


def _is_head(chain: Chain, replay: Replay, actor: str, head: bytes) -> bool:
    """Whether ``head`` is the actor's on chain, or leads there by entries newer than the audit."""
    on_chain = chain.rpc.call("AccessLog", "headOf", actor)
    if head != on_chain and chain.head().number > replay.head:
        first = replay.head + 1
        newer = acts_of(chain.entries(first), glass_events(chain, first))
        head, _ = follow(head, [act for act in newer if act.actor == actor])
    return head == bytes(on_chain)


def _accesses(report: Report, replay: Replay, released: dict[str, dict[int, int]]) -> None:
    found: list[Finding] = []
    for entry in replay.entries:
        terms, why_not = replay.terms.get(entry.grant_id), replay.why_not(entry)
        if why_not:
            found.append(Finding(f"entry in block {entry.block}", f"not lawful there: {why_not}"))
        if report.patient is not None and (terms is None or terms.patient != report.patient):
            continue
        given = released.get("0x" + entry.access_id.hex(), {})
        verdict = "released" if len(given) >= report.threshold else "incomplete" if given else "no release"
        time = replay.time(entry.block)
        report.accesses.append(Access(entry, time, terms, given, verdict, not why_not, why_not))
        if verdict != "released":
            report.notes.append(
                f"the entry in block {entry.block} has {counted(len(given), 'release')}, "
                f"{report.threshold} are needed: {verdict}"
            )
    text = "each was allowed where it stands: consent, purpose, time and credential, replayed from events"
    report.conclude(found, f"{counted(len(replay.entries), 'entry', 'entries')}: {text}")


def _consents(report: Report, replay: Replay, own: dict[bytes, OwnGrant]) -> None:
    for (who, grant_id), history in replay.grants.items():
        if report.patient not in (None, who):
            continue
        known = own.get(grant_id)
        terms = replay.terms.get(grant_id) or (known.terms if known else None)
        began = replay.time(history.places[0][0]) if history.values[0][0] == 1 else 0
        ends = []
        if history.values[-1][0] == 2:
            ends.append((history.places[-1], "revoked"))
        changes = replay.epochs[who].places if who in replay.epochs else []
        ends += [(place, "all revoked") for place in changes if began and place > history.places[0]][:1]
        over = [(replay.time(place[0]), how) for place, how in ends]
        if seq := history.values[0][2]:
            over.append((replay.guardianship_end(who, seq), "guardianship over"))
        ended, how = min((each for each in over if each[0] <= report.at), default=(0, ""))
        if terms is not None:
            if began and terms.epoch != history.values[0][1]:
                ended, how = began, "void"
            elif terms.expires_at <= (ended if how else report.at):
                ended, how = terms.expires_at, "expired"
        sentence = known.reading.sentence if known else ""
        kind = _kind(known) if known else ""
        report.consents.append(Consent(who, grant_id, began, ended, how, terms, sentence, kind))


def _kind(known: OwnGrant) -> str:
    """The kind that a box names counts only where the signed sentence names it too."""
    titles = {kind.name: kind.title.lower() for kind in kinds()}
    title = titles.get(known.kind)
    return known.kind if title and f"my {title} records" in known.reading.sentence else ""
