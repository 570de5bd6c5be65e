"""Every call of the public API that an attacker could make with its loot, and how each ends.

`ATTEMPTS` names each public function of the rooms below and each method of `Keyholder` and `Client`. An
attempt is a list of calls that all raise the named error, exactly, or (``None``) all return; what they
return is searched for secrets by the test.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from eth_utils.crypto import keccak

from consentry import client, seal
from consentry.chain.contracts import Entry
from consentry.client import Client, anchoring, sealing
from consentry.client.steps import Step
from consentry.consent import box, card, membership, rule, terms
from consentry.consent.membership import Membership, MembershipInvalid
from consentry.consent.rule import GrantState
from consentry.consent.terms import READ, typed_revoke
from consentry.envelope import anchor, deposit, handing, leaf, statement
from consentry.envelope.handing import Holding, Members
from consentry.envelope.leaf import Halves, Label
from consentry.envelope.statement import SignedStatement
from consentry.errors import (
    BlobAltered,
    BoxBroken,
    ConsentryError,
    DealInconsistent,
    IntegrityError,
    KeyholderRefused,
    NoGrant,
    NotAllowed,
    OwnWrapBroken,
    SegmentMissing,
    ShareMismatch,
    WrapBroken,
)
from consentry.keyholder import handover, messages
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.handover import What, asked, took
from consentry.keyholder.messages import Keyholder, ReleaseAsked
from consentry.keyholder.roster import succeed
from consentry.keys import hpke, shamir
from consentry.keys.binding import abi_encode
from consentry.keys.typed import SignatureInvalid
from consentry.record import purpose_bit
from tests.attacks.loot import Loot
from tests.attacks.support import NOT_AN_AGENT, TREAT, call
from tests.support.world import KINDS, record

DESKS = [import_module(f"consentry.client.{one.name}") for one in iter_modules(client.__path__)]
ROOMS: tuple[ModuleType, ...] = (
    *(
        anchor,
        deposit,
        handing,
        leaf,
        statement,
        box,
        card,
        membership,
        rule,
        terms,
        hpke,
        shamir,
        seal,
        messages,
        handover,
    ),
    *DESKS,
)
PROTOCOLS: tuple[type, ...] = (Keyholder, Client)
Calls = Iterator[Callable[[], object]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """All ``calls`` raise ``fails``, or return."""

    fails: type[ConsentryError] | None
    calls: Callable[[Loot], Calls]


def public_names() -> set[str]:
    """What the table has to cover: ``room.function`` and ``Protocol.method``."""
    names = set()
    for room in ROOMS:
        for name, value in vars(room).items():
            if inspect.isfunction(value) and value.__module__ == room.__name__ and name[0] != "_":
                where = "client" if room in DESKS else room.__name__.removeprefix("consentry.")
                names.add(f"{where}.{name}")
    for protocol in PROTOCOLS:
        names |= {f"{protocol.__name__}.{name}" for name in vars(protocol) if name[0] != "_"}
    return names


ATTEMPTS: dict[str, list[Attempt]] = {}


def attempt(
    name: str, fails: type[ConsentryError] | None = None
) -> Callable[[Callable[[Loot], Calls]], Callable[[Loot], Calls]]:
    """Puts a generator of calls into the table."""

    def put(calls: Callable[[Loot], Calls]) -> Callable[[Loot], Calls]:
        ATTEMPTS.setdefault(name, []).append(Attempt(fails, calls))
        return calls

    return put


# --- keyholders


@attempt("Keyholder.card")
def _(a: Loot) -> Calls:
    for keyholder in a.world.keyholders:
        yield lambda keyholder=keyholder: keyholder.card


@attempt("Keyholder.statement", KeyholderRefused)
def _(a: Loot) -> Calls:
    """A version 2 of the segment, with a key and an own wrap that the attacker can open."""
    [held, *_] = a.world.keyholders[0]._vault.statements(a.world.patient, a.header.segment)
    mine = hpke.public_key(a.me.keyring.seed)
    for who in (a.world.patient, a.me.identity):
        forged = replace(held.statement, patient=who, version=2, previous=held.statement.hash)
        body = replace(forged, segment_key=mine, patient_key=mine).encode()
        full = statement.message(a.world.chain.deployment, body)
        signed = SignedStatement(body, a.me.signer.sign_typed_data(full))
        for keyholder in a.world.keyholders:
            yield lambda k=keyholder, s=signed: k.statement(s)


@attempt("Keyholder.box", KeyholderRefused)
def _(a: Loot) -> Calls:
    """The grant's box with itself as grantee of more, signed by itself."""
    deployment = a.world.chain.deployment
    for changes in ({"record": a.leaf.record_id}, {"patient": a.me.identity}, {"version": 2}):
        forged = replace(a.box, **changes)
        forged = replace(forged, signature=a.me.signer.sign_typed_data(forged.message(deployment)))
        for keyholder in a.world.keyholders:
            yield lambda k=keyholder, b=forged: k.box(b.encode())


