"""One web3 connection: calls, transactions and events, with errors by their contract's own names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web3 import Web3
from web3.exceptions import Web3Exception

from consentry.chain.deployments import Deployed
from consentry.chain.manifest import NAMES, abi
from consentry.chain.node import asking, identify
from consentry.chain.sending import Sender
from consentry.chain.transaction import Call, Receipt
from consentry.errors import WrongChain
from consentry.keys.typed import Signer


@dataclass(frozen=True, slots=True)
class Event:
    """One event with its arguments by name and its place: block number, log index, transaction."""

    name: str
    args: dict[str, Any]
    block: int
    index: int
    transaction: bytes


class Rpc:
    """The contracts of one deployment over one connection; calls are serialised, since py-evm is not
    thread-safe. ``folder`` is where it writes down what is under way (None: in memory); ``receipts`` are
    those of all that was sent from here. Raises `WrongChain` when the node is on another chain or lacks
    the contracts."""

    def __init__(self, web3: Web3, deployed: Deployed, folder: Path | None = None) -> None:
        self.web3, self.deployed = web3, deployed
        self.receipts: list[Receipt] = []
        self._lock = threading.RLock()
        with self._guard():
            if identify(web3) != (deployed.chain_id, deployed.genesis):
                raise WrongChain(
                    f"the node is not on the chain {deployed.chain_id} of the deployment (genesis "
                    f"0x{deployed.genesis.hex()[:8]}...); connect to that one"
                )
            for name, placed in deployed.contracts.items():
                if not web3.eth.get_code(Web3.to_checksum_address(placed.address)):
                    raise WrongChain(
                        f"there is no {name} at {placed.address} on this chain: its node has lost blocks or "
                        "is still catching up, or deployments.json is wrong"
                    )
            self._sender = Sender(web3, folder)
        self._contracts = {
            name: web3.eth.contract(Web3.to_checksum_address(deployed.contracts[name].address), abi=abi(name))
            for name in NAMES
        }

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with self._lock, asking():
            yield

    def call(self, contract: str, function: str, *args: Any) -> Any:
        """The answer of a view at head."""
        with self._guard():
            return self._contracts[contract].functions[function](*args).call()

    def send(self, signer: Signer, contract: str, function: str, *args: Any) -> Receipt:
        """Sends one transaction and waits for it; see `Sender.send`."""
        with self._guard():
            bound = self._contracts[contract].functions[function](*args)
            call = Call(bound.address, bound._encode_transaction_data())
            self.receipts.append(self._sender.send(signer, call))
            return self.receipts[-1]

    def settle(self, signer: Signer) -> None:
        """See `Sender.settle`."""
        with self._guard():
            self._sender.settle(signer)

    def events(
        self, contract: str, event: str, first: int | None = None, last: int | None = None, **filters: Any
    ) -> list[Event]:
        """Events by name in order of the chain; ``filters`` are indexed arguments. ``first`` and ``last``
        are block numbers, by default all since the deployment."""
        start = self.deployed.block if first is None else first
        with self._guard():
            logs = (
                self._contracts[contract]
                .events[event]
                .get_logs(
                    from_block=start, to_block="latest" if last is None else last, argument_filters=filters
                )
            )
        found = [
            Event(
                event, dict(log["args"]), log["blockNumber"], log["logIndex"], bytes(log["transactionHash"])
            )
            for log in logs
        ]
        return sorted(found, key=lambda e: (e.block, e.index))

    def block(self, number: int | str) -> dict[str, Any]:
        """A block's header fields, by number or ``"latest"``."""
        with self._guard():
            return dict(self.web3.eth.get_block(number))  # type: ignore[arg-type]

    def code(self, address: str) -> bytes:
        """The code at ``address`` at head; empty where there is none."""
        with self._guard():
            return bytes(self.web3.eth.get_code(Web3.to_checksum_address(address)))

    def raw_call(self, address: str, data: bytes) -> bytes:
        """What the contract at ``address`` answers to ``data``; empty where it reverts or is none."""
        with self._guard():
            try:
                to = Web3.to_checksum_address(address)
                return bytes(self.web3.eth.call({"to": to, "data": Web3.to_hex(data)}))
            except (Web3Exception, ValueError):
                return b""
