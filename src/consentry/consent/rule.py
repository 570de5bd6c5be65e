"""When terms allow a use: the contracts' rule once more, on plain values.

`why` gives the first reason in the same order as ``ConsentRegistry.why``; one table of cases
(``tests/vectors/terms.json``) is fed to both.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from consentry.consent.terms import ALL_FLAGS, DEPOSIT, MEMBERS, READ, Terms


class Reason(IntEnum):
    """Why a use is not allowed; the numbers are the contracts' enum."""

    NONE = 0
    UNKNOWN_FLAGS = 1
    FLAG_NOT_GRANTED = 2
    PURPOSES_NOT_ZERO = 3
    PURPOSE_NOT_ONE = 4
    PURPOSE_NOT_GRANTED = 5
    NOT_YET_VALID = 6
    EXPIRED = 7
    NOT_GRANTED = 8
    REVOKED = 9
    EPOCH_CHANGED = 10
    CREDENTIAL_NOT_LIVE = 11
    NOT_GRANTEE = 12
    OPTED_OUT = 13
    GUARDIANSHIP_ENDED = 14

    @property
    def text(self) -> str:
        """The reason in words, for the caller's own side."""
        return _TEXTS[self]


_TEXTS = {
    Reason.NONE: "allowed",
    Reason.UNKNOWN_FLAGS: "the terms carry flags that nobody has defined",
    Reason.FLAG_NOT_GRANTED: "the terms do not allow this kind of use",
    Reason.PURPOSES_NOT_ZERO: "terms for depositing carry purposes",
    Reason.PURPOSE_NOT_ONE: "exactly one purpose of use has to be named",
    Reason.PURPOSE_NOT_GRANTED: "the patient did not grant this purpose of use",
    Reason.NOT_YET_VALID: "the grant has not begun",
    Reason.EXPIRED: "the grant has expired",
    Reason.NOT_GRANTED: "the grant was never put in force",
    Reason.REVOKED: "the patient has revoked the grant",
    Reason.EPOCH_CHANGED: "the patient has revoked all earlier grants",
    Reason.CREDENTIAL_NOT_LIVE: "the actor's credential is not live (none, suspended, retired or expired)",
    Reason.NOT_GRANTEE: "the actor is neither the grantee nor a live member of it",
    Reason.OPTED_OUT: "the patient has opted out of this secondary use, whatever the grant says",
    Reason.GUARDIANSHIP_ENDED: "the grant ended with the guardianship in which it was made",
}


@dataclass(frozen=True, slots=True)
class GrantState:
    """A grant on chain: ``status`` 0 none, 1 in force, 2 revoked; ``epoch`` at its delivery."""

    status: int
    epoch: int
    at: int = 0
    ended_at: int = 0

    @property
    def revoked(self) -> bool:
        """Whether it ended for good."""
        return self.status == 2


def why(
    terms: Terms,
    purpose: int,
    flag: int,
    *,
    now: int,
    state: GrantState,
    account_epoch: int,
    guardianship_ended: bool,
    opted_out: int,
    actor_live: bool,
    actor_is_grantee: bool,
    actor_is_live_member: bool,
) -> Reason:
    """The first reason against this use, or `Reason.NONE`.

    ``purpose`` is one purpose bit as a mask (0 for a deposit), ``flag`` READ or DEPOSIT, ``now`` a block
    time, ``guardianship_ended`` whether the grant came into force under a guardianship that is over,
    ``opted_out`` a mask of the purposes that the patient opted out of. ``actor_is_live_member``: a member of
    the live organisation that is the grantee.
    """
    return (
        _flags(terms, purpose, flag)
        or _time(terms, now)
        or _status(terms, state, account_epoch)
        or (Reason.GUARDIANSHIP_ENDED if guardianship_ended else Reason.NONE)
        or (Reason.OPTED_OUT if purpose & opted_out else Reason.NONE)
        or _actor(terms, actor_live, actor_is_grantee, actor_is_live_member)
    )


def _flags(terms: Terms, purpose: int, flag: int) -> Reason:
    if terms.flags & ~ALL_FLAGS:
        return Reason.UNKNOWN_FLAGS
    if flag not in (READ, DEPOSIT) or not terms.flags & flag:
        return Reason.FLAG_NOT_GRANTED
    if terms.flags & DEPOSIT and terms.purposes:
        return Reason.PURPOSES_NOT_ZERO
    if flag == DEPOSIT:
        return Reason.PURPOSES_NOT_ZERO if purpose else Reason.NONE
    if purpose.bit_count() != 1:
        return Reason.PURPOSE_NOT_ONE
    return Reason.NONE if terms.purposes & purpose else Reason.PURPOSE_NOT_GRANTED


def _time(terms: Terms, now: int) -> Reason:
    if now < terms.not_before:
        return Reason.NOT_YET_VALID
    return Reason.EXPIRED if now >= terms.expires_at else Reason.NONE


def _status(terms: Terms, state: GrantState, account_epoch: int) -> Reason:
    if state.status == 0:
        return Reason.NOT_GRANTED
    if state.status != 1:
        return Reason.REVOKED
    same = terms.epoch == state.epoch == account_epoch
    return Reason.NONE if same else Reason.EPOCH_CHANGED


def _actor(terms: Terms, live: bool, is_grantee: bool, is_live_member: bool) -> Reason:
    if not live:
        return Reason.CREDENTIAL_NOT_LIVE
    if is_grantee or (terms.flags & MEMBERS and is_live_member):
        return Reason.NONE
    return Reason.NOT_GRANTEE
