"""What a grantee can get hold of without an entry, and what must stay out of its reach."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field

from eth_utils.crypto import keccak

from consentry.client import Client, Listing, Person, Proposal
from consentry.consent.box import Granted, KeyBox, open_box
from consentry.envelope.deposit import Header, Part, open_session
from consentry.envelope.leaf import Leaf, Place, first_half
from consentry.envelope.statement import segment_pair_seed
from consentry.keyholder.messages import release_info
from consentry.keys import shamir
from consentry.keys.binding import abi_decode
from consentry.keys.hpke import hkdf, unwrap
from tests.attacks.support import access, everything, record_all
from tests.support.world import World, populated, record

SECRET_TEXT = b'{"resourceType":"Bundle","type":"collection","note":"the record that nobody may read"}'


@dataclass
class Loot:
    """All that a clinician with a live grant can hold of a record she never requested.

    The blob; the envelope (header, leaf) with all n transport wraps of its shares, as a spy at every
    keyholder would see them; the key box, opened with her own key; the first half; and another record
    of the same segment that she did request, with its shares. ``learned`` grows with every call.
    """

    world: World
    me: Person
    desk: Client
    box: KeyBox
    granted: Granted
    parts: list[Part]
    header: Header
    leaf: Leaf
    place: Place
    session_key: bytes
    half: bytes
    blob: bytes
    listing: Listing
    other_shares: dict[int, bytes]
    learned: list[object] = field(default_factory=list)

    def candidates(self) -> list[bytes]:
        """Every 32-byte value in reach that could be a key, and those that follow from the first half."""
        holdings = [
            *(self.box, self.granted, self.parts, self.header, self.leaf, self.listing, self.half),
            *(self.session_key, self.other_shares, self.learned, self.me.keyring.seed),
            segment_pair_seed(self.granted.key),
            shamir.evaluate(self.other_shares, 0),
        ]
        found = {value for value in everything(holdings) if len(value) == 32}
        wrapped = [self.header.session_wrap, self.header.own_wrap, *(part.shares for part in self.parts)]
        found |= {piece for value in wrapped for piece in (value[:32], value[-32:], value[-48:-16])}
        found |= {bytes(32), keccak(self.half), self.guess(bytes(32))}
        return sorted(found)

    def guess(self, half_b: bytes) -> bytes:
        """The key-encryption key, were ``half_b`` the second half."""
        return hkdf(self.half + half_b, self.place.info("kek", self.leaf.record_id), 64)[:32]


def plunder(world: World) -> Loot:
    """A fresh ``world``, populated; what its clinician holds of the record `SECRET_TEXT`."""
    spies = record_all(world)
    populated(world)
    proposal = world.grant("clinician", "general")[0]
    for spy in spies:
        spy.given["deal"].clear()
    [deposited] = world.desk("hospital").deposit(world.patient, [record("general", SECRET_TEXT)])
    me = world.person("clinician")
    parts = [Part.decode(spy.given["deal"][0]) for spy in spies]
    [leaf], header = parts[0].leaves, Header.decode(parts[0].header)
    place = header.place(world.chain.deployment)
    box = KeyBox.decode(spies[0].given["box"][-1])
    granted = open_box(world.chain.deployment, box, me.keyring.seed, me.keyring.public_key)
    session = open_session(place, header.session_wrap, segment_pair_seed(granted.key))
    blob = io.BytesIO()
    world.store.get(leaf.cid, blob)
    listing = [one for one in world.desk("clinician").list(world.patient) if one.record_id == leaf.record_id]
    assert deposited.record_id == leaf.record_id
    return Loot(
        world=world,
        me=me,
        desk=world.desk("clinician"),
        box=box,
        granted=granted,
        parts=parts,
        header=header,
        leaf=leaf,
        place=place,
        session_key=session,
        half=first_half(place, session, leaf.record_id),
        blob=blob.getvalue(),
        listing=listing[0],
        other_shares=opened_shares(world, proposal, leaf.record_id),
    )


def opened_shares(world: World, proposal: Proposal, but: bytes) -> dict[int, bytes]:
    """t shares of another record of the segment, released to a good entry."""
    mine = access(world, proposal, record=0)
    assert mine.record_id != but
    shares = {}
    for index in range(1, world.group.roster.threshold + 1):
        info = release_info(world.chain.deployment, proposal.terms.patient, mine.entry, index)
        answer = unwrap(mine.release(to=index).sealed, mine.reply_seed, info)
        shares[index] = abi_decode(["bytes", "bytes", "bytes32"], answer, "a release")[2]
    return shares


@dataclass
class Secrets:
    """What the loot must not give: the record, its data key, its second half, the keys between them."""

    values: dict[str, bytes]

    @classmethod
    def of(cls, loot: Loot) -> Secrets:
        """From those who may know: the patient and the keyholders together."""
        world, record_id = loot.world, loot.leaf.record_id
        patient = world.person("patient")
        desk = world.desk("patient")
        desk._own.refresh()
        shares = {}
        for index, keyholder in enumerate(world.keyholders, 1):
            held = keyholder._vault.find(record_id)
            assert held is not None
            shares[index] = held.share
        second = shamir.evaluate(dict(list(shares.items())[: world.group.roster.threshold]), 0)
        values = {f"share {index}": share for index, share in shares.items()}
        values |= {"record": SECRET_TEXT, "data key": desk._own.opening(record_id).data_key}
        values |= {"second half": second, "KEK": loot.guess(second), "patient's seed": patient.keyring.seed}
        values |= {f"keyholder {k.card.index}'s seed": k._seed for k in world.keyholders}
        return cls(values)

    def in_any(self, values: Iterable[bytes]) -> set[str]:
        """The names of those that stand in any of ``values``."""
        texts = list(values)
        return {name for name, secret in self.values.items() if any(secret in text for text in texts)}
