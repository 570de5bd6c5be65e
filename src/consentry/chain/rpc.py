"""One web3 connection: calls, transactions and events, with errors by their contract's own names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from eth_utils.abi import event_abi_to_log_topic
from hexbytes import HexBytes
from web3 import EthereumTesterProvider, Web3
from web3.exceptions import BlockNotFound, Web3Exception, Web3RPCError
from web3.types import RPCEndpoint, RPCResponse

from consentry.chain import functions
from consentry.chain.deployments import Deployed
from consentry.chain.manifest import NAMES, abi
from consentry.chain.node import asking, identify, reading
from consentry.chain.proof import Header, Log, prove_header, prove_logs
from consentry.chain.refusals import reverted
from consentry.chain.sending import Sender
from consentry.chain.transaction import Call, Receipt
from consentry.errors import BlockUnproved, WrongChain
from consentry.keys.typed import Signer

_FOREIGN = 3_000_000  # gas for a contract that may be anybody's, and may burn what it gets


@dataclass(frozen=True, slots=True)
class Event:
    """One event with its arguments by name and its place: block number, log index, transaction."""

    name: str
    args: dict[str, Any]
    block: int
    index: int
    transaction: bytes


class Rpc:
    """The contracts of one deployment over one connection, for several threads; what is asked of py-evm in
    this process, and what is sent, goes one at a time. ``folder`` is where it writes down what is under way
    (None: in memory); ``receipts`` are those of all that was sent from here. Raises `WrongChain` when the
    node is on another chain or lacks the contracts."""

    def __init__(self, web3: Web3, deployed: Deployed, folder: Path | None = None) -> None:
        self.web3, self.deployed = web3, deployed
        self.receipts: list[Receipt] = []
        self._lock = threading.RLock()
        self._contracts = {
            name: web3.eth.contract(Web3.to_checksum_address(deployed.contracts[name].address), abi=abi(name))
            for name in NAMES
        }
        self._folder = folder
        self.check()

    def check(self) -> None:
        """Raises `WrongChain` unless the node is on the deployment's chain and has the contracts."""
        deployed = self.deployed
        with self._reading():
            if identify(self.web3) != (deployed.chain_id, deployed.genesis):
                raise WrongChain(
                    f"the node is not on the chain {deployed.chain_id} of the deployment (genesis "
                    f"0x{deployed.genesis.hex()[:8]}...); connect to that one"
                )
            for name, placed in deployed.contracts.items():
                if not self.web3.eth.get_code(Web3.to_checksum_address(placed.address)):
                    raise WrongChain(
                        f"there is no {name} at {placed.address} on this chain: its node has lost blocks or "
                        "is still catching up, or deployments.json is wrong"
                    )
            _ = self._sender  # made now: what is signed later is for this chain

    @cached_property
    def _sender(self) -> Sender:
        """Signs for the chain on which the node is when it is made."""
        return Sender(self.web3, self._folder)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with self._lock if self._inside else nullcontext(), asking():
            yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._guard(), reading():
            yield

    @contextmanager
    def at_one_head(self) -> Iterator[None]:
        """What is asked within may be answered as of one head."""
        yield

    def call(self, contract: str, function: str, *args: Any, at: int | str = "latest") -> Any:
        """The answer of a view at head, or at the block ``at``."""
        view = functions.function(contract, function)
        asked = {"to": self._contracts[contract].address, "data": view.asked(*args)}
        with self._reading():
            answer = self._ask("eth_call", asked, hex(at) if isinstance(at, int) else at, failed=reverted)
            return view.answered(HexBytes(answer))

    def send(self, signer: Signer, contract: str, function: str, *args: Any) -> Receipt:
        """Sends one transaction and waits for it; see `Sender.send`."""
        with self._lock, self._guard():
            data = functions.function(contract, function).asked(*args)
            call = Call(self._contracts[contract].address, data)
            self.receipts.append(self._sender.send(signer, call))
            return self.receipts[-1]

    def settle(self, signer: Signer) -> None:
        """See `Sender.settle`."""
        with self._lock, self._guard():
            self._sender.settle(signer)

    def affords(self, address: str, gas: int) -> bool:
        """Whether an account could pay for ``gas`` at the price that a transaction would offer now."""
        with self._guard():
            return self._sender.affords(address, gas)

    def events(
        self, contract: str, event: str, first: int | None = None, last: int | None = None, **filters: Any
    ) -> list[Event]:
        """Events by name in order of the chain; ``filters`` are indexed arguments. ``first`` and ``last``
        are block numbers, by default all since the deployment."""
        start = self.deployed.block if first is None else first
        with self._reading():
            logs = (
                self._contracts[contract]
                .events[event]
                .get_logs(
                    from_block=start, to_block="latest" if last is None else last, argument_filters=filters
                )
            )
        found = [_event(log, bytes(log["transactionHash"])) for log in logs]
        return sorted(found, key=lambda e: (e.block, e.index))

    def block(self, number: int | str) -> dict[str, Any]:
        """A block's header fields, by number or ``"latest"``."""
        with self._reading():
            return dict(self.web3.eth.get_block(number))  # type: ignore[arg-type]

    def header(self, block: int | str) -> Header | None:
        """The header of ``block`` (a number, ``"latest"``, ``"safe"``, ``"finalized"``), held against its
        hash; None where the node does not have it. Raises `BlockUnproved`.

        py-evm in this process says nothing over JSON-RPC and is asked as it is: nobody stands between."""
        with self._reading():
            if self._inside:
                try:
                    found = self.web3.eth.get_block(block)  # type: ignore[arg-type]
                except BlockNotFound:
                    return None
                return Header(found["number"], found["timestamp"], bytes(found["hash"]), b"")
            name = hex(block) if isinstance(block, int) else block
            raw = self._ask("eth_getBlockByNumber", name, False)
            if raw is None:
                return None
            header = prove_header(raw)
        if isinstance(block, int) and header.number != block:
            raise BlockUnproved(f"the node gave block {header.number} for block {block}")
        return header

    def proved(self, header: Header, contract: str, event: str) -> list[Event]:
        """The events of the block ``header``, out of all its receipts and held against its hash; their
        transaction is not. Raises `BlockUnproved`. Of py-evm in this process: see `header`."""
        if self._inside:
            return self.events(contract, event, header.number, header.number)
        maker = self._contracts[contract].events[event]()
        address, topic = bytes.fromhex(maker.address[2:]), event_abi_to_log_topic(maker.abi)
        with self._reading():
            logs = prove_logs(header, self._receipts_of(header))
            mine = [one for one in logs if one.address == address and one.topics[:1] == (topic,)]
            return [_event(maker.process_log(_as_web3(one, header)), b"") for one in mine]

    def _receipts_of(self, header: Header) -> Any:
        number = hex(header.number)
        try:
            return self._ask("eth_getBlockReceipts", number)
        except Web3RPCError:  # not every node has it
            block = self._ask("eth_getBlockByNumber", number, False)
            return [self._ask("eth_getTransactionReceipt", one) for one in block["transactions"]]

    def _ask(self, method: str, *arguments: Any, failed: Callable[[RPCResponse], Any] | None = None) -> Any:
        """The node's answer as it is; ``failed`` may give an error another name."""
        return self.web3.manager.request_blocking(RPCEndpoint(method), list(arguments), failed)

    @property
    def _inside(self) -> bool:
        return isinstance(self.web3.provider, EthereumTesterProvider)

    def code(self, address: str) -> bytes:
        """The code at ``address`` at head; empty where there is none."""
        with self._reading():
            return bytes(self.web3.eth.get_code(Web3.to_checksum_address(address)))

    def raw_call(self, address: str, data: bytes) -> bytes:
        """What the contract at ``address`` answers to ``data``; empty where it reverts or is none."""
        with self._reading():
            try:
                asked = {"to": Web3.to_checksum_address(address), "data": Web3.to_hex(data)}
                return bytes(HexBytes(self._ask("eth_call", {**asked, "gas": hex(_FOREIGN)}, "latest")))
            except (Web3Exception, ValueError):
                return b""


def _event(log: Any, transaction: bytes) -> Event:
    return Event(log["event"], dict(log["args"]), log["blockNumber"], log["logIndex"], transaction)


def _as_web3(log: Log, header: Header) -> Any:
    """A proved log in the shape that web3 decodes."""
    return {
        "address": Web3.to_checksum_address(log.address),
        "topics": [HexBytes(topic) for topic in log.topics],
        "data": HexBytes(log.data),
        "blockNumber": header.number,
        "blockHash": HexBytes(header.hash),
        "logIndex": log.index,
        "transactionIndex": 0,
        "transactionHash": HexBytes(bytes(32)),
    }
