"""Who acts for a patient: controller, guardian until a date, trustees, recovery; and what is in force."""

from __future__ import annotations

from dataclasses import dataclass, field

from eth_utils.crypto import keccak

from consentry.keys.binding import abi_encode
from tests.contracts.model.parts import (
    IN_FORCE,
    NO_TRUSTEES,
    NOBODY,
    REVOKED,
    SECONDARY,
    Grant,
    Plan,
    Proposal,
    Recovery,
    RefusedError,
    Trustees,
)
from tests.contracts.words import DAY


@dataclass
class Identity:
    """One patient. A controller that is `NOBODY` is the identity itself, a successor that is, whom the
    trustees name; ``guarded`` stays after a guardianship until the account is next written."""

    me: bytes
    controller: bytes = NOBODY
    epoch: int = 0
    opted_out: int = 0
    sequence: int = 0
    guarded: bool = False
    guardian: bytes = NOBODY
    until: int = 0
    guardianship: int = 0
    successor: bytes = NOBODY
    trustees: Trustees = NO_TRUSTEES
    proposal: Proposal | None = None
    round: int = 0
    recoveries: dict[tuple[Plan, int], Recovery] = field(default_factory=dict)
    grants: dict[bytes, Grant] = field(default_factory=dict)

    # --- who acts ---------------------------------------------------------------------------------------

    def in_office(self, now: int) -> bool:
        """Whether there is a guardian."""
        return now < self.until

    def controller_at(self, now: int) -> bytes:
        """Who is controller; `NOBODY`: the trustees have to name one."""
        if self.guarded and not self.in_office(now):
            return self.successor
        return self.controller if self.controller != NOBODY else self.me[12:]

    def those_who_act(self, now: int) -> list[bytes]:
        """The controller, and the guardian in office."""
        guardian = [self.guardian] if self.in_office(now) else []
        return [who for who in (self.controller_at(now), *guardian) if who != NOBODY]

    def check_acts(self, who: bytes, now: int) -> None:
        if who not in self.those_who_act(now):
            raise RefusedError("NotController")

    def check_no_guardian(self, now: int) -> None:
        if self.in_office(now):
            raise RefusedError("GuardianInOffice")

    def settle(self, now: int) -> None:
        """A guardianship that is over leaves its successor."""
        if self.guarded and not self.in_office(now):
            self.controller, self.guarded = self.successor, False

    def change_epoch(self, newest_block: bytes) -> None:
        """Every grant ends; nobody can know the new epoch before this block."""
        flags = self.opted_out | self.guarded
        word = int.from_bytes(self.controller, "big") | self.epoch << 160 | flags << 224
        seed = keccak(abi_encode(["bytes32", "bytes32", "uint256"], [newest_block, self.me, word]))
        epoch = int.from_bytes(seed[-8:], "big")
        self.epoch = epoch if epoch != self.epoch else epoch ^ (1 << 64) - 1

    # --- grants -----------------------------------------------------------------------------------------

    def has_lapsed(self, it: Grant, now: int) -> bool:
        """Whether it ended with the guardianship in which it came into force."""
        return it.guardianship not in (0, self.guardianship if self.in_office(now) else 0)

    def in_force(self, grant_id: bytes, now: int) -> bool:
        it = self.grants.get(grant_id)
        if it is None or it.status != IN_FORCE:
            return False
        return it.epoch == self.epoch and not self.has_lapsed(it, now)

    def stands(self, grant_id: bytes, now: int) -> bool:
        """Whether it is in force already; refuses what has ended."""
        if grant_id in self.grants and not self.in_force(grant_id, now):
            raise RefusedError("GrantEnded")
        return grant_id in self.grants

    def grant(self, who: bytes, now: int, *grant_ids: bytes) -> None:
        self.check_acts(who, now)
        for each in grant_ids:
            if not self.stands(each, now):
                seq = self.guardianship if self.in_office(now) else 0
                self.grants[each] = Grant(IN_FORCE, seq > 0 and who == self.guardian, seq, self.epoch, now)

    def revoke(self, who: bytes, now: int, grant_id: bytes) -> None:
        self.check_acts(who, now)
        it = self.grants.setdefault(grant_id, Grant())
        if it.status != REVOKED:
            it.status, it.ended_at = REVOKED, now

    def renew(self, who: bytes, now: int, old: bytes, new: bytes) -> None:
        self.revoke(who, now, old)
        self.grant(who, now, new)

    def revoke_all(self, who: bytes, now: int, newest_block: bytes) -> None:
        self.check_acts(who, now)
        self.settle(now)
        self.change_epoch(newest_block)

    # --- changes of the identity ------------------------------------------------------------------------

    def set_controller(self, who: bytes, now: int, controller: bytes) -> None:
        self.check_acts(who, now)
        self.check_no_guardian(now)
        if controller == NOBODY:
            raise RefusedError("ControllerZero")
        self.settle(now)
        self.controller = controller

    def set_opt_out(self, who: bytes, now: int, purposes: int) -> None:
        self.check_acts(who, now)
        if purposes & ~SECONDARY:
            raise RefusedError("PurposeNotSecondary")
        self.settle(now)
        self.opted_out = purposes

    def set_guardian(
        self, who: bytes, now: int, guardian: bytes, until: int, successor: bytes, newest_block: bytes
    ) -> None:
        self.check_acts(who, now)
        narrower = until <= self.until and successor == self.successor
        if self.in_office(now) and not (who == self.guardian and narrower):
            raise RefusedError("GuardianInOffice")
        self.settle(now)
        self.appoint(now, guardian, until, successor, newest_block)

    def appoint(self, now: int, guardian: bytes, until: int, successor: bytes, newest_block: bytes) -> None:
        """Begins a guardianship, which ends every grant before it."""
        if guardian == NOBODY:
            raise RefusedError("GuardianZero")
        if successor == NOBODY:
            if not self.trustees.members:
                raise RefusedError("SuccessorMissing")
        elif successor in (guardian, self.controller, self.me[12:]):
            raise RefusedError("SuccessorNotNew")
        if until <= now:
            raise RefusedError("GuardianshipOver")
        self.guardian, self.until, self.successor = guardian, until, successor
        self.guardianship, self.guarded = self.guardianship + 1, True
        self.change_epoch(newest_block)

    def end_guardianship(self, who: bytes, now: int) -> None:
        self.check_acts(who, now)
        if not self.in_office(now) or who != self.guardian:
            raise RefusedError("NotGuardian")
        self.until = now

    # --- trustees and recovery --------------------------------------------------------------------------

    def set_trustees(self, who: bytes, now: int, trustees: Trustees) -> None:
        self.check_acts(who, now)
        self.check_no_guardian(now)
        members, count = trustees.members, len(trustees.members)
        ordered = list(members) == sorted(set(members)) and NOBODY not in members
        valid = 2 <= trustees.threshold <= count <= 16 and DAY <= trustees.delay <= 90 * DAY and ordered
        if not valid and trustees != NO_TRUSTEES:
            raise RefusedError("TrusteesInvalid")
        at_once = self.guarded or not self.trustees.members
        self.settle(now)
        if at_once:
            self.name(trustees)
        else:
            self.proposal = Proposal(trustees, now + self.trustees.delay, self.guardianship)

    def name(self, trustees: Trustees) -> None:
        self.trustees, self.proposal, self.round = trustees, None, self.round + 1

    def confirm_trustees(self, now: int) -> None:
        it = self.proposal
        if it is None or it.guardianship != self.guardianship or now < it.ready_at:
            raise RefusedError("TrusteesNotReady")
        self.name(it.trustees)

    def support(self, who: bytes, now: int, plan: Plan) -> None:
        if who not in self.trustees.members:
            raise RefusedError("NotTrustee")
        if plan.controller == NOBODY:
            raise RefusedError("ControllerZero")
        it = self.recoveries.setdefault((plan, self.round), Recovery())
        it.support.add(who)
        if not it.ready_at and len(it.support) >= self.trustees.threshold:
            it.ready_at, self.proposal = now + self.trustees.delay, None

    def veto(self, who: bytes, now: int, plan: Plan, of_round: int) -> None:
        self.check_acts(who, now)
        it = self.recoveries.get((plan, of_round))
        if it is None or not it.ready_at:
            raise RefusedError("RecoveryNotReady")
        it.vetoed = True

    def recover(self, now: int, plan: Plan, newest_block: bytes) -> None:
        it = self.recoveries.get((plan, self.round))
        if it is None or not it.ready_at or now < it.ready_at:
            raise RefusedError("RecoveryNotReady")
        if it.vetoed and it.support != set(self.trustees.members):
            raise RefusedError("VetoStands")
        self.round, self.proposal = self.round + 1, None
        self.until = min(self.until, now)
        self.controller, self.guarded = plan.controller, False
        if plan.guardian == NOBODY:
            self.change_epoch(newest_block)
        else:
            self.appoint(now, plan.guardian, plan.until, plan.successor, newest_block)
