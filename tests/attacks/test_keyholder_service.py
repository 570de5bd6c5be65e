"""What a keyholder refuses besides the checks of `RELEASE` and `DEAL`: who may take, give and stop what."""

from __future__ import annotations

import ast
import itertools
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consentry.client import Proposal
from consentry.consent.box import KeyBox
from consentry.consent.terms import typed_revoke
from consentry.envelope import statement as statements
from consentry.envelope.anchor import Batched
from consentry.envelope.leaf import Leaf
from consentry.envelope.statement import SignedStatement, Statement
from consentry.errors import KeyholderRefused
from consentry.keys.binding import abi_encode
from consentry.keys.hpke import new_seed
from tests.attacks.assurance import refusal, service_checks, service_sources, service_test
from tests.attacks.support import (
    access,
    box_of,
    call,
    deposit_terms,
    envelope,
    later,
    put_in_force,
    reason,
    statement_of,
    terms_of,
)
from tests.support.world import World


@pytest.fixture
def granted(world: World) -> Proposal:
    """A fresh grant of the patient's general records to the clinician."""
    return world.grant("clinician", "general")[0]


def box_body(proposal: Proposal) -> bytes:
    return abi_encode(["bytes32", "bytes32"], [proposal.terms.patient, proposal.grant_id])


def signed_by(world: World, who: str, body: bytes) -> SignedStatement:
    """A statement's bytes, signed by ``who``."""
    full = statements.message(world.chain.deployment, body)
    return SignedStatement(body, world.person(who).signer.sign_typed_data(full))


def resigned(world: World, who: str, box: KeyBox, **changes: Any) -> bytes:
    """A key box with ``changes``, signed by ``who``."""
    changed = replace(box, **changes)
    signature = world.person(who).signer.sign_typed_data(changed.message(world.chain.deployment))
    return replace(changed, signature=signature).encode()


# --- calls


def test_a_call_cannot_be_used_twice(world: World, granted: Proposal) -> None:
    """Who recorded a clinician's call cannot have it answered again; the same for a release."""
    keyholder, mine = world.keyholders[0], access(world, granted)
    for verb, body in [("fetch_box", box_body(granted)), ("labels", granted.terms.encode())]:
        once = call(world, "clinician", verb, body)
        assert getattr(keyholder, verb)(once)
        assert reason(keyholder, lambda verb=verb, once=once: getattr(keyholder, verb)(once)) == "nonce"
    once = mine.call()
    assert keyholder.release(once)
    assert reason(keyholder, lambda: keyholder.release(once)) == "nonce"


def test_a_refused_release_does_not_use_up_the_call(deep: World) -> None:
    """A call that came too early for its depth is good again later: its nonce was not spent."""
    mine = access(deep, deep.grant("clinician", "general")[0])
    early = mine.call()
    assert reason(deep.keyholders[0], lambda: deep.keyholders[0].release(early)) == "depth"
    later(deep, 12)
    later(deep, 12)
    assert deep.keyholders[0].release(early)


