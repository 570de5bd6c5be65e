"""Keyholders of this process behind HTTP on loopback, and what they say byte by byte."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import uvicorn

from bench._anvil import free_port
from consentry.errors import KeyholderRefused
from consentry.keyholder import wire
from consentry.keyholder.http.app import make_app
from consentry.keyholder.http.desk import Desk
from consentry.keyholder.http.door import Limits
from consentry.keyholder.http.metrics import Metrics
from consentry.keyholder.http.server import Listening, configured
from consentry.keyholder.remote import Answer, RemoteKeyholder
from consentry.keyholder.service import KeyholderService

VERBS = (
    *("statement", "box", "deal", "stop", "grants", "fetch_box", "labels", "release", "own"),
    *("hand_over", "took_over"),
)
TOKEN = "a token for auditors"


def said(port: int, request: bytes) -> bytes:
    """All that comes back for the bytes of a request, until the other side hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.sendall(request)
        return b"".join(iter(lambda: line.recv(1 << 16), b""))


def request(path: str, body: bytes = b"", *, method: str = "POST", headers: str = "") -> bytes:
    """The bytes of a request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: keyholder\r\nConnection: close\r\n{headers}"
    if body or method == "POST":
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class OverHttp(RemoteKeyholder):
    """The keyholder ``inner``, asked over HTTP; ``heard`` are the very bytes of each refusal. Everything but
    its verbs is that of ``inner``."""

    def __init__(self, inner: KeyholderService, port: int) -> None:
        super().__init__(replace(inner.card, url=f"http://127.0.0.1:{port}"))
        self.inner, self.port, self.heard = inner, port, list[bytes]()

    def _ask(self, method: str, path: str, body: bytes, answer: type[Answer]) -> Answer:
        raw = said(self.port, request(f"{wire.PREFIX}/{path}", body, method=method))
        if not raw.startswith(b"HTTP/1.1 200 "):
            self.heard.append(raw)
            raise KeyholderRefused
        return answer.model_validate_json(raw.partition(b"\r\n\r\n")[2])

    def journal(self) -> Any:
        return self.inner.journal()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@contextmanager
def served(inner: KeyholderService, limits: Limits | None = None, **at: Any) -> Iterator[OverHttp]:
    """``inner`` behind HTTP, in a thread of this process."""
    port = free_port()
    app = make_app(Desk(inner, Metrics(), TOKEN), limits or Limits(rate=0))
    server = uvicorn.Server(configured(app, Listening(port=port, **at)))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < until
            time.sleep(0.01)
        remote = OverHttp(inner, port)
        yield remote
        remote.close()
    finally:
        server.should_exit = True
        thread.join()
