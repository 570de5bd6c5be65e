"""The contracts of one deployment as several endpoints agree on them: what `Rpc` is over one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consentry.chain import functions
from consentry.chain.deployments import Deployed
from consentry.chain.endpoint import Endpoint
from consentry.chain.endpoints import Endpoints
from consentry.chain.proof import Header
from consentry.chain.rpc import Event, Rpc
from consentry.errors import ChainUncertain, Unreachable

_LASTS = 12.0  # seconds for which what is asked at one head may count as of now: a block of Ethereum
_KEPT = 64  # blocks whose proved events are kept


@dataclass
class _Moment:
    """What the endpoints agreed on at one head, and those that have it."""

    head: tuple[Header, list[Endpoint]] | None = None
    at: float = 0.0
    headers: dict[int | str, Header | None] = field(default_factory=dict)
    views: dict[tuple[str, str, int | str], Any] = field(default_factory=dict)


class Agreed(Rpc):
    """Each read is asked of all ``endpoints``, at the newest block that any of them knows; transactions go
    through the first. Raises `ChainUncertain` where too few answer well, or they contradict one another."""

    def __init__(self, endpoints: Endpoints, deployed: Deployed, folder: Path | None = None) -> None:
        self.endpoints = endpoints
        endpoints.bind(deployed)
        self._moment: ContextVar[_Moment | None] = ContextVar("moment", default=None)
        self._proved: dict[tuple[bytes, str, str], list[Event]] = {}
        self._keeping = threading.Lock()
        super().__init__(endpoints.first, deployed, folder)

    def check(self) -> None:
        """See `Rpc.check`."""
        self._head()

    @contextmanager
    def at_one_head(self) -> Iterator[None]:
        """See `Rpc.at_one_head`."""
        token = self._moment.set(_Moment())
        try:
            yield
        finally:
            self._moment.reset(token)

    def call(self, contract: str, function: str, *args: Any, at: int | str = "latest") -> Any:
        """See `Rpc.call`. What was asked at one head before is answered as before: it is the same block."""
        data = functions.function(contract, function).asked(*args)  # what fails here is no endpoint's fault
        head, there = self._head()
        block = head.number if at == "latest" else at
        views = (self._moment.get() or _Moment()).views
        if (contract, data, block) not in views:
            views[contract, data, block] = self.endpoints.ask(
                lambda rpc: rpc.call(contract, function, *args, at=block), f"{contract}.{function}", there
            )
        return views[contract, data, block]

    def events(
        self, contract: str, event: str, first: int | None = None, last: int | None = None, **filters: Any
    ) -> list[Event]:
        """See `Rpc.events`."""
        head, there = self._head()
        last = head.number if last is None else last
        found: list[Event] = self.endpoints.ask(
            lambda rpc: rpc.events(contract, event, first, last, **filters), event, there
        )
        return found

    def block(self, number: int | str) -> dict[str, Any]:
        """See `Rpc.block`; number, timestamp and hash alone."""
        header = self.header(number)
        if header is None:
            raise Unreachable(f"the chain has no block {number} yet; run the same command again")
        return {"number": header.number, "timestamp": header.time, "hash": header.hash}

    def header(self, block: int | str) -> Header | None:
        """See `Rpc.header`. Of ``"safe"`` and ``"finalized"`` the oldest that an endpoint gives: they may not
        all have heard of the newest."""
        head, there = self._head()
        if block in ("latest", head.number):
            return head
        moment = self._moment.get() or _Moment()
        if block not in moment.headers:
            number = (
                min(self.endpoints.each(lambda rpc: _number(rpc, block), there))
                if isinstance(block, str)
                else block
            )
            asked = self.endpoints.ask(lambda rpc: rpc.header(number), f"block {number}", there)
            moment.headers[block] = asked
        return moment.headers[block]

    def proved(self, header: Header, contract: str, event: str) -> list[Event]:
        """See `Rpc.proved`: one endpoint is enough, since the others know the block's hash."""
        key = (header.hash, contract, event)
        if (known := self._proved.get(key)) is not None:
            return known
        _, there = self._head()
        found: list[Event] = self.endpoints.any(lambda rpc: rpc.proved(header, contract, event), there)
        with self._keeping:
            while len(self._proved) >= _KEPT:
                self._proved.pop(next(iter(self._proved)))
            self._proved[key] = found
        return found

    def code(self, address: str) -> bytes:
        """See `Rpc.code`."""
        _, there = self._head()
        return bytes(self.endpoints.ask(lambda rpc: rpc.code(address), f"the code at {address}", there))

    def raw_call(self, address: str, data: bytes) -> bytes:
        """See `Rpc.raw_call`."""
        _, there = self._head()
        return bytes(self.endpoints.ask(lambda rpc: rpc.raw_call(address, data), address, there))

    def _head(self) -> tuple[Header, list[Endpoint]]:
        moment = self._moment.get() or _Moment()
        if moment.head is None:
            moment.head, moment.at = self.endpoints.head(), time.monotonic()
        if time.monotonic() - moment.at > _LASTS:
            raise ChainUncertain("the endpoints of the chain take so long that their head is old by now")
        return moment.head


def _number(rpc: Rpc, tag: int | str) -> int:
    header = rpc.header(tag)
    if header is None:
        raise Unreachable(f"it gives no {tag} block")
    return header.number