@attempt("Keyholder.deal")
def _(a: Loot) -> Calls:
    """Each its own part once more: an acknowledgement, nothing else."""
    for keyholder, part in zip(a.world.keyholders, a.parts, strict=True):
        yield lambda k=keyholder, p=part: k.deal(p.encode())


@attempt("Keyholder.deal", KeyholderRefused)
def _(a: Loot) -> Calls:
    """Another's part; and the record dealt anew, with shares and contributor of the attacker's own."""
    for keyholder, part in zip(a.world.keyholders, a.parts[1:] + a.parts[:1], strict=True):
        yield lambda k=keyholder, p=part: k.deal(p.encode())
    deployment, cards = a.world.chain.deployment, a.world.group.roster.keyholders
    header = replace(a.header, contributor=a.me.address)
    made = [(a.leaf, [bytes(32)] * len(cards))]
    keys = {one.index: one.public_key for one in cards}
    for part in deposit.make_parts(deployment, header, made, keyholder_keys=keys, terms=b""):
        signature = a.me.signer.sign_typed_data(deposit.message(deployment, part.envelope))
        signed = replace(part, signature=signature)
        for keyholder in a.world.keyholders:
            yield lambda k=keyholder, p=signed: k.deal(p.encode())


@attempt("Keyholder.stop", KeyholderRefused)
def _(a: Loot) -> Calls:
    patient, grant_id = a.world.patient, a.granted.terms.grant_id
    full = typed_revoke(a.world.chain.deployment, patient, grant_id)
    for keyholder in a.world.keyholders:
        yield lambda k=keyholder: k.stop(patient, grant_id, a.me.signer.sign_typed_data(full))


@attempt("Keyholder.grants")
def _(a: Loot) -> Calls:
    body = abi_encode(["bytes32"], [a.world.patient])
    for index, keyholder in enumerate(a.world.keyholders, 1):
        yield lambda k=keyholder, i=index: k.grants(call(a.world, "clinician", "grants", body, to=i))


@attempt("Keyholder.fetch_box")
def _(a: Loot) -> Calls:
    body = abi_encode(["bytes32", "bytes32"], [a.world.patient, a.granted.terms.grant_id])
    for index, keyholder in enumerate(a.world.keyholders, 1):
        yield lambda k=keyholder, i=index: k.fetch_box(call(a.world, "clinician", "fetch_box", body, to=i))


@attempt("Keyholder.grants")
def _(a: Loot) -> Calls:
    """The ids of her own grants."""
    body = abi_encode(["bytes32"], [a.world.patient])
    for index, keyholder in enumerate(a.world.keyholders, 1):
        yield lambda k=keyholder, i=index: k.grants(call(a.world, "clinician", "grants", body, to=i))


@attempt("Keyholder.labels")
def _(a: Loot) -> Calls:
    body = a.granted.terms.encode()
    for index, keyholder in enumerate(a.world.keyholders, 1):
        yield lambda k=keyholder, i=index: k.labels(call(a.world, "clinician", "labels", body, to=i))


@attempt("Keyholder.release", KeyholderRefused)
def _(a: Loot) -> Calls:
    """A made-up entry; a real one, for the other record, as it is and rewritten for this one."""
    reply = hpke.new_seed()
    head, grant_id = a.world.chain.head().number, a.granted.terms.grant_id
    answer_to = keccak(hpke.public_key(reply))
    words = (a.leaf.record_id, grant_id, hpke.new_seed(), TREAT, answer_to, NOT_AN_AGENT)
    made_up = Entry(a.me.address, *words, head)
    [real, *_] = a.world.chain.entries(actor=a.me.address)
    claims = [made_up, real.claim, replace(real.claim, record_id=a.leaf.record_id)]
    claims += [replace(claims[2], reply_key_hash=answer_to), replace(made_up, block=0)]
    claims += [replace(made_up, block=2**64 - 1)]
    for claim in claims:
        asked = ReleaseAsked(a.leaf.record_id, a.granted.terms, claim, hpke.public_key(reply)).encode()
        for index, keyholder in enumerate(a.world.keyholders, 1):
            yield lambda k=keyholder, i=index, b=asked: k.release(
                call(a.world, "clinician", "release", b, to=i)
            )


