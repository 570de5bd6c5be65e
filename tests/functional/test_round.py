"""Keyholders are asked side by side, one more for each that fails or is late; none is waited for in vain."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from consentry.client import round as rounds
from consentry.client.round import Outcome, Round
from consentry.errors import KeyholderRefused, ShareMismatch, Unreachable
from consentry.keyholder.card import KeyholderCard

HERE = [KeyholderCard(index, f"keyholder {index}", "", b"", f"local:{index}") for index in range(1, 6)]
THERE = [KeyholderCard(index, f"keyholder {index}", "", b"", f"http://{index}") for index in range(1, 6)]


class Keyholders:
    """Five keyholders; ``asked`` are the numbers of those that were asked, in order. Frozen ones answer when
    the test is over."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.thawed = threading.Event()
        self.frozen: set[int] = set()
        self.errors: dict[int, Exception] = {}
        self.late: set[int] = set()

    def prepare(self, card: KeyholderCard) -> Callable[[], int]:
        self.asked.append(card.index)
        return lambda: self.answer(card.index)

    def answer(self, index: int) -> int:
        if index in self.frozen:
            self.thawed.wait(60)
        if index in self.errors:
            raise self.errors[index]
        return index * 10

    def run(
        self, cards: list[KeyholderCard], need: int, *, everybody: bool = False
    ) -> tuple[dict[int, int], Outcome]:
        def check(answer: int, card: KeyholderCard) -> int:
            assert answer == card.index * 10
            return answer

        return Round(
            cards, self.prepare, check, lambda a: need - len(a), self.late, everybody=everybody
        ).run()


@pytest.fixture
def five(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyholders]:
    monkeypatch.setattr(rounds, "LATE", 0.2)
    found = Keyholders()
    with ExitStack() as stack:
        stack.callback(found.thawed.set)
        yield found


@pytest.mark.parametrize("cards", [HERE, THERE])
def test_no_more_are_asked_than_are_needed(five: Keyholders, cards: list[KeyholderCard]) -> None:
    answers, outcome = five.run(cards, 3)
    assert (sorted(answers), five.asked, outcome.failed) == ([1, 2, 3], [1, 2, 3], {})


@pytest.mark.parametrize("cards", [HERE, THERE])
def test_one_more_is_asked_for_each_that_fails(five: Keyholders, cards: list[KeyholderCard]) -> None:
    five.errors = {1: KeyholderRefused(), 3: ShareMismatch("another share")}
    answers, outcome = five.run(cards, 3)
    assert sorted(answers) == [2, 4, 5]
    assert outcome.failed == {1: "the keyholder refused", 3: "ShareMismatch: another share"}


def test_one_more_is_asked_for_each_that_is_late(five: Keyholders) -> None:
    five.frozen = {1, 2}
    answers, outcome = five.run(THERE, 3)
    assert sorted(answers) == [3, 4, 5]
    assert outcome.failed == {1: "no answer yet", 2: "no answer yet"}
    assert five.late == {1, 2}


def test_who_was_late_is_asked_last_the_next_time(five: Keyholders) -> None:
    five.frozen = {1}
    five.run(THERE, 3)
    five.asked.clear()
    answers, _ = five.run(THERE, 3)
    assert (sorted(answers), five.asked) == ([2, 3, 4], [2, 3, 4])


def test_who_answers_again_is_late_no_more(five: Keyholders) -> None:
    five.late = {1}
    five.run(THERE, 5)
    assert not five.late


def test_a_late_answer_counts_where_no_other_is_left(five: Keyholders) -> None:
    """Two are down for good, one thaws after a while: three are there."""
    five.errors, five.frozen = {1: Unreachable("down"), 2: Unreachable("down")}, {3}
    threading.Timer(0.5, five.thawed.set).start()
    answers, outcome = five.run(THERE, 3)
    assert sorted(answers) == [3, 4, 5]
    assert sorted(outcome.failed) == [1, 2]


def test_where_too_few_are_left_the_round_ends_by_itself(
    five: Keyholders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "GIVEN_UP", 0.4)
    five.errors, five.frozen = {1: Unreachable("down"), 2: Unreachable("down")}, {3}
    answers, outcome = five.run(THERE, 3)
    assert sorted(answers) == [4, 5]
    assert outcome.failed == {1: "down", 2: "down", 3: "no answer in 0 seconds"}


def test_everybody_is_given_it_and_only_the_late_are_left_behind(five: Keyholders) -> None:
    five.frozen = {4}
    answers, outcome = five.run(THERE, 2, everybody=True)
    assert sorted(answers) == [1, 2, 3, 5]
    assert outcome.failed == {4: "no answer yet"}


def test_nobody_is_left_behind_while_too_few_have_it(five: Keyholders) -> None:
    five.errors, five.frozen = {1: Unreachable("down")}, {2, 3}
    threading.Timer(0.5, five.thawed.set).start()
    answers, _ = five.run(THERE, 4, everybody=True)
    assert sorted(answers) == [2, 3, 4, 5]


def test_an_error_that_nobody_foresaw_is_not_swallowed(five: Keyholders) -> None:
    five.errors = {2: ZeroDivisionError()}
    with pytest.raises(ZeroDivisionError):
        five.run(THERE, 3)
