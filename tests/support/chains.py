"""Real nodes for tests: Anvil, Ganache, and one that stands between and misbehaves."""

from __future__ import annotations

import json
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench._anvil import free_port, serving

TOOLS = Path(__file__).parents[2] / "tools" / "node_modules" / ".bin"
MNEMONIC = "test test test test test test test test test test test junk"  # Ape's and Anvil's, public
SEPOLIA = 11155111


@contextmanager
def ganache(*options: str) -> Iterator[str]:
    """Starts Ganache with Ape's test accounts, gives its URL, and ends it."""
    port = free_port()
    executable = shutil.which("ganache", path=TOOLS)
    assert executable, "no Ganache; run make setup"
    fixed = ("--chain.chainId", "1337", "--wallet.totalAccounts", "20", "--wallet.defaultBalance", "10000")
    wallet = (*fixed, "--wallet.mnemonic", MNEMONIC, "--logging.quiet")
    with serving([executable, "--server.port", str(port), *wallet, *options], port) as url:
        yield url


Answer = Callable[[dict[str, Any]], bytes | None]


class Meddler:
    """Stands before a node; ``meddle`` is asked for each question and gives the bytes to answer with, or None
    to let it pass. `silence` as an answer hangs up without one."""

    silence = b"<silence>"

    def __init__(self, node: str) -> None:
        self.node, self.url, self.status = node, "", 200
        self.meddle: Answer = lambda question: None
        self.asked: list[str] = []

    def forward(self, question: dict[str, Any]) -> bytes:
        """What the node itself answers."""
        ask = urllib.request.Request(
            self.node, json.dumps(question).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(ask, timeout=30) as answer:
            return bytes(answer.read())


@contextmanager
def meddler(node: str) -> Iterator[Meddler]:
    """A `Meddler` before the node at that URL, on a port of its own."""
    between = Meddler(node)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            between.asked.append(question["method"])
            answer = between.meddle(question)
            if answer is Meddler.silence:
                return
            status = 200 if answer is None else between.status
            body = between.forward(question) if answer is None else answer
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    between.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield between
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def tell(url: str, method: str, *arguments: Any) -> Any:
    """One question to a node, straight; an error is an answer that breaks the test."""
    question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(arguments)}
    answer = json.loads(Meddler(url).forward(question))
    assert "error" not in answer, answer
    return answer["result"]
