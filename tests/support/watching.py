"""A keyholder that asks several endpoints of the chain, some of which a test may turn into liars."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from consentry.chain import Chain, EndpointHealth, Endpoints
from consentry.errors import ChainUncertain
from consentry.keyholder.local import open_keyholder
from consentry.keyholder.service import KeyholderService
from tests.support.middleman import Answer, PassOn, middleman
from tests.support.world import World

Lie = Callable[[Answer, PassOn], Answer | bytes | None]


class Liar:
    """An endpoint before the node at ``url``: honest until it is given a ``lie``."""

    def __init__(self, node: str) -> None:
        self.node, self.url = node, ""
        self.lie: Lie | None = None

    def answer(self, request: Answer, pass_on: PassOn) -> Answer | bytes | None:
        return self.lie(request, pass_on) if self.lie else pass_on(request)


@contextmanager
def liar_before(node: str) -> Iterator[Liar]:
    """A `Liar` before ``node``, on a port of its own."""
    liar = Liar(node)
    with middleman(node, liar.answer) as liar.url:
        yield liar


@dataclass
class Watching:
    """The first keyholder of ``world`` over ``endpoints``, which has taken the place of the ordinary one."""

    world: World
    endpoints: Endpoints
    keyholder: KeyholderService

    def health(self) -> list[EndpointHealth]:
        return self.endpoints.health()

    def states(self) -> list[str]:
        """How each endpoint does, in a word."""
        return [one.state.value for one in self.health()]


@contextmanager
def watching(world: World, *nodes: Any, agree: int | None = None, patience: float = 10) -> Iterator[Watching]:
    """The first keyholder asks ``nodes``, until the end."""
    endpoints = Endpoints(nodes, agree=agree, patience=patience)
    with ExitStack() as after:
        after.callback(endpoints.close)
        chain = Chain(endpoints, world.chain.deployed)
        card, before = world.group.roster.keyholders[0], world.keyholders[0]
        keyholder = open_keyholder(world.home / "keyholders", world.group.roster, card, chain)
        after.callback(keyholder.close)
        world.keyholders[0] = keyholder
        after.callback(world.keyholders.__setitem__, 0, before)
        yield Watching(world, endpoints, keyholder)


def uncertain(keyholder: KeyholderService, attack: Callable[[], object]) -> str:
    """Why the keyholder could not tell the chain, as its own journal names it. The test fails when ``attack``
    gets through."""
    before = len(keyholder.journal())
    with pytest.raises(ChainUncertain) as caught:
        attack()
    rows = keyholder.journal()[before:]
    assert [row.kind for row in rows] == ["uncertain"]
    assert rows[0].body["why"] == type(caught.value).__name__
    return rows[0].body["why"]


class Dripper:
    """An endpoint before a node, which is honest until it ``drips``."""

    url = ""
    drips = False


@contextmanager
def dripping(node: str, where: str) -> Iterator[Dripper]:
    """A `Dripper` before ``node`` that gives the ``"head"`` or the ``"body"`` of its answers drop by drop."""
    dripper, over = Dripper(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            if not dripper.drips:
                body = requests.post(node, request, headers={"Content-Type": "application/json"}, timeout=60)
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" + body.content)
                return
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nX-Long: " + b"\r\nContent-Length: 100\r\n\r\n" * (where == "body")
            )
            with suppress(OSError):
                while not over.wait(0.1):
                    self.wfile.write(b" ")

        def log_message(self, format: str, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    dripper.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield dripper
    finally:
        over.set()
        server.shutdown()
        server.server_close()
