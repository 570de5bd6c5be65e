"""One web3 connection: calls, transactions and events, with errors by their contract's own names."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from eth_abi.abi import decode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import (
    BadResponseFormat,
    ContractLogicError,
    TimeExhausted,
    Web3Exception,
    Web3RPCError,
)
from web3.types import TxParams

from consentry.chain.deployments import Deployed
from consentry.chain.manifest import NAMES, abi
from consentry.consent.rule import Reason
from consentry.errors import ConsentryError, ContractRefused, TransactionFailed, Unreachable, WrongChain
from consentry.keys.typed import Signer

_TIP = 10**9
_TIMEOUT = 120
_GAS_MARGIN = 1.25


@dataclass(frozen=True, slots=True)
class Receipt:
    """A mined transaction: its hash (32 bytes), block number and the gas it used."""

    hash: bytes
    block: int
    gas: int


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
    thread-safe. Raises `WrongChain` when the node is on another chain or lacks the contracts."""

    def __init__(self, web3: Web3, deployed: Deployed) -> None:
        self.web3, self.deployed = web3, deployed
        self._lock = threading.RLock()
        with self._guard():
            if web3.eth.chain_id != deployed.chain_id or genesis(web3) != deployed.genesis:
                raise WrongChain(f"the node is not on the chain {deployed.chain_id} of the deployment")
            for name, placed in deployed.contracts.items():
                if not web3.eth.get_code(Web3.to_checksum_address(placed.address)):
                    raise WrongChain(f"there is no {name} at {placed.address} on this chain")
        self._contracts = {
            name: web3.eth.contract(Web3.to_checksum_address(deployed.contracts[name].address), abi=abi(name))
            for name in NAMES
        }

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except ConsentryError:
                raise
            except (requests.RequestException, ConnectionError, TimeoutError, BadResponseFormat) as error:
                raise Unreachable(
                    f"the chain's node does not answer ({type(error).__name__}); nothing was lost, "
                    "run the same command again when it does"
                ) from None
            except Exception as error:
                if (refused := named_error(error)) is not None:
                    raise refused from None
                if isinstance(error, Web3RPCError):
                    raise Unreachable(f"the chain's node refused: {str(error)[:200]}") from None
                raise

    def call(self, contract: str, function: str, *args: Any) -> Any:
        """The answer of a view at head."""
        with self._guard():
            return self._contracts[contract].functions[function](*args).call()

    def send(self, signer: Signer, contract: str, function: str, *args: Any) -> Receipt:
        """Sends one transaction and waits for it. An ``eth_call`` goes first, since a mined revert
        carries no reason. Raises `ContractRefused`, `TransactionFailed` or `Unreachable`."""
        with self._guard():
            bound = self._contracts[contract].functions[function](*args)
            address = Web3.to_checksum_address(signer.address)
            sender: TxParams = {"from": address}
            bound.call(sender)
            gas = int(bound.estimate_gas(sender) * _GAS_MARGIN)
            base_fee = self.web3.eth.get_block("latest").get("baseFeePerGas") or 0
            transaction = {
                **sender,
                "to": bound.address,
                "data": bound._encode_transaction_data(),
                "value": 0,
                "chainId": self.deployed.chain_id,
                "nonce": self.web3.eth.get_transaction_count(address),
                "gas": gas,
                "maxFeePerGas": 2 * base_fee + _TIP,
                "maxPriorityFeePerGas": _TIP,
                "type": 2,
            }
            return self.wait(signer.send(transaction))

    def wait(self, transaction: bytes) -> Receipt:
        """The receipt of a sent transaction. Raises `TransactionFailed` when it was mined and reverted, and
        `Unreachable` when it was not mined in time: it may be still."""
        try:
            with self._guard():
                receipt = self.web3.eth.wait_for_transaction_receipt(HexBytes(transaction), timeout=_TIMEOUT)
        except TimeExhausted:
            raise Unreachable(
                f"the transaction 0x{transaction.hex()} was sent, and not mined within {_TIMEOUT} seconds; "
                "run the same command again when it was"
            ) from None
        if receipt["status"] != 1:
            raise TransactionFailed(f"the transaction 0x{transaction.hex()} was mined and reverted")
        return Receipt(transaction, receipt["blockNumber"], receipt["gasUsed"])

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


def genesis(web3: Web3) -> bytes:
    """The hash of block 0, 32 bytes."""
    return bytes(web3.eth.get_block(0)["hash"])


def named_error(error: Exception) -> ContractRefused | None:
    """The contract's own error inside a client's exception, or None."""
    data = _revert_data(error)
    if data is None:
        return None
    known = _errors().get(data[:4])
    if known is None:
        return ContractRefused("Reverted", {"data": data}) if isinstance(error, ContractLogicError) else None
    name, types, names = known
    try:
        values = dict(zip(names, decode(types, data[4:]), strict=True))
        if name == "NotAllowed":
            values["reason"] = Reason(values["reason"]).text
        return ContractRefused(name, values)
    except Exception:  # an error whose data does not fit its own ABI is still a refusal
        return ContractRefused(name, {})


def _revert_data(error: Exception) -> bytes | None:
    data = getattr(error, "data", None)
    if isinstance(data, str) and data.startswith("0x"):
        return bytes.fromhex(data[2:])
    if isinstance(error, ContractLogicError):
        return b""
    if type(error).__name__ == "TransactionFailed":  # eth-tester puts the bytes into the text
        _, _, tail = str(error).partition("execution reverted: ")
        try:
            literal = ast.literal_eval(tail)
            return literal if isinstance(literal, bytes) else b""
        except (ValueError, SyntaxError):
            return b""
    return None


ErrorType = tuple[str, list[str], list[str]]


def _errors() -> dict[bytes, ErrorType]:
    found: dict[bytes, ErrorType] = {}
    for contract in NAMES:
        for item in abi(contract):
            if item["type"] == "error":
                types = [collapse_if_tuple(dict(field)) for field in item["inputs"]]
                names = [field["name"] for field in item["inputs"]]
                selector = keccak(text=f"{item['name']}({','.join(types)})")[:4]
                found[selector] = (item["name"], types, names)
    return found