@attempt("Keyholder.own", KeyholderRefused)
def _(a: Loot) -> Calls:
    body = abi_encode(["bytes32"], [a.world.patient])
    for index, keyholder in enumerate(a.world.keyholders, 1):
        yield lambda k=keyholder, i=index: k.own(call(a.world, "clinician", "own", body, to=i))


@attempt("Keyholder.hand_over", KeyholderRefused)
def _(a: Loot) -> Calls:
    """A group of her own making, of which nobody approved, or she alone, in every keyholder's name."""
    before, where = a.world.group.roster, a.world.chain.deployment
    me = KeyholderCard(6, "me", a.me.address, hpke.public_key(a.me.keyring.seed), "at:me")
    bare = succeed(before, added=[me], threshold=1)
    mine = a.me.signer.sign_typed_data(bare.approval(where))
    for to in (before, bare, replace(bare, approvals=dict.fromkeys(bare.dealers, mine))):
        for what in What:
            body = asked(json.dumps(to.to_json()).encode(), what, bytes(32))
            for index, keyholder in enumerate(a.world.keyholders, 1):
                yield lambda k=keyholder, i=index, b=body: k.hand_over(
                    call(a.world, "clinician", "hand_over", b, to=i)
                )


@attempt("Keyholder.took_over", KeyholderRefused)
def _(a: Loot) -> Calls:
    """Whether they hold the record: not even that."""
    body = took(a.world.group.roster, [a.leaf.record_id])
    for index, keyholder in enumerate(a.world.keyholders, 1):
        yield lambda k=keyholder, i=index: k.took_over(call(a.world, "clinician", "took_over", body, to=i))


@attempt("Keyholder.journal")
def _(a: Loot) -> Calls:
    for keyholder in a.world.keyholders:
        yield keyholder.journal


# --- the desk


@attempt("Client.enrol")
def _(a: Loot) -> Calls:
    yield lambda: a.desk.enrol(KINDS)


@attempt("Client.offer")
def _(a: Loot) -> Calls:
    yield a.desk.offer


@attempt("Client.deposit", SegmentMissing)
def _(a: Loot) -> Calls:
    yield lambda: a.desk.deposit(a.world.patient, [record("general")])


@attempt("Client.propose")
def _(a: Loot) -> Calls:
    """As a patient of her own, to herself: her segments, not the patient's."""
    yield lambda: a.desk.propose(a.world.offered("clinician", "general"))


@attempt("Client.grant")
def _(a: Loot) -> Calls:
    offered = a.world.offered("clinician", "general", until=a.world.chain.head().time + 1000)
    yield lambda: a.desk.grant(offered, a.desk.propose(offered))


@attempt("Client.sign")
def _(a: Loot) -> Calls:
    yield lambda: a.desk.sign(a.desk.propose(a.world.offered("clinician", "general"))[0])


@attempt("Client.revoke")
def _(a: Loot) -> Calls:
    """A revocation in her own name of the patient's grant: another grant, and the patient's stays."""
    yield lambda: a.desk.revoke([a.granted.terms.grant_id])


@attempt("Client.my_grants")
def _(a: Loot) -> Calls:
    yield a.desk.my_grants


@attempt("Client.my_records")
def _(a: Loot) -> Calls:
    yield a.desk.my_records


@attempt("Client.list")
def _(a: Loot) -> Calls:
    yield lambda: a.desk.list(a.world.patient)
    yield lambda: a.desk.list(a.world.patient, a.granted.terms.grant_id)


@attempt("Client.open", NoGrant)
def _(a: Loot) -> Calls:
    """The verb itself writes an entry; without one she can only try what her grant does not reach."""
    for record_id in other_records(a):
        yield lambda r=record_id: a.desk.open(a.world.patient, r)


@attempt("Client.open", NotAllowed)
def _(a: Loot) -> Calls:
    yield lambda: a.desk.open(a.world.patient, a.leaf.record_id, purpose="HRESCH")


def other_records(a: Loot) -> list[bytes]:
    """The patient's records of other kinds."""
    return [one for one, label in a.world.desk("patient").my_records() if label.kind != "general"]


# --- envelopes


@attempt("envelope.deposit.envelope_hash")
def _(a: Loot) -> Calls:
    yield lambda: deposit.envelope_hash(a.parts[0].header, [a.leaf.hash])


@attempt("envelope.deposit.message")
def _(a: Loot) -> Calls:
    yield lambda: deposit.message(a.world.chain.deployment, a.parts[0].envelope)


