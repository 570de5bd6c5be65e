"""The door of a service: how much a caller may send, how often, and how long that may take.

It stands before everything else (ASGI), so that no path, known or not, is cheaper to ask than another.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consentry.keyholder.http.logs import plain

_REMEMBERED = 100_000  # callers


@dataclass(frozen=True, slots=True)
class Limits:
    """``body`` bytes at most in one call, sent within ``patience`` seconds; ``rate`` calls a second from one
    address on the average, and ten times as many at once (0: no limit); ``at_once`` calls from all addresses
    that are being answered, to which what is urgent comes in addition."""

    body: int = 32 << 20
    patience: float = 30.0
    rate: float = 50.0
    at_once: int = 100


class Allowance:
    """A bucket a caller, which fills with ``rate`` calls a second up to ten seconds' worth."""

    def __init__(self, rate: float) -> None:
        self._rate, self._most = rate, 10 * rate
        self._callers: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> bool:
        """Whether ``who`` may call now."""
        if not self._rate:
            return True
        now = time.monotonic()
        left, since = self._callers.pop(who, (self._most, now))
        left = min(self._most, left + (now - since) * self._rate)
        self._callers[who] = (max(left - 1, 0), now) if left >= 1 else (left, now)
        if len(self._callers) > _REMEMBERED:
            self._callers.popitem(last=False)
        return left >= 1


def caller(scope: Scope) -> str:
    """Who calls: an address, of IPv6 the network that one customer has (the first 64 bits)."""
    host = (scope.get("client") or ("",))[0]
    try:
        address = ip_address(host)
    except ValueError:
        return str(host)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64" if address.version == 6 else str(address)


class Door:
    """Lets in what keeps to ``limits``: it answers ``refused`` to a call that is too large or too slow, and
    ``later`` to an address that calls too often, and to all while too much is being answered. Paths that are
    ``free`` may always be asked; those that are ``urgent`` wait for nothing that is being answered."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: Limits,
        refused: Response,
        later: Response,
        free: frozenset[str],
        urgent: frozenset[str],
    ) -> None:
        self._app, self._limits, self._free, self._urgent = app, limits, free, urgent
        self._answering = 0
        self._refused, self._later = refused, later
        self._allowance = Allowance(limits.rate)
        self._log = structlog.get_logger("consentry.keyholder")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["path"] in self._free:
            await self._app(scope, receive, send)
        elif not self._allowance.take(caller(scope)):
            await self._later(scope, receive, send)
        elif (body := await self._body(receive)) is None:
            await self._refused(scope, receive, send)
        elif scope["path"] in self._urgent:
            await self._inside(scope, _once(body, receive), send)
        elif self._answering >= self._limits.at_once:
            await self._later(scope, receive, send)
        else:
            self._answering += 1
            try:
                await self._inside(scope, _once(body, receive), send)
            finally:
                self._answering -= 1

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What nobody foresaw (a document of a depth without end) is refused like all else."""
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            self._log.error("failed", path=scope["path"], **plain(error))
            await self._refused(scope, receive, send)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body; None for one that is too large, too slow, or was broken off."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.patience):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self._limits.body:
                        return None
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            return None


def _once(body: bytes, receive: Receive) -> Receive:
    """Gives ``body``, and then whatever comes behind it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