def test_a_stop_that_comes_while_an_entry_is_checked_wins(
    world: World, granted: Proposal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No release is journalled behind a stop, although it was asked for before: after the last look at the
    chain the keyholder looks once more at what it holds, in the transaction of the release."""
    keyholder, mine = world.keyholders[0], access(world, granted)
    named = (world.patient, granted.grant_id)
    full = typed_revoke(world.chain.deployment, *named)
    signature = world.person("patient").signer.sign_typed_data(full)
    real = world.chain.anchor_of

    def meanwhile(*which: Any) -> bytes:
        keyholder.stop(*named, signature)
        return real(*which)

    with monkeypatch.context() as patch:
        patch.setattr(world.chain, "anchor_of", meanwhile)
        assert reason(keyholder, mine.release, after=["stop"]) == "stop"


VERBS = ("fetch_box", "grants", "hand_over", "labels", "own", "release", "took_over")


def test_a_call_signed_for_one_verb_is_no_other(world: World) -> None:
    """Nor with the verb rewritten: then the signature does not hold."""
    keyholder, body = world.keyholders[0], abi_encode(["bytes32"], [world.patient])
    for signed_for, presented in itertools.permutations(VERBS, 2):
        signed = call(world, "patient", signed_for, body)
        assert reason(keyholder, lambda p=presented, s=signed: getattr(keyholder, p)(s)) == "verb"
        rewritten = replace(signed, verb=presented)
        refused = reason(keyholder, lambda p=presented, s=rewritten: getattr(keyholder, p)(s))
        assert refused == ("IntegrityError" if presented == "release" else "caller")


def test_a_call_to_one_keyholder_is_no_call_to_another(world: World, granted: Proposal) -> None:
    """A call names the keyholder it addresses, so that none can pass it on."""
    other, mine = world.keyholders[1], access(world, granted)
    for verb, body in [
        ("fetch_box", box_body(granted)),
        ("labels", granted.terms.encode()),
        ("release", mine.asked().encode()),
    ]:
        passed_on = call(world, "clinician", verb, body, to=1)
        assert reason(other, lambda verb=verb, it=passed_on: getattr(other, verb)(it)) == "caller"
    own = call(world, "patient", "own", abi_encode(["bytes32"], [world.patient]), to=1)
    assert reason(other, lambda: other.own(own)) == "caller"


BROKEN: list[dict[str, Any]] = [
    {"caller": "nobody"},
    {"caller": ""},
    {"caller": "0x" + "00" * 20},
    {"nonce": b""},
    {"nonce": bytes(33)},
    {"signature": b""},
    {"signature": bytes(65)},
    {"signature": b"\xff" * 65},
    {"signature": bytes(4096)},
    {"body": b""},
    {"body": b"\xff" * 31},
    {"verb": "\ud800"},
]


@pytest.mark.parametrize("changes", BROKEN, ids=lambda c: f"{next(iter(c))}-{len(next(iter(c.values())))}")
@pytest.mark.parametrize("verb", VERBS)
def test_nonsense_in_a_call_gets_the_same_refusal(world: World, verb: str, changes: dict[str, Any]) -> None:
    """No malformed field brings out an error of another type, or of another text."""
    keyholder = world.keyholders[0]
    good = call(world, "clinician", verb, bytes(32))
    with pytest.raises(KeyholderRefused, match=r"^the keyholder refused$"):
        getattr(keyholder, verb)(replace(good, **changes))


@pytest.mark.parametrize("verb", ["deal", "box"])
@pytest.mark.parametrize("data", [b"", b"\0" * 32, b"\xff" * 1024, bytes(100_000)], ids=len)
def test_nonsense_that_is_left_gets_the_same_refusal(world: World, verb: str, data: bytes) -> None:
    """Parts, boxes and statements that are none are refused like any other."""
    keyholder = world.keyholders[0]
    with pytest.raises(KeyholderRefused, match=r"^the keyholder refused$"):
        getattr(keyholder, verb)(data)
    with pytest.raises(KeyholderRefused, match=r"^the keyholder refused$"):
        keyholder.statement(SignedStatement(data, bytes(65)))


# --- own


@pytest.mark.parametrize("who", ["stranger", "neighbour", "hospital", "clinician"])
def test_nobody_but_the_patient_is_given_what_is_hers(world: World, who: str) -> None:
    """Not even those whom she granted everything."""
    asked = call(world, who, "own", abi_encode(["bytes32"], [world.patient]))
    assert reason(world.keyholders[0], lambda: world.keyholders[0].own(asked)) == "controller"


def test_a_controller_that_was_replaced_is_given_nothing_more(world: World) -> None:
    """Who signs for an identity is asked at head."""
    world.desk("mover").enrol(["general"])
    old, new = world.person("mover"), world.person("new wallet")
    world.chain.send(old.signer, "ConsentRegistry", "setController", old.identity, new.address)
    body, keyholder = abi_encode(["bytes32"], [old.identity]), world.keyholders[0]
    assert reason(keyholder, lambda: keyholder.own(call(world, "mover", "own", body))) == "controller"
    assert keyholder.own(call(world, "new wallet", "own", body)).statements


# --- key boxes


@pytest.mark.parametrize("who", ["stranger", "neighbour", "nurse", "clinic", "hospital"])
def test_a_key_box_is_given_to_its_grantee_alone(world: World, granted: Proposal, who: str) -> None:
    """It is sealed to the grantee's key as well; that others never see it keeps grants unknown."""
    asked = call(world, who, "fetch_box", box_body(granted))
    assert reason(world.keyholders[0], lambda: world.keyholders[0].fetch_box(asked)) == "credential at head"


def test_a_suspended_grantee_is_not_given_its_box(world: World, granted: Proposal) -> None:
    world.admin.suspend(world.person("clinician").address)
    asked = call(world, "clinician", "fetch_box", box_body(granted))
    try:
        refused = reason(world.keyholders[0], lambda: world.keyholders[0].fetch_box(asked))
        assert refused == "credential at head"
    finally:
        world.admin.reinstate(world.person("clinician").address)


def test_after_a_stop_or_a_revocation_the_box_is_the_patients_alone(world: World, granted: Proposal) -> None:
    keyholder = world.keyholders[0]
    world.desk("patient")._granter._stop(world.patient, granted.grant_id)
    asked = call(world, "clinician", "fetch_box", box_body(granted))
    assert reason(keyholder, lambda: keyholder.fetch_box(asked)) == "stop"

    ended = world.grant("clinician", "general")[0]
    signer = world.person("patient").signer
    world.chain.send(signer, "ConsentRegistry", "revoke", world.patient, ended.grant_id)
    asked = call(world, "clinician", "fetch_box", box_body(ended))
    assert reason(keyholder, lambda: keyholder.fetch_box(asked)) == "consent at head"
    assert keyholder.fetch_box(call(world, "patient", "fetch_box", box_body(ended))).box


def test_a_box_that_was_never_left_is_not_found(world: World) -> None:
    asked = call(world, "clinician", "fetch_box", abi_encode(["bytes32"] * 2, [world.patient, new_seed()]))
    assert reason(world.keyholders[0], lambda: world.keyholders[0].fetch_box(asked)) == "box"


@pytest.mark.parametrize("who", ["stranger", "neighbour", "clinician", "hospital"])
def test_nobody_but_the_patient_leaves_a_box_in_her_name(world: World, granted: Proposal, who: str) -> None:
    keyholder = world.keyholders[0]
    assert reason(keyholder, lambda: keyholder.box(resigned(world, who, granted.box))) == "SignatureInvalid"


def test_a_neighbour_cannot_put_her_box_in_the_place_of_the_patients(world: World, granted: Proposal) -> None:
    """The grant id stands on chain for all to see: under the neighbour's name it is another box, which
    neither replaces nor hides the patient's."""
    keyholder, me = world.keyholders[0], world.person("neighbour").identity
    mine = statement_of(world, "general", "neighbour").segment
    keyholder.box(resigned(world, "neighbour", granted.box, patient=me, segment=mine))
    answer = keyholder.fetch_box(call(world, "clinician", "fetch_box", box_body(granted)))
    assert answer.box == granted.box.encode()


def test_a_neighbour_cannot_leave_a_box_for_the_patients_segment(world: World, granted: Proposal) -> None:
    """With the answer would come the statements of a segment that is not hers."""
    keyholder, me = world.keyholders[0], world.person("neighbour").identity
    box = resigned(world, "neighbour", granted.box, patient=me)
    assert reason(keyholder, lambda: keyholder.box(box)) == "segment"


def test_grants_are_named_to_their_grantee_alone(world: World, granted: Proposal) -> None:
    """Any call is answered; what it names is the caller's own, so that a refusal tells nobody of a grant."""
    body, keyholder = abi_encode(["bytes32"], [world.patient]), world.keyholders[0]

    def named(who: str) -> tuple[bytes, ...]:
        return keyholder.grants(call(world, who, "grants", body))

    assert granted.grant_id in named("clinician")
    for who in ("stranger", "neighbour", "nurse", "clinic", "hospital"):
        assert granted.grant_id not in named(who)
    world.desk("patient")._granter._stop(world.patient, granted.grant_id)
    assert granted.grant_id not in named("clinician")


# --- labels


def labels(world: World, who: str, terms: Any) -> Callable[[], object]:
    return lambda: world.keyholders[0].labels(call(world, who, "labels", terms.encode()))


@pytest.mark.parametrize("who", ["stranger", "neighbour", "nurse", "clinic", "hospital"])
def test_labels_are_given_to_the_grantee_alone(world: World, granted: Proposal, who: str) -> None:
    assert reason(world.keyholders[0], labels(world, who, granted.terms)) == "consent at head"


def test_no_labels_after_a_stop(world: World, granted: Proposal) -> None:
    world.desk("patient")._granter._stop(world.patient, granted.grant_id)
    assert reason(world.keyholders[0], labels(world, "clinician", granted.terms)) == "stop"


def test_no_labels_after_a_revocation_on_chain(world: World, granted: Proposal) -> None:
    signer = world.person("patient").signer
    world.chain.send(signer, "ConsentRegistry", "revoke", world.patient, granted.grant_id)
    assert reason(world.keyholders[0], labels(world, "clinician", granted.terms)) == "consent at head"


def test_no_labels_once_the_grant_has_expired(world: World) -> None:
    until = world.chain.head().time + 60
    short = world.grant("clinician", "general", until=until)[0]
    assert labels(world, "clinician", short.terms)()
    later(world, 60)
    assert reason(world.keyholders[0], labels(world, "clinician", short.terms)) == "consent at head"


def test_no_labels_by_a_grant_to_deposit(world: World) -> None:
    """The hospital may add records to the segment, and see nothing of it."""
    terms = deposit_terms(world, "general")
    assert reason(world.keyholders[0], labels(world, "hospital", terms)) == "consent at head"


def test_a_clinician_cannot_grant_herself_the_labels_of_somebody_elses_segment(world: World) -> None:
    """A patient on chain like anyone, she grants herself a segment id that was public at its first use. A
    reader whose grant was revoked, and who kept its seed, would go on reading labels in this way."""
    me, victim = world.person("clinician").identity, statement_of(world, "general")
    terms = put_in_force(world, "clinician", terms_of(world, me, me, victim.segment))
    assert labels(world, "clinician", terms)() == ()


def test_nor_can_she_have_such_a_segments_records_released(world: World, granted: Proposal) -> None:
    """The same terms with a real entry for a record that she knows."""
    real, me = access(world, granted), world.person("clinician").identity
    terms = put_in_force(world, "clinician", terms_of(world, me, me, granted.terms.segment))
    mine = access(world, replace(granted, terms=terms))
    asked = mine.asked(record_id=real.record_id)
    assert reason(world.keyholders[0], lambda: mine.release(asked)) == "record"


# --- boxes of a next key version, which come ahead of its statement


def test_only_a_grant_in_force_gets_a_box_of_the_next_version(world: World) -> None:
    """Not one that never began, was ended on chain, or was stopped: its grantee would have the new key."""
    keyholder = world.keyholders[0]

    def of_the_next(grant: Proposal) -> Callable[[], object]:
        version = statement_of(world, "mental-health").version + 1
        return lambda: keyholder.box(box_of(world, grant, version))

    [ended] = world.grant("clinician", "mental-health")
    [waiting] = world.desk("patient").propose(world.offered("nurse", "mental-health"))
    on_chain = (world.person("patient").signer, "ConsentRegistry", "revoke", world.patient)
    world.chain.send(*on_chain, ended.grant_id)
    for grant in (ended, waiting):
        assert reason(keyholder, of_the_next(grant)) == "grant"
    [stopped] = world.grant("nurse", "mental-health")
    of_the_next(stopped)()
    full = typed_revoke(world.chain.deployment, world.patient, stopped.grant_id)
    stop = world.person("patient").signer.sign_typed_data(full)
    keyholder.stop(world.patient, stopped.grant_id, stop)
    assert reason(keyholder, of_the_next(stopped)) == "grant"


def test_a_box_of_a_key_version_that_is_far_off_is_refused(world: World) -> None:
    """It would keep out every box until then."""
    keyholder, version = world.keyholders[0], statement_of(world, "hiv").version
    [grant] = world.grant("clinician", "hiv")
    assert reason(keyholder, lambda: keyholder.box(box_of(world, grant, version + 2))) == "version"


def test_an_older_box_does_not_replace_a_newer_one(world: World) -> None:
    """Whoever saw the older one could take the newer key from its grantee."""
    keyholder, version = world.keyholders[0], statement_of(world, "hiv").version
    [grant] = world.grant("clinician", "hiv")
    newer = box_of(world, grant, version + 1)
    keyholder.box(newer)
    assert reason(keyholder, lambda: keyholder.box(grant.box.encode())) == "older box"
    assert keyholder._vault.find_box(world.patient, grant.grant_id) == newer


# --- statements


def next_version(before: Statement, **changes: Any) -> bytes:
    values = {"version": before.version + 1, "previous": before.hash, **changes}
    return replace(before, **values).encode()


def test_a_neighbour_cannot_continue_the_patients_segment(world: World) -> None:
    """Her version 2 of it would keep the patient from ever making her own."""
    keyholder, me = world.keyholders[0], world.person("neighbour").identity
    taken = signed_by(world, "neighbour", next_version(statement_of(world, "general"), patient=me))
    assert reason(keyholder, lambda: keyholder.statement(taken)) == "chain"


def test_a_statement_that_the_controller_did_not_sign_is_refused(world: World) -> None:
    keyholder = world.keyholders[0]
    forged = signed_by(world, "stranger", next_version(statement_of(world, "general")))
    assert reason(keyholder, lambda: keyholder.statement(forged)) == "SignatureInvalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1, "previous": bytes(32), "emergency": True},  # another first one
        {"previous": bytes([7]) * 32},  # follows nothing
        {"version": 3},  # leaves one out
    ],
    ids=["second first", "of nothing", "gap"],
)
def test_a_statement_that_does_not_follow_the_newest_is_refused(
    world: World, changes: dict[str, Any]
) -> None:
    """Even from the patient herself: depositors and readers rely on one chain of versions."""
    keyholder = world.keyholders[0]
    body = next_version(statement_of(world, "sexual-health"), **changes)
    assert reason(keyholder, lambda: keyholder.statement(signed_by(world, "patient", body))) == "chain"


