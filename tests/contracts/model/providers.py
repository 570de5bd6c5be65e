"""Who may practise: credentials, their status and dates, organisations, emergency roles."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.contracts.model.parts import NOBODY, RefusedError
from tests.contracts.words import ACTIVE, DAY, EMERGENCY, NONE, ORGANISATION, RETIRED, SUSPENDED

KNOWN_ROLES = 0x801F


@dataclass(frozen=True)
class Issue:
    """What an authority issues; as a contract takes it, in that order."""

    provider: bytes
    start: int
    end: int
    roles: int
    organisation: bytes
    card: bytes


@dataclass
class Credential:
    """What was issued last, and where it stands, its dates aside."""

    issued: Issue
    status: int = ACTIVE


@dataclass
class Providers:
    """The register, and the authorities, who neither come nor go here."""

    authorities: tuple[bytes, ...]
    credentials: dict[bytes, Credential] = field(default_factory=dict)
    proposals: dict[Issue, tuple[bytes, int]] = field(default_factory=dict)
    emergencies: dict[bytes, int] = field(default_factory=dict)

    def is_live(self, who: bytes, now: int) -> bool:
        it = self.credentials.get(who)
        return it is not None and it.status == ACTIVE and it.issued.start <= now < it.issued.end

    def has(self, who: bytes, role: int) -> bool:
        return who in self.credentials and bool(self.credentials[who].issued.roles & role)

    def organisation_of(self, who: bytes) -> bytes:
        """Of whom somebody is a member; itself, where of nobody."""
        it = self.credentials.get(who)
        return it.issued.organisation if it and it.issued.organisation != NOBODY else who

    def is_live_member(self, who: bytes, of: bytes, now: int) -> bool:
        """Whether somebody's live credential makes it a member of a live organisation."""
        member = self.is_live(who, now) and of not in (NOBODY, who) and self.organisation_of(who) == of
        return member and self.is_live(of, now) and self.has(of, ORGANISATION)

    def emergency_counts(self, who: bytes, now: int) -> bool:
        return self.has(who, EMERGENCY) and self.is_live(who, now) and self.emergencies[who] <= now

    def holds(self, who: bytes, role: int, now: int) -> bool:
        """Whether somebody acts in a role."""
        of = self.organisation_of(who)
        well = self.is_live(who, now) and self.has(who, role)
        well = well and (of == who or self.is_live_member(who, of, now))
        return well and (role != EMERGENCY or self.emergency_counts(who, now))

    def check_role(self, who: bytes, role: int, now: int) -> bytes:
        """The organisation of somebody who acts in a role."""
        if not self.holds(who, role, now):
            raise RefusedError("RoleMissing")
        return self.organisation_of(who)

    # --- what authorities do ----------------------------------------------------------------------------

    def check_authority(self, by: bytes) -> None:
        if by not in self.authorities:
            raise RefusedError("NotAuthority")

    def issue(self, by: bytes, now: int, *all_: Issue) -> None:
        self.check_authority(by)
        for it in all_:
            self._issue(it, agreed=False)

    def issue_emergency(self, by: bytes, now: int, it: Issue) -> None:
        self.check_authority(by)
        if not it.roles & EMERGENCY:
            raise RefusedError("EmergencyMissing")
        if it.roles & ORGANISATION:
            raise RefusedError("EmergencyIsPersonal")
        proposer, lapses = self.proposals.get(it, (NOBODY, 0))
        if now >= lapses:
            self.proposals[it] = (by, now + 7 * DAY)
            return
        if proposer == by:
            raise RefusedError("SecondAuthorityNeeded")
        del self.proposals[it]
        if not self.emergency_counts(it.provider, now):
            self.emergencies[it.provider] = now + DAY
        self._issue(it, agreed=True)

    def _issue(self, it: Issue, *, agreed: bool) -> None:
        if it.start >= it.end:
            raise RefusedError("ValidityEmpty")
        if it.roles & ~KNOWN_ROLES:
            raise RefusedError("RolesUnknown")
        if it.roles & EMERGENCY and not agreed:
            raise RefusedError("EmergencyNeedsSecondAuthority")
        if it.organisation != NOBODY and it.roles & ORGANISATION:
            raise RefusedError("OrganisationNested")
        if it.organisation != NOBODY and not self.has(it.organisation, ORGANISATION):
            raise RefusedError("OrganisationUnknown")
        if self.status_of(it.provider) not in (NONE, ACTIVE):
            raise RefusedError("StatusForbids")
        self.credentials[it.provider] = Credential(it)

    def status_of(self, who: bytes) -> int:
        return self.credentials[who].status if who in self.credentials else NONE

    def change(self, by: bytes, provider: bytes, before: tuple[int, ...], after: int) -> None:
        """Suspends, reinstates or retires."""
        self.check_authority(by)
        if self.status_of(provider) not in before:
            raise RefusedError("StatusForbids")
        self.credentials[provider].status = after

    def suspend(self, by: bytes, now: int, provider: bytes) -> None:
        self.change(by, provider, (ACTIVE,), SUSPENDED)

    def reinstate(self, by: bytes, now: int, provider: bytes) -> None:
        self.change(by, provider, (SUSPENDED,), ACTIVE)

    def retire(self, by: bytes, now: int, provider: bytes) -> None:
        self.change(by, provider, (ACTIVE, SUSPENDED), RETIRED)
