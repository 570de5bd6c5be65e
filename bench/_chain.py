"""The chain of the gas bench: genesis, times, keys and salts are fixed, and each act is measured on it.

The floor of an act is what the chain itself charges for it: the transaction and its calldata, the slots, the
calls of other contracts, the logs, a signature's recovery.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from web3 import Web3

from bench._split import Split, split

START = 1767225600  # 2026-01-01
DAY, YEAR = 24 * 3600, 365 * 24 * 3600
TRANSACTION = 21_000
BARE = {"disableStack": True, "disableStorage": True, "enableMemory": False}


@dataclass(frozen=True)
class Row:
    """One act: what it used, what it may use, and what the chain alone charges for it. All in gas."""

    name: str
    used: int
    floor: int
    target: int | None = None
    split: Split | None = None

    @property
    def between(self) -> int:
        """What stands between: the contracts' own work, deciding, decoding, hashing."""
        return self.used - self.floor

    @property
    def is_over(self) -> bool:
        """Whether it used more than it may."""
        return self.target is not None and self.used > self.target


def word(label: str) -> bytes:
    """32 bytes that are the same in every run."""
    return keccak(text=f"consentry bench {label}")


def identity(account: LocalAccount) -> bytes:
    """An account as an identity: its address, left-padded to 32 bytes."""
    return bytes(12) + bytes.fromhex(account.address[2:])


def calldata_gas(data: bytes) -> int:
    """What a transaction pays for its data (EIP-2028): 4 a zero byte, 16 another."""
    return sum(16 if byte else 4 for byte in data)


def log_gas(receipt: Any) -> int:
    """What the logs of a receipt cost: 375 each and a topic, 8 a byte."""
    return sum(375 + 375 * len(log["topics"]) + 8 * len(log["data"]) for log in receipt["logs"])


@dataclass
class Bench:
    """A chain with the contracts on it, and the rows measured so far."""

    w3: Web3
    rows: list[Row] = field(default_factory=list)
    now: int = START
    people: dict[str, LocalAccount] = field(default_factory=dict)
    contracts: dict[str, Any] = field(default_factory=dict)

    def person(self, name: str) -> LocalAccount:
        """An account with a fixed key and enough ether."""
        if name not in self.people:
            self.people[name] = Account.from_key(word(f"key of {name}"))
            self.ask("anvil_setBalance", self.people[name].address, hex(10**20))
        return self.people[name]

    def sign(self, name: str, digest: bytes) -> bytes:
        """Somebody's signature over a digest, in 65 bytes."""
        return bytes(Account.unsafe_sign_hash(digest, self.person(name).key).signature)

    def ask(self, method: str, *params: Any) -> Any:
        """One JSON-RPC call."""
        return self.w3.manager.request_blocking(method, list(params))  # type: ignore[arg-type]

    def send(self, who: str, data: bytes, to: str | None = None) -> Any:
        """Send a transaction in a block of its own, 12 seconds after the one before; its receipt."""
        account = self.person(who)
        self.now += 12
        self.ask("evm_setNextBlockTimestamp", self.now)
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": 31337,
            "nonce": self.w3.eth.get_transaction_count(account.address),
            "gas": 16_777_216,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 10**9,
            "value": 0,
            "data": data,
            **({"to": to} if to else {}),
        }
        signed = account.sign_transaction(transaction)
        receipt = self.w3.eth.wait_for_transaction_receipt(
            self.w3.eth.send_raw_transaction(signed.raw_transaction)
        )
        if receipt["status"] != 1:
            raise RuntimeError(f"{who}'s transaction was refused")
        return receipt

    def deploy(self, who: str, name: str, abi: Any, bytecode: str, *arguments: Any) -> Row:
        """Deploy a contract, and keep it by its name."""
        factory = self.w3.eth.contract(abi=abi, bytecode=bytecode)
        data = bytes.fromhex(factory.constructor(*arguments).data_in_transaction[2:])
        receipt = self.send(who, data)
        code = len(self.w3.eth.get_code(receipt["contractAddress"]))
        floor = TRANSACTION + 32_000 + calldata_gas(data) + 2 * ((len(data) + 31) // 32) + 200 * code
        self.contracts[name] = self.w3.eth.contract(receipt["contractAddress"], abi=abi)
        return Row(f"deploy {name}", receipt["gasUsed"], floor)

    def act(
        self,
        who: str,
        contract: str,
        function: str,
        *arguments: Any,
        row: str = "",
        slots: int = 0,
        target: int | None = None,
    ) -> Any:
        """Send a contract call; its receipt. With a ``row`` it is one of the table; ``slots`` is the gas of
        the slots, the calls of other contracts and the recoveries that it cannot do without."""
        receipt, data = self.call(who, contract, function, *arguments)
        if row:
            intrinsic, logs = TRANSACTION + calldata_gas(data), log_gas(receipt)
            parts = None
            if target:
                trace = self.ask("debug_traceTransaction", receipt["transactionHash"].to_0x_hex(), BARE)
                parts = split(trace["structLogs"], charged=slots + logs)
                if parts.total != receipt["gasUsed"] - intrinsic - slots - logs:
                    raise RuntimeError(f"the steps of {row} do not add up to what it used")
            floor = intrinsic + slots + logs
            self.rows.append(Row(row, receipt["gasUsed"], floor, target, parts))
        return receipt

    def call(self, who: str, contract: str, function: str, *arguments: Any) -> tuple[Any, bytes]:
        """Send a contract call; its receipt and calldata."""
        to = self.contracts[contract]
        data = bytes.fromhex(to.encode_abi(function, args=list(arguments))[2:])
        return self.send(who, data, to.address), data

    def view(self, contract: str, function: str, *arguments: Any) -> Any:
        """What a view answers."""
        return self.contracts[contract].get_function_by_name(function)(*arguments).call()