def test_the_same_statement_again_is_harmless(world: World) -> None:
    keyholder, body = world.keyholders[0], statement_of(world, "general").encode()
    assert keyholder.statement(signed_by(world, "patient", body)).subject == Statement.decode(body).hash


# --- deals


def dealt(world: World, **changes: Any) -> Callable[[], object]:
    """Deals an envelope by the hospital for the general segment, honest but for ``changes``."""
    terms = deposit_terms(world, "general")
    part, *_ = envelope(world, "hospital", statement_of(world, "general"), terms, **changes)
    return lambda: world.keyholders[0].deal(part.encode())


def test_an_honest_deal_is_taken_and_acknowledged_again(world: World) -> None:
    """So that a retry, which sends the stored bytes, finds what it began."""
    give = dealt(world)
    assert give() is not None
    before = len(world.keyholders[0].journal())
    assert give() is not None
    assert len(world.keyholders[0].journal()) == before


def test_a_share_that_is_not_the_committed_one_is_refused(world: World) -> None:
    give = dealt(world, shares=lambda shares: shares[1:] + shares[:1])
    assert reason(world.keyholders[0], give) == "ShareMismatch"


def test_a_record_id_that_its_salt_does_not_give_is_refused(world: World) -> None:
    """Otherwise an id could be occupied, or a record slipped under another patient's."""
    other = secrets.token_bytes(32)
    give = dealt(world, leaves=lambda leaf: [replace(leaf, record_salt=other)])
    assert reason(world.keyholders[0], give) == "record id"


