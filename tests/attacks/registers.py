"""What the registers can do and no desk does yet, done once: steps of two authorities."""

from __future__ import annotations

from consentry.consent.card import new_card
from tests.support.world import DAY, World

TREATING, EMERGENCY = 1, 2


def registers_once(world: World) -> None:
    """Every function of the registers that changes something and that no desk calls."""
    newcomer = world.person("third authority").address
    agree(world, "addAuthority", newcomer)
    agree(world, "retireAuthority", newcomer)
    emergency(world, "helper", TREATING | EMERGENCY)


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
