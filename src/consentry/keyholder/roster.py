"""``keyholders.json``: who the keyholders are and how many are needed.

Nobody takes a keyholder's keys from anywhere else; the file's hash stands in deployments.json and in
every statement.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak

from consentry.errors import IntegrityError, NotFound, UsageError
from consentry.files import write_private
from consentry.keys.binding import abi_encode, json_decode
from consentry.keys.hpke import check_public_key

_FORMAT = "consentry keyholders 1"
_CARD = "consentry keyholder card 1"
LOCAL = "local:"
"""How the URL of a keyholder begins that runs in the process of who asks it."""


@dataclass(frozen=True, slots=True)
class KeyholderCard:
    """One keyholder: its index (1..n), a name, its signing address, its X-Wing key, and where it is."""

    index: int
    name: str
    address: str
    public_key: bytes
    url: str


@dataclass(frozen=True, slots=True)
class Roster:
    """``threshold`` of ``keyholders`` release a share together."""

    threshold: int
    keyholders: tuple[KeyholderCard, ...]

    def __post_init__(self) -> None:
        """Raises `UsageError` for a threshold, indexes or accounts that make no sense."""
        indexes, count = [card.index for card in self.keyholders], len(self.keyholders)
        if any(type(number) is not int for number in (self.threshold, *indexes)):
            raise UsageError("the threshold and the keyholders' indexes are numbers")
        if indexes != list(range(1, count + 1)) or not 1 <= self.threshold <= count <= 255:
            raise UsageError("keyholders are numbered 1..n, and the threshold lies between 1 and n")
        if not all(isinstance(text, str) for c in self.keyholders for text in (c.name, c.address, c.url)):
            raise UsageError("each keyholder has a name, an address and a URL")
        accounts = {card.address for card in self.keyholders}
        if len(accounts) < count or not all(map(is_checksum_address, accounts)):
            raise UsageError("each keyholder has a checksummed address of its own")

    @property
    def count(self) -> int:
        """n."""
        return len(self.keyholders)

    @property
    def safe(self) -> int:
        """n - t + 1: so many must answer for a reader to meet one who knows, or to stop a release."""
        return self.count - self.threshold + 1

    @property
    def spared(self) -> int:
        """t + 1, or all: so many must hold a record for it to be opened when one of them is gone."""
        return min(self.threshold + 1, self.count)

    @property
    def hash(self) -> bytes:
        """keccak256 over the ABI encoding of all fields."""
        cards = [(c.index, c.name, c.address, c.public_key, c.url) for c in self.keyholders]
        types = ["uint8", "(uint8,string,address,bytes,string)[]"]
        return keccak(abi_encode(types, [self.threshold, cards]))

    def save(self, path: Path) -> None:
        """Writes the file."""
        cards = [{"index": card.index, **_fields(card)} for card in self.keyholders]
        document: dict[str, Any] = {"format": _FORMAT, "threshold": self.threshold, "keyholders": cards}
        write_private(path, json.dumps(document, indent=1, ensure_ascii=False).encode())

    @classmethod
    def load(cls, path: Path, expected: bytes) -> Roster:
        """Raises `NotFound`, `UsageError`, or `IntegrityError` when the hash is not ``expected``."""
        try:
            document = json_decode(path.read_bytes())
            if document["format"] != _FORMAT:
                raise ValueError
            cards = tuple(_card(c, c["index"]) for c in document["keyholders"])
            roster = cls(document["threshold"], cards)
        except FileNotFoundError:
            raise NotFound(f"there is no {path.name} here; run deploy, or copy it from who did") from None
        except (ValueError, KeyError, TypeError):
            raise UsageError(f"{path} is not a keyholders file of this version") from None
        if roster.hash != expected:
            raise IntegrityError(
                f"{path.name} is not the one that the deployment names; get it again from who deployed"
            )
        for card in roster.keyholders:
            check_public_key(card.public_key)
        return roster


def is_local(card: KeyholderCard) -> bool:
    """Whether that keyholder runs in the process of who asks it."""
    return card.url.startswith(LOCAL)


def _fields(card: KeyholderCard) -> dict[str, str]:
    key = "0x" + card.public_key.hex()
    return {"name": card.name, "address": card.address, "publicKey": key, "url": card.url}


def _card(fields: dict[str, Any], index: int) -> KeyholderCard:
    key = bytes.fromhex(fields["publicKey"][2:])
    return KeyholderCard(index, fields["name"], fields["address"], key, fields["url"])


def write_card(path: Path, card: KeyholderCard) -> None:
    """Writes one keyholder's card for who deploys; its index is given there."""
    document = {"format": _CARD, **_fields(card)}
    write_private(path, json.dumps(document, indent=1, ensure_ascii=False).encode())


def assemble(cards: Sequence[Path], threshold: int) -> Roster:
    """The roster of the keyholders whose cards those files are (of a folder, all its ``*.json`` by name),
    numbered in that order. Raises `NotFound`, `UsageError`, `KeyInvalid`."""
    files = [file for path in cards for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    found = []
    for index, path in enumerate(files, 1):
        try:
            document = json_decode(path.read_bytes())
            if document["format"] != _CARD:
                raise ValueError
            found.append(_card(document, index))
        except FileNotFoundError:
            raise NotFound(f"there is no keyholder's card {path}") from None
        except (ValueError, KeyError, TypeError):
            raise UsageError(f"{path} is not a keyholder's card of this version") from None
        check_public_key(found[-1].public_key)
        if not str(found[-1].url).startswith(("https://", "http://")):
            raise UsageError(f"{path} names no http or https URL at which the keyholder answers")
    return Roster(threshold, tuple(found))
