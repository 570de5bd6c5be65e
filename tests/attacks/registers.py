"""What the registers can do and no desk does yet, done once: steps of two authorities, batches, erasure."""

from __future__ import annotations

from consentry.consent.card import new_card
from tests.contracts.batches import Batch, place
from tests.support.world import DAY, World

TREATING, EMERGENCY = 1, 2


def registers_once(world: World) -> None:
    """Every function of the registers that changes something and that no desk calls."""
    newcomer = world.person("third authority").address
    agree(world, "addAuthority", newcomer)
    agree(world, "retireAuthority", newcomer)
    emergency(world, "helper", TREATING | EMERGENCY)
    batch(world)


def agree(world: World, function: str, *arguments: object) -> None:
    """Two authorities call the same."""
    for authority in (world.authority, world.second_authority):
        world.chain.send(authority.signer, "ProviderRegistry", function, *arguments)


def emergency(world: World, name: str, roles: int) -> None:
    """Both authorities give ``name`` a card and a credential with the emergency role."""
    card = new_card(
        world.desk(name).offer(),
        name=f"Test {name}",
        number="1234567893",
        authority=world.authority.address,
    )
    now = world.chain.head().time
    agree(
        world,
        "issueEmergency",
        (card.address, now - DAY, now + 900 * DAY, roles, "0x" + "00" * 20, card.hash),
    )
    world.cards[name] = card


def batch(world: World) -> None:
    """The hospital anchors records in a batch, gives one of them a slot, and erases two."""
    hospital = world.person("hospital").signer
    made = Batch.of(hospital, 3)
    (first, its), (second, other), _ = made.anchors
    for signer, function, *arguments in (
        (hospital, "anchorBatch", 0, *made.link),
        (world.person("stranger").signer, "anchorFromBatch", hospital.address, first, its, where(made, 0)),
        (hospital, "markErased", first),
        (hospital, "markErasedInBatch", second, other, where(made, 1)),
    ):
        world.chain.send(signer, "RecordRegistry", function, *arguments)


def where(made: Batch, index: int) -> tuple[object, ...]:
    """A record's place, as a tuple."""
    return tuple(place([made], 0, index).values())
