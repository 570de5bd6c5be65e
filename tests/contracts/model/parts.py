"""What the model's identities are made of."""

from __future__ import annotations

from dataclasses import dataclass, field

NOBODY = bytes(20)
SECONDARY = 0xFFFFFFFF & ~(1 << 0 | 1 << 5 | 1 << 6)
IN_FORCE, REVOKED = 1, 2


class RefusedError(Exception):
    """A call is refused, by the contract's error of this name."""


@dataclass
class Grant:
    """In force or revoked; whether the guardian granted it, the number of the guardianship (0: none) and the
    epoch at delivery; when it came into force and when it was revoked (0: it was not)."""

    status: int = 0
    by_guardian: bool = False
    guardianship: int = 0
    epoch: int = 0
    at: int = 0
    ended_at: int = 0


@dataclass(frozen=True)
class Trustees:
    """Who together recover an identity; how many begin it, and how long it then waits."""

    members: tuple[bytes, ...]
    threshold: int
    delay: int


NO_TRUSTEES = Trustees((), 0, 0)


@dataclass
class Proposal:
    """Trustees that wait for their day."""

    trustees: Trustees
    ready_at: int
    guardianship: int


@dataclass(frozen=True)
class Plan:
    """What a recovery is to bring about."""

    controller: bytes
    guardian: bytes = NOBODY
    until: int = 0
    successor: bytes = NOBODY


@dataclass
class Recovery:
    """Who supports it, from when on it can be carried out (0: it has not begun), whether it was vetoed."""

    support: set[bytes] = field(default_factory=set)
    ready_at: int = 0
    vetoed: bool = False
