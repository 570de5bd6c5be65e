"""Whoever cheats is named: a keyholder, a contributor, the one who made a key box; and honest others
go on working."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from consentry.client import Group, Opened
from consentry.consent.box import RECORD_HALF, SEGMENT_SEED, Granted, make_box
from consentry.consent.terms import READ
from consentry.envelope.leaf import Leaf
from consentry.errors import (
    BoxBroken,
    CommitMismatch,
    DealInconsistent,
    EnvelopesDiffer,
    OwnWrapBroken,
    TooFewKeyholders,
)
from consentry.keyholder.messages import BoxAnswer, Listed, OwnAnswer
from consentry.keyholder.vault import Held
from consentry.keys.hpke import new_seed
from consentry.keys.shamir import commitment, new_secret
from tests.attacks.support import deal, deposit_terms, envelope, statement_of
from tests.support.world import World, make_world, populated


@pytest.fixture(scope="module")
def listed(world: World) -> bytes:
    """A record that the clinician may open; gives its id."""
    world.grant("clinician", "general")
    return world.desk("clinician").list(world.patient)[0].record_id


def opened(world: World, record_id: bytes, who: str = "clinician") -> Opened:
    """Opens it, reads it all, and closes it."""
    found = world.desk(who).open(world.patient, record_id)
    with found.file as file:
        assert len(file.read()) == found.size > 0
    return found


FHIR = "application/fhir+json"  # of the records whose blobs are in the store


@contextmanager
def lying(world: World, index: int, lie: Callable[[Held], Held]) -> Iterator[None]:
    """Keyholder ``index`` answers with what ``lie`` makes of what it holds."""
    vault = world.keyholders[index - 1]._vault
    find = vault.find

    def found(record_id: bytes) -> Held | None:
        held = find(record_id)
        return None if held is None else lie(held)

    vault.find = found  # type: ignore[method-assign]
    try:
        yield
    finally:
        vault.find = find  # type: ignore[method-assign]


class Liar:
    """A keyholder whose answer to one verb is what ``lie`` makes of the honest one."""

    def __init__(self, inner: Any, verb: str, lie: Callable[[Any], Any]) -> None:
        self._inner, self._verb, self._lie = inner, verb, lie

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        return (lambda call: self._lie(method(call))) if name == self._verb else method


@contextmanager
def liar(world: World, index: int, verb: str, lie: Callable[[Any], Any]) -> Iterator[None]:
    """Puts a `Liar` in the place of keyholder ``index``."""
    honest, keyholders = world.group, list(world.keyholders)
    keyholders[index - 1] = Liar(keyholders[index - 1], verb, lie)  # type: ignore[call-overload]
    world.group = Group(world.chain.deployment, honest.roster, keyholders)
    try:
        yield
    finally:
        world.group = honest


def another_leaf(held: Held, **changes: Any) -> Held:
    leaf = replace(Leaf.decode(held.open_part, held.sealed_part), **changes)
    return Held(held.header, *leaf.encode(), held.share)


# --- a keyholder, at a release


def test_a_keyholder_that_forges_its_share_is_named_and_the_others_open(world: World, listed: bytes) -> None:
    with lying(world, 2, lambda held: replace(held, share=new_secret())):
        found = opened(world, listed)
    assert found.cheats == ("keyholder 2: ShareMismatch",)
    assert found.keyholders == (1, 3, 4)


def test_a_keyholder_that_forges_leaf_and_share_together_is_named(world: World, listed: bytes) -> None:
    """Its share fits its own leaf, which is not the others'."""

    def forge(held: Held) -> Held:
        share = new_secret()
        leaf = Leaf.decode(held.open_part, held.sealed_part)
        own = (commitment(leaf.record_id, 1, share), *leaf.share_commitments[1:])
        return replace(another_leaf(held, share_commitments=own), share=share)

    with lying(world, 1, forge):
        found = opened(world, listed)
    assert found.cheats == ("keyholder 1: EnvelopesDiffer",)
    assert found.keyholders == (2, 3, 4)


def test_a_keyholder_that_gives_another_record_is_named(world: World, listed: bytes) -> None:
    with lying(world, 3, lambda held: another_leaf(held, record_salt=new_seed())):
        assert opened(world, listed).cheats == ("keyholder 3: ShareMismatch",)


def test_when_too_many_forge_nothing_opens_and_each_is_named(world: World, listed: bytes) -> None:
    def forge(held: Held) -> Held:
        return replace(held, share=new_secret())

    with (
        lying(world, 1, forge),
        lying(world, 3, forge),
        lying(world, 5, forge),
        pytest.raises(TooFewKeyholders) as refused,
    ):
        opened(world, listed)
    for index in (1, 3, 5):
        assert f"keyholder {index}: ShareMismatch" in str(refused.value)


