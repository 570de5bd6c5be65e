"""Ape's accounts and networks for the core: the only place that knows Ape, and it imports none of it.

``account`` is any Ape account, ``provider`` a connected Ape provider (``networks.active_provider``).
"""

from __future__ import annotations

from typing import Any

from eth_account.messages import encode_typed_data
from web3 import Web3

from consentry.chain import connect
from consentry.chain.deploying import Code
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

    def sign_transaction(self, transaction: dict[str, Any]) -> bytes:
        """A complete transaction, signed and ready to be sent."""
        unsigned = self._provider.network.ecosystem.create_transaction(**transaction)
        signed = self._account.sign_transaction(unsigned)
        if signed is None:
            raise Refused("the account did not sign; nothing was sent")
        return bytes(signed.serialize_transaction())


def url_of(provider: Any) -> str | None:
    """The URL of the node behind an Ape provider; None for the chain inside this process."""
    if provider.name == "test":
        return None
    url = getattr(provider, "http_uri", None) or getattr(provider, "uri", None)
    return url if isinstance(url, str) and url.startswith("http") else None


def web3_of(provider: Any) -> Web3:
    """A connection of our own to the node of an Ape provider: Ape's would wait half an hour for an answer.
    The chain inside this process, or a node without a URL, is used as Ape has it."""
    url = url_of(provider)
    return connect(url) if url else provider.web3


def code_of(project: Any) -> Code:
    """The contracts of an Ape ``project``, compiled by it."""

    def code(name: str) -> tuple[list[Any], str]:
        kind = getattr(project, name).contract_type
        return [entry.model_dump(mode="json") for entry in kind.abi], str(kind.deployment_bytecode.bytecode)

    return code
