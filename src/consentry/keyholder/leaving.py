"""Leaving: how a keyholder destroys what it held, once those that came after it hold it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from eth_utils.crypto import keccak

from consentry.errors import ConsentryError, Unreachable
from consentry.keyholder.handover import took
from consentry.keyholder.intake import Intake
from consentry.keyholder.journal import LEFT
from consentry.keyholder.messages import Call, Keyholder
from consentry.keyholder.roster import Roster

_MANY = 500  # records that are asked for at once


@dataclass(slots=True)
class Left:
    """How many records were let go; those that are ``kept``, since too few hold them; and why keyholders that
    came after did not say that they hold all (by index); ``silent``: one of them did not answer at all."""

    records: int = 0
    kept: list[bytes] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    silent: bool = False


class Leaving(Intake):
    """The keyholder of a group that others came after, while it lets go of its shares."""

    def leave(self, to: Roster, heirs: Sequence[Keyholder], progress: Callable[[Left], None]) -> Left:
        """Destroys its share of each record that t + 1 of those ``to`` come after it say they hold; its
        journal stays. Raises `NotApproved`, `Unreachable`."""
        to.approved(self._deployment)
        done, after = Left(), bytes(32)
        while page := self._vault.stock.records(after, _MANY):
            self._let_go(to, heirs, page, done)
            progress(done)
            after = page[-1]
        if not done.kept:
            words = {"to": to.hash, "generation": self._vault.generation, "records": done.records}
            self._note(LEFT, words)
        return done

    def _let_go(self, to: Roster, heirs: Sequence[Keyholder], records: list[bytes], done: Left) -> None:
        """All of them, or of a part that not enough hold what enough do."""
        if self._held_by(to, heirs, records, done) >= to.spared:
            self._vault.stock.let_go(records)
            done.records += len(records)
        elif len(records) == 1 and (done.silent or self._is_anchored(records)):
            done.kept += records
        elif len(records) == 1:  # a deposit that never came to its end: too few ever held it
            self._vault.stock.let_go(records)
        else:
            half = len(records) // 2
            self._let_go(to, heirs, records[:half], done)
            self._let_go(to, heirs, records[half:], done)

    def _held_by(self, to: Roster, heirs: Sequence[Keyholder], records: list[bytes], done: Left) -> int:
        good, body = set[int](), took(to, records)
        for heir in heirs:
            card = to.card(heir.card.index)
            try:
                call = Call.signed(self._deployment, self._signer, card, "took_over", body)
                heir.took_over(call).verify(self._deployment, card, "took_over", keccak(body))
                good.add(card.index)
            except ConsentryError as error:
                done.reasons[card.index] = str(error)
                done.silent |= isinstance(error, Unreachable)
        return len(good & set(to.members.indexes))
