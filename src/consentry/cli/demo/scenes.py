"""What the people do, and what is refused to whom."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from eth_utils.crypto import keccak

from consentry.admin import ORGANISATION, Applicant
from consentry.chain.contracts import Entry
from consentry.cli.demo.stage import Stage, StoryBroken
from consentry.client import Deposited, Listing, Offered, Opened, Proposal
from consentry.consent.terms import DEPOSIT, READ, Terms
from consentry.errors import CardInvalid, ContractRefused, KeyholderRefused, NoGrant, NotAllowed
from consentry.keyholder.messages import Call, ReleaseAsked
from consentry.keys.hpke import new_seed, public_key
from consentry.record import Record, kinds

DAY = 86_400
TREAT = 1
_NAMES = {
    "hospital": ("Riverside Test Hospital", "1245319599", ORGANISATION),
    "clinician": ("Dr Casey Testperson", "1003000126", 1),
    "impostor": ("Corner Test Pharmacy", "1679576722", 1),
}


def enrol(stage: Stage, names: Sequence[str] = tuple(_NAMES)) -> None:
    """The patient publishes her key and gives one statement a kind; providers are to make their offers."""
    segments = stage.desk("patient").enrol([kind.name for kind in kinds()])
    stage.tell.done(f"the patient enrolled {len(segments)} kinds: {', '.join(s.kind for s in segments)}")
    *titles, last = (_NAMES[name][0] for name in names)
    stage.tell.done(f"{', '.join(titles)} and {last} each made a key")


def onboard(stage: Stage, names: Sequence[str] = tuple(_NAMES)) -> None:
    """The authority signs a card and puts a credential on chain for each provider of ``names``."""
    now = stage.chain.head().time
    for name in names:
        title, number, roles = _NAMES[name]
        hospital = stage.people["hospital"].address if name == "clinician" else None
        validity = (now - DAY, now + 730 * DAY)
        applicant = Applicant(stage.desk(name).offer(), title, number, roles, hospital, *validity)
        stage.cards[name] = stage.admin.onboard([applicant])[0]
        stage.tell.done(f"{title} has a credential (register number {number})")


def propose(stage: Stage, name: str, kind_names: Sequence[str], flags: int) -> tuple[Offered, list[Proposal]]:
    """What the patient would grant to ``name``, with the sentences that she reads."""
    until = stage.chain.head().time // DAY * DAY + 365 * DAY
    purposes = ("TREAT",) if flags & READ else ()
    offered = Offered(stage.cards[name], tuple(kind_names), flags, purposes, until)
    return offered, stage.desk("patient").propose(offered)


def allow_deposit(stage: Stage, kind_names: Sequence[str]) -> list[Proposal]:
    """The patient lets the hospital deposit, all kinds in one transaction; gives one proposal a kind."""
    offered, proposals = propose(stage, "hospital", kind_names, DEPOSIT)
    stage.tell.quote(proposals[0].sentence)
    if len(proposals) > 1:
        stage.tell.done(f"... and the same for {', '.join(kind_names[1:])}")
    stage.desk("patient").grant(offered, proposals)
    stage.tell.done(f"{len(proposals)} grants to deposit are in force, by one transaction")
    return proposals


def deposit(stage: Stage, records: Sequence[Record]) -> list[Deposited]:
    """The hospital deposits: sealed, pinned, dealt, anchored."""
    deposited = stage.desk("hospital").deposit(stage.patient, records)
    for one, record in zip(deposited, records, strict=True):
        stage.tell.done(
            f"{one.kind}: {record.size:,} bytes sealed, pinned as {one.cid[:20]}…, dealt to "
            f"{one.acknowledged} of {stage.group.roster.count} keyholders, anchored"
        )
        for note in record.flags[:2]:
            stage.tell.done(f"  noted: {note}")
    return deposited


def grant_general(stage: Stage) -> Proposal:
    """The patient reads the sentence and grants."""
    offered, proposals = propose(stage, "clinician", ["general"], READ)
    stage.tell.quote(proposals[0].sentence)
    stage.desk("patient").grant(offered, proposals)
    grant_id = proposals[0].grant_id.hex()[:16]
    stage.tell.done(f"granted: 0x{grant_id}…; the chain learns none of its terms yet")
    return proposals[0]


def read(stage: Stage, name: str) -> tuple[Listing, Opened]:
    """A provider lists, requests and opens the general record."""
    desk = stage.desk(name)
    listing = next(one for one in desk.list(stage.patient) if one.label.kind == "general")
    label = listing.label
    stage.tell.done(f"listed, without an entry: {label.kind}, {label.date}, {label.media_type}")
    opened = desk.open(stage.patient, listing.record_id)
    stage.tell.done(f"requested: entry 0x{opened.access_id.hex()[:16]}… is on chain")
    shares = ", ".join(map(str, opened.keyholders))
    stage.tell.done(f"opened with the shares of keyholders {shares}: {_what(opened)}")
    return listing, opened


def _what(opened: Opened) -> str:
    """What an opened record holds, in a few words."""
    body = opened.file.read()
    opened.file.seek(0)
    try:
        entries = json.loads(body).get("entry", [])
        found = Counter(entry["resource"]["resourceType"] for entry in entries)
        return ", ".join(f"{count} {name}" for name, count in found.most_common(4)) + ", …"
    except (ValueError, KeyError, AttributeError):
        return f"{len(body):,} bytes"


@dataclass(frozen=True, slots=True)
class Unanswered:
    """An entry that the clinician wrote and has not been answered, with its reply key."""

    entry: Entry
    reply_key: bytes


def other_kind_refused(stage: Stage, hidden: Deposited, listing: Listing) -> Unanswered:
    """The clinician tries for a kind that was not granted: at the desk, on chain, and with a real entry."""
    clinician, terms = stage.people["clinician"], listing.grant.granted.terms
    with stage.tell.expect(NoGrant, "clinician, at the desk"):
        stage.desk("clinician").open(stage.patient, hidden.record_id)
    forged = replace(terms, segment=secrets.token_bytes(32), reading_hash=bytes(32))
    with stage.tell.expect(ContractRefused, "clinician, with self-made terms", "NotAllowed"):
        write_entry(stage, "clinician", forged, listing.record_salt)
    reply_key = public_key(new_seed())
    write_entry(stage, "clinician", terms, listing.record_salt, keccak(reply_key))
    stage.tell.done("the clinician writes a true entry, for the general record")
    unanswered = Unanswered(stage.chain.entries(actor=clinician.address)[-1], reply_key)
    with stage.tell.expect(KeyholderRefused, f"clinician, asking for {hidden.kind} with it"):
        _ask(stage, "clinician", hidden.record_id, terms, unanswered)
    return unanswered


def write_entry(stage: Stage, name: str, terms: Terms, salt: bytes, reply: bytes = bytes(32)) -> None:
    """Writes an entry straight, past the desk."""
    args = (terms.as_tuple(), [salt], TREAT, reply, bytes(32))
    stage.chain.send(stage.people[name].signer, "AccessLog", "request", *args)


def _ask(stage: Stage, name: str, record: bytes, terms: Terms, entry: Unanswered) -> None:
    """Asks every keyholder straight, past the desk; the last refusal is the one that is told."""
    body = ReleaseAsked(record, terms, entry.entry, entry.reply_key).encode()
    signer, deployment = stage.people[name].signer, stage.chain.deployment
    for keyholder in stage.keyholders[:-1]:
        with contextlib.suppress(KeyholderRefused):
            keyholder.release(Call.signed(deployment, signer, keyholder.card, "release", body))
            raise StoryBroken(f"{name}: keyholder {keyholder.card.index} released what it must not")
    last = stage.keyholders[-1]
    last.release(Call.signed(deployment, signer, last.card, "release", body))


def stranger_refused(stage: Stage, listing: Listing, unanswered: Unanswered) -> None:
    """A stranger knows all that is public by now, and has no credential."""
    terms = listing.grant.granted.terms
    with stage.tell.expect(ContractRefused, "stranger, with the terms from the chain", "NotAllowed"):
        write_entry(stage, "stranger", terms, listing.record_salt)
    with stage.tell.expect(KeyholderRefused, "stranger, with the clinician's entry"):
        _ask(stage, "stranger", listing.record_id, terms, unanswered)


def impostor_refused(stage: Stage) -> None:
    """A provider with a real credential hands out a card with the hospital's name and its own key."""
    title, number, _ = _NAMES["hospital"]
    own = stage.cards["impostor"]
    forged = replace(own, name=title, number=number)
    stage.tell.done(f"the patient is handed a card that says “{title}”, with the pharmacy's key in it")
    until = stage.chain.head().time + 30 * DAY
    with stage.tell.expect(CardInvalid, "the card, before any sentence is shown"):
        stage.desk("patient").propose(Offered(forged, ("general",), READ, ("TREAT",), until))


