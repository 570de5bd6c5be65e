"""The contracts on an Anvil, the model's counterpart: people send to them, and all of it is read at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from eth_abi.abi import decode, encode
from eth_account import Account
from eth_utils.abi import abi_to_signature, get_abi_input_names, get_abi_input_types, get_abi_output_types
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from bench._anvil import anvil
from tests.contracts.anvils import of_ape
from tests.contracts.words import raw, word

BEGINNING = 1_767_225_600
GAS = 2_000_000
Question = tuple[bytes, bytes]
"""Whom to ask, and the calldata."""


class Person:
    """Somebody with a key; an address is 20 bytes here."""

    def __init__(self, name: str) -> None:
        self.name, self._key = name, word(f"the key of {name}")
        self.address = raw(Account.from_key(self._key).address)

    def __repr__(self) -> str:
        return self.name

    def sign(self, digest: bytes) -> bytes:
        """65 bytes: r, s, v."""
        return bytes(Account.unsafe_sign_hash(digest, self._key).signature)


class Deployed:
    """A contract: what its functions are called with."""

    def __init__(self, kind: dict[str, Any], address: bytes) -> None:
        self.address = address
        functions = [each for each in kind["abi"] if each["type"] == "function"]
        self.selectors = {each["name"]: keccak(text=abi_to_signature(each))[:4] for each in functions}
        self.types = {each["name"]: get_abi_input_types(each) for each in functions}
        self.inputs = {each["name"]: get_abi_input_names(each) for each in functions}
        self.outputs = {each["name"]: get_abi_output_types(each) for each in functions}

    def data(self, function: str, *arguments: Any) -> bytes:
        return self.selectors[function] + encode(self.types[function], arguments)

    def ask(self, function: str, *arguments: Any) -> Question:
        return self.address, self.data(function, *arguments)


class Side:
    """A node that mines a block a transaction, at the second that it is told."""

    def __init__(self, url: str, project: Any, people: Iterable[Person]) -> None:
        self._http = httpx.Client(base_url=url, timeout=60)
        self._rpc("anvil_autoImpersonateAccount", True)
        for each in people:
            self._rpc("anvil_setBalance", _hex(each.address), hex(10**24))
        self._project, self._errors = project, dict[bytes, str]()
        self.now, self.newest_block = BEGINNING, b""
        self.chain_id = int(self._rpc("eth_chainId"), 16)

    def close(self) -> None:
        self._http.close()

    def deploy(self, name: str, by: Person, *arguments: Any) -> Deployed:
        """A contract of the project."""
        kind = of_ape(getattr(self._project, name))
        constructor = [each for each in kind["abi"] if each["type"] == "constructor"]
        types = get_abi_input_types(constructor[0]) if constructor else []
        code = bytes.fromhex(kind["deploymentBytecode"]["bytecode"].removeprefix("0x"))
        receipt = self._mined(by, None, code + encode(types, arguments), self.now + 1, 8 * GAS)
        assert receipt["status"] == "0x1"
        errors = [each for each in kind["abi"] if each["type"] == "error"]
        self._errors |= {keccak(text=abi_to_signature(each))[:4]: each["name"] for each in errors}
        return Deployed(kind, bytes.fromhex(receipt["contractAddress"][2:]))

    def send(self, by: Person, to: Deployed, data: bytes, at: int) -> str:
        """Sends in a block of that time; gives the name of the error, empty where there was none."""
        receipt = self._mined(by, to.address, data, at, GAS)
        if receipt["status"] == "0x1":
            return ""
        before = hex(int(receipt["blockNumber"], 16) - 1)
        call = {"from": _hex(by.address), "to": _hex(to.address), "data": _hex(data), "gas": hex(GAS)}
        answer = self._answer("eth_call", call, before, {}, {"time": hex(at)})
        selector = bytes.fromhex(answer["error"].get("data", "0x")[2:10])
        return self._errors.get(selector, f"an unnamed error {answer['error']}")

    def send_in_one_block(self, by: Person, to: Deployed, all_data: list[bytes], at: int) -> None:
        """Sends several, none of which is refused, in one block of that time."""
        self._rpc("evm_setAutomine", False)
        sent = []
        for data in all_data:
            transaction = {
                "from": _hex(by.address),
                "to": _hex(to.address),
                "data": _hex(data),
                "gas": hex(GAS),
            }
            sent.append(self._rpc("eth_sendTransaction", transaction))
        self.wait(at)
        self._rpc("evm_setAutomine", True)
        receipts = [self._rpc("eth_getTransactionReceipt", each) for each in sent]
        assert [each["status"] for each in receipts] == ["0x1"] * len(all_data)
        assert {bytes.fromhex(each["blockHash"][2:]) for each in receipts} == {self.newest_block}

    def wait(self, until: int) -> None:
        """Mines an empty block at that second."""
        self._rpc("evm_setNextBlockTimestamp", until)
        self._rpc("evm_mine")
        block = self._rpc("eth_getBlockByNumber", "latest", False)
        self.now, self.newest_block = int(block["timestamp"], 16), bytes.fromhex(block["hash"][2:])
        assert self.now == until

    def read(self, of: Deployed, function: str, *arguments: Any) -> Any:
        """What a view answers at the newest block; it has one answer."""
        call = {"to": _hex(of.address), "data": _hex(of.data(function, *arguments)), "gas": hex(10**10)}
        said = self._rpc("eth_call", call, "latest", {}, {"time": hex(self.now)})
        return decode(of.outputs[function], bytes.fromhex(said[2:]))[0]

    def snapshot(self) -> tuple[str, int, bytes]:
        return self._rpc("evm_snapshot"), self.now, self.newest_block

    def restore(self, kept: tuple[str, int, bytes]) -> None:
        snapshot, self.now, self.newest_block = kept
        assert self._rpc("evm_revert", snapshot)

    def _mined(self, by: Person, to: bytes | None, data: bytes, at: int, gas: int) -> dict[str, Any]:
        self._rpc("evm_setNextBlockTimestamp", at)
        transaction = {"from": _hex(by.address), "data": _hex(data), "gas": hex(gas)}
        if to:
            transaction["to"] = _hex(to)
        receipt: dict[str, Any] = self._rpc("eth_sendTransactionSync", transaction)
        self.now, self.newest_block = at, bytes.fromhex(receipt["blockHash"][2:])
        return receipt

    def _rpc(self, method: str, *params: Any) -> Any:
        answer = self._answer(method, *params)
        assert "result" in answer, answer
        return answer["result"]

    def _answer(self, method: str, *params: Any) -> dict[str, Any]:
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer: dict[str, Any] = self._http.post("/", json=question).json()
        return answer


@contextmanager
def side(project: Any, people: Iterable[Person]) -> Iterator[Side]:
    """A side of one's own."""
    with anvil("--gas-limit", str(10**10), hardfork="shanghai", timestamp=BEGINNING) as url:
        made = Side(url, project, people)
        try:
            yield made
        finally:
            made.close()


def _hex(data: bytes) -> str:
    return to_checksum_address(data) if len(data) == 20 else "0x" + data.hex()