def test_leaves_on_which_no_t_agree_are_not_combined(world: World, listed: bytes) -> None:
    with (
        lying(world, 1, lambda held: another_leaf(held, cid="bafy-one")),
        lying(world, 2, lambda held: another_leaf(held, cid="bafy-one")),
        lying(world, 4, lambda held: another_leaf(held, cid="bafy-two")),
        pytest.raises(EnvelopesDiffer),
    ):
        opened(world, listed)


# --- a keyholder, to whom the patient or a grantee turns


def junk(answer: OwnAnswer) -> OwnAnswer:
    return replace(answer, boxes=(b"junk",), statements=(replace(answer.statements[0], body=b"junk"),))


def forged_headers(answer: OwnAnswer) -> OwnAnswer:
    """Good leaves under headers that do not open."""
    strangers = [replace(record, header=b"junk") for record in answer.records[:1]]
    for one in answer.records[1:]:
        half = len(one.header) // 2
        strangers.append(replace(one, header=one.header[:half] + bytes(64) + one.header[half + 64 :]))
    return replace(answer, records=tuple(strangers))


def swapped_headers(answer: OwnAnswer) -> OwnAnswer:
    """Good leaves under each other's good headers."""
    headers = [one.header for one in answer.records]
    rotated = headers[1:] + headers[:1]
    pairs = zip(answer.records, rotated, strict=True)
    return replace(answer, records=tuple(replace(one, header=header) for one, header in pairs))


def forged_signatures(answer: OwnAnswer) -> OwnAnswer:
    forged = tuple(replace(one, signature=bytes(65)) for one in answer.statements)
    boxes = tuple(box[:-96] + bytes(64) + box[-32:] for box in answer.boxes)
    return replace(answer, statements=forged, boxes=boxes)


LIES = [junk, forged_headers, swapped_headers, forged_signatures]


@pytest.mark.parametrize("index", [1, 5])
@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_one_lying_keyholder_cannot_lock_the_patient_out(
    world: World, listed: bytes, lie: Callable[[OwnAnswer], OwnAnswer], index: int
) -> None:
    """Whether it answers first or last: she sees, opens and grants what is hers, and her own copy is not
    poisoned for when it is gone."""
    patient = world.person("patient")
    fresh = replace(patient.copy, statements={}, records={}, boxes={})
    before, patient.copy = patient.copy, fresh
    try:
        with liar(world, index, "own", lie):
            world.desk("patient").my_records()
            assert_all_there(world, listed)
        assert_all_there(world, listed)
    finally:
        patient.copy = before


def assert_all_there(world: World, listed: bytes) -> None:
    desk = world.desk("patient")
    assert listed in dict(desk.my_records())
    opened(world, listed, "patient")
    assert {"general", "substance-use"} <= set(desk._own.segments())
    grants = desk.my_grants()
    assert any(g.kind == "general" and g.terms.flags == READ for g in grants.values())
    assert desk.propose(world.offered("clinician", "general", record=listed))


def blind(listed: tuple[Listed, ...]) -> tuple[Listed, ...]:
    return tuple(replace(one, label=bytes(len(one.label))) for one in listed)


def renamed(listed: tuple[Listed, ...]) -> tuple[Listed, ...]:
    return tuple(replace(one, contributor="0x" + "00" * 20) for one in listed)


@pytest.mark.parametrize("index", [1, 3])
@pytest.mark.parametrize("lie", [blind, renamed], ids=lambda lie: lie.__name__)
def test_one_lying_keyholder_cannot_hide_a_record_from_its_grantee(
    world: World, listed: bytes, lie: Callable[[Any], Any], index: int
) -> None:
    """Each label is tried on its own, whoever gave another under the same id."""
    with liar(world, index, "labels", lie):
        found = world.desk("clinician").list(world.patient)
    assert listed in [one.record_id for one in found]
    assert {one.label.contributor for one in found} == {world.person("hospital").address}


def test_a_keyholder_cannot_pass_off_the_box_of_another_grant(world: World) -> None:
    """Of the same patient for the same grantee, signed by her: it is still not the one that was asked
    for."""
    other = world.grant("clinician", "substance-use")[0]
    asked = world.grant("clinician", "general")[0]

    def swap(answer: BoxAnswer) -> BoxAnswer:
        return replace(answer, box=other.box.encode())

    with liar(world, 1, "fetch_box", swap):
        found = world.desk("clinician").list(world.patient, asked.grant_id)
    assert found
    assert {one.grant.id for one in found} == {asked.grant_id}
    assert {one.label.kind for one in found} == {"general"}


