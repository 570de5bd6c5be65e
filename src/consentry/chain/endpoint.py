"""One endpoint of several: its own connection and its own threads, so that none waits for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import requests
from web3 import Web3

from consentry.chain.deployments import Deployed
from consentry.chain.node import connect
from consentry.chain.rpc import Rpc
from consentry.errors import BlockUnproved, ContractRefused, Unreachable, UsageError, WrongChain

_THREADS = 8  # questions that a node is asked at once
_LONGEST = 32 * 2**20  # bytes of one answer; the receipts of a full block are fewer
_REST = 3.0  # seconds for which one in trouble is not asked
_REMEMBERED = 600.0  # seconds for which a contradiction shows
_LOOK_AGAIN = 10.0  # seconds after which it shows again which chain it is on


class State(StrEnum):
    """How an endpoint does."""

    WELL = "well"
    DOWN = "down"
    SLOW = "slow"
    BEHIND = "behind"
    ELSEWHERE = "on another chain"
    CONTRADICTS = "contradicts"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an endpoint did not answer well: ``error`` is what was raised there."""

    state: State
    error: Exception
    at: float = field(default_factory=time.monotonic)

    def rested(self, now: float) -> bool:
        """Whether it is worth asking again. One that contradicts is: it may not be the one that lies."""
        return self.state is State.CONTRADICTS or now - self.at > _REST


class Endpoint:
    """The one at ``node`` (a URL, or a connection); each of its answers may take ``patience`` seconds.
    ``name`` is its host and port: a path may hold a key. Raises `UsageError` for what is no URL."""

    def __init__(self, node: str | Web3, patience: float) -> None:
        if isinstance(node, str):
            parts = urlsplit(node)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise UsageError("an endpoint of the chain is a URL that begins with http:// or https://")
            self.name = parts.netloc.rpartition("@")[2]
            self.web3 = connect(node, patience=patience, longest=_LONGEST)
        else:
            self.name, self.web3 = "this process", node
        self._count = _THREADS if isinstance(node, str) else 1  # py-evm answers one at a time
        self.trouble: Trouble | None = None
        self.contradictions = 0
        self._rpc: Rpc | None = None
        self._looked, self._looking = 0.0, threading.Lock()
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[Endpoint], Any]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()

    def rpc(self, deployed: Deployed) -> Rpc:
        """The contracts of ``deployed`` here. Raises `WrongChain`, now and then asked anew: which node stands
        behind a URL may change."""
        with self._looking:
            now = time.monotonic()
            if self._rpc is None or self._rpc.deployed != deployed:
                self._rpc = Rpc(self.web3, deployed)
            elif self.trouble is not None or now - self._looked > _LOOK_AGAIN:
                self._rpc.check()
            else:
                return self._rpc
            self._looked = now
            return self._rpc

    def ask(self, question: Callable[[Endpoint], Any]) -> Future[Any]:
        """Has one of its threads ask ``question``; the result may be a `Trouble`, and is never an
        exception."""
        with self._starting:
            if len(self._threads) < self._count:
                thread = threading.Thread(target=self._work, name=f"chain {self.name}", daemon=True)
                self._threads.append(thread)
                thread.start()
        future: Future[Any] = Future()
        self._jobs.put((future, question))
        return future

    def contradicts(self, error: Exception) -> Trouble:
        """It was found to say what is not so."""
        self.contradictions += 1
        self.trouble = Trouble(State.CONTRADICTS, error)
        return self.trouble

    def recovers(self) -> None:
        """It answered well; that it contradicted others is not forgotten at once."""
        trouble = self.trouble
        if trouble and (trouble.state != State.CONTRADICTS or time.monotonic() - trouble.at > _REMEMBERED):
            self.trouble = None

    def close(self) -> None:
        """Ends its threads, each once it is done with what it does."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, question = job
            if future.set_running_or_notify_cancel():
                future.set_result(self._answer(question))

    def _answer(self, question: Callable[[Endpoint], Any]) -> Any:
        try:
            return question(self)
        except ContractRefused as refused:
            return refused
        except WrongChain as error:
            return Trouble(State.ELSEWHERE, error)
        except BlockUnproved as error:
            return self.contradicts(error)
        except Unreachable as error:
            late = isinstance(error.__context__, requests.Timeout | TimeoutError)
            return Trouble(State.SLOW if late else State.DOWN, error)
        except Exception as error:  # whatever an answer that is none leads to
            return Trouble(State.DOWN, Unreachable(f"an answer that cannot be read ({type(error).__name__})"))
