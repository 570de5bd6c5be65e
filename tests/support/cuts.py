"""Power cuts: a verb ends after any of its durable steps, as if the machine stopped there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from consentry.chain import Chain
from consentry.client.outbox import Parcel
from consentry.client.person import Person
from consentry.keyholder.service import KeyholderService
from consentry.store import FolderStore


class PowerCut(BaseException):
    """The machine stopped; nothing in the program may catch this."""


STEPS: list[tuple[type, str]] = [
    (Parcel, "save"),
    (Person, "save"),
    (FolderStore, "put"),
    (Chain, "send"),
    (KeyholderService, "statement"),
    (KeyholderService, "box"),
    (KeyholderService, "deal"),
    (KeyholderService, "release"),
]
_WATCHED = 3  # of the keyholders: the one with which enough have answered


@contextmanager
def power_cut_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Cuts the power after so many durable steps; gives the names of the steps that were done."""
    done: list[str] = []

    def watched(cls: type, name: str) -> Callable[..., Any]:
        real = getattr(cls, name)

        def step(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = real(self, *args, **kwargs)
            if not isinstance(self, KeyholderService) or self.card.index == _WATCHED:
                done.append(f"{cls.__name__}.{name}")
                if len(done) == steps:
                    raise PowerCut(name)
            return result

        return step

    with monkeypatch.context() as patch:
        for cls, name in STEPS:
            patch.setattr(cls, name, watched(cls, name))
        with suppress(PowerCut):
            yield done


def after_every_step(
    verb: Callable[[int], Callable[[], Any]],
    finished: Callable[[str, Any, Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    """Runs a verb, cut off after each of its durable steps in turn, and then once more to its end.

    ``verb`` prepares a fresh case for a number and gives what to call; ``finished`` is told after which
    step it was cut, the first result (None when it was cut) and the second. Gives the steps of the run
    that was not cut."""
    steps = 0
    while True:
        steps += 1
        call = verb(steps)
        first = None
        with power_cut_after(steps, monkeypatch) as done:
            first = call()
        finished(f"{steps}: {done[-1]}", first, call())
        if len(done) < steps:
            return done