# --- the contributor


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world in which the hospital cheats, and the clinician may read everything."""
    world = populated(make_world(tmp_path_factory.mktemp("cheated")))
    world.grant("clinician", "general")
    return world


def cheating(world: World, **changes: Any) -> bytes:
    """A record that the hospital deals and anchors, honest but for ``changes``; gives its id."""
    terms = deposit_terms(world, "general")
    return deal(world, envelope(world, "hospital", statement_of(world, "general"), terms, **changes))


def test_shares_off_the_polynomial_are_laid_to_the_contributor(clinic: World) -> None:
    """Each share fits its commitment, so no keyholder can see it; a reader with t of them can."""
    odd = new_secret()

    def leaves(leaf: Leaf) -> list[Leaf]:
        own = (*leaf.share_commitments[:4], commitment(leaf.record_id, 5, odd))
        return [replace(leaf, share_commitments=own)]

    record_id = cheating(clinic, leaves=leaves, shares=lambda shares: [*shares[:4], odd])
    with pytest.raises(DealInconsistent):
        opened(clinic, record_id)


@pytest.mark.parametrize("field", ["commit", "wrapped_key"])
def test_a_commitment_or_key_that_does_not_fit_is_laid_to_the_contributor(clinic: World, field: str) -> None:
    def leaves(leaf: Leaf) -> list[Leaf]:
        return [replace(leaf, **{field: secrets.token_bytes(len(getattr(leaf, field)))})]

    with pytest.raises(CommitMismatch):
        opened(clinic, cheating(clinic, leaves=leaves))


def test_a_contributor_that_tells_keyholders_different_things_is_found_out(clinic: World) -> None:
    """Two envelopes for one record, both signed, each dealt to a part of the keyholders."""
    terms, statement, salt = deposit_terms(clinic, "general"), statement_of(clinic, "general"), new_seed()
    first = envelope(clinic, "hospital", statement, terms, salt=salt)
    [told] = first[0].leaves

    def same_anchor(leaf: Leaf) -> list[Leaf]:
        return [replace(leaf, anchor_salt=told.anchor_salt, digest=told.digest)]

    again = [envelope(clinic, "hospital", statement, terms, salt=salt, leaves=same_anchor) for _ in range(2)]
    record_id = deal(clinic, first[:2] + again[0][2:4] + again[1][4:])
    with pytest.raises(EnvelopesDiffer):
        opened(clinic, record_id)


def test_a_label_in_another_contributors_name_is_not_shown(clinic: World) -> None:
    """The hospital may deposit; it may not speak for a clinic that the patient trusts more."""
    clinic.onboard("rival")
    before = {one.record_id for one in clinic.desk("clinician").list(clinic.patient)}
    parts = envelope(
        clinic,
        "hospital",
        statement_of(clinic, "general"),
        deposit_terms(clinic, "general"),
        label_of=clinic.person("rival").address,
    )
    deal(clinic, parts)
    after = {one.record_id for one in clinic.desk("clinician").list(clinic.patient)}
    assert after == before


@pytest.mark.parametrize("where", ["leaf", "header"])
def test_a_broken_wrap_for_the_patient_is_named_and_locks_nothing_else(clinic: World, where: str) -> None:
    """She is told of this one record by name; all others open, and are listed."""
    desk = clinic.desk("patient")
    good = {
        record_id
        for record_id, label in desk.my_records()
        if (label.kind, label.media_type) == ("general", FHIR)
    }
    assert good
    if where == "leaf":
        broken = cheating(clinic, leaves=lambda leaf: [replace(leaf, own_wrap=bytes(len(leaf.own_wrap)))])
    else:
        broken = cheating(clinic, own_wrap=secrets.token_bytes(1168))
    assert {record_id for record_id, _ in desk.my_records()} >= good
    for record_id in good:
        opened(clinic, record_id, "patient")
    with pytest.raises(OwnWrapBroken):
        opened(clinic, broken, "patient")
    assert desk.propose(clinic.offered("clinician", "general", record=next(iter(good))))


# --- the one who made the key box


def granted_with(world: World, key_type: int, **changes: Any) -> bytes:
    """A grant to the clinician whose box the patient's device made with a key of its own making; its id."""
    desk, offered = world.desk("patient"), world.offered("clinician", "general", **changes)
    [proposal] = desk.propose(offered)
    granted = Granted(proposal.terms, proposal.reading, proposal.kind, key_type, new_seed())
    patient = world.person("patient")
    box = make_box(
        world.chain.deployment,
        granted,
        version=1,
        card=offered.card,
        patient_key=patient.keyring.public_key,
    )
    signature = patient.signer.sign_typed_data(box.message(world.chain.deployment))
    desk.grant(offered, [replace(proposal, box=replace(box, signature=signature))])
    return proposal.grant_id


def test_a_box_with_a_wrong_segment_seed_is_laid_to_who_made_it(clinic: World) -> None:
    broken = granted_with(clinic, SEGMENT_SEED)
    with pytest.raises(BoxBroken):
        clinic.desk("clinician").list(clinic.patient, broken)


def test_a_box_with_a_wrong_half_of_a_record_is_laid_to_who_made_it(clinic: World) -> None:
    record_id, _ = clinic.desk("patient").my_records()[0]
    broken = granted_with(clinic, RECORD_HALF, record=record_id)
    with pytest.raises(BoxBroken):
        clinic.desk("clinician").list(clinic.patient, broken)


def test_one_broken_box_does_not_hide_what_other_grants_give(clinic: World) -> None:
    granted_with(clinic, SEGMENT_SEED)
    assert clinic.desk("clinician").list(clinic.patient)
