"""What people and keyholders sign off chain: EIP-712 messages, their digests and their signers.

Grants have the domain name "Consentry", control messages (revocations) "Consentry Control", and all
that concerns keys "Consentry Keys", so that no signature can pass for one of another sort.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.crypto import keccak

from consentry.errors import IntegrityError
from consentry.keys.binding import Deployment

GRANTS, CONTROL, KEYS = "Consentry", "Consentry Control", "Consentry Keys"
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_DOMAIN = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]


class SignatureInvalid(IntegrityError):
    """A signature was not made by whom it names, or not over these bytes."""


class Signer(Protocol):
    """Who signs: a local key or an Ape account. All that is signed is EIP-712 or a transaction."""

    @property
    def address(self) -> str:
        """The signer's checksummed address."""

    def sign_typed_data(self, message: dict[str, Any]) -> bytes:
        """The 65-byte signature over a full EIP-712 ``message``."""

    def sign_transaction(self, transaction: dict[str, Any]) -> bytes:
        """A complete transaction (type 2), signed and ready to be sent."""


WalletCheck = Callable[[str, bytes, bytes], bool]
"""(address, digest, signature) -> whether the contract at ``address`` accepts it (ERC-1271)."""


def message(
    deployment: Deployment,
    primary: str,
    fields: list[tuple[str, str, Any]],
    *,
    domain: str = KEYS,
    types: dict[str, list[dict[str, str]]] | None = None,
) -> dict[str, Any]:
    """A full EIP-712 message: ``fields`` are (type, name, value); ``types`` adds nested types."""
    return {
        "types": {
            "EIP712Domain": _DOMAIN,
            primary: [{"name": name, "type": kind} for kind, name, _ in fields],
            **(types or {}),
        },
        "primaryType": primary,
        "domain": {
            "name": domain,
            "version": "1",
            "chainId": deployment.chain_id,
            "verifyingContract": deployment.registry,
        },
        "message": {name: value for _, name, value in fields},
    }


def keys_message(deployment: Deployment, primary: str, **hashes: bytes) -> dict[str, Any]:
    """The common case of the key side: a named message over the deployment and some 32-byte values."""
    fields: list[tuple[str, str, Any]] = [("bytes32", "deployment", deployment.id)]
    fields += [("bytes32", name, value) for name, value in hashes.items()]
    return message(deployment, primary, fields)


def _signable(full: dict[str, Any]) -> SignableMessage:
    return encode_typed_data(full_message=full)


def digest(full: dict[str, Any]) -> bytes:
    """The 32 bytes that are signed: ``keccak256(0x1901 || domain separator || struct hash)``."""
    signable = _signable(full)
    return keccak(b"\x19\x01" + signable.header + signable.body)


def sign(key: bytes, full: dict[str, Any]) -> bytes:
    """The 65-byte signature of a local 32-byte ``key`` over ``full``."""
    return bytes(Account.sign_message(_signable(full), key).signature)


def verify(full: dict[str, Any], signature: bytes, signer: str, wallet: WalletCheck | None = None) -> None:
    """Raises `SignatureInvalid` unless ``signer`` made ``signature``: ecrecover first (low s only, so
    that a delegated EIP-7702 account keeps its key's word), then ERC-1271 through ``wallet``."""
    if recovered(full, signature) == signer:
        return
    if wallet is not None and wallet(signer, _digest_of(full), signature):
        return
    raise SignatureInvalid(
        f"the {full['primaryType']} is not signed by {signer}: it was altered, or somebody else signed"
    )


def recovered(full: dict[str, Any], signature: bytes) -> str | None:
    """Whose key made ``signature`` over ``full`` (a checksummed address); None where it is nobody's, or one
    that contracts do not take."""
    if len(signature) != 65 or int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        return None
    if signature[64] not in (27, 28):  # as the contracts; others would be more signatures of one word
        return None
    try:
        return str(Account.recover_message(_signable(full), signature=signature))
    except Exception:  # any unreadable message or signature is simply nobody's
        return None


def _digest_of(full: dict[str, Any]) -> bytes:
    try:
        return digest(full)
    except Exception:  # values that a stranger chose need not fit their types
        raise SignatureInvalid(f"the {full['primaryType']} cannot be read") from None
