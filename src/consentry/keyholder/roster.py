"""``keyholders.json``: who the keyholders are and how many are needed.

Nobody takes a keyholder's keys from anywhere else; the file's hash stands in deployments.json and in
every statement.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak

from consentry.envelope.handing import MOST_TIMES, Members
from consentry.errors import IntegrityError, NotApproved, NotFound, UsageError
from consentry.files import write_private
from consentry.keyholder.card import KeyholderCard, card_from, fields_of, read_cards
from consentry.keys.binding import Deployment, abi_encode, json_decode
from consentry.keys.hpke import check_public_key
from consentry.keys.typed import SignatureInvalid, keys_message, verify

_FORMAT = "consentry keyholders 1"


@dataclass(frozen=True, slots=True)
class Roster:
    """``threshold`` of ``keyholders`` release a share together. An index belongs to one keyholder for ever.

    One that came after others has a ``previous`` one, of which the ``dealers`` (indexes) hand on what they
    hold; each of them has to approve of it (``approvals``: EIP-712 signatures by index)."""

    threshold: int
    keyholders: tuple[KeyholderCard, ...]
    previous: Roster | None = None
    dealers: tuple[int, ...] = ()
    approvals: Mapping[int, bytes] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """Raises `UsageError` for a threshold, indexes or accounts that make no sense."""
        indexes, count = [card.index for card in self.keyholders], len(self.keyholders)
        if any(type(number) is not int for number in (self.threshold, *indexes, *self.dealers)):
            raise UsageError("the threshold and the keyholders' indexes are numbers")
        numbered = indexes == (sorted(set(indexes)) if self.previous else list(range(1, count + 1)))
        if not numbered or not 1 <= self.threshold <= count <= 255 or not set(indexes) <= set(range(1, 256)):
            raise UsageError("keyholders are numbered 1..n, and the threshold lies between 1 and n")
        if not all(isinstance(text, str) for c in self.keyholders for text in (c.name, c.address, c.url)):
            raise UsageError("each keyholder has a name, an address and a URL")
        accounts = {card.address for card in self.keyholders}
        if len(accounts) < count or not all(map(is_checksum_address, accounts)):
            raise UsageError("each keyholder has a checksummed address of its own")
        self._follows()

    def _follows(self) -> None:
        """What holds between a group and the one before it."""
        if self.previous is None:
            if self.dealers or self.approvals:
                raise UsageError("keyholders that follow nobody have nobody who hands on to them")
            return
        dealers = set(self.dealers) & {card.index for card in self.previous.keyholders}
        if list(self.dealers) != sorted(dealers) or len(dealers) < self.previous.threshold:
            raise UsageError("fewer keyholders hand on than are needed for a record")
        were = {card.index: (card.address, card.public_key) for card in self.previous.ever}
        known = {who: index for index, who in were.items()}
        for card in self.keyholders:
            who = (card.address, card.public_key)
            if were.get(card.index, who) != who or known.get(who, card.index) != card.index:
                raise UsageError(f"the index {card.index} belongs to another keyholder; take a new one")

    @property
    def keys(self) -> dict[int, bytes]:
        """The X-Wing key of each index."""
        return {card.index: card.public_key for card in self.keyholders}

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes of the line: a statement names the group that there was when it was signed."""
        return tuple(roster.hash for roster in self.line)

    @property
    def generation(self) -> str:
        """What its keyholders' vaults call it: the hex digits of its hash, none for the first group."""
        return self.hash.hex() if self.previous else ""

    @property
    def count(self) -> int:
        """n."""
        return len(self.keyholders)

    @property
    def highest(self) -> int:
        """The highest index: so many shares are made of a record, and those of nobody are given to nobody."""
        return self.keyholders[-1].index

    @property
    def safe(self) -> int:
        """n - t + 1: so many must answer for a reader to meet one who knows, or to stop a release."""
        return self.count - self.threshold + 1

    @property
    def spared(self) -> int:
        """t + 1, or all: so many must hold a record for it to be opened when one of them is gone."""
        return min(self.threshold + 1, self.count)

    @property
    def members(self) -> Members:
        """As those to whom a record is dealt or handed on."""
        return Members(self.hash, self.threshold, tuple(card.index for card in self.keyholders))

    @property
    def groups(self) -> tuple[Members, ...]:
        """The line, as those to whom a record was dealt and handed on."""
        return tuple(roster.members for roster in self.line)

    @property
    def line(self) -> tuple[Roster, ...]:
        """The first group, those that followed, and this one."""
        return (*(self.previous.line if self.previous else ()), self)

    @property
    def ever(self) -> tuple[KeyholderCard, ...]:
        """All keyholders of the line, by index; each as it stands in the newest group that it was in."""
        cards = {card.index: card for roster in self.line for card in roster.keyholders}
        return tuple(cards[index] for index in sorted(cards))

    @property
    def hash(self) -> bytes:
        """keccak256 over the ABI encoding of all fields but the approvals; of the group before, its hash."""
        cards = [(c.index, c.name, c.address, c.public_key, c.url) for c in self.keyholders]
        types, values = ["uint8", "(uint8,string,address,bytes,string)[]"], [self.threshold, cards]
        if self.previous:
            types, values = [*types, "bytes32", "uint8[]"], [*values, self.previous.hash, list(self.dealers)]
        return keccak(abi_encode(types, values))

    def card(self, index: int) -> KeyholderCard:
        """The keyholder of ``index``, of this group or one before it. Raises `IntegrityError`."""
        if (found := {card.index: card for card in self.ever}.get(index)) is None:
            raise IntegrityError(f"there is no keyholder {index}, and there was none")
        return found

    def approval(self, deployment: Deployment) -> dict[str, Any]:
        """The EIP-712 message that a dealer signs who approves of this group."""
        before = self.previous.hash if self.previous else bytes(32)
        return keys_message(deployment, "Keyholders", previous=before, keyholders=self.hash)

    def approved(self, deployment: Deployment) -> None:
        """Raises `NotApproved` unless every dealer approves of this group, and so of each before it."""
        for before, roster in zip(self.line, self.line[1:], strict=False):
            for index in roster.dealers:
                card, signature = before.card(index), roster.approvals.get(index, b"")
                try:
                    verify(roster.approval(deployment), signature, card.address)
                except SignatureInvalid:
                    raise NotApproved(
                        f"{card.name} (keyholder {index}) did not approve of these keyholders; nothing was "
                        "changed: have it run consentry keyholder approve on this file"
                    ) from None

    def to_json(self) -> dict[str, Any]:
        """The file's content."""
        cards = [{"index": card.index, **fields_of(card)} for card in self.keyholders]
        document: dict[str, Any] = {"format": _FORMAT, "threshold": self.threshold, "keyholders": cards}
        if self.previous:
            signed = {str(index): "0x" + self.approvals[index].hex() for index in sorted(self.approvals)}
            document |= {"dealers": [*self.dealers], "approvals": signed, "previous": self.previous.to_json()}
        return document

    @classmethod
    def from_json(cls, document: Any) -> Roster:
        """The inverse of `to_json`; whether keys work is not looked at. Raises `UsageError`."""
        roster: Roster | None = None
        try:
            line = [document]
            while "previous" in line[-1] and len(line) <= MOST_TIMES:
                line.append(line[-1]["previous"])
            for one in reversed(line):
                roster = cls._one(one, roster)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError("it is not a keyholders file of this version") from None
        assert roster is not None
        return roster

    @classmethod
    def _one(cls, document: Any, previous: Roster | None) -> Roster:
        if document["format"] != _FORMAT or ("previous" in document) != (previous is not None):
            raise ValueError
        cards = tuple(card_from(c, c["index"]) for c in document["keyholders"])
        if previous is None:
            return cls(document["threshold"], cards)
        signed = {int(index): bytes.fromhex(text[2:]) for index, text in document["approvals"].items()}
        return cls(document["threshold"], cards, previous, tuple(document["dealers"]), signed)

    def save(self, path: Path) -> None:
        """Writes the file."""
        write_private(path, json.dumps(self.to_json(), indent=1, ensure_ascii=False).encode())

    @classmethod
    def read(cls, path: Path) -> Roster:
        """The file's content, whoever it names. Raises `NotFound`, `UsageError`, `KeyInvalid`."""
        try:
            roster = cls.from_json(json_decode(path.read_bytes()))
        except FileNotFoundError:
            raise NotFound(f"there is no {path.name} here; run deploy, or copy it from who did") from None
        except (UsageError, ValueError):
            raise UsageError(f"{path} is not a keyholders file of this version") from None
        for card in roster.ever:
            check_public_key(card.public_key)
        return roster

    @classmethod
    def load(cls, path: Path, expected: bytes, deployment: Deployment | None = None) -> Roster:
        """The file's content where its hash is ``expected``, or that of a group from which the keyholders of
        ``deployment`` came to this one, each time as they approved. Raises `IntegrityError`, `NotApproved`,
        and as `read`."""
        roster = cls.read(path)
        if expected not in (roster.hashes if deployment else (roster.hash,)):
            raise IntegrityError(
                f"{path.name} is not the one that the deployment names; get it again from who deployed"
            )
        if deployment:
            roster.approved(deployment)
        return roster


def assemble(cards: Sequence[Path], threshold: int) -> Roster:
    """The first group, of the keyholders whose cards those files are, as `read_cards` has them."""
    return Roster(threshold, read_cards(cards))


def succeed(
    previous: Roster,
    *,
    added: Sequence[KeyholderCard] = (),
    removed: Collection[int] = (),
    lost: Collection[int] = (),
    threshold: int | None = None,
) -> Roster:
    """The group after ``previous``, approved by nobody yet: without the ``removed`` and the ``lost`` (who
    hand nothing on), by index, with the ``added``, whose cards are numbered anew. Raises `UsageError`."""
    gone, indexes = {*removed, *lost}, {card.index for card in previous.keyholders}
    if unknown := sorted(gone - indexes):
        raise UsageError(f"there is no keyholder {unknown[0]}; there are {sorted(indexes)}")
    kept = [card for card in previous.keyholders if card.index not in gone]
    first = previous.ever[-1].index + 1
    new = [replace(card, index=index) for index, card in enumerate(added, first)]
    dealers = tuple(sorted(indexes - set(lost)))
    return Roster(threshold or previous.threshold, (*kept, *new), previous, dealers)
