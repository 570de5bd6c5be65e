"""A Kubo that a test may stop, and a middleman before one that may cut, hang and lie."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import ipfshttpclient

from consentry.store.rpc import connect

Answer = tuple[int, bytes]


def client_of(address: str) -> ipfshttpclient.Client:
    """A plain client, to look past the store."""
    return connect(address, "", 30)


def unpin_all(address: str) -> None:
    """Lets everything go that tests have put there."""
    client = client_of(address)
    if pinned := list(client.pin.ls(type="recursive").get("Keys", {})):
        client.pin.rm(*pinned)


@dataclass
class Middleman:
    """Passes calls on to a daemon and its answers back, each through ``alter(call, answer)`` (a call is such
    as ``add``). ``calls`` are those that came, in their order, and ``asked`` the same with all they ask."""

    address: str = ""
    calls: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    alter: Callable[[str, Answer], Answer | None] = lambda call, answer: answer
    """Gives what goes back: status and body; None hangs up without a word."""


@contextmanager
def middleman(daemon: str) -> Iterator[Middleman]:
    """A middleman on a free port before the daemon at a multiaddr."""
    man, port = Middleman(), int(daemon.split("/")[4])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None: ...

        def do_POST(self) -> None:
            call = self.path.removeprefix("/api/v0/").split("?")[0]
            man.calls.append(call)
            man.asked.append(self.path)
            body = b"".join(self._chunks())
            there = http.client.HTTPConnection("127.0.0.1", port)
            there.request("POST", self.path, body, {"Content-Type": self.headers.get("Content-Type", "")})
            with there.getresponse() as response:
                answer = man.alter(call, (response.status, response.read()))
            there.close()
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer[1])))
            self.end_headers()
            self.wfile.write(answer[1])

        def _chunks(self) -> Iterator[bytes]:
            if self.headers.get("Transfer-Encoding") != "chunked":
                yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
                return
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        man.address = f"/ip4/127.0.0.1/tcp/{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield man
        finally:
            server.shutdown()
            thread.join()
