"""A server between a command and a node: it passes on, hangs, breaks off or lies, as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

Answer = dict[str, Any]
PassOn = Callable[[Answer], Answer]


class BreakOff(Exception):
    """Ends the connection without an answer."""


@contextmanager
def middleman(url: str, answer: Callable[[Answer, PassOn], Answer | bytes | None]) -> Iterator[str]:
    """The address of a JSON-RPC server in front of the node at ``url``.

    ``answer`` is given each request and what passes it on to the node; it gives the answer, or raw bytes in
    its place, or None to say nothing until the end, or raises `BreakOff`."""
    over = threading.Event()

    def pass_on(request: Answer) -> Answer:
        return dict(requests.post(url, json=request, timeout=60).json())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                given = answer(request, pass_on)
            except BreakOff:
                self.close_connection = True
                return
            if given is None:
                over.wait()
                self.close_connection = True
                return
            body = given if isinstance(given, bytes) else json.dumps(given).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