@attempt("envelope.deposit.new_header")
def _(a: Loot) -> Calls:
    [signed, *_] = a.world.keyholders[0]._vault.statements(a.world.patient, a.header.segment)
    yield lambda: deposit.new_header(a.world.chain.deployment, signed.statement, a.me.address, 1, 1)


@attempt("envelope.deposit.make_parts")
def _(a: Loot) -> Calls:
    made = [(a.leaf, [a.half] * 5)]
    keys = dict.fromkeys(range(1, 6), hpke.public_key(a.me.keyring.seed))
    yield lambda: deposit.make_parts(a.world.chain.deployment, a.header, made, keyholder_keys=keys, terms=b"")


@attempt("envelope.deposit.open_shares", WrapBroken)
def _(a: Loot) -> Calls:
    """All n sealed shares, with every key in reach."""
    for index, part in enumerate(a.parts, 1):
        for key in a.candidates():
            yield lambda p=part, i=index, k=key: deposit.open_shares(a.world.chain.deployment, p, i, k)


@attempt("envelope.deposit.verify_part")
def _(a: Loot) -> Calls:
    yield lambda: deposit.verify_part(a.world.chain.deployment, a.parts[0])


@attempt("envelope.deposit.open_session")
def _(a: Loot) -> Calls:
    """This the grant is for: S_A, and with it labels."""
    pair = statement.segment_pair_seed(a.granted.key)
    yield lambda: deposit.open_session(a.place, a.header.session_wrap, pair)


@attempt("envelope.deposit.open_own_session", OwnWrapBroken)
def _(a: Loot) -> Calls:
    for key in a.candidates():
        yield lambda k=key: deposit.open_own_session(a.place, a.header, k)


@attempt("envelope.anchor.anchor_hash")
def _(a: Loot) -> Calls:
    yield lambda: anchor.anchor_hash(a.leaf.anchor_salt, a.leaf.record_id, a.leaf.digest)


@attempt("envelope.anchor.batched")
def _(a: Loot) -> Calls:
    yield lambda: anchor.batched(a.me.address, 7, [(a.leaf.record_id, a.leaf.anchor)] * 3)


@attempt("envelope.anchor.link")
def _(a: Loot) -> Calls:
    yield lambda: anchor.link(bytes(32), a.leaf.anchor, 1)


@attempt("client.fingerprint")
def _(a: Loot) -> Calls:
    yield lambda: sealing.fingerprint(record("general"))


@attempt("client.seal_records")
def _(a: Loot) -> Calls:
    """A record of the attacker's own, for the patient's segment: nobody takes it without a grant."""
    parcel, where = a.me.outbox.parcel("deposit", secrets.token_bytes(32)), a.world.chain.deployment
    mine, segments = [record("general")], {"general": a.header.segment}
    yield lambda: sealing.seal_records(
        parcel, where, a.me.address, a.world.patient, mine, segments, lambda _: None
    )


@attempt("client.places")
def _(a: Loot) -> Calls:
    yield lambda: anchoring.places(a.me.address, _as_sealed(a) * 2)


@attempt("client.batch_of")
def _(a: Loot) -> Calls:
    yield lambda: anchoring.batch_of(a.me.address, a.leaf)


@attempt("client.anchor")
def _(a: Loot) -> Calls:
    """The record's own anchor, in the attacker's name: nobody asks for that."""
    parcel = a.me.outbox.parcel("deposit", secrets.token_bytes(32))
    parcel.state["records"] = _as_sealed(a)
    for batch in (None, [secrets.randbits(64), a.leaf.anchor.hex(), 1]):
        parcel.state["envelopes"] = [{"kind": "general", "batch": batch}]
        yield lambda: anchoring.anchor(a.world.chain, a.me, parcel, lambda _: None)


def _as_sealed(a: Loot) -> list[dict[str, str]]:
    names = {"record": a.leaf.record_id, "anchorSalt": a.leaf.anchor_salt, "digest": a.leaf.digest}
    found = {name: value.hex() for name, value in names.items()}
    return [{**found, "anchor": a.leaf.anchor.hex(), "kind": "general", "envelope": 0}]


@attempt("envelope.leaf.leaf_hash")
def _(a: Loot) -> Calls:
    yield lambda: leaf.leaf_hash(*a.leaf.encode())


@attempt("envelope.leaf.record_id")
def _(a: Loot) -> Calls:
    yield lambda: leaf.record_id(a.world.patient, a.header.segment, a.leaf.record_salt)


@attempt("envelope.leaf.first_half")
def _(a: Loot) -> Calls:
    yield lambda: leaf.first_half(a.place, a.session_key, a.leaf.record_id)


