"""A whole run on any chain: everything that changes something is done, and all that is secret is kept."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from eth_utils.crypto import keccak
from web3 import Web3

from consentry.admin import ORGANISATION
from consentry.client import Client, deliver
from consentry.consent.box import KeyBox
from consentry.consent.card import new_card
from consentry.consent.terms import DEPOSIT, MEMBERS, READ, typed_revoke
from consentry.envelope.deposit import Header, Part
from consentry.fhir import records_from_bytes, synthetic_bundle
from consentry.record import kinds
from tests.attacks.forbidden import Forbidden
from tests.attacks.identities import identities
from tests.attacks.registers import registers_once
from tests.attacks.support import Recorder, deposit_terms, envelope, record_all, statement_of
from tests.support.world import DAY, KINDS, World, make_world, record

DEPOSITED = ("general", "mental-health", "substance-use")


def whole_run(home: Path, web3: Web3 | None = None) -> tuple[World, Forbidden]:
    """A world after every verb, and what may not be found on its chain."""
    with drawn() as random:
        world = make_world(home, web3)
        spies = record_all(world)
        everything_once(world)
    forbidden = Forbidden()
    forbidden.bundle(synthetic_bundle())
    for spy in spies:
        dealt(forbidden, spy)
    told(forbidden, world)
    forbidden.key("another random value", *(random - public_words(world)))
    return world, forbidden


@contextmanager
def drawn() -> Iterator[set[bytes]]:
    """Every random value of 16 bytes and more that is drawn meanwhile: seeds, data keys, halves,
    salts, session ids, nonces, signing keys."""
    found: set[bytes] = set()
    draw, below = secrets.token_bytes, secrets.randbelow

    def token_bytes(count: int = 32) -> bytes:
        value = draw(count)
        if count >= 16:
            found.add(value)
        return value

    def randbelow(limit: int) -> int:
        value = below(limit)
        if limit > 2**128:
            found.add(value.to_bytes(32, "big"))
        return value

    with patch.object(secrets, "token_bytes", token_bytes), patch.object(secrets, "randbelow", randbelow):
        yield found


def public_words(world: World) -> set[bytes]:
    """The random values that become public by design: segment ids, and the recordSalts of records that
    were requested."""
    desk = world.desk("patient")
    desk._own.refresh()
    requested = {entry.record_id for entry in world.chain.entries()}
    salts = {key.leaf.record_salt for key in desk._own.openings() if key.leaf.record_id in requested}
    return salts | {one.statement.segment for one in desk._own.segments().values()}


# --- the run


def everything_once(world: World) -> None:
    """Every verb, and every function of the contracts that changes something."""
    for name, organisation in (("clinician", "hospital"), ("nurse", "hospital")):
        if "hospital" not in world.cards:
            world.onboard("hospital", roles=1 | ORGANISATION)
        world.onboard(name, organisation=organisation)
    patient, clinician, stranger = world.desk("patient"), world.desk("clinician"), world.person("stranger")
    patient.enrol(KINDS)
    world.grant("hospital", *DEPOSITED, flags=DEPOSIT)
    world.desk("hospital").deposit(world.patient, records_from_bytes(synthetic_bundle()))
    own = patient.deposit(world.patient, [record("general")])

    first = world.grant("clinician", "general")[0]
    staff = world.grant("hospital", *DEPOSITED, flags=READ | MEMBERS)[2]
    single = world.grant("clinician", "general", record=own[0].record_id)[0]
    offered = world.offered("nurse", "mental-health", until=world.chain.head().time + 30 * DAY)
    handed = patient.sign(patient.propose(offered)[0])
    deliver(world.chain, world.group, stranger.signer, handed)
    seeds = world.person("clinician").keyring.organisations
    seeds[world.person("hospital").address] = world.person("hospital").keyring.seed
    for proposal in (first, staff, single):
        listing = clinician.list(world.patient, proposal.grant_id)[0]
        clinician.open(world.patient, listing.record_id, grant_id=proposal.grant_id).file.close()

    world.admin.suspend(world.person("clinician").address)
    world.admin.reinstate(world.person("clinician").address)
    world.admin.retire(world.person("nurse").address)
    supersede(world)
    patient.revoke([first.grant_id])
    by_hand(world)
    registers_once(world)
    patient.revoke()
    read_all_alone(world, patient)


def supersede(world: World) -> None:
    """The hospital replaces one of its records by a new version."""
    hospital = world.person("hospital").signer
    statement, terms = statement_of(world, "general"), deposit_terms(world, "general")
    parts = envelope(world, "hospital", statement, terms)
    for keyholder, part in zip(world.group._keyholders.values(), parts, strict=True):
        keyholder.deal(part.encode())
    [leaf] = parts[0].leaves
    desk = world.desk("patient")
    by_hospital = [k for k in desk._own.openings() if k.header.contributor == hospital.address]
    old = by_hospital[0].leaf.record_id
    world.chain.send(hospital, "RecordRegistry", "supersede", old, leaf.record_id, leaf.anchor)


def by_hand(world: World) -> None:
    """What no desk does yet: one credential alone, a revocation that anybody delivers, a new controller."""
    stranger, patient = world.person("stranger").signer, world.person("patient")
    now = world.chain.head().time
    offer = world.desk("stranger").offer()
    card = new_card(offer, name="Test stranger", number="1234567893", authority=world.authority.address)
    credential = (stranger.address, now, now + DAY, 1, "0x" + "00" * 20, card.hash)
    world.chain.send(world.authority.signer, "ProviderRegistry", "issue", credential)
    ended = world.chain.grants_of(world.patient)[-1]
    full = typed_revoke(world.chain.deployment, world.patient, ended)
    signed = (bytes.fromhex(patient.address[2:]), ended, patient.signer.sign_typed_data(full))
    world.chain.send(stranger, "ConsentRegistry", "revokeBySig", world.patient, *signed)
    renewed = world.chain.grants_of(world.patient)[0], keccak(text="a grant that nobody described")
    world.chain.send(patient.signer, "ConsentRegistry", "renew", world.patient, *renewed)
    world.chain.send(patient.signer, "ConsentRegistry", "setOptOut", world.patient, 8)
    identities(world)


def read_all_alone(world: World, patient: Client) -> None:
    for record_id, label in patient.my_records():
        if label.media_type != "text/plain":  # that one's blob was never pinned
            patient.open(world.patient, record_id).file.close()


# --- what it may not have told


def dealt(forbidden: Forbidden, spy: Recorder) -> None:
    """What envelopes and key boxes keep from the public; record ids they do not."""
    for encoded in spy.given["deal"]:
        part = Part.decode(encoded)
        header = Header.decode(part.header)
        forbidden.key("a wrap of an envelope", part.shares, header.session_wrap, header.own_wrap)
        for leaf in part.leaves:
            forbidden.key("an anchorSalt", leaf.anchor_salt)
            forbidden.key("a wrapped key or label", leaf.wrapped_key, leaf.own_wrap, leaf.label)
            forbidden.key("a commitment", leaf.commit, leaf.commit_a, *leaf.share_commitments)
            forbidden.key("a blob's digest", leaf.digest)
            forbidden.cid(leaf.cid)
    for encoded in spy.given["box"]:
        box = KeyBox.decode(encoded)
        forbidden.key("a key box", box.to_grantee, box.to_patient)


def told(forbidden: Forbidden, world: World) -> None:
    """Sentences, labels, kinds, cards; the contents of the records themselves."""
    for grant in world.desk("patient").my_grants().values():
        forbidden.text("a sentence", grant.reading.sentence)
    for key in world.desk("patient")._own.openings():
        forbidden.key("a label or data key", key.label.encode(), key.data_key)
        forbidden.text("a label", key.label.media_type, key.label.date)
    for card in world.cards.values():
        forbidden.text("a card", card.name, card.number, card.title, card.to_json())
    for kind in kinds():
        forbidden.text("a kind", kind.name, kind.title, *kind.labels)
    for made in records_from_bytes(synthetic_bundle()):
        with made.open() as body:
            forbidden.key("a record", body.read())
