"""A local key as a signer: for patients without a wallet, keyholders, tests and programs."""

from __future__ import annotations

from typing import Any

from eth_account import Account

from consentry.keys.typed import sign


class LocalSigner:
    """Signs with a 32-byte secp256k1 ``key`` held in memory."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._address: str = Account.from_key(key).address

    @property
    def address(self) -> str:
        """The key's checksummed address."""
        return self._address

    def sign_typed_data(self, message: dict[str, Any]) -> bytes:
        """The 65-byte signature over a full EIP-712 message."""
        return sign(self._key, message)

    def sign_transaction(self, transaction: dict[str, Any]) -> bytes:
        """A complete transaction, signed and ready to be sent."""
        return bytes(Account.from_key(self._key).sign_transaction(transaction).raw_transaction)
