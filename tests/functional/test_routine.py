"""The routine check itself: when it looks, what it says, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from consentry.errors import Unreachable
from consentry.keyholder.http import routine
from consentry.keyholder.http.routine import Routine
from consentry.keyholder.vault.checking import Fault

LOST, WRONG = Fault("record 0a", "its key is lost"), Fault("record 0b", "its share is another's")
PATIENCE = 60


class Service:
    """A keyholder whose checks find what ``finds`` gives, one after the other, and then nothing."""

    def __init__(self, *finds: list[list[Fault]] | Exception) -> None:
        self.finds, self.asked = list(finds), list[object]()
        self.began, self.ended = threading.Semaphore(0), threading.Semaphore(0)
        self.between = threading.Event()
        self.between.set()

    def check(self, newest: object) -> Any:
        self.asked.append(newest)
        return SimpleNamespace(pieces=self.pieces, newest=f"row {len(self.asked)}")

    def pieces(self) -> Iterator[list[Fault]]:
        self.began.release()
        found = self.finds.pop(0) if self.finds else []
        if isinstance(found, Exception):
            raise found
        for piece in found:
            self.between.wait(PATIENCE)
            yield piece
        self.ended.release()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routine, "_SOON", 0.0)


def ran(service: Service, times: int, every: float = 0.01) -> tuple[Routine, list[Any]]:
    """The routine after so many checks, ended, and what it wrote."""
    with capture_logs() as logs:
        one = Routine(service, every)  # type: ignore[arg-type]
        one.start()
        for _ in range(times):
            assert service.ended.acquire(timeout=PATIENCE)
        one.close()
    assert not one._thread.is_alive()
    return one, list(logs)


def test_it_names_each_fault_and_counts_those_of_the_last_check() -> None:
    one, logs = ran(Service([[LOST], [], [WRONG]]), 1, every=9 * PATIENCE)
    assert (one.faults, one.checked_at > 0) == (2, True)
    said = [(line["log_level"], line["where"], line["what"]) for line in logs if "where" in line]
    assert said == [("error", fault.where, fault.what) for fault in (LOST, WRONG)]
    assert [line["faults"] for line in logs if line["event"] == "checked"] == [2]


def test_what_was_mended_counts_no_more() -> None:
    one, _ = ran(Service([[LOST]], [[]]), 2)
    assert one.faults == 0


def test_each_check_holds_the_journal_against_the_row_that_was_newest_before() -> None:
    service = Service()
    ran(service, 3)
    assert service.asked[:3] == [None, "row 1", "row 2"]


def test_a_database_that_is_away_and_an_error_that_nobody_foresaw_end_one_check_alone() -> None:
    service = Service(Unreachable("its files cannot be used"), ValueError("a secret word"), [[LOST]])
    one, logs = ran(service, 1)
    assert one.faults == 1
    first, second = (line for line in logs if line["event"] == "not checked")
    assert first["why"] == "its files cannot be used"
    assert second["error"] == "ValueError"
    assert "secret" not in str(logs)


def test_a_check_that_did_not_end_counts_for_nothing_and_is_done_again_soon() -> None:
    """However long it is until the next one."""
    service = Service(Unreachable("away"), [[LOST]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routine, "_AGAIN", 0.01)
        one, _ = ran(service, 1, every=9 * PATIENCE)
    assert (one.faults, service.asked) == (1, [None, None])


def test_it_ends_in_the_middle_of_a_check() -> None:
    service = Service([[]] * 1000)
    service.between.clear()
    one = Routine(service, PATIENCE)  # type: ignore[arg-type]
    one.start()
    assert service.began.acquire(timeout=PATIENCE)
    one._ended.set()
    service.between.set()
    one.close()
    assert one.checked_at == 0
    assert not service.ended.acquire(blocking=False)