@attempt("envelope.leaf.make_leaf")
def _(a: Loot) -> Calls:
    yield lambda: leaf.make_leaf(
        a.place,
        Halves(a.session_key, bytes(32)),
        record_salt=a.leaf.record_salt,
        anchor_salt=a.leaf.anchor_salt,
        data_key=bytes(32),
        digest=a.leaf.digest,
        cid=a.leaf.cid,
        label=Label("general", "", a.me.address, "text/plain"),
        threshold=1,
        count=1,
    )


@attempt("envelope.leaf.open_label")
def _(a: Loot) -> Calls:
    yield lambda: leaf.open_label(a.place, a.half, a.leaf.record_id, a.leaf.label)


@attempt("envelope.leaf.check_share", ShareMismatch)
def _(a: Loot) -> Calls:
    for index in range(7):
        for key in a.candidates():
            yield lambda i=index, k=key: leaf.check_share(a.leaf, i, k)


@attempt("envelope.leaf.data_key", ShareMismatch)
def _(a: Loot) -> Calls:
    """Any value in reach in the place of one share, of t, of all."""
    for key in a.candidates():
        for indexes in ((1,), (1, 2, 3), (1, 2, 3, 4, 5)):
            shares = dict.fromkeys(indexes, key)
            yield lambda s=shares: leaf.data_key(a.place, a.leaf, a.half, s)
    yield lambda: leaf.data_key(a.place, a.leaf, a.half, a.other_shares)


@attempt("envelope.leaf.data_key", DealInconsistent)
def _(a: Loot) -> Calls:
    yield lambda: leaf.data_key(a.place, a.leaf, a.half, {})


@attempt("envelope.leaf.data_key", BoxBroken)
def _(a: Loot) -> Calls:
    for key in a.candidates():
        if key != a.half:
            yield lambda k=key: leaf.data_key(a.place, a.leaf, k, a.other_shares)


@attempt("envelope.leaf.own_data_key", OwnWrapBroken)
def _(a: Loot) -> Calls:
    for key in a.candidates():
        yield lambda k=key: leaf.own_data_key(a.place, a.leaf, k)


@attempt("envelope.statement.segment_pair_seed")
def _(a: Loot) -> Calls:
    yield lambda: statement.segment_pair_seed(a.granted.key)


@attempt("envelope.statement.first_statement")
def _(a: Loot) -> Calls:
    yield lambda: statement.first_statement(
        a.world.chain.deployment,
        patient=a.world.patient,
        segment=a.header.segment,
        kind="general",
        seed=a.granted.key,
        patient_key=hpke.public_key(a.me.keyring.seed),
        keyholders=a.world.group.roster.hash,
    )


@attempt("envelope.statement.open_own", WrapBroken)
def _(a: Loot) -> Calls:
    for signed in a.world.keyholders[0]._vault.statements(a.world.patient):
        for key in a.candidates():
            yield lambda s=signed, k=key: statement.open_own(a.world.chain.deployment, s.statement, k)


@attempt("envelope.statement.next_statement")
def _(a: Loot) -> Calls:
    """She may make one: that the patient signed it she cannot make believe."""
    [held, *_] = a.world.keyholders[0]._vault.statements(a.world.patient, a.header.segment)
    where, kept = a.world.chain.deployment, a.granted.key
    yield lambda: statement.next_statement(where, held.statement, kind="general", seed=kept, earlier=[kept])


@attempt("envelope.statement.open_previous", WrapBroken)
def _(a: Loot) -> Calls:
    for signed in a.world.keyholders[0]._vault.statements(a.world.patient):
        for key in a.candidates():
            yield lambda s=signed, k=key: statement.open_previous(a.world.chain.deployment, s.statement, k)


@attempt("envelope.statement.split_seeds")
def _(a: Loot) -> Calls:
    yield lambda: statement.split_seeds(a.granted.key + a.half)


@attempt("envelope.statement.unlock")
def _(a: Loot) -> Calls:
    """With the seed that the grant gave her, and with all else that could be one."""
    held = [one.statement for one in a.world.keyholders[0]._vault.statements(a.world.patient)]
    yield lambda: statement.unlock(a.world.chain.deployment, held, {1: a.candidates(), 2: a.candidates()})


@attempt("envelope.statement.message")
def _(a: Loot) -> Calls:
    yield lambda: statement.message(a.world.chain.deployment, b"any")


