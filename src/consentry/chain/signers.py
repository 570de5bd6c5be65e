"""A local key as a signer: for patients without a wallet, keyholders, tests and programs."""

from __future__ import annotations

from typing import Any

from eth_account import Account
from web3 import Web3

from consentry.errors import UsageError
from consentry.keys.typed import sign


class LocalSigner:
    """Signs with a 32-byte secp256k1 ``key`` held in memory; ``web3`` is needed to send only."""

    def __init__(self, key: bytes, web3: Web3 | None = None) -> None:
        self._key, self._web3 = key, web3
        self._address: str = Account.from_key(key).address

    @property
    def address(self) -> str:
        """The key's checksummed address."""
        return self._address

    def sign_typed_data(self, message: dict[str, Any]) -> bytes:
        """The 65-byte signature over a full EIP-712 message."""
        return sign(self._key, message)

    def send(self, transaction: dict[str, Any]) -> bytes:
        """Signs and sends a complete transaction; gives its hash."""
        if self._web3 is None:
            raise UsageError("this signer was made without a connection; it cannot send")
        signed = Account.from_key(self._key).sign_transaction(transaction)
        return bytes(self._web3.eth.send_raw_transaction(signed.raw_transaction))
