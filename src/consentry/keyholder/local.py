"""Keyholders by their URL: those of this process (``local:N``), and those that are asked over HTTP.

All of them in one process is for development: each has its own sealed key, file and journal, but one process
can read them all, so that this shows the path and not the protection. Each folder holds the passphrase of its
key, since there is nobody to type five. Institutions run theirs apart.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from consentry.chain.contracts import Chain
from consentry.errors import KeyringLocked, NotFound, Unreachable
from consentry.files import write_private
from consentry.keyholder.card import LOCAL, KeyholderCard, is_local
from consentry.keyholder.messages import Keyholder
from consentry.keyholder.place import Place, card_of
from consentry.keyholder.remote import RemoteKeyholder
from consentry.keyholder.roster import Roster
from consentry.keyholder.service import KeyholderService


def create_keyholders(
    folder: Path, *, threshold: int = 3, count: int = 5, urls: Sequence[str] = ()
) -> Roster:
    """Makes the keys of ``count`` keyholders under ``folder`` (1..n), or finds those that are there. With
    ``urls`` they are services there, and each has the card and the journal token of one."""
    cards = []
    for index in range(1, count + 1):
        place = Place(folder / str(index))
        try:
            keyring = place.keyring(passphrase_of(place))
        except NotFound:
            passphrase = secrets.token_urlsafe(24)
            write_private(place.path / "passphrase", passphrase.encode())
            keyring = place.create(passphrase)
        name, url = f"keyholder {index}", urls[index - 1] if urls else f"{LOCAL}{index}"
        cards.append(card_of(keyring, index, name, url))
        if urls:
            place.introduce(keyring, name, url)
    return Roster(threshold, tuple(cards))


def passphrase_of(place: Place) -> str:
    """What opens the keys of a keyholder that was made here. Raises `NotFound`."""
    try:
        return (place.path / "passphrase").read_text("utf-8")
    except FileNotFoundError:
        raise NotFound(f"there is no keyholder in {place.path.name}; run deploy first") from None


def open_keyholders(folder: Path, roster: Roster, chain: Chain) -> list[Keyholder]:
    """The keyholders of ``roster``, each where its URL says: opened from ``folder``, or asked over HTTP. One
    whose files are gone or cannot be read is left out, as one that does not answer. Raises `NotFound` where
    all are."""
    opened = open_some(folder, roster, chain, roster.keys)
    if not opened:
        raise NotFound(f"there is no keyholder in {folder}; run deploy first")
    return opened


def open_some(folder: Path, roster: Roster, chain: Chain, indexes: Collection[int]) -> list[Keyholder]:
    """Those of ``indexes`` in a ``roster`` that can be opened, as `open_keyholders`."""
    opened: list[Keyholder] = []
    for card in roster.keyholders:
        if card.index in indexes:
            with suppress(NotFound, KeyringLocked, Unreachable):
                opened.append((open_keyholder if is_local(card) else _remote)(folder, roster, card, chain))
    return opened


def open_keyholder(folder: Path, roster: Roster, card: KeyholderCard, chain: Chain) -> KeyholderService:
    """The one of ``card`` in this process. Raises `NotFound`, `KeyringLocked`, `Unreachable`."""
    place = Place(folder / str(card.index))
    return place.service(place.keyring(passphrase_of(place)), roster, chain)


def _remote(folder: Path, roster: Roster, card: KeyholderCard, chain: Chain) -> RemoteKeyholder:
    return RemoteKeyholder(card, token=Place(folder / str(card.index)).token())
