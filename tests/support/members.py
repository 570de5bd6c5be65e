"""A group of keyholders that changes: who comes after, what they take over, and what those before let go."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from unittest.mock import patch

from consentry.chain.signers import LocalSigner
from consentry.client import Group
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.handover import What, asked
from consentry.keyholder.joining import Joining
from consentry.keyholder.leaving import Leaving, Left
from consentry.keyholder.local import passphrase_of
from consentry.keyholder.messages import Call, Keyholder
from consentry.keyholder.place import Place, card_of
from consentry.keyholder.roster import Roster, succeed
from consentry.keyholder.service import KeyholderService
from consentry.keyholder.taking import Joined
from consentry.keyholder.vault import database
from consentry.keys import keyring
from consentry.keys.keyring import Keyring
from tests.support.world import _QUICK, World


class Change:
    """From the group of ``world`` to the one after it. Nobody has joined yet."""

    def __init__(
        self,
        world: World,
        *,
        added: int = 0,
        removed: Collection[int] = (),
        lost: Collection[int] = (),
        threshold: int | None = None,
    ) -> None:
        self.world, self.before = world, world.group.roster
        self.old: dict[int, Keyholder] = {one.card.index: one for one in world.keyholders}
        first = self.before.ever[-1].index + 1
        cards = [self._new(index) for index in range(first, first + added)]
        to = succeed(self.before, added=cards, removed=removed, lost=lost, threshold=threshold)
        self.to = replace(to, approvals={index: self.approve(to, index) for index in to.dealers})

    def place(self, index: int) -> Place:
        """Where a keyholder keeps what is its own."""
        return Place(self.world.home / "keyholders" / str(index))

    def keys(self, index: int) -> Keyring:
        """A keyholder's keys."""
        with patch.dict(keyring._COST, _QUICK):
            return self.place(index).keyring(passphrase_of(self.place(index)))

    def signer(self, index: int) -> LocalSigner:
        """What signs for a keyholder."""
        key = self.keys(index).signing_key
        assert key is not None
        return LocalSigner(key)

    def _new(self, index: int) -> KeyholderCard:
        place = self.place(index)
        place.path.mkdir(parents=True, exist_ok=True)
        (place.path / "passphrase").write_text("a passphrase of a test")
        with patch.dict(keyring._COST, _QUICK):
            made = place.create("a passphrase of a test")
        return card_of(made, index, f"keyholder {index}", f"local:{index}")

    def approve(self, to: Roster, index: int) -> bytes:
        """A dealer's approval."""
        return self.signer(index).sign_typed_data(to.approval(self.world.chain.deployment))

    def asked(self, what: What, to: Roster | None = None, after: bytes = bytes(32)) -> bytes:
        """The body of a call to hand over."""
        return asked(json.dumps((to or self.to).to_json()).encode(), what, after)

    def call(self, by: int, to: int, verb: str, body: bytes) -> Call:
        """A keyholder's good call to another."""
        return Call.signed(self.world.chain.deployment, self.signer(by), self.to.card(to), verb, body)

    def joining(self, index: int) -> Joining:
        """A keyholder of the group after, about to take over."""
        with patch.dict(database.PRAGMAS, {"synchronous": "OFF"}):
            return self.place(index).acting(Joining, self.keys(index), self.to, self.world.chain)

    def join(self, index: int) -> Joined:
        """Has it take over."""
        joining = self.joining(index)
        try:
            dealers = {dealer: self.old[dealer] for dealer in self.to.dealers}
            return joining.join(dealers, self.place(index).path / "joining.json", lambda _: None)
        finally:
            joining.close()

    def serve(self, index: int) -> KeyholderService:
        """A keyholder of the group after, serving."""
        with patch.dict(database.PRAGMAS, {"synchronous": "OFF"}):
            return self.place(index).service(self.keys(index), self.to, self.world.chain)

    def move(self) -> dict[int, Joined]:
        """Has all take over; from now on the world's group is the one after."""
        joined = {card.index: self.join(card.index) for card in self.to.keyholders}
        services = [self.serve(card.index) for card in self.to.keyholders]
        self.world.keyholders = services
        self.world.group = Group(self.world.chain.deployment, self.to, services)
        return joined

    def leave(self, index: int) -> Left:
        """Has a keyholder of the group before let go."""
        leaving = self.place(index).acting(Leaving, self.keys(index), self.before, self.world.chain)
        try:
            return leaving.leave(self.to, self.world.keyholders, lambda _: None)
        finally:
            leaving.close()
