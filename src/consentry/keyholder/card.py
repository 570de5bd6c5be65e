"""A keyholder's card: who it is, and where. The file ``card.json`` is what it gives to who deploys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consentry.errors import NotFound, UsageError
from consentry.files import write_private
from consentry.keys.binding import json_decode
from consentry.keys.hpke import check_public_key

_FORMAT = "consentry keyholder card 1"
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


def is_local(card: KeyholderCard) -> bool:
    """Whether that keyholder runs in the process of who asks it."""
    return card.url.startswith(LOCAL)


def fields_of(card: KeyholderCard) -> dict[str, str]:
    """A card's fields as files have them; its index stands apart."""
    key = "0x" + card.public_key.hex()
    return {"name": card.name, "address": card.address, "publicKey": key, "url": card.url}


def card_from(fields: dict[str, Any], index: int) -> KeyholderCard:
    """The inverse of `fields_of`. Raises `ValueError`, `KeyError` or `TypeError`."""
    key = bytes.fromhex(fields["publicKey"][2:])
    return KeyholderCard(index, fields["name"], fields["address"], key, fields["url"])


def write_card(path: Path, card: KeyholderCard) -> None:
    """Writes one keyholder's card for who deploys; its index is given there."""
    document = {"format": _FORMAT, **fields_of(card)}
    write_private(path, json.dumps(document, indent=1, ensure_ascii=False).encode())


def read_cards(cards: Sequence[Path], first: int = 1) -> tuple[KeyholderCard, ...]:
    """The cards in those files (of a folder, all its ``*.json`` by name), numbered in that order from
    ``first`` on. Raises `NotFound`, `UsageError`, `KeyInvalid`."""
    files = [file for path in cards for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    found = []
    for index, path in enumerate(files, first):
        try:
            document = json_decode(path.read_bytes())
            if document["format"] != _FORMAT:
                raise ValueError
            found.append(card_from(document, index))
        except FileNotFoundError:
            raise NotFound(f"there is no keyholder's card {path}") from None
        except (ValueError, KeyError, TypeError):
            raise UsageError(f"{path} is not a keyholder's card of this version") from None
        check_public_key(found[-1].public_key)
        if not str(found[-1].url).startswith(("https://", "http://")):
            raise UsageError(f"{path} names no http or https URL at which the keyholder answers")
    return tuple(found)