@pytest.mark.parametrize("count", [1, 4, 6])
def test_a_leaf_without_one_commitment_a_keyholder_is_refused(world: World, count: int) -> None:
    """Readers check the polynomial at 1..n; fewer commitments would leave a share unchecked."""

    def cut(leaf: Leaf) -> list[Leaf]:
        many = (leaf.share_commitments * 2)[:count]
        return [replace(leaf, share_commitments=many)]

    assert reason(world.keyholders[0], dealt(world, leaves=cut)) == "commitments"


HALF = Batched(7, 0, 2, (bytes(32),))
PLACES = {
    "beside a record that is not dealt": [HALF],
    "at an index beyond the last": [Batched(7, 1, 1, ())],
    "without its proof": [Batched(7, 0, 2, ())],
    "twice at one index": [HALF, HALF],
    "on two pages": [HALF, replace(HALF, page=8, index=1)],
    "half in a batch, half alone": [HALF, None],
}


@pytest.mark.parametrize("where", PLACES)
def test_a_place_in_another_batch_than_that_of_the_envelope_is_refused(world: World, where: str) -> None:
    """What is acknowledged would be held, and could never be released."""

    def placed(leaf: Leaf) -> list[Leaf]:
        return [replace(leaf, batched=place) for place in PLACES[where]]

    assert reason(world.keyholders[0], dealt(world, leaves=placed)) == "batch"


