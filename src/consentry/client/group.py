"""The keyholders as a group: giving to enough of them, asking enough of them, naming who fails."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from consentry.errors import IntegrityError, KeyholderRefused, TooFewKeyholders, Unreachable
from consentry.keyholder.messages import Call, Keyholder, Signed
from consentry.keyholder.roster import KeyholderCard, Roster
from consentry.keys.binding import Deployment
from consentry.keys.typed import Signer

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Outcome:
    """Who did not answer well: index of the keyholder to the reason, in words."""

    failed: dict[int, str] = field(default_factory=dict)

    def describe(self, what: str, good: int, need: int) -> str:
        """One sentence for an error."""
        reasons = "; ".join(f"keyholder {index}: {why}" for index, why in sorted(self.failed.items()))
        return (
            f"{what}: {good} of the keyholders answered well, {need} are needed ({reasons}); run the same "
            "command again when they do"
        )


class Group:
    """The keyholders of one roster."""

    def __init__(self, deployment: Deployment, roster: Roster, keyholders: Sequence[Keyholder]) -> None:
        self.deployment, self.roster = deployment, roster
        self._keyholders = {keyholder.card.index: keyholder for keyholder in keyholders}

    def each(
        self,
        ask: Callable[[Keyholder, KeyholderCard], Answer],
        *,
        enough: int | None = None,
        but: Collection[int] = (),
    ) -> tuple[dict[int, Answer], Outcome]:
        """Asks each keyholder in turn (``but`` some indexes), until ``enough`` answered well. A refusal,
        silence or bad bytes from one are kept in the outcome and end nothing."""
        answers: dict[int, Answer] = {}
        outcome = Outcome()
        for card in self.roster.keyholders:
            if enough is not None and len(answers) >= enough:
                break
            if card.index in but:
                continue
            if (keyholder := self._keyholders.get(card.index)) is None:
                outcome.failed[card.index] = "not reachable"
                continue
            try:
                answers[card.index] = ask(keyholder, card)
            except (KeyholderRefused, Unreachable) as error:
                outcome.failed[card.index] = str(error)
            except IntegrityError as error:
                outcome.failed[card.index] = f"{type(error).__name__}: {error}"
        return answers, outcome

    def give(
        self,
        verb: str,
        subject: bytes,
        send: Callable[[Keyholder], Signed],
        *,
        need: int,
        held: Collection[int] = (),
    ) -> dict[int, Signed]:
        """Gives something to all but those that ``held`` it before; each acknowledgement is checked.

        Raises `TooFewKeyholders` when fewer than ``need`` hold it then; with those it stays, and giving it
        again is harmless."""

        def one(keyholder: Keyholder, card: KeyholderCard) -> Signed:
            signed = send(keyholder)
            signed.verify(self.deployment, card, verb, subject)
            return signed

        answers, outcome = self.each(one, but=held)
        if (good := len(answers) + len(held)) < need:
            raise TooFewKeyholders(outcome.describe(f"{verb} not taken", good, need))
        return answers

    def call(self, signer: Signer, card: KeyholderCard, verb: str, body: bytes) -> Call:
        """A call by ``signer`` to one keyholder."""
        return Call.signed(self.deployment, signer, card, verb, body)
