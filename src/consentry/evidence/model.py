"""What an audit says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from eth_utils.address import to_checksum_address

from consentry.chain.contracts import Entry
from consentry.consent.card import Card
from consentry.consent.terms import Terms


@dataclass(frozen=True, slots=True)
class Consent:
    """One grant: when it began and ended (block times; 0: not), how it ended, its terms where they were used
    or are known, its sentence and kind where the asker knows them.

    ``how`` is "revoked", "all revoked", "expired", "void" (signed before a revocation of all grants and
    delivered after it, so that it never held) or empty; where several hold, the earliest."""

    patient: bytes
    grant_id: bytes
    began: int
    ended: int
    how: str
    terms: Terms | None
    sentence: str
    kind: str = ""

    @property
    def in_force(self) -> bool:
        """Whether it is in force at the audit's head."""
        return not self.how


@dataclass(frozen=True, slots=True)
class Access:
    """One entry with its time, its terms, and the keyholders that released (index to row number).

    ``verdict`` is ``released`` (t or more), ``incomplete`` (1 to t - 1) or ``no release``; ``lawful`` tells
    whether consent and credential held at that block, ``why_not`` the reason if they did not."""

    entry: Entry
    time: int
    terms: Terms | None
    releases: dict[int, int]
    verdict: str
    lawful: bool
    why_not: str


CONFIRM_WITHIN, OPEN_FOR, OVERDUE = 3600, 4 * 3600, 72 * 3600
"""Of a break-glass, in seconds: how long somebody may confirm it, for how long it then opens, and how much
later its review is overdue."""


@dataclass(frozen=True, slots=True)
class Glass:
    """One break-glass: an access without a grant, named by the ``access_id`` of its entry in ``block``.

    Times are block times (0: not yet), people are addresses (empty: nobody yet). ``organisations`` are those
    of requester and confirmer at the time; ``reason_hash`` and ``note_hash`` are salted hashes of what was
    said, which is not on chain; ``agent`` is the requester's claim."""

    access_id: bytes
    requester: str
    patient: bytes
    segment: bytes
    reason_hash: bytes
    agent: bytes
    block: int
    requested_at: int
    organisations: tuple[str, ...]
    confirmer: str = ""
    confirmed_at: int = 0
    reviewer: str = ""
    reviewed_at: int = 0
    justified: bool = False
    note_hash: bytes = bytes(32)

    @property
    def open_until(self) -> int:
        """When access ended at the latest and a review was due; 0 where nobody confirmed."""
        return self.confirmed_at and self.confirmed_at + OPEN_FOR

    def is_overdue(self, at: int) -> bool:
        """Whether its review is, or came, more than 72 hours too late."""
        return bool(self.confirmed_at) and (self.reviewed_at or at) > self.open_until + OVERDUE

    def state(self, at: int) -> str:
        """Where it stands at a block time, in two words at most."""
        if self.reviewed_at:
            return "justified" if self.justified else "not justified"
        if not self.confirmed_at:
            return "lapsed" if at > self.requested_at + CONFIRM_WITHIN else "not confirmed"
        if self.is_overdue(at):
            return "review overdue"
        return "open" if at < self.open_until else "review due"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call that keyholders refused: when, what was asked, who claimed to ask, which check refused, and
    the keyholders that say so."""

    time: int
    verb: str
    claimed_caller: str
    check: str
    keyholders: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LabelRead:
    """Labels that keyholders gave to a grantee, without an entry: when, to whom, on which grant, and the
    keyholders that say so."""

    time: int
    caller: str
    grant_id: bytes
    keyholders: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """What an ended grant to read left its grantee, who may have kept what it opened.

    ``opened`` are records that it opened, and ``asked`` those for which too few releases are known, each with
    the time of the first entry; ``never`` those that it could have opened and did not: their second halves
    protect them. Records deposited from key version ``beyond_from`` on (0: there is none yet) are out of its
    reach altogether: ``beyond``."""

    consent: Consent
    opened: dict[bytes, int]
    asked: dict[bytes, int]
    never: tuple[bytes, ...]
    beyond_from: int
    beyond: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be: who or what, and what is wrong with it."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Trial:
    """One try as the one who made it tells it: ``what``, how it was ``refused``, and who has a ``trace`` of
    it (nobody: empty)."""

    what: str
    refused: str
    trace: str


@dataclass(slots=True)
class Report:
    """The whole audit at block ``head`` (time ``at``) of one deployment.

    ``verified`` says in words what was checked and held, with numbers; ``notes`` what is worth knowing and
    no fault. ``cards`` are the asker's that hold against the chain, by address, and name people on the page.
    ``patient`` is the one that the report is about (None: all of them); ``journals`` names the keyholders
    whose journals were read, by index; ``gas`` is what steps cost and ``trials`` what
    somebody says to have tried, for who wants them on the page."""

    chain_id: int
    genesis: bytes
    registry: str
    head: int
    at: int
    threshold: int
    consents: list[Consent] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cards: dict[str, Card] = field(default_factory=dict)
    gas: list[tuple[str, int]] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    patient: bytes | None = None
    journals: dict[int, str] = field(default_factory=dict)
    label_reads: list[LabelRead] = field(default_factory=list)
    glasses: list[Glass] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)

    def conclude(self, found: Iterable[Finding], otherwise: str) -> None:
        """Adds the findings of one check, or, where there are none, what it verified."""
        before = len(self.findings)
        self.findings += found
        if len(self.findings) == before:
            self.verified.append(otherwise)

    def name(self, address: str) -> str:
        """How the page calls an address: by its card where one is known."""
        card = self.cards.get(address)
        return card.name if card else address

    def behind(self, identity: bytes) -> str:
        """How the page calls a 32-byte identity: as its address, where it is one."""
        return "0x" + identity.hex() if any(identity[:12]) else self.name(to_checksum_address(identity[12:]))


def counted(number: int, one: str, many: str = "") -> str:
    """A number and what it counts: ``1 entry``, ``2 entries``; ``many`` is by default ``one`` with an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"
