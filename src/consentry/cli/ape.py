"""Ape's accounts and networks for the core: the only place that knows Ape, and it imports none of it.

``account`` is any Ape account, ``provider`` a connected Ape provider (``networks.active_provider``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eth_account.messages import encode_typed_data
from web3 import Web3

from consentry.chain.deployments import Placed
from consentry.errors import Refused


class ApeSigner:
    """An Ape account as the core's signer."""

    def __init__(self, account: Any, provider: Any) -> None:
        self._account, self._provider = account, provider

    @property
    def address(self) -> str:
        """The account's checksummed address."""
        return str(self._account.address)

    def sign_typed_data(self, message: dict[str, Any]) -> bytes:
        """The 65-byte signature over a full EIP-712 message."""
        signature = self._account.sign_message(encode_typed_data(full_message=message))
        if signature is None:
            raise Refused("the account did not sign; nothing was sent")
        return bytes(signature.encode_rsv())

    def send(self, transaction: dict[str, Any]) -> bytes:
        """Signs and sends a complete transaction; gives its hash."""
        unsigned = self._provider.network.ecosystem.create_transaction(**transaction)
        signed = self._account.sign_transaction(unsigned)
        if signed is None:
            raise Refused("the account did not sign; nothing was sent")
        web3: Web3 = self._provider.web3
        return bytes(web3.eth.send_raw_transaction(signed.serialize_transaction()))


def create_with_ape(account: Any, project: Any, provider: Any) -> Callable[[str, list[Any]], Placed]:
    """How `consentry.chain.deployments.place_all` deploys through Ape: compiled and sent by it."""

    def create(name: str, arguments: list[Any]) -> Placed:
        before = int(provider.web3.eth.block_number)  # no event of the contract is older
        instance = account.deploy(getattr(project, name), *arguments)
        return Placed(str(instance.address), before, arguments)

    return create
