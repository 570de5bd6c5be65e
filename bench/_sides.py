"""What `bench/store.py` measures, side by side: ours, and the usual way.

A side that moves one large file runs as a process of its own (``python -m bench._sides NAME ...``), so that
the operating system says how much memory it took.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.middleware import SignAndSendRawMiddlewareBuilder

from consentry import seal
from consentry.client.steps import EVENT, Step
from consentry.record import Record
from consentry.store.kubo import KuboStore
from consentry.store.rpc import connect

ROOMS = {
    Step.SEALED: "seal",
    Step.SALTED: "seal",
    Step.PINNED: "pin",
    Step.NAMED: "pin",
    Step.SIGNED: "envelope",
    Step.DEALT: "deal",
    Step.HELD: "deal",
    Step.COPY: "deal",
    Step.ANCHORED: "anchor",
}


class Clock:
    """Where the time of a deposit goes: every durable step ends the piece of work before it."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._last: float | None = None
        sys.addaudithook(self._hear)

    def start(self) -> None:
        """From now on."""
        self.seconds.clear()
        self._last = time.perf_counter()

    def stop(self) -> None:
        """What came after the last step counts as the rest."""
        self._end("rest")
        self._last = None

    def _hear(self, event: str, arguments: Sequence[Any]) -> None:
        if event == EVENT and self._last is not None:
            self._end(ROOMS.get(Step(arguments[0]), "rest"))

    def _end(self, room: str) -> None:
        assert self._last is not None
        now = time.perf_counter()
        self.seconds[room] += now - self._last
        self._last = now


def ours(desk: Any, patient: bytes, bodies: Sequence[bytes]) -> None:
    """Sealed, dealt to five keyholders, pinned as one CAR, anchored: the patient's deposit."""
    records = [Record("general", "application/octet-stream", body, "2026-01-01") for body in bodies]
    desk.deposit(patient, records)


def usual(api: str, rpc: str, registry: str, abi: Any, key: bytes, bodies: Sequence[bytes]) -> None:
    """In clear, one `add_bytes` and one awaited transaction each; the transaction is the anchor of ours, sent
    by web3 as its documentation shows."""
    web3 = Web3(HTTPProvider(rpc))
    account = Account.from_key(key)
    web3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(account), layer=0)
    anchor = web3.eth.contract(Web3.to_checksum_address(registry), abi=abi).functions.anchor
    with closing(connect(api, "", 30)) as client:
        for body in bodies:
            client.add_bytes(body)
            sent = anchor(secrets.token_bytes(32), hashlib.sha256(body).digest()).transact(
                {"from": account.address}
            )
            web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.001)


def sealed_and_pinned(api: str, source: Path, work: Path, pin: str) -> tuple[float, float]:
    """Sealed into a file, as a deposit does into its outbox, then pinned in one of our two ways; the seconds
    of each."""
    begun = time.perf_counter()
    blob = work / "blob"
    with source.open("rb") as plain, blob.open("wb") as sink:
        seal.seal(plain, sink, secrets.token_bytes(32), secrets.token_bytes(32))
        sink.flush()
        os.fsync(sink.fileno())
    sealed = time.perf_counter()
    store = KuboStore(api)
    ways: dict[str, Callable[[Any], str]] = {"add": store.put, "car": lambda file: store.put_many([file])[0]}
    with blob.open("rb") as file:
        ways[pin](file)
    return sealed - begun, time.perf_counter() - sealed


if __name__ == "__main__":
    way, address, file, folder = sys.argv[1:]
    print(json.dumps(sealed_and_pinned(address, Path(file), Path(folder), way)))
