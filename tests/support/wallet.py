"""A patient whose account is a contract: she signs by ERC-1271 and sends through the contract."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import solcx
from web3 import Web3

from consentry.chain import LocalSigner

CONTRACTS = Path(__file__).parent.parent.parent / "contracts"


@cache
def _compiled() -> dict[str, Any]:
    names = ("mocks/KeyWallet.sol", "interfaces/IERC1271.sol")
    job = {
        "language": "Solidity",
        "sources": {name: {"content": (CONTRACTS / name).read_text("utf-8")} for name in names},
        "settings": {
            "evmVersion": "shanghai",
            "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
        },
    }
    output = solcx.compile_standard(job, solc_version="0.8.37")
    return dict(output["contracts"]["mocks/KeyWallet.sol"]["KeyWallet"])


class WalletSigner:
    """Signs with the key behind a contract wallet, in the wallet's name; implements `Signer`."""

    def __init__(self, key: LocalSigner, web3: Web3) -> None:
        self._key, self._web3 = key, web3
        compiled = _compiled()
        contract = web3.eth.contract(abi=compiled["abi"], bytecode=compiled["evm"]["bytecode"]["object"])
        deployed = self._sent(contract.constructor(key.address))
        self._wallet = web3.eth.contract(deployed["contractAddress"], abi=compiled["abi"])

    @property
    def address(self) -> str:
        """The wallet's address."""
        return str(self._wallet.address)

    def sign_typed_data(self, message: dict[str, Any]) -> bytes:
        """A signature that the wallet accepts."""
        return self._key.sign_typed_data(message)

    def sign_transaction(self, transaction: dict[str, Any]) -> bytes:
        """A transaction of the key behind it that has the wallet do what ``transaction`` says."""
        return self._signed(self._wallet.functions.execute(transaction["to"], transaction["data"]))

    def _sent(self, call: Any) -> Any:
        sent = self._web3.eth.send_raw_transaction(self._signed(call))
        return self._web3.eth.wait_for_transaction_receipt(sent)

    def _signed(self, call: Any) -> bytes:
        built = call.build_transaction(
            {
                "from": self._key.address,
                "nonce": self._web3.eth.get_transaction_count(self._key.address),
                "maxFeePerGas": 10**11,
                "maxPriorityFeePerGas": 10**9,
                "chainId": self._web3.eth.chain_id,
            }
        )
        built = {name: value for name, value in built.items() if name != "to" or value}
        return self._key.sign_transaction(built)