@attempt("envelope.statement.verify_statement")
def _(a: Loot) -> Calls:
    [signed, *_] = a.world.keyholders[0]._vault.statements(a.world.patient, a.header.segment)
    controller, roster = a.world.person("patient").address, a.world.group.roster.hashes
    yield lambda: statement.verify_statement(
        a.world.chain.deployment, signed, controller=controller, keyholders=roster
    )


# --- consent


@attempt("consent.box.make_box")
def _(a: Loot) -> Calls:
    mine = hpke.public_key(a.me.keyring.seed)
    yield lambda: box.make_box(
        a.world.chain.deployment, a.granted, version=1, card=a.world.cards["clinician"], patient_key=mine
    )


@attempt("consent.box.sign_boxes")
def _(a: Loot) -> Calls:
    """In her own name, which no keyholder takes for the patient's."""
    yield lambda: box.sign_boxes(a.world.chain.deployment, a.me.signer, [a.box])


@attempt("consent.box.open_box")
def _(a: Loot) -> Calls:
    """Her own box: the segment's seed, which opens labels."""
    seed = a.me.keyring.seed
    yield lambda: box.open_box(a.world.chain.deployment, a.box, seed, hpke.public_key(seed))


@attempt("consent.box.open_own_box", WrapBroken)
def _(a: Loot) -> Calls:
    for key in a.candidates():
        yield lambda k=key: box.open_own_box(a.world.chain.deployment, a.box, k)


@attempt("consent.card.new_card")
def _(a: Loot) -> Calls:
    yield lambda: card.new_card(a.desk.offer(), name="Test", number="1", authority=a.me.address)


@attempt("consent.card.verify_card")
def _(a: Loot) -> Calls:
    mine = a.world.cards["clinician"]
    yield lambda: card.verify_card(
        a.world.chain.deployment, mine, hash_on_chain=mine.hash, is_authority=True, live=True
    )


@attempt("consent.membership.admit")
def _(a: Loot) -> Calls:
    """As if she were an organisation: she hands over what she has, her own seed."""
    mine = a.world.cards["clinician"]
    yield lambda: membership.admit(a.world.chain.deployment, a.me.signer, hpke.new_seed(), mine)


@attempt("consent.membership.take", MembershipInvalid)
def _(a: Loot) -> Calls:
    """A hand-over that the hospital never made."""
    hospital = a.world.cards["hospital"]
    deployment = a.world.chain.deployment
    forged = Membership(deployment.id, hospital.address, a.me.address, a.header.session_wrap, bytes(65))
    for key in a.candidates():
        yield lambda k=key: membership.take(deployment, forged, me=a.me.address, my_seed=k, card=hospital)


@attempt("consent.rule.why")
def _(a: Loot) -> Calls:
    facts = {"actor_live": True, "actor_is_grantee": True, "actor_is_live_member": True}
    facts |= {"guardianship_ended": False}
    epoch = a.granted.terms.epoch
    state = GrantState(1, epoch)
    yield lambda: rule.why(
        a.granted.terms, TREAT, READ, now=0, state=state, account_epoch=epoch, opted_out=0, **facts
    )


@attempt("consent.terms.typed_terms")
def _(a: Loot) -> Calls:
    yield lambda: terms.typed_terms(a.world.chain.deployment, a.granted.terms, a.granted.reading)


@attempt("consent.terms.typed_revoke")
def _(a: Loot) -> Calls:
    yield lambda: terms.typed_revoke(a.world.chain.deployment, a.world.patient, a.granted.terms.grant_id)


@attempt("consent.terms.minute")
def _(a: Loot) -> Calls:
    yield lambda: terms.minute(a.granted.terms.expires_at)


@attempt("consent.terms.sentence")
def _(a: Loot) -> Calls:
    yield lambda: terms.sentence(
        grantee="me", what="general", purposes=["treatment"], flags=READ, not_before=0, expires_at=1
    )


# --- keys and sealing


@attempt("keys.hpke.new_seed")
def _(a: Loot) -> Calls:
    yield hpke.new_seed


@attempt("keys.hpke.public_key")
def _(a: Loot) -> Calls:
    yield lambda: hpke.public_key(a.granted.key)


@attempt("keys.hpke.wrap")
def _(a: Loot) -> Calls:
    yield lambda: hpke.wrap(b"any", hpke.public_key(a.granted.key), b"")


@attempt("keys.hpke.check_public_key")
def _(a: Loot) -> Calls:
    yield lambda: hpke.check_public_key(hpke.public_key(a.granted.key))


