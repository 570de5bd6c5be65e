"""What the contracts held at any block, replayed from their events alone."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

from consentry.chain.contracts import Chain, Entry
from consentry.chain.rpc import Event
from consentry.consent.rule import GrantState, why
from consentry.consent.terms import READ, Terms
from consentry.keys.binding import identity

Place = tuple[int, int]
"""A place in the chain: block number, log index."""

_ACTIVE, _SUSPENDED, _RETIRED = 1, 2, 3


@dataclass(slots=True)
class History:
    """A value that changed at places; `at` gives the one that held just before a place."""

    places: list[Place] = field(default_factory=list)
    values: list[tuple[object, ...]] = field(default_factory=list)

    def add(self, place: Place, value: tuple[object, ...]) -> None:
        """Appends a later value."""
        self.places.append(place)
        self.values.append(value)

    def at(self, place: Place) -> tuple[object, ...] | None:
        """The value that held at ``place``, or None before the first."""
        index = bisect_right(self.places, place)
        return self.values[index - 1] if index else None


class Replay:
    """All events of a deployment, and what followed from them at each place."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._times: dict[int, int] = {}
        self.grants: dict[tuple[bytes, bytes], History] = defaultdict(History)
        self.epochs: dict[bytes, History] = defaultdict(History)
        self.credentials: dict[str, History] = defaultdict(History)
        self.anchors: dict[tuple[str, bytes], bytes] = {}
        self.terms: dict[bytes, Terms] = {}
        self.entries: list[Entry] = chain.entries()
        self._consents()
        self._credentials()
        for event in chain.rpc.events("AccessLog", "TermsUsed"):
            self.terms[event.args["grantId"]] = Terms(*event.args["terms"].values())
        for event in chain.rpc.events("RecordRegistry", "RecordAnchored"):
            key = (event.args["contributor"], event.args["recordId"])
            self.anchors[key] = event.args["anchorHash"]

    def time(self, block: int) -> int:
        """The time of a block."""
        if block not in self._times:
            self._times[block] = self._chain.time_of(block)
        return self._times[block]

    def _events(self, contract: str, *names: str) -> list[Event]:
        found = [event for name in names for event in self._chain.rpc.events(contract, name)]
        return sorted(found, key=lambda event: (event.block, event.index))

    def _consents(self) -> None:
        names = ("ConsentGranted", "ConsentRevoked", "AllConsentsRevoked")
        for event in self._events("ConsentRegistry", *names):
            place, patient = (event.block, event.index), event.args["patient"]
            if event.name == "AllConsentsRevoked":
                self.epochs[patient].add(place, (event.args["epoch"],))
                continue
            status = 1 if event.name == "ConsentGranted" else 2
            value = (status, self.epoch(patient, place))
            self.grants[patient, event.args["grantId"]].add(place, value)

    def _credentials(self) -> None:
        names = ("Issued", "Suspended", "Reinstated", "Retired")
        for event in self._events("ProviderRegistry", *(f"Credential{name}" for name in names)):
            history, place = self.credentials[event.args["provider"]], (event.block, event.index)
            before = history.at(place)
            if event.name == "CredentialIssued":
                validity = (event.args["validFrom"], event.args["validUntil"], event.args["organisation"])
                status = before[0] if before else _ACTIVE
                history.add(place, (status, *validity))
            elif before is not None:
                statuses = {"Suspended": _SUSPENDED, "Reinstated": _ACTIVE, "Retired": _RETIRED}
                history.add(place, (statuses[event.name.removeprefix("Credential")], *before[1:]))

    def epoch(self, patient: bytes, place: Place) -> int:
        """The patient's epoch at a place."""
        held = self.epochs[patient].at(place)
        return int(str(held[0])) if held else 0

    def _live(self, provider: str, place: Place) -> bool:
        held = self.credentials[provider].at(place)
        if held is None:
            return False
        status, start, end = (int(str(value)) for value in held[:3])
        return status == _ACTIVE and start <= self.time(place[0]) < end

    def why_not(self, entry: Entry) -> str:
        """Why the entry was not allowed where it stands, in words; empty when it was."""
        place = (entry.block, entry.index)
        terms = self.terms.get(entry.grant_id)
        if terms is None or terms.grant_id != entry.grant_id:
            return "the terms of its grant were never shown"
        held = self.grants[terms.patient, entry.grant_id].at(place)
        status, epoch = (int(str(value)) for value in held) if held else (0, 0)
        credential = self.credentials[entry.actor].at(place)
        organisation = str(credential[3]) if credential else ""
        is_member = bool(credential) and identity(organisation) == terms.grantee
        reason = why(
            terms,
            entry.purpose,
            READ,
            now=self.time(entry.block),
            state=GrantState(status, epoch),
            account_epoch=self.epoch(terms.patient, place),
            actor_live=self._live(entry.actor, place),
            actor_is_grantee=identity(entry.actor) == terms.grantee,
            actor_is_live_member=is_member and self._live(organisation, place),
        )
        return "" if not reason else reason.text
