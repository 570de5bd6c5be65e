"""What the contracts held at any block, replayed from their events alone."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from eth_utils.address import to_checksum_address

from consentry.admin import EMERGENCY, ORGANISATION
from consentry.chain.contracts import Chain, Entry
from consentry.chain.rpc import Event
from consentry.consent.rule import GrantState, Reason, why
from consentry.consent.terms import READ, Terms
from consentry.evidence.acts import glass_events
from consentry.keys.binding import identity

Place = tuple[int, int]
"""A place in the chain: block number, log index."""

_ACTIVE, _SUSPENDED, _RETIRED = 1, 2, 3
_NO_RECORD = bytes(32)


def end_of(block: int) -> Place:
    """The place after everything in a block."""
    return block, 1 << 62


@dataclass(slots=True)
class History:
    """A value that changed at places; `at` gives the one that held at a place."""

    places: list[Place] = field(default_factory=list)
    values: list[tuple[int, ...]] = field(default_factory=list)

    def add(self, place: Place, *value: int) -> None:
        """Appends a later value."""
        self.places.append(place)
        self.values.append(value)

    def at(self, place: Place) -> tuple[int, ...] | None:
        """The value that held at ``place``, or None before the first."""
        index = bisect_right(self.places, place)
        return self.values[index - 1] if index else None


class Credential(NamedTuple):
    """A credential as it stood: status, validity in block time, roles, and the organisation's address as a
    number (0: none)."""

    status: int
    start: int
    end: int
    roles: int
    organisation: int


class Replay:
    """All events of a deployment up to a block, and what followed from them at each place.

    ``grants`` holds (status, epoch at delivery, number of the guardianship at delivery or 0) by patient and
    grant id, ``epochs`` each patient's epoch, ``opt_outs`` the purposes that each opted out of,
    ``guardianships`` the number and end of each, ``credentials`` and ``cards`` (card hash, authority) each
    provider's, ``emergencies`` from when on the emergency role counts, ``anchors`` by contributor and record
    id, ``batches`` as journals name them, ``terms`` those used, ``entries`` and ``glass_events`` the log.
    """

    def __init__(self, chain: Chain, head: int | None = None) -> None:
        """``head`` is the last block that counts, by default the newest."""
        self._chain = chain
        self.head = chain.head().number if head is None else head
        self._times: dict[int, int] = {}
        self.grants: dict[tuple[bytes, bytes], History] = defaultdict(History)
        self.epochs: dict[bytes, History] = defaultdict(History)
        self.opt_outs: dict[bytes, History] = defaultdict(History)
        self.guardianships: dict[bytes, History] = defaultdict(History)
        self.credentials: dict[str, History] = defaultdict(History)
        self.emergencies: dict[str, History] = defaultdict(History)
        self.cards: dict[str, list[tuple[bytes, str]]] = defaultdict(list)
        self.anchors: dict[tuple[str, bytes], bytes] = {}
        self.batches: set[tuple[str, ...]] = set()
        self.terms: dict[bytes, Terms] = {}
        self.entries: list[Entry] = chain.entries(last=self.head)
        self.glass_events: list[Event] = glass_events(chain, last=self.head)
        self._consents()
        self._credentials()
        for event in self._events("AccessLog", "TermsUsed"):
            self.terms[event.args["grantId"]] = Terms(*event.args["terms"].values())
        for event in self._events("RecordRegistry", "RecordAnchored"):
            key = (event.args["contributor"], event.args["recordId"])
            self.anchors[key] = event.args["anchorHash"]
        for event in self._events("RecordRegistry", "BatchAnchored"):
            a = event.args
            self.batches.add((a["contributor"], str(a["page"]), "0x" + a["root"].hex(), str(a["count"])))

    def time(self, block: int) -> int:
        """The time of a block."""
        if block not in self._times:
            self._times[block] = self._chain.time_of(block)
        return self._times[block]

    def eve(self, time: int, first: int) -> int:
        """The last block older than ``time``, from ``first`` on: whoever wrote at ``time`` had seen it."""
        low, high = first, self.head
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.time(middle) < time else (low, middle - 1)
        return low

    def _events(self, contract: str, *names: str) -> list[Event]:
        found = [event for name in names for event in self._chain.rpc.events(contract, name, last=self.head)]
        return sorted(found, key=lambda event: (event.block, event.index))

    def _consents(self) -> None:
        ends = ("ConsentRevoked", "AllConsentsRevoked", "GuardianAppointed", "GuardianshipEnded")
        for event in self._events("ConsentRegistry", "ConsentGranted", "OptOutChanged", *ends):
            place, patient = (event.block, event.index), event.args["patient"]
            if event.name == "AllConsentsRevoked":
                self.epochs[patient].add(place, event.args["epoch"])
                continue
            if event.name == "OptOutChanged":
                self.opt_outs[patient].add(place, event.args["purposes"])
                continue
            if event.name.startswith("Guardian"):
                until = event.args["until"] if "until" in event.args else self.time(event.block)
                self.guardianships[patient].add(place, event.args["seq"], until)
                continue
            history = self.grants[patient, event.args["grantId"]]
            if event.name == "ConsentGranted":
                history.add(place, 1, self.epoch(patient, place), self._guardianship(patient, place))
            else:
                _, epoch, seq = history.at(place) or (0, 0, 0)
                history.add(place, 2, epoch, seq)

    def _credentials(self) -> None:
        names = ("Issued", "Suspended", "Reinstated", "Retired")
        kinds = [f"Credential{name}" for name in names]
        for event in self._events("ProviderRegistry", "EmergencyIssued", *kinds):
            provider, place = event.args["provider"], (event.block, event.index)
            before = self.credential(provider, place)
            if event.name == "EmergencyIssued":
                self.emergencies[provider].add(place, event.args["from"])
                card, _ = self.cards[provider][-1]
                self.cards[provider].append((card, event.args["proposer"]))  # two stand behind it
            elif event.name == "CredentialIssued":
                a = event.args
                organisation = int(a["organisation"], 16)
                self.credentials[provider].add(
                    place, _ACTIVE, a["validFrom"], a["validUntil"], a["roles"], organisation
                )
                self.cards[provider].append((a["cardHash"], a["authority"]))
            elif before is not None:
                statuses = {"Suspended": _SUSPENDED, "Reinstated": _ACTIVE, "Retired": _RETIRED}
                status = statuses[event.name.removeprefix("Credential")]
                self.credentials[provider].add(place, *before._replace(status=status))

    def epoch(self, patient: bytes, place: Place) -> int:
        """The patient's epoch at a place."""
        held = self.epochs[patient].at(place) if patient in self.epochs else None
        return held[0] if held else 0

    def _guardianship(self, patient: bytes, place: Place, now: int | None = None) -> int:
        """The number of the guardianship in office at a place; 0: none."""
        held = self.guardianships[patient].at(place) if patient in self.guardianships else None
        if held is None:
            return 0
        seq, until = held
        return seq if (self.time(place[0]) if now is None else now) < until else 0

    def guardianship_end(self, patient: bytes, seq: int) -> int:
        """When a guardianship ends or ended, in block time."""
        return next(until for number, until in self.guardianships[patient].values[::-1] if number == seq)

    def opted_out(self, patient: bytes, place: Place) -> int:
        """The purposes that the patient had opted out of at a place, as a mask."""
        held = self.opt_outs[patient].at(place) if patient in self.opt_outs else None
        return held[0] if held else 0

    def credential(self, provider: str, place: Place) -> Credential | None:
        """A provider's credential as it stood at a place, its dates aside."""
        held = self.credentials[provider].at(place) if provider in self.credentials else None
        return Credential(*held) if held else None

    def _live(self, provider: str, place: Place, now: int) -> Credential | None:
        held = self.credential(provider, place)
        return held if held and held.status == _ACTIVE and held.start <= now < held.end else None

    def _live_member(self, actor: Credential | None, grantee: bytes, place: Place, now: int) -> bool:
        """Whether ``actor`` is a member of the live organisation that is ``grantee``."""
        if actor is None or actor.organisation.to_bytes(32, "big") != grantee:
            return False
        organisation = self._live(to_checksum_address(grantee[12:]), place, now)
        return organisation is not None and bool(organisation.roles & ORGANISATION)

    def holds(self, provider: str, role: int, place: Place) -> tuple[bool, str]:
        """What ``ProviderRegistry.holds`` answered at ``place``: whether the provider acts in a role, and for
        which organisation (its own account, where it is nobody's member)."""
        held, now = self.credential(provider, place), self.time(place[0])
        organisation = held.organisation if held else 0
        live = self._live(provider, place, now)
        yes = live is not None and bool(live.roles & role == role)
        if not organisation:
            return yes and self._is_emergency(provider, role, place), provider
        own = organisation.to_bytes(32, "big")
        member = own == identity(provider) or self._live_member(live, own, place, now)
        yes = yes and member and self._is_emergency(provider, role, place)
        return yes, to_checksum_address(own[12:])

    def _is_emergency(self, provider: str, role: int, place: Place) -> bool:
        """Whether the role is another one, or the provider's day of delay is over."""
        begins = self.emergencies[provider].at(place) if provider in self.emergencies else None
        return not role & EMERGENCY or (begins is not None and begins[0] <= self.time(place[0]))

    def reason(
        self, terms: Terms, actor: str, purpose: int, flag: int, place: Place, now: int | None = None
    ) -> Reason:
        """What ``ConsentRegistry.why`` answered at ``place``; ``now`` is by default the block's time."""
        now = self.time(place[0]) if now is None else now
        key = (terms.patient, terms.grant_id)
        held = self.grants[key].at(place) if key in self.grants else None
        live = self._live(actor, place, now)
        status, epoch, seq = held or (0, 0, 0)
        return why(
            terms,
            purpose,
            flag,
            now=now,
            state=GrantState(status, epoch),
            account_epoch=self.epoch(terms.patient, place),
            guardianship_ended=seq not in (0, self._guardianship(terms.patient, place, now)),
            opted_out=self.opted_out(terms.patient, place),
            actor_live=live is not None,
            actor_is_grantee=identity(actor) == terms.grantee,
            actor_is_live_member=self._live_member(live, terms.grantee, place, now),
        )

    def why_not(self, entry: Entry, place: Place | None = None) -> str:
        """Why the entry was not allowed where it stands (or at a later ``place``), in words; empty when it
        was."""
        terms = self.terms.get(entry.grant_id)
        if terms is None or terms.grant_id != entry.grant_id:
            return "the terms of its grant were never shown"
        if terms.record not in (_NO_RECORD, entry.record_id):
            return "its grant names another record"
        at = (entry.block, entry.index) if place is None else place
        reason = self.reason(terms, entry.actor, entry.purpose, READ, at)
        return "" if not reason else reason.text
