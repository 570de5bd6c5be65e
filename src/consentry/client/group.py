"""The keyholders as a group: giving to enough of them, asking enough of them, naming who fails."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import TypeVar

from consentry.client.round import Outcome, Round
from consentry.client.steps import Step, durable
from consentry.envelope.statement import SignedStatement
from consentry.errors import KeyholderRefused, TooFewKeyholders, Unreachable
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.messages import Call, Keyholder, Signed
from consentry.keyholder.roster import Roster
from consentry.keys.binding import Deployment
from consentry.keys.typed import Signer

Raw = TypeVar("Raw")
Answer = TypeVar("Answer")


class Group:
    """The keyholders of one roster, wherever they are."""

    def __init__(self, deployment: Deployment, roster: Roster, keyholders: Sequence[Keyholder]) -> None:
        self.deployment, self.roster = deployment, roster
        self._keyholders = {keyholder.card.index: keyholder for keyholder in keyholders}
        self._late: set[int] = set()

    def ask(
        self,
        signer: Signer,
        verb: str,
        body: bytes,
        send: Callable[[Keyholder, Call], Raw],
        check: Callable[[Raw, KeyholderCard], Answer],
        missing: Callable[[dict[int, Answer]], int],
        *,
        everybody: bool = False,
    ) -> tuple[dict[int, Answer], Outcome]:
        """Asks by a call that ``signer`` signs for each, until no good answer is ``missing``
        (``everybody``: all that are not late by then). ``check`` takes an answer or raises an error."""

        def prepare(card: KeyholderCard) -> Callable[[], Raw]:
            keyholder = self._at(card)
            call = Call.signed(self.deployment, signer, card, verb, body)
            return lambda: send(keyholder, call)

        return Round(self.roster.keyholders, prepare, check, missing, self._late, everybody=everybody).run()

    def give(
        self,
        verb: str,
        subject: bytes,
        send: Callable[[Keyholder], Signed],
        *,
        need: int,
        held: Collection[int] = (),
        step: Step | None = None,
    ) -> dict[int, Signed]:
        """Gives something to all but those that ``held`` it before; each acknowledgement is checked, and each
        is a durable ``step``. Who is late when ``need`` hold it gets it another time.

        Raises `TooFewKeyholders` when fewer than ``need`` hold it then; with those it stays, and giving it
        again is harmless."""

        def prepare(card: KeyholderCard) -> Callable[[], Signed]:
            keyholder = self._at(card)
            return lambda: send(keyholder)

        def check(signed: Signed, card: KeyholderCard) -> Signed:
            if step is not None:
                durable(step)
            signed.verify(self.deployment, card, verb, subject)
            return signed

        cards = [card for card in self.roster.keyholders if card.index not in held]
        wanted = self.until(need - len(held))
        answers, outcome = Round(cards, prepare, check, wanted, self._late, everybody=True).run()
        if (good := len(answers) + len(held)) < need:
            raise TooFewKeyholders(outcome.describe(f"{verb} not taken", good, need))
        return answers

    @staticmethod
    def until(enough: int) -> Callable[[dict[int, Answer]], int]:
        """Says how many answers are missing until there are ``enough``."""
        return lambda answers: enough - len(answers)

    def _at(self, card: KeyholderCard) -> Keyholder:
        if (keyholder := self._keyholders.get(card.index)) is None:
            raise Unreachable("not reachable")
        return keyholder


def bringing(
    statements: Sequence[SignedStatement], give: Callable[[Keyholder], Signed]
) -> Callable[[Keyholder], Signed]:
    """``give``; once more to a keyholder that refuses, after it was given the ``statements`` of the segment,
    oldest first, of which it may lack some."""

    def send(keyholder: Keyholder) -> Signed:
        try:
            return give(keyholder)
        except KeyholderRefused:
            for signed in statements:
                with suppress(KeyholderRefused):
                    keyholder.statement(signed)
            return give(keyholder)

    return send


__all__ = ["Group", "Outcome", "bringing"]
