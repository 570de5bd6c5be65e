"""What the registers can do and no desk does yet, done once: steps of two, batches, erasure, a grant that is
used at the bedside, and a broken glass."""

from __future__ import annotations

import secrets

from eth_utils.crypto import keccak
from web3 import EthereumTesterProvider

from consentry.consent.card import new_card
from consentry.consent.terms import typed_terms
from tests.contracts.batches import Batch, place
from tests.contracts.words import word
from tests.support.world import DAY, World

TREATING, EMERGENCY, REVIEWER = 1, 2, 16


def registers_once(world: World) -> None:
    """Every function of the registers that changes something and that no desk calls."""
    newcomer = world.person("third authority").address
    agree(world, "addAuthority", newcomer)
    agree(world, "retireAuthority", newcomer)
    batch(world)
    segment = bedside(world)
    break_glass(world, segment)


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


def bedside(world: World) -> bytes:
    """The patient signs, the clinician delivers and uses the grant at once; the segment's id."""
    patient, clinician = world.person("patient"), world.person("clinician")
    [proposal] = world.desk("patient").propose(world.offered("clinician", "general"))
    terms = proposal.terms
    signature = patient.signer.sign_typed_data(typed_terms(world.chain.deployment, terms, proposal.reading))
    openings = world.desk("patient")._own.openings()
    [salt, *_] = [one.leaf.record_salt for one in openings if one.header.segment == terms.segment]
    asked = (terms.as_tuple(), [salt], TREATING, word("reply key"), bytes(32))
    signed = (bytes.fromhex(patient.address[2:]), signature)
    world.chain.send(clinician.signer, "AccessLog", "requestWithSignature", *asked, *signed)
    return terms.segment


def break_glass(world: World, segment: bytes) -> None:
    """Two people open a segment, and a third reviews."""
    for name in ("helper", "second helper"):
        emergency(world, name, TREATING | EMERGENCY)
    reviewer = world.person("reviewer")
    now = world.chain.head().time
    given = (
        reviewer.address,
        now,
        now + 900 * DAY,
        REVIEWER,
        "0x" + "00" * 20,
        word("card"),
    )
    world.chain.send(world.authority.signer, "ProviderRegistry", "issue", given)
    a_day_later(world)
    helper = world.person("helper")
    reason = keccak(secrets.token_bytes(32) + b"found without consciousness")
    asked = (world.patient, segment, reason, word("another reply key"), bytes(32))
    world.chain.send(helper.signer, "AccessLog", "requestBreakGlass", *asked)
    access = world.chain.rpc.call("AccessLog", "headOf", helper.address)
    world.chain.send(world.person("second helper").signer, "AccessLog", "confirmBreakGlass", access)
    note = keccak(secrets.token_bytes(32) + b"as it should be")
    world.chain.send(reviewer.signer, "AccessLog", "reviewBreakGlass", access, True, note)


def a_day_later(world: World) -> None:
    """Lets a day of block time pass, in this process or on Anvil."""
    provider = world.web3.provider
    if isinstance(provider, EthereumTesterProvider):
        provider.ethereum_tester.time_travel(world.chain.head().time + DAY + 1)
    else:
        provider.make_request("evm_increaseTime", [DAY + 1])  # type: ignore[arg-type]
        provider.make_request("evm_mine", [])  # type: ignore[arg-type]
