"""All that a chain makes public of a run: calldata, events, and on Anvil every slot and all code."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from eth_utils.abi import abi_to_signature
from web3 import Web3

from consentry.chain.manifest import NAMES, abi, contract_types
from tests.support.world import World


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that a stranger can read: where it stands, and its bytes."""

    where: str
    data: bytes


class Undecodable(AssertionError):
    """Something stands on chain that the contracts' own interfaces do not explain."""


def contracts(world: World) -> dict[str, Any]:
    """The deployed contracts, by name, as web3 knows them."""
    return {
        name: world.web3.eth.contract(Web3.to_checksum_address(placed.address), abi=abi(name))
        for name, placed in world.chain.deployed.contracts.items()
    }


def blocks(world: World, first: int = 0) -> Iterator[Any]:
    """Every block from ``first`` on, with its whole transactions."""
    for number in range(first, world.chain.head().number + 1):
        yield world.web3.eth.get_block(number, full_transactions=True)


def transactions(world: World, first: int = 0) -> Iterator[Seen]:
    """All calldata, raw and decoded value by value; a deployment's without the code that the manifest has."""
    known = {placed.address: name for name, placed in world.chain.deployed.contracts.items()}
    at = contracts(world)
    for block in blocks(world, first):
        yield Seen(f"block {block['number']} extra data", bytes(block.get("extraData", b"")))
        for transaction in block["transactions"]:
            data, where = calldata(transaction), f"transaction in block {block['number']}"
            if not transaction.get("to"):
                yield Seen(f"{where}: constructor", constructor_arguments(data))
            elif data:
                if transaction["to"] not in known:
                    raise Undecodable(f"{where} calls what is not ours: {transaction['to']}")
                contract = at[known[transaction["to"]]]
                function, values = contract.decode_function_input(data)
                yield Seen(f"{where}: {function.fn_name}", data)
                yield from decoded(f"{where}: {function.fn_name}", values)


def calldata(transaction: Any) -> bytes:
    """Under the name that py-evm or Anvil gives it."""
    return bytes(transaction["data" if "data" in transaction else "input"])


def constructor_arguments(data: bytes) -> bytes:
    """What follows the bytecode of one of our contracts."""
    for kind in contract_types().values():
        code = bytes.fromhex(kind["deploymentBytecode"]["bytecode"].removeprefix("0x"))
        if data.startswith(code):
            return data[len(code) :]
    raise Undecodable("a contract was deployed that the manifest does not have")


def events(world: World, first: int = 0) -> Iterator[Seen]:
    """All events, topics and data, raw and decoded value by value."""
    at = contracts(world)
    for block in blocks(world, first):
        for transaction in block["transactions"]:
            receipt = world.web3.eth.get_transaction_receipt(transaction["hash"])
            for log in receipt["logs"]:
                where = f"event in block {block['number']}"
                yield Seen(where, b"".join(map(bytes, log["topics"])) + bytes(log["data"]))
                yield from decoded(where, event_of(at, log))


def event_of(at: dict[str, Any], log: Any) -> dict[str, Any]:
    for name, contract in at.items():
        if contract.address != log["address"]:
            continue
        for item in abi(name):
            if item["type"] == "event" and Web3.keccak(text=abi_to_signature(item)) == log["topics"][0]:
                found = contract.events[item["name"]]().process_log(log)
                return {item["name"]: dict(found["args"])}
    raise Undecodable("an event that the contracts' interfaces do not explain")


def decoded(where: str, value: Any) -> Iterator[Seen]:
    """Each value on its own: text as UTF-8, bytes as they are, whole numbers as a word and as text."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from decoded(f"{where}.{name}", inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from decoded(where, inner)
    elif isinstance(value, bytes):
        yield Seen(where, value)
    elif isinstance(value, int):
        yield Seen(where, int(value).to_bytes(32, "big"))
    else:
        yield Seen(where, str(value).encode())


def state(world: World) -> Iterator[Seen]:
    """All accounts of an Anvil: every slot (key and value) and all code."""
    dumped = world.web3.provider.make_request("anvil_dumpState", [])["result"]  # type: ignore[arg-type]
    accounts = json.loads(gzip.decompress(bytes.fromhex(dumped[2:])))["accounts"]
    for address, account in accounts.items():
        for slot, value in account["storage"].items():
            words = bytes.fromhex(slot[2:].zfill(64)) + bytes.fromhex(value[2:].zfill(64))
            yield Seen(f"slot of {address}", words)
        if len(account["code"]) > 2:
            yield Seen(f"code of {address}", bytes.fromhex(account["code"][2:]))


def called(world: World) -> set[str]:
    """Which functions of which contract a run called."""
    known = {placed.address: name for name, placed in world.chain.deployed.contracts.items()}
    at, found = contracts(world), set()
    for block in blocks(world):
        for transaction in block["transactions"]:
            if name := known.get(transaction.get("to")):
                function, _ = at[name].decode_function_input(calldata(transaction))
                found.add(f"{name}.{function.fn_name}")
    return found


def changing() -> set[str]:
    """Every function of the contracts that changes something."""
    return {
        f"{name}.{item['name']}"
        for name in NAMES
        for item in abi(name)
        if item["type"] == "function" and item["stateMutability"] not in ("view", "pure")
    }
