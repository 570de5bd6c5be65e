"""A patient whose account is a contract: she signs by ERC-1271 and sends through the contract."""

from __future__ import annotations

from typing import Any

from web3 import Web3

from bench._solc import compiled
from consentry.chain import LocalSigner


class WalletSigner:
    """Signs with the key behind a contract wallet, in the wallet's name; implements `Signer`."""

    def __init__(self, key: LocalSigner, web3: Web3) -> None:
        self._key, self._web3 = key, web3
        abi, bytecode = compiled("contracts/mocks/KeyWallet.sol")
        deployed = self._sent(web3.eth.contract(abi=abi, bytecode=bytecode).constructor(key.address))
        self._wallet = web3.eth.contract(deployed["contractAddress"], abi=abi)

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
