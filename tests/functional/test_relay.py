"""The relay itself: what it does when the chain is away, says no, or is slow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from consentry.errors import ContractRefused, NotEnoughEther, Unreachable
from consentry.keyholder.http import relay
from consentry.keyholder.http.relay import Funds, Relay

STOP = (b"p" * 32, b"g" * 32, b"s" * 65)
OTHER = (b"p" * 32, b"h" * 32, b"s" * 65)


class Service:
    """A keyholder whose chain says what ``says`` gives, one after the other, and then takes everything."""

    def __init__(self, *says: Exception, left: tuple[tuple[bytes, bytes, bytes], ...] = ()) -> None:
        self.card = SimpleNamespace(index=1, address="0x")
        self.says, self.left, self.relayed = list(says), left, list[bytes]()
        self.told, self.hang = threading.Semaphore(0), threading.Event()
        self.hang.set()

    def not_relayed(self) -> dict[tuple[bytes, bytes], bytes]:
        return {(patient, grant): signature for patient, grant, signature in self.left}

    def affords_relay(self) -> bool:
        return True

    def relay(self, _: bytes, grant_id: bytes, __: bytes) -> None:
        self.told.release()
        self.hang.wait()
        if self.says:
            raise self.says.pop(0)
        self.relayed.append(grant_id)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "_LONGEST", 0.01)
    monkeypatch.setattr(relay._Stop, "__init__", _impatient)


def _impatient(self: Any, signature: bytes, due: float, pause: float = 0.01) -> None:
    self.signature, self.due, self.pause = signature, due, pause


@pytest.fixture
def running() -> Iterator[list[Relay]]:
    found: list[Relay] = []
    yield found
    for one in found:
        one.close()
        one._thread.join(60)
        assert not one._thread.is_alive()


def started(running: list[Relay], service: Service) -> Relay:
    one = Relay(service, 0)  # type: ignore[arg-type]
    running.append(one)
    one.start()
    return one


def until(service: Service, times: int) -> None:
    for _ in range(times):
        assert service.told.acquire(timeout=60)


def ended(one: Relay, waiting: int = 0) -> None:
    """Waits until so many stops are left."""
    for _ in range(6000):
        if one.waiting == waiting:
            return
        threading.Event().wait(0.01)
    pytest.fail("it does not come to an end")


def test_it_tries_again_until_the_chain_takes_it(running: list[Relay]) -> None:
    service = Service(Unreachable("away"), ValueError("what no node should say"), Unreachable("away"))
    one = started(running, service)
    one.take(*STOP)
    until(service, 4)
    ended(one)
    assert (service.relayed, one.relayed, one.refused) == ([STOP[1]], 1, 0)


def test_what_the_contract_refuses_is_not_tried_again_and_the_next_one_is(running: list[Relay]) -> None:
    service = Service(ContractRefused("NotController", {}))
    one = started(running, service)
    one.take(*STOP)
    until(service, 1)
    ended(one)
    one.take(*OTHER)
    ended(one)
    assert (service.relayed, one.relayed, one.refused) == ([OTHER[1]], 1, 1)


def test_too_little_ether_shows_and_is_tried_again(running: list[Relay]) -> None:
    service = Service(NotEnoughEther("0x", 0, 1))
    service.affords_relay = lambda: not service.says  # type: ignore[method-assign]
    one = started(running, service)
    one.take(*STOP)
    ended(one)
    assert service.relayed == [STOP[1]]


def test_what_was_left_is_passed_on_after_the_start(running: list[Relay]) -> None:
    service = Service(left=(STOP, OTHER))
    ended(started(running, service))
    assert sorted(service.relayed) == [STOP[1], OTHER[1]]


def test_a_stop_is_taken_while_another_one_hangs_on_the_chain(running: list[Relay]) -> None:
    service = Service()
    service.hang.clear()
    one = started(running, service)
    one.take(*STOP)
    until(service, 1)
    one.take(*OTHER)
    one.take(*STOP)
    assert one.waiting == 2
    service.hang.set()
    ended(one)
    assert sorted(service.relayed) == [STOP[1], OTHER[1]]


def test_a_chain_that_is_away_leaves_it_open_whether_there_is_ether(running: list[Relay]) -> None:
    service = Service()
    asked = threading.Semaphore(0)

    def away() -> bool:
        asked.release()
        raise Unreachable("away")

    service.affords_relay = away  # type: ignore[method-assign]
    one = started(running, service)
    assert asked.acquire(timeout=60)
    assert asked.acquire(timeout=60)
    assert one.funds is Funds.UNKNOWN