@attempt("keys.hpke.unwrap", WrapBroken)
def _(a: Loot) -> Calls:
    """Whatever is wrapped, under any role's info, with any key in reach."""
    deployment, index = a.world.chain.deployment, 1
    fields = (a.world.patient, a.header.segment, a.header.session)
    for part in a.parts:
        for role in ("deal", "S_A", "S_O", "box", "release"):
            info = deployment.info(role, *fields, shamir.GROUP_K, index)
            for key in a.candidates()[::3]:
                yield lambda p=part, k=key, i=info: hpke.unwrap(p.shares, k, i)
    for key in a.candidates():
        info = a.place.session_info("S_O")
        yield lambda k=key, i=info: hpke.unwrap(a.header.own_wrap, k, i)


@attempt("keys.hpke.hkdf")
def _(a: Loot) -> Calls:
    for role in ("A", "kek", "label", "own DEK"):
        yield lambda r=role: hpke.hkdf(a.session_key, a.place.info(r, a.leaf.record_id), 64)
        yield lambda r=role: hpke.hkdf(a.half, a.place.info(r, a.leaf.record_id), 64)


@attempt("keys.hpke.seal_once")
def _(a: Loot) -> Calls:
    yield lambda: hpke.seal_once(a.half, b"any")


@attempt("keys.hpke.open_once", WrapBroken)
def _(a: Loot) -> Calls:
    """The wrapped data keys, with any key in reach, and with any as the second half."""
    for key in a.candidates():
        for sealed in (a.leaf.wrapped_key, a.leaf.own_wrap):
            yield lambda k=key, s=sealed: hpke.open_once(k, s)
            yield lambda k=key, s=sealed: hpke.open_once(a.guess(k), s)


@attempt("keys.shamir.new_secret")
def _(a: Loot) -> Calls:
    yield shamir.new_secret


@attempt("keys.shamir.split")
def _(a: Loot) -> Calls:
    yield lambda: shamir.split(bytes(32), 3, 5)


@attempt("keys.shamir.evaluate")
def _(a: Loot) -> Calls:
    for at in range(6):
        yield lambda x=at: shamir.evaluate(a.other_shares, x)
        yield lambda x=at: shamir.evaluate(dict(enumerate(a.leaf.share_commitments[:3], 1)), x)


@attempt("keys.shamir.evaluations")
def _(a: Loot) -> Calls:
    """Polynomials through what she has."""
    yield lambda: shamir.evaluations([a.half, *a.leaf.share_commitments[:2]], range(6))


@attempt("keys.shamir.commitment")
def _(a: Loot) -> Calls:
    yield lambda: shamir.commitment(a.leaf.record_id, 1, bytes(32))


@attempt("seal.padme")
def _(a: Loot) -> Calls:
    yield lambda: seal.padme(len(a.blob))


@attempt("seal.padded_size")
def _(a: Loot) -> Calls:
    yield lambda: seal.padded_size(len(a.blob))


@attempt("seal.context")
def _(a: Loot) -> Calls:
    yield lambda: bound_to(a)


@attempt("seal.seal")
def _(a: Loot) -> Calls:
    yield lambda: seal.seal(io.BytesIO(a.blob), io.BytesIO(), a.half, bound_to(a))


@attempt("seal.unseal", BlobAltered)
def _(a: Loot) -> Calls:
    digest = hashlib.sha256(a.blob).digest()
    for key in a.candidates():
        yield lambda k=key: seal.unseal(io.BytesIO(a.blob), io.BytesIO(), k, bound_to(a), digest)


def bound_to(a: Loot) -> bytes:
    return seal.context(a.world.chain.deployment, a.leaf.record_id, "application/fhir+json")


# --- what the desks stand on


def desk_function(name: str) -> Callable[..., object]:
    """A public function of the desks, in whichever of their modules it is defined."""
    [found] = {
        vars(room)[name] for room in DESKS if getattr(vars(room).get(name), "__module__", "") == room.__name__
    }
    return found  # type: ignore[no-any-return]


@attempt("client.fetch", BlobAltered)
def _(a: Loot) -> Calls:
    for key in a.candidates():
        yield lambda k=key: desk_function("fetch")(
            a.world.store, a.world.chain, a.leaf, k, "application/fhir+json"
        )


@attempt("client.allow", NotAllowed)
def _(a: Loot) -> Calls:
    """For a purpose that the patient did not grant."""
    where = (a.world.chain, a.me.address, a.granted.terms)
    yield lambda: desk_function("allow")(*where, 1 << purpose_bit("HRESCH"))


@attempt("client.seal_file")
def _(a: Loot) -> Calls:
    """Her own files, sealed under a key of her own."""
    yield lambda: desk_function("seal_file")(a.world.home / "sealed", a.me.keyring.seed, a.blob)


