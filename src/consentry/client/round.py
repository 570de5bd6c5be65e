"""One round of questions to keyholders: side by side, and without waiting for those that are late."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from consentry.errors import ConsentryError, IntegrityError, KeyholderRefused, Unreachable
from consentry.keyholder.card import KeyholderCard, is_local

LATE = 1.0
"""Seconds after which another keyholder is asked as well, or the round ends without the one that is late."""
_LATE_AGAIN = 0.5  # for one that was late the last time
GIVEN_UP = 90.0
"""Seconds after which nothing is expected any more, however a keyholder keeps its line busy."""

Raw = TypeVar("Raw")
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


class Round(Generic[Raw, Answer]):
    """Asks ``cards`` in their order.

    ``prepare`` makes a question, in this thread; it is put in a thread of its own (to a keyholder of this
    process at once: they share one chain); ``check`` takes what came back, in this thread again. ``missing``
    says how many good answers more are needed: so many are asked, and one more for each that fails or
    is late. With ``everybody`` all are asked, and once none is missing only those that are not late are
    waited for. Who was ``late`` in an earlier round is asked last; this round keeps that set up to date."""

    def __init__(
        self,
        cards: Iterable[KeyholderCard],
        prepare: Callable[[KeyholderCard], Callable[[], Raw]],
        check: Callable[[Raw, KeyholderCard], Answer],
        missing: Callable[[dict[int, Answer]], int],
        late: set[int],
        *,
        everybody: bool = False,
    ) -> None:
        self._waiting = deque(sorted(cards, key=lambda card: card.index in late))
        self._running: dict[int, tuple[KeyholderCard, float]] = {}
        self._late = late
        self._prepare, self._check = prepare, check
        self._missing, self._everybody = missing, everybody
        self._came: SimpleQueue[tuple[KeyholderCard, Raw | BaseException]] = SimpleQueue()
        self.answers: dict[int, Answer] = {}
        self.outcome = Outcome()

    def run(self) -> tuple[dict[int, Answer], Outcome]:
        """The good answers by keyholder. A refusal, silence or bad bytes from one are kept in the outcome and
        end nothing."""
        while True:
            missing = self._missing(self.answers)
            while self._waiting and (self._everybody or missing > len(self._prompt())):
                if self._start(self._waiting.popleft()):
                    break
            awaited = self._prompt() if missing <= 0 else list(self._running)
            if not awaited or (missing <= 0 and not self._everybody):
                break
            self._take()
        self._late |= set(self._running) - set(self._prompt())
        for index in self._running:
            self.outcome.failed[index] = "no answer yet"
        return self.answers, self.outcome

    def _prompt(self) -> list[int]:
        """Those that are asked and not late."""
        now = time.monotonic()
        return [one for one, (_, since) in self._running.items() if now - since < self._patience(one)]

    def _patience(self, index: int) -> float:
        return _LATE_AGAIN if index in self._late else LATE

    def _start(self, card: KeyholderCard) -> bool:
        """Asks one; True where its answer is there already."""
        try:
            question = self._prepare(card)
        except (KeyholderRefused, Unreachable) as error:
            self.outcome.failed[card.index] = str(error)
            return False
        self._running[card.index] = (card, time.monotonic())
        if is_local(card):
            try:
                self._came.put((card, question()))
            except ConsentryError as error:
                self._came.put((card, error))
            return True
        threading.Thread(target=self._put, args=(card, question), daemon=True).start()
        return False

    def _put(self, card: KeyholderCard, question: Callable[[], Raw]) -> None:
        try:
            self._came.put((card, question()))
        except BaseException as error:
            self._came.put((card, error))

    def _take(self) -> None:
        """Takes the next answer, or gives up what takes too long."""
        now, prompt = time.monotonic(), self._prompt()
        ends = [
            since + (self._patience(one) if one in prompt else GIVEN_UP)
            for one, (_, since) in self._running.items()
        ]
        try:
            card, came = self._came.get(timeout=max(0.0, min(ends) - now))
        except Empty:
            for index, (_, since) in list(self._running.items()):
                if time.monotonic() - since >= GIVEN_UP:
                    del self._running[index]
                    self._late.add(index)
                    self.outcome.failed[index] = f"no answer in {GIVEN_UP:.0f} seconds"
            return
        if self._running.pop(card.index, None) is None:
            return
        self._late.discard(card.index)
        try:
            if isinstance(came, BaseException):
                raise came
            self.answers[card.index] = self._check(came, card)
        except (KeyholderRefused, Unreachable) as error:
            self.outcome.failed[card.index] = str(error)
        except IntegrityError as error:
            self.outcome.failed[card.index] = f"{type(error).__name__}: {error}"


__all__ = ["GIVEN_UP", "LATE", "Outcome", "Round"]
