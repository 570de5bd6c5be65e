"""Who did: a chain of hashes an actor, and the breaking of glass."""

from __future__ import annotations

from dataclasses import dataclass, field

from eth_utils.crypto import keccak

from consentry.keys.binding import abi_encode
from tests.contracts.model.parts import NOBODY, RefusedError
from tests.contracts.model.providers import Providers
from tests.contracts.words import EMERGENCY, HOUR, REVIEWER

KINDS = {
    name: keccak(text=f"BreakGlass{name}({types})")
    for name, types in {
        "Requested": "bytes32,address,bytes32,bytes32,bytes32,bytes32,bytes32",
        "Confirmed": "bytes32,address,address,uint40,bytes32",
        "Reviewed": "bytes32,address,address,bool,bytes32,bytes32",
    }.items()
}


@dataclass
class Glass:
    """A break-glass: who, of which organisation then, and when (0: not yet)."""

    requester: bytes
    organisation: bytes
    requested_at: int
    confirmer: bytes = NOBODY
    confirmers_organisation: bytes = NOBODY
    confirmed_at: int = 0
    reviewed: bool = False


@dataclass
class Log:
    """The log of one contract on one chain."""

    chain_id: int
    contract: bytes
    heads: dict[bytes, bytes] = field(default_factory=dict)
    glasses: dict[bytes, Glass] = field(default_factory=dict)

    def head(self, actor: bytes) -> bytes:
        """The last link of an actor's chain."""
        first = ["uint256", "address", "address"], [self.chain_id, self.contract, actor]
        return self.heads.get(actor) or keccak(abi_encode(*first))

    def append(self, actor: bytes, *words: bytes | int, kind: bytes = b"") -> bytes:
        """The link that follows the head, in words of 32 bytes."""
        parts = [each if isinstance(each, bytes) else each.to_bytes(32, "big") for each in words]
        self.heads[actor] = keccak(kind + self.head(actor) + b"".join(parts))
        return self.heads[actor]

    # --- breaking glass ---------------------------------------------------------------------------------

    def request_glass(self, by: bytes, now: int, providers: Providers, words: tuple[bytes, ...]) -> bytes:
        """``words``: patient, segment, reason, reply key, agent."""
        if not any(words[2]):
            raise RefusedError("ReasonEmpty")
        organisation = providers.check_role(by, EMERGENCY, now)
        if self.overdue(by, now):
            raise RefusedError("ReviewOverdue")
        access_id = self.append(by, *words, kind=KINDS["Requested"])
        self.glasses[access_id] = Glass(by, organisation, now)
        return access_id

    def confirm_glass(self, by: bytes, now: int, providers: Providers, access_id: bytes) -> None:
        it = self.glasses.get(access_id)
        if it is None:
            raise RefusedError("GlassUnknown")
        if it.confirmed_at:
            raise RefusedError("GlassAlreadyConfirmed")
        if by == it.requester:
            raise RefusedError("GlassInvolved")
        if now > it.requested_at + HOUR:
            raise RefusedError("GlassLapsed")
        providers.check_role(it.requester, EMERGENCY, now)
        it.confirmers_organisation = providers.check_role(by, EMERGENCY, now)
        it.confirmer, it.confirmed_at = by, now
        self.append(by, access_id, kind=KINDS["Confirmed"])

    def review_glass(
        self, by: bytes, now: int, providers: Providers, access_id: bytes, justified: bool, note: bytes
    ) -> None:
        it = self.glasses.get(access_id)
        if it is None or not it.confirmed_at:
            raise RefusedError("GlassNotConfirmed")
        if it.reviewed:
            raise RefusedError("GlassAlreadyReviewed")
        if by in (it.requester, it.confirmer):
            raise RefusedError("GlassInvolved")
        own = providers.check_role(by, REVIEWER, now)
        current = map(providers.organisation_of, (it.requester, it.confirmer))
        if own in (it.organisation, it.confirmers_organisation, *current):
            raise RefusedError("SameOrganisation")
        it.reviewed = True
        self.append(by, access_id, int(justified), note, kind=KINDS["Reviewed"])

    def is_open(self, access_id: bytes, now: int, providers: Providers) -> bool:
        """Whether keyholders may answer it."""
        it = self.glasses[access_id]
        within = it.confirmed_at and not it.reviewed and now < it.confirmed_at + 4 * HOUR
        return bool(within) and providers.holds(it.requester, EMERGENCY, now)

    def overdue(self, requester: bytes, now: int) -> bytes:
        """The oldest one whose review is overdue by more than 72 hours; empty: none."""
        late = [
            (it.confirmed_at, access_id)
            for access_id, it in self.glasses.items()
            if it.requester == requester and it.confirmed_at and not it.reviewed
        ]
        return next((each for at, each in sorted(late) if now > at + 76 * HOUR), b"")