@attempt("client.unseal_file", IntegrityError)
def _(a: Loot) -> Calls:
    """The blob as if it were a file of hers."""
    (a.world.home / "blob").write_bytes(a.blob)
    for key in a.candidates():
        yield lambda k=key: desk_function("unseal_file")(a.world.home / "blob", k)


@attempt("client.durable")
def _(a: Loot) -> Calls:
    """It names a step, and changes and gives nothing."""
    for step in Step:
        yield lambda s=step: desk_function("durable")(s)


@attempt("client.deliver_box")
def _(a: Loot) -> Calls:
    yield lambda: desk_function("deliver_box")(a.world.group, a.box)


@attempt("client.bringing")
def _(a: Loot) -> Calls:
    held = a.world.keyholders[0]._vault.statements(a.world.patient)
    for keyholder in a.world.keyholders:
        yield lambda k=keyholder: desk_function("bringing")(held, lambda one: one.box(a.box.encode()))(k)


@attempt("client.deliver", SignatureInvalid)
def _(a: Loot) -> Calls:
    """A grant.json of her own making: the box of the grant as if for one record more."""
    deployment = a.world.chain.deployment
    forged = replace(a.box, record=a.leaf.record_id)
    handed = {
        "format": "consentry grant 1",
        "chainId": deployment.chain_id,
        "genesis": "0x" + deployment.genesis.hex(),
        "contract": deployment.registry,
        "patient": "0x" + a.world.patient.hex(),
        "signer": a.me.address,
        "grantId": "0x" + a.box.grant_id.hex(),
        "signature": "0x" + bytes(65).hex(),
        "box": "0x" + forged.encode().hex(),
    }
    yield lambda: desk_function("deliver")(a.world.chain, a.world.group, a.me.signer, handed)


@attempt("keyholder.messages.release_info")
def _(a: Loot) -> Calls:
    [real, *_] = a.world.chain.entries(actor=a.me.address)
    yield lambda: messages.release_info(a.world.chain.deployment, a.world.patient, real, 1)


@attempt("keyholder.messages.subject_of_stop")
def _(a: Loot) -> Calls:
    yield lambda: messages.subject_of_stop(a.world.patient, a.granted.terms.grant_id)


# --- what is handed on


def mine_of(a: Loot) -> Members:
    """A group in which she could decide alone."""
    return Members(bytes(32), 1, (1,))


@attempt("envelope.handing.hand_on")
def _(a: Loot) -> Calls:
    """What she has, as if it were a share that she was dealt."""
    for key in a.candidates():
        yield lambda k=key: handing.hand_on(a.leaf.record_id, Holding.dealt(k), 1, mine_of(a))


@attempt("envelope.handing.together")
def _(a: Loot) -> Calls:
    parts = [handing.hand_on(a.leaf.record_id, Holding.dealt(a.half), i, mine_of(a))[1] for i in range(1, 6)]
    yield lambda: handing.together(parts, 1)


@attempt("envelope.handing.check_holding", ShareMismatch)
def _(a: Loot) -> Calls:
    """As a keyholder's own share, and as what one handed on to her."""
    line = a.world.group.roster.groups
    for key in a.candidates():
        given = handing.hand_on(a.leaf.record_id, Holding.dealt(key), 1, mine_of(a))[1]
        for index in range(7):
            yield lambda i=index, k=key: handing.check_holding(a.leaf, line, i, Holding.dealt(k))
            yield lambda i=index, g=given: handing.check_holding(a.leaf, line, i, g)


@attempt("envelope.handing.gather")
def _(a: Loot) -> Calls:
    """It leads where the dealers' shares lead, and hers lead to none of the contributor's."""
    line = (*a.world.group.roster.groups, mine_of(a))
    for key in a.candidates():
        given = handing.hand_on(a.leaf.record_id, Holding.dealt(key), 1, mine_of(a))[1]
        yield lambda g=given: handing.gather(a.leaf, line, {1: g})


@attempt("keyholder.handover.asked")
def _(a: Loot) -> Calls:
    yield lambda: asked(b"any", What.ENVELOPES, bytes(32))


@attempt("keyholder.handover.handover_info")
def _(a: Loot) -> Calls:
    yield lambda: handover.handover_info(a.world.chain.deployment, a.world.group.roster, 1, 1)


@attempt("keyholder.handover.page_of", IntegrityError)
def _(a: Loot) -> Calls:
    yield lambda: handover.page_of(a.blob)


@attempt("keyholder.handover.took")
def _(a: Loot) -> Calls:
    yield lambda: took(a.world.group.roster, [a.leaf.record_id])