def test_a_record_is_held_once(world: World) -> None:
    """A second envelope cannot replace the leaf of a record whose salt a request made public."""
    terms, statement = deposit_terms(world, "general"), statement_of(world, "general")
    first, *_ = envelope(world, "hospital", statement, terms)
    world.keyholders[0].deal(first.encode())
    salt, keyholder = first.leaves[0].record_salt, world.keyholders[0]
    part, *_ = envelope(world, "hospital", statement, terms, salt=salt)
    assert reason(keyholder, lambda: keyholder.deal(part.encode())) == "held already"


def test_a_record_that_stands_twice_in_an_envelope_is_refused(world: World) -> None:
    assert reason(world.keyholders[0], dealt(world, leaves=lambda leaf: [leaf, leaf])) == "held already"


def test_an_envelope_that_its_contributor_did_not_sign_is_refused(world: World) -> None:
    terms = deposit_terms(world, "general")
    part, *_ = envelope(world, "hospital", statement_of(world, "general"), terms)
    other, *_ = envelope(world, "hospital", statement_of(world, "general"), terms)
    swapped = replace(part, signature=other.signature)
    refused = reason(world.keyholders[0], lambda: world.keyholders[0].deal(swapped.encode()))
    assert refused == "SignatureInvalid"


def test_a_part_for_another_keyholder_is_refused(world: World) -> None:
    terms = deposit_terms(world, "general")
    _, second, *_ = envelope(world, "hospital", statement_of(world, "general"), terms)
    assert reason(world.keyholders[0], lambda: world.keyholders[0].deal(second.encode())) == "WrapBroken"