def suspension(stage: Stage, listing: Listing) -> None:
    """Suspended: refused at once, the grant untouched. Reinstated: served again."""
    clinician = stage.people["clinician"].address
    stage.admin.suspend(clinician)
    stage.tell.done("the authority suspended the clinician")
    with stage.tell.expect(NotAllowed, "clinician, at the desk"):
        stage.desk("clinician").open(stage.patient, listing.record_id)
    with stage.tell.expect(ContractRefused, "clinician, straight to the contract", "NotAllowed"):
        write_entry(stage, "clinician", listing.grant.granted.terms, listing.record_salt)
    stage.admin.reinstate(clinician)
    stage.tell.done("the authority reinstated the clinician; the patient did nothing")
    opened = stage.desk("clinician").open(stage.patient, listing.record_id)
    stage.tell.done(f"opened again: entry 0x{opened.access_id.hex()[:16]}…")
    opened.file.close()


def revocation(stage: Stage, listing: Listing, grant_id: bytes, unanswered: Unanswered) -> None:
    """Revoked: keyholders stop at once, the chain for ever."""
    ended = stage.desk("patient").revoke([grant_id])
    stage.tell.done(
        f"revoked: {ended.stopped} keyholders stopped at once; {ended.receipt.gas:,} gas on chain"
    )
    for one in ended.rotation.done:
        stage.tell.done(f"new keys for {one.kind}, version {one.version}: {one.held} keyholders, no gas")
    with stage.tell.expect(NoGrant, "clinician, at the desk"):
        stage.desk("clinician").open(stage.patient, listing.record_id)
    with stage.tell.expect(ContractRefused, "clinician, straight to the contract", "NotAllowed"):
        write_entry(stage, "clinician", listing.grant.granted.terms, listing.record_salt)
    with stage.tell.expect(KeyholderRefused, "clinician, with the true entry from before"):
        _ask(stage, "clinician", listing.record_id, listing.grant.granted.terms, unanswered)


def patient_alone(stage: Stage, records: Sequence[Record], deposited: Sequence[Deposited]) -> None:
    """The patient opens all that is hers, without an entry, and gets what went in, byte for byte."""
    desk = stage.desk("patient")
    for one, record in zip(deposited, records, strict=True):
        with desk.open(stage.patient, one.record_id).file as opened, record.open() as source:
            if opened.read() != source.read():
                raise StoryBroken(f"{one.kind}: the patient did not get the bytes that were deposited")
        stage.tell.done(f"{one.kind}: opened alone, byte for byte what the hospital deposited")
