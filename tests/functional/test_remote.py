"""A keyholder over HTTP that lies, stalls or talks without end does not answer: nothing worse."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from eth_account import Account

from consentry.errors import JournalBroken, KeyholderRefused, Unreachable
from consentry.keyholder import remote, wire
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.messages import Signed
from consentry.keyholder.remote import RemoteKeyholder

CARD = KeyholderCard(1, "institution 1", Account.create().address, b"", "http://127.0.0.1:1")
ACKNOWLEDGED = Signed(1, "box", bytes(32), 7, 3, bytes(32), bytes(65))
GOOD = wire.Acknowledgement.of(ACKNOWLEDGED).model_dump_json(by_alias=True).encode()
Talk = Callable[[socket.socket], None]


def http(body: bytes, status: str = "200 OK", *more: str) -> bytes:
    """The bytes of an answer."""
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *more]
    return "\r\n".join([*head, "", ""]).encode() + body


def says(answer: bytes) -> Talk:
    return lambda line: line.sendall(answer)


@contextmanager
def talking(talk: Talk, **options: float) -> Iterator[RemoteKeyholder]:
    """A keyholder at a URL where somebody talks as they like."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stopped = threading.Event()

        def listen() -> None:
            while not stopped.is_set():
                with suppress(OSError):
                    line, _ = server.accept()
                    with line:
                        line.recv(1 << 16)
                        with suppress(OSError):
                            talk(line)

        thread = threading.Thread(target=listen)
        thread.start()
        keyholder = RemoteKeyholder(
            replace(CARD, url=f"http://127.0.0.1:{server.getsockname()[1]}"), **options
        )
        try:
            yield keyholder
        finally:
            keyholder.close()
            stopped.set()
            with suppress(OSError):
                socket.create_connection(server.getsockname(), timeout=1).close()
            thread.join()


def test_a_good_answer_is_the_value_that_was_sent() -> None:
    with talking(says(http(GOOD))) as keyholder:
        assert keyholder.box(b"any") == ACKNOWLEDGED


def test_the_one_refusal_is_a_refusal_and_nothing_else_is() -> None:
    refusing = says(http(b'{"error":"refused"}', "403 Forbidden"))
    with talking(refusing) as keyholder, pytest.raises(KeyholderRefused):
        keyholder.box(b"any")
    blocking = says(http(b"<html>a proxy's page</html>", "403 Forbidden"))
    with talking(blocking) as proxy, pytest.raises(Unreachable, match="HTTP 403"):
        proxy.box(b"any")


LIES: dict[str, bytes] = {
    "nothing": b"",
    "no HTTP": b"hello\r\n\r\n",
    "a page": http(b"<html></html>"),
    "half an answer": http(GOOD)[:-5],
    "JSON of another shape": http(b"[]"),
    "a field too many": http(json.dumps({**json.loads(GOOD), "more": 1}).encode()),
    "a field too few": http(b"{}"),
    "a word too short": http(GOOD.replace(b"00", b"", 1)),
    "a number that is none": http(GOOD.replace(b":7,", b":1e400,")),
    "a depth without end": http(b"[" * 1_000_000),
    "another status": http(GOOD, "201 Created"),
    "later": http(b'{"error":"try again later"}', "503 Service Unavailable"),
    "elsewhere": http(b"", "307 Temporary Redirect", "Location: http://127.0.0.1:9/"),
    "a packed answer": http(gzip.compress(GOOD), "200 OK", "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_no_answer_is_silence(lie: str) -> None:
    with talking(says(LIES[lie])) as keyholder, pytest.raises(Unreachable, match="does not answer"):
        keyholder.box(b"any")


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MOST", 1 << 20)

    def endless(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            line.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")

    with talking(endless) as keyholder, pytest.raises(Unreachable, match="too long or too slow"):
        keyholder.box(b"any")


def test_an_answer_that_drips_is_given_up() -> None:
    def drip(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(300):
            line.sendall(b" ")
            time.sleep(0.05)

    with talking(drip, patience=0.3) as keyholder, pytest.raises(Unreachable, match="too long or too slow"):
        keyholder.box(b"any")


def test_a_journal_without_end_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"index": 0, "time": 0, "kind": "own", "body": {}, "hash": "00" * 32, "signature": ""}
    monkeypatch.setattr(remote, "MOST_ROWS", 10)
    endless = says(http(json.dumps({"rows": [row]}).encode(), "200 OK", "Connection: close"))
    with talking(endless) as one, pytest.raises(JournalBroken, match="more than 10 rows"):
        one.journal()


def test_nobody_there_is_named_by_the_url() -> None:
    keyholder = RemoteKeyholder(CARD)
    with pytest.raises(Unreachable, match=r"http://127.0.0.1:1 does not answer \(ConnectError\)"):
        keyholder.box(b"any")
    keyholder.close()
