"""Cards: who a provider is, in an authority's word, and the offer that a provider makes for one.

A provider's encryption key comes from its card and nowhere else; a card counts only when its hash is
the newest on chain, its authority signed it, and its credential is live.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak

from consentry.errors import CardInvalid
from consentry.keys.binding import Deployment, abi_encode, identity, json_decode
from consentry.keys.hpke import ALGORITHM, check_public_key
from consentry.keys.typed import SignatureInvalid, WalletCheck, keys_message, message, verify

_CARD = ["bytes32", "string", "string", "address", "uint16", "bytes", "address"]


@dataclass(frozen=True, slots=True)
class Card:
    """A provider's card. ``number`` is a register number such as an NPI; ``address`` and ``authority``
    are checksummed addresses; ``public_key`` is X-Wing (algorithm 0x647A), 1,216 bytes."""

    salt: bytes
    name: str
    number: str
    address: str
    algorithm: int
    public_key: bytes
    authority: str
    signature: bytes = b""

    @property
    def hash(self) -> bytes:
        """keccak256 of the ABI encoding without the signature: what stands on chain."""
        fields = [self.salt, self.name, self.number, self.address]
        return keccak(abi_encode(_CARD, [*fields, self.algorithm, self.public_key, self.authority]))

    @property
    def identity(self) -> bytes:
        """The provider's 32-byte identity."""
        return identity(self.address)

    @property
    def title(self) -> str:
        """How a sentence names the provider."""
        return f"{self.name} (register number {self.number}, account {self.address})"

    def message(self, deployment: Deployment) -> dict[str, Any]:
        """The EIP-712 message that the authority signs."""
        return keys_message(deployment, "Card", card=self.hash)

    def to_json(self) -> str:
        """The card as a file."""
        fields = asdict(self)
        for name in ("salt", "public_key", "signature"):
            fields[name] = "0x" + fields[name].hex()
        return json.dumps({"format": "consentry card 1", **fields}, indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Card:
        """Raises `CardInvalid` for a file that is no card."""
        fields = _fields(text, "consentry card 1", cls)
        return cls(**fields)


def _fields(text: str | bytes, file_format: str, cls: type[Any]) -> dict[str, Any]:
    try:
        fields = json_decode(text)
        if fields.pop("format") != file_format or set(fields) != set(cls.__dataclass_fields__):
            raise ValueError
        for name, value in fields.items():
            if name in ("salt", "public_key", "signature"):
                fields[name] = bytes.fromhex(value.removeprefix("0x"))
            if not _CHECKS.get(name, bool)(fields[name]):
                raise ValueError
        return dict(fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CardInvalid(f"the file is not a {file_format!r}; ask its owner for it again") from None


def _shows(text: str, longest: int) -> bool:
    """Whether a sentence can show ``text``: no line breaks, no marks that turn the direction of reading."""
    return text.isprintable() and len(text) <= longest


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "salt": lambda value: len(value) == 32,
    "name": lambda value: bool(value.strip()) and _shows(value, 200),
    "number": lambda value: _shows(value, 100),
    "address": is_checksum_address,
    "authority": is_checksum_address,
    "algorithm": lambda value: type(value) is int and 0 <= value < 1 << 16,
    "signature": lambda value: True,
}


def new_card(offer: Offer, *, name: str, number: str, authority: str) -> Card:
    """An unsigned card for the provider that made ``offer``.

    Raises `CardInvalid` for a name or number that a sentence cannot show on one line."""
    if not _CHECKS["name"](name) or not _CHECKS["number"](number):
        raise CardInvalid(
            f"the name {name!r} or the number {number!r} cannot stand on a card: one line of at most 200 "
            "printable characters is needed, and a name must not be empty"
        )
    salt = secrets.token_bytes(32)
    return Card(salt, name, number, offer.address, offer.algorithm, offer.public_key, authority)


def verify_card(
    deployment: Deployment,
    card: Card,
    *,
    hash_on_chain: bytes | None,
    is_authority: bool,
    live: bool,
    wallet: WalletCheck | None = None,
) -> None:
    """Raises `CardInvalid`, naming which of hash, authority, signature, credential or key does not hold."""
    if hash_on_chain != card.hash:
        raise CardInvalid(
            f"the card of {card.name!r} is not the one on chain for {card.address}; "
            "it is forged, altered or outdated: ask the provider for its present card"
        )
    if not is_authority:
        raise CardInvalid(f"the card of {card.name!r} names {card.authority}, which is no authority")
    try:
        verify(card.message(deployment), card.signature, card.authority, wallet)
    except SignatureInvalid:
        raise CardInvalid(f"the card of {card.name!r} is not signed by its authority") from None
    if not live:
        raise CardInvalid(
            f"the credential of {card.name!r} is not live (suspended, retired or expired); "
            "the authority that issued it can say why"
        )
    if card.algorithm != ALGORITHM:
        raise CardInvalid(f"the card of {card.name!r} carries a key of unknown algorithm {card.algorithm}")
    check_public_key(card.public_key)


@dataclass(frozen=True, slots=True)
class Offer:
    """``provider.json``: what a provider gives the authority. The signature proves that who holds the
    account chose this encryption key; the authority never sees a secret."""

    address: str
    algorithm: int
    public_key: bytes
    signature: bytes = b""

    def message(self, deployment: Deployment) -> dict[str, Any]:
        """The EIP-712 message that the provider signs."""
        fields = [
            ("bytes32", "deployment", deployment.id),
            ("address", "provider", self.address),
            ("uint16", "algorithm", self.algorithm),
            ("bytes32", "publicKey", keccak(self.public_key)),
        ]
        return message(deployment, "ProviderKey", fields)

    def verify(self, deployment: Deployment, wallet: WalletCheck | None = None) -> None:
        """Raises `CardInvalid` or `KeyInvalid`."""
        try:
            verify(self.message(deployment), self.signature, self.address, wallet)
        except SignatureInvalid:
            raise CardInvalid(
                f"the offer of {self.address} is not signed by that account; ask the provider for it again"
            ) from None
        if self.algorithm != ALGORITHM:
            raise CardInvalid(f"the offer of {self.address} carries a key of an unknown algorithm")
        check_public_key(self.public_key)

    def to_json(self) -> str:
        """The offer as a file."""
        fields = asdict(self)
        for name in ("public_key", "signature"):
            fields[name] = "0x" + fields[name].hex()
        return json.dumps({"format": "consentry provider 1", **fields}, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Offer:
        """Raises `CardInvalid` for a file that is no offer."""
        return cls(**_fields(text, "consentry provider 1", cls))