# --- stops


@pytest.mark.parametrize("who", ["stranger", "neighbour", "clinician", "hospital"])
def test_nobody_but_the_patient_stops_a_grant(world: World, granted: Proposal, who: str) -> None:
    """A grantee, or a rival of its, could otherwise withhold records."""
    full = typed_revoke(world.chain.deployment, world.patient, granted.grant_id)
    signature = world.person(who).signer.sign_typed_data(full)
    keyholder = world.keyholders[0]
    refused = reason(keyholder, lambda: keyholder.stop(world.patient, granted.grant_id, signature))
    assert refused == "SignatureInvalid"


def test_a_stop_for_one_grant_stops_no_other(world: World, granted: Proposal) -> None:
    full = typed_revoke(world.chain.deployment, world.patient, granted.grant_id)
    signature = world.person("patient").signer.sign_typed_data(full)
    keyholder, other = world.keyholders[0], world.grant("clinician", "general")[0]
    refused = reason(keyholder, lambda: keyholder.stop(world.patient, other.grant_id, signature))
    assert refused == "SignatureInvalid"
    assert access(world, other).release()


def test_a_stop_for_what_is_no_id_is_refused(world: World, granted: Proposal) -> None:
    """A signature over ids of another length could hold for padded ones."""
    keyholder, signer = world.keyholders[0], world.person("patient").signer
    full = typed_revoke(world.chain.deployment, world.patient, granted.grant_id)
    signature = signer.sign_typed_data(full)
    for patient, grant_id in [
        (world.patient + b"\0", granted.grant_id),
        (world.patient, granted.grant_id + b"\0"),
        (world.patient[1:], granted.grant_id),
        (b"", b""),
    ]:
        assert reason(keyholder, lambda p=patient, g=grant_id: keyholder.stop(p, g, signature)) == "shape"


