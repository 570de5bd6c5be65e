"""A patient's signed stop waits for nobody: for no release that hangs, for no chain that is slow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from bench._anvil import anvil
from consentry.client import Proposal
from consentry.consent.terms import typed_revoke
from consentry.errors import KeyholderRefused, Unreachable
from consentry.keyholder.http.door import Limits
from consentry.keyholder.messages import subject_of_stop
from consentry.keyholder.remote import RemoteKeyholder
from tests.attacks.support import Access, access
from tests.support.middleman import Answer, PassOn
from tests.support.served import OverHttp, served
from tests.support.watching import Liar, Watching, liar_before, watching
from tests.support.world import World, make_world, populated

MANY = 60
"""Releases at once: more than the service has threads for them."""
AT_ONCE = 80


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    with anvil() as url:
        yield url


@pytest.fixture(scope="module")
def world(node: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    return populated(make_world(tmp_path_factory.mktemp("world"), Web3(HTTPProvider(node))))


@pytest.fixture
def granted(world: World) -> Proposal:
    return world.grant("clinician", "general")[0]


@pytest.fixture
def mine(world: World, granted: Proposal) -> Access:
    return access(world, granted)


class Stalling(Liar):
    """A node that, once it ``stalls``, answers nothing until it ``goes_on``."""

    def __init__(self, liar: Liar) -> None:
        self._liar, self._hang, self._waiting = liar, threading.Event(), threading.Semaphore(0)

    def stalls(self) -> None:
        """From now on it takes questions and keeps them."""

        def later(request: Answer, pass_on: PassOn) -> Answer:
            self._waiting.release()
            self._hang.wait()
            return pass_on(request)

        self._liar.lie = later

    def has_taken(self, questions: int) -> None:
        """Waits until so many questions hang."""
        for _ in range(questions):
            assert self._waiting.acquire(timeout=120)

    def goes_on(self) -> None:
        """It answers again, first what was kept."""
        self._liar.lie = None
        self._hang.set()


@pytest.fixture
def slow(world: World, node: str) -> Iterator[tuple[Watching, Stalling]]:
    """The first keyholder, with one node that can stall."""
    with liar_before(node) as liar, watching(world, liar.url, patience=300) as watched:
        watched.keyholder.ready()
        stalling = Stalling(liar)
        yield watched, stalling
        stalling.goes_on()


@contextmanager
def hanging(over: OverHttp, mine: Access, node: Stalling, many: int = MANY) -> Iterator[list[Future[Any]]]:
    """So many releases to one entry at once, each over a connection of its own, until ``node`` goes on."""
    calls = [mine.call() for _ in range(many)]

    def release(number: int) -> Any:
        one = RemoteKeyholder(replace(over.inner.card, url=f"http://127.0.0.1:{over.port}"), patience=300)
        try:
            return one.release(calls[number])
        finally:
            one.close()

    with ThreadPoolExecutor(many) as threads:
        try:
            yield [threads.submit(release, number) for number in range(many)]
        finally:
            node.goes_on()


def signed_stop(world: World, granted: Proposal, who: str = "patient") -> bytes:
    full = typed_revoke(world.chain.deployment, world.patient, granted.grant_id)
    return world.person(who).signer.sign_typed_data(full)


def test_a_stop_is_taken_while_releases_hang_on_a_stalled_chain_and_none_of_them_is_answered(
    world: World, granted: Proposal, mine: Access, slow: tuple[Watching, Stalling]
) -> None:
    """They had passed the first look for a stop; after the chain is back the last one refuses them all."""
    watched, node = slow
    keyholder = watched.keyholder
    before = len(keyholder._vault.rows())
    with served(keyholder, Limits(rate=0, at_once=AT_ONCE)) as over:
        node.stalls()
        with hanging(over, mine, node) as releases:
            node.has_taken(3)
            signature = signed_stop(world, granted)
            acknowledged = over.stop(world.patient, granted.grant_id, signature)
            subject = subject_of_stop(world.patient, granted.grant_id)
            acknowledged.verify(world.chain.deployment, keyholder.card, "stop", subject)
            assert not any(one.done() for one in releases), "the chain still says nothing"
            node.goes_on()
            for one in releases:
                with pytest.raises(KeyholderRefused):
                    one.result()
    rows = keyholder._vault.rows()[before:]
    assert rows[0].kind == "stop"
    assert rows[0].index == acknowledged.row
    assert [(row.kind, row.body["check"]) for row in rows[1:]] == [("refused", "stop")] * MANY


def test_releases_of_one_keyholder_wait_for_the_chain_side_by_side(
    mine: Access, slow: tuple[Watching, Stalling]
) -> None:
    """Each has its own question at the node before any has an answer; then each is journalled."""
    watched, node = slow
    before = len(watched.keyholder._vault.rows())
    with served(watched.keyholder) as over:
        node.stalls()
        with hanging(over, mine, node, 6) as releases:
            node.has_taken(6)
            node.goes_on()
            assert len({one.result().sealed for one in releases}) == 6
    rows = watched.keyholder._vault.rows()[before:]
    assert [row.kind for row in rows] == ["release"] * 6
    assert [row.index for row in rows] == list(range(before, before + 6))


def test_beyond_what_it_answers_at_once_a_keyholder_says_later_and_still_takes_a_stop(
    world: World, granted: Proposal, mine: Access, slow: tuple[Watching, Stalling]
) -> None:
    """Somebody keeps it busy with all the calls that it takes."""
    watched, node = slow
    with served(watched.keyholder, Limits(rate=0, at_once=5)) as over:
        node.stalls()
        with hanging(over, mine, node, 5) as releases:
            node.has_taken(5)
            sixth = RemoteKeyholder(replace(over.inner.card, url=f"http://127.0.0.1:{over.port}"))
            with pytest.raises(Unreachable, match="HTTP 429"):
                sixth.release(mine.call())
            sixth.close()
            assert over.stop(world.patient, granted.grant_id, signed_stop(world, granted))
            node.goes_on()
            assert all(isinstance(one.exception(), KeyholderRefused) for one in releases)


def test_a_strangers_stop_is_refused_without_what_the_patient_is_believed_for(
    world: World, granted: Proposal, slow: tuple[Watching, Stalling]
) -> None:
    """While the chain cannot be asked only who signed the grant's own key box is believed."""
    watched, node = slow
    watched.endpoints._patience = 0.5
    node.stalls()
    stop = watched.keyholder.stop
    for who in ("stranger", "clinician", "hospital"):
        with pytest.raises(Unreachable):
            stop(world.patient, granted.grant_id, signed_stop(world, granted, who))
    assert not watched.keyholder._vault.stopped(world.patient, granted.grant_id)
    assert stop(world.patient, granted.grant_id, signed_stop(world, granted))
    assert watched.keyholder._vault.stopped(world.patient, granted.grant_id)
