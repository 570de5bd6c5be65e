"""What a keyholder checks for itself, each check on its own and in a fixed order, cheap ones first.

`RELEASE` before it releases a share, `DEAL` before it takes one. A check raises `Denied`; the service
writes the check's name to its journal and tells the caller nothing but "refused".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eth_utils.crypto import keccak

from consentry.chain.contracts import Chain
from consentry.consent.rule import Reason
from consentry.consent.terms import DEPOSIT, Terms
from consentry.envelope.deposit import Header, Part
from consentry.envelope.leaf import Leaf
from consentry.errors import ConsentryError, IntegrityError
from consentry.keyholder.held import Held
from consentry.keyholder.messages import Call, ReleaseAsked

MAX_AGE = 3600
"""How old an entry may be, in seconds of block time."""

DEAD = 30 * 86_400
"""How long a keyholder holds what was dealt and not anchored, in seconds of block time."""


class Denied(ConsentryError):
    """A keyholder's own reason for a refusal; it never leaves the keyholder but by its journal."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release that is asked for, with what the keyholder knows of it."""

    chain: Chain
    keyholder: str
    call: Call
    asked: ReleaseAsked
    held: Held | None
    stopped: bool


def _need(held: bool) -> None:
    if not held:
        raise Denied


def _caller(r: Release) -> None:
    try:
        r.call.verify(r.chain.deployment, r.keyholder, r.chain.wallet_accepts)
    except IntegrityError:
        raise Denied from None


def _reply_key(r: Release) -> None:
    _need(keccak(r.asked.reply_key) == r.asked.entry.reply_key_hash)


def _actor(r: Release) -> None:
    _need(r.asked.entry.actor == r.call.caller)


def _record(r: Release) -> None:
    terms, entry = r.asked.terms, r.asked.entry
    _need(r.held is not None and r.asked.record_id == entry.record_id)
    assert r.held is not None
    held = (r.held.header.patient, r.held.header.segment)
    _need(held == (terms.patient, terms.segment) and terms.record in (bytes(32), entry.record_id))


def _stop(r: Release) -> None:
    _need(not r.stopped)


def _depth(r: Release) -> None:
    _need(r.asked.entry.block <= r.chain.settled())


def _entry(r: Release) -> None:
    _need(r.asked.terms.grant_id == r.asked.entry.grant_id and r.chain.has_entry(r.asked.entry))


def _age(r: Release) -> None:
    _need(r.chain.head().time - r.chain.time_of(r.asked.entry.block) <= MAX_AGE)


def _consent(r: Release) -> None:
    terms, now = r.asked.terms, r.chain.head().time
    _need(terms.not_before <= now < terms.expires_at)
    _need(r.chain.in_force(terms.patient, terms.grant_id, terms.epoch))


def _credential(r: Release) -> None:
    _need(r.chain.may_use(r.call.caller, r.asked.terms))


def _anchor(r: Release) -> None:
    assert r.held is not None
    leaf = Leaf.decode(r.held.open_part, r.held.sealed_part)
    _need(r.chain.anchored(r.held.header.contributor, leaf))


RELEASE: dict[str, Callable[[Release], None]] = {
    "caller": _caller,
    "reply key": _reply_key,
    "actor": _actor,
    "record": _record,
    "stop": _stop,
    "depth": _depth,
    "entry": _entry,
    "age": _age,
    "consent at head": _consent,
    "credential at head": _credential,
    "anchor": _anchor,
}


@dataclass(frozen=True, slots=True)
class Deal:
    """A part of an envelope that is dealt, its header, and whether its statement is held here."""

    chain: Chain
    part: Part
    header: Header
    statement_held: bool
    threshold: int
    count: int


def _statement(d: Deal) -> None:
    _need(d.statement_held and (d.header.threshold, d.header.count) == (d.threshold, d.count))


def _contributor(d: Deal) -> None:
    """The patient deposits without a grant; anyone else needs DEPOSIT for this very segment."""
    if d.header.contributor == d.chain.controller_of(d.header.patient):
        return
    try:
        terms = Terms.decode(d.part.terms)
    except IntegrityError:
        raise Denied from None
    named = (terms.patient, terms.segment, terms.record)
    _need(named == (d.header.patient, d.header.segment, bytes(32)))
    _need(d.chain.why(terms, d.header.contributor, 0, DEPOSIT) == Reason.NONE)


DEAL: dict[str, Callable[[Deal], None]] = {"statement": _statement, "contributor": _contributor}