# --- what all have in common


def test_all_refusals_look_the_same_to_who_is_refused(world: World, granted: Proposal) -> None:
    """Type, text and attributes: nothing tells a missing record from a revoked grant or a bad signature."""
    keyholder, mine = world.keyholders[0], access(world, granted)
    attempts: list[Callable[[], object]] = [
        lambda: mine.release(mine.asked(record_id=new_seed())),
        lambda: mine.release(who="stranger"),
        lambda: keyholder.release(replace(mine.call(), signature=bytes(65))),
        lambda: keyholder.fetch_box(call(world, "stranger", "fetch_box", box_body(granted))),
        labels(world, "stranger", granted.terms),
        lambda: keyholder.own(call(world, "stranger", "own", abi_encode(["bytes32"], [world.patient]))),
        lambda: keyholder.deal(b"nonsense"),
        lambda: keyholder.stop(world.patient, granted.grant_id, b""),
    ]
    seen = set()
    for attempt in attempts:
        with pytest.raises(KeyholderRefused) as refused:
            attempt()
        error = refused.value
        seen.add((type(error), error.args, str(error), repr(error), tuple(vars(error))))
        assert error.__suppress_context__
    assert len(seen) == 1


# --- and without the check


class SwitchOff(ast.NodeTransformer):
    """Takes one refusal out of one method of the service."""

    def __init__(self, method: str, check: str) -> None:
        self._method, self._check, self._inside = method, check, ""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Only methods of the service are changed."""
        for part in node.body:
            self._inside = part.name if isinstance(part, ast.FunctionDef) else ""
            self.visit(part)
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """The refusal becomes nothing."""
        here = self._inside == self._method and refusal(node) == self._check
        return ast.copy_location(ast.Pass(), node) if here else node


@pytest.mark.parametrize(("method", "check"), sorted(service_checks()))
def test_without_the_refusal_its_own_test_fails(
    method: str, check: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The method is compiled anew without this one refusal; the test that the table names for it fails."""
    [(cls, source)] = [(cls, source) for cls, source in service_sources().items() if method in vars(cls)]
    changed = ast.fix_missing_locations(SwitchOff(method, check).visit(source))
    module: dict[str, Any] = {"__name__": cls.__module__}
    exec(compile(changed, "service without a refusal", "exec"), module)
    monkeypatch.setattr(cls, method, vars(module[cls.__name__])[method])
    test = service_test(method, check)
    with pytest.raises((Exception, pytest.fail.Exception)):
        test(**arguments(test, request))


def arguments(test: Any, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What pytest would call a test with; of each parametrization the first value."""
    first = {}
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "parametrize":
            first[mark.args[0]] = mark.args[1][0]
    names = test.__code__.co_varnames[: test.__code__.co_argcount]
    return {name: first[name] if name in first else request.getfixturevalue(name) for name in names}
