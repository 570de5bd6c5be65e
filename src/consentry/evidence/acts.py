"""What each actor did, in order: the links of its chain in the access log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from eth_typing import ABIEvent
from eth_utils.abi import event_abi_to_log_topic
from eth_utils.crypto import keccak

from consentry.chain.contracts import Chain, Entry
from consentry.chain.manifest import abi
from consentry.chain.rpc import Event
from consentry.keys.binding import abi_encode

ASKED, CONFIRMED, REVIEWED = "BreakGlassRequested", "BreakGlassConfirmed", "BreakGlassReviewed"
_LINKS = {
    ASKED: ("requester", "accessId", "patient segment reasonHash replyKeyHash agent"),
    CONFIRMED: ("confirmer", "link", "accessId"),
    REVIEWED: ("reviewer", "link", "accessId justified noteHash"),
}
"""Of each event of a break-glass: who acted, the link, and what is hashed into it behind the link before."""
_ENTRY = ["bytes32", "bytes32", "bytes32", "uint32", "bytes32", "bytes32"]


@dataclass(frozen=True, slots=True)
class Act:
    """One link of an actor's chain, as its event names it, with its place. ``types`` and ``values`` are what
    is hashed into it; an act of break-glass begins with its ``kind``, the event's signature hash."""

    actor: str
    block: int
    index: int
    link: bytes
    kind: bytes
    types: list[str]
    values: list[Any]

    def after(self, head: bytes) -> bytes:
        """The link that follows ``head`` by this act."""
        kind = [self.kind] if self.kind else []
        return keccak(abi_encode(self.types, [*kind, head, *self.values]))


def acts_of(entries: Iterable[Entry], glasses: Iterable[Event]) -> list[Act]:
    """The acts that entries and the events of break-glass tell, in the order of the chain."""
    acts = [*map(_of_entry, entries), *map(_of_glass, glasses)]
    return sorted(acts, key=lambda act: (act.block, act.index))


def glass_events(chain: Chain, first: int | None = None, last: int | None = None) -> list[Event]:
    """Everything about break-glass in the access log, in the order of the chain."""
    found = [event for name in _LINKS for event in chain.rpc.events("AccessLog", name, first, last)]
    return sorted(found, key=lambda event: (event.block, event.index))


def follow(head: bytes, acts: Iterable[Act]) -> tuple[bytes, Act | None]:
    """The head after ``acts``, and the first that does not follow."""
    for act in acts:
        head = act.after(head)
        if head != act.link:
            return head, act
    return head, None


def _of_entry(e: Entry) -> Act:
    values = [e.record_id, e.grant_id, e.purpose, e.reply_key_hash, e.agent]
    return Act(e.actor, e.block, e.index, e.access_id, b"", _ENTRY, values)


@cache
def _kinds() -> dict[str, bytes]:
    """The signature hash of each event of a break-glass."""
    events = (cast("ABIEvent", one) for one in abi("AccessLog") if one.get("name") in _LINKS)
    return {one["name"]: event_abi_to_log_topic(one) for one in events}


def _of_glass(event: Event) -> Act:
    actor, link, names = _LINKS[event.name]
    values = [event.args[name] for name in names.split()]
    types = ["bool" if isinstance(value, bool) else "bytes32" for value in values]
    where = (event.block, event.index, event.args[link], _kinds()[event.name])
    return Act(event.args[actor], *where, ["bytes32", "bytes32", *types], values)
