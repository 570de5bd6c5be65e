"""After a revocation the segment gets new keys: whoever lost the grant gets nothing of them, whoever kept
one reads on, and nobody but the patient gives a segment its next version."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from bench._anvil import anvil
from consentry.client import Client, Group, Person, Proposal
from consentry.client.rotation import Rotated
from consentry.consent.box import SEGMENT_SEED, Granted, KeyBox, make_box, open_box
from consentry.consent.terms import DEPOSIT
from consentry.envelope.deposit import Header, open_session
from consentry.envelope.leaf import Leaf, data_key, first_half
from consentry.envelope.statement import (
    SignedStatement,
    message,
    next_statement,
    open_own,
    open_previous,
    segment_pair_seed,
)
from consentry.errors import IntegrityError, KeyholderRefused, NoGrant
from consentry.keyholder.messages import BoxAnswer, OwnAnswer
from consentry.keys.binding import abi_encode
from consentry.keys.hpke import new_seed, public_key
from tests.attacks.support import box_of, call, reason, statement_of
from tests.support.served import served
from tests.support.world import World, make_world, populated, record

KIND = "general"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with anvil() as url:
        world = populated(make_world(tmp_path_factory.mktemp("world"), Web3(HTTPProvider(url))))
        world.onboard("nurse", organisation="hospital")
        world.desk("neighbour").enrol([KIND])
        world.person("stranger")
        yield world


@pytest.fixture
def granted(world: World) -> tuple[Proposal, Proposal]:
    """The clinician and the nurse may both read: (hers, the nurse's)."""
    return world.grant("clinician", KIND)[0], world.grant("nurse", KIND)[0]


def deposited(world: World, text: bytes) -> bytes:
    """The hospital deposits one more record; gives its id."""
    [one] = world.desk("hospital").deposit(world.patient, [record(KIND, text)])
    return one.record_id


def seen(world: World, who: str, grant: Proposal) -> set[bytes]:
    """The records that a grantee lists by its grant."""
    return {one.record_id for one in world.desk(who).list(world.patient, grant.grant_id)}


def opened(world: World, who: str, record_id: bytes) -> bytes:
    with world.desk(who).open(world.patient, record_id).file as file:
        return file.read()


def revoked(world: World, grant: Proposal) -> Rotated:
    """The patient ends a grant; gives what became of the segment's keys."""
    [rotated] = world.desk("patient").revoke([grant.grant_id]).rotation.done
    return rotated


def seed_of(world: World, who: str, grant: Proposal) -> bytes:
    """The segment seed that a grantee keeps from its box."""
    mine = world.person(who).keyring.seed
    return open_box(world.chain.deployment, grant.box, mine, public_key(mine)).key


def signed(world: World, body: bytes, who: str = "patient") -> SignedStatement:
    full = message(world.chain.deployment, body)
    return SignedStatement(body, world.person(who).signer.sign_typed_data(full))


def held_versions(world: World, kind: str = KIND) -> list[int]:
    """The newest key version of the segment at each keyholder."""
    segment = statement_of(world, kind).segment
    return [
        max(one.statement.version for one in keyholder._vault.statements(world.patient, segment))
        for keyholder in world.keyholders
    ]


# --- who lost its grant


def test_who_lost_a_grant_lists_and_opens_nothing_and_who_kept_one_reads_old_and_new(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    hers, nurses = granted
    old = deposited(world, b"Test letter from before the revocation")
    rotated = revoked(world, hers)
    assert (rotated.kind, rotated.held, rotated.without) == (KIND, 5, ())
    new = deposited(world, b"Test letter from after the revocation")
    assert {old, new} <= seen(world, "nurse", nurses)
    assert opened(world, "nurse", old) == b"Test letter from before the revocation"
    assert opened(world, "nurse", new) == b"Test letter from after the revocation"
    desk = world.desk("clinician")
    for record_id in (old, new):
        with pytest.raises(NoGrant):
            desk.open(world.patient, record_id, grant_id=hers.grant_id)
    body = abi_encode(["bytes32", "bytes32"], [world.patient, hers.grant_id])
    for number, keyholder in enumerate(world.keyholders, 1):
        asked = call(world, "clinician", "fetch_box", body, to=number)
        assert reason(keyholder, lambda k=keyholder, c=asked: k.fetch_box(c)) == "stop"


def test_who_lost_a_grant_cannot_open_a_new_record_even_with_all_keyholders(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    """They give it everything: statements, the others' boxes, envelopes, leaves and all shares. It lacks the
    first half, for which the new segment key is needed; a record from before opens so."""
    hers, _ = granted
    seed, deployment = seed_of(world, "clinician", hers), world.chain.deployment
    old = deposited(world, b"Test letter that colluding keyholders give away")
    rotated = revoked(world, hers)
    new = deposited(world, b"Test letter that they cannot give away")
    mine, pair = world.person("clinician").keyring.seed, segment_pair_seed(seed)

    def opens(record_id: bytes) -> bool:
        held = {k.card.index: k._vault.find(record_id) for k in world.keyholders}
        one = held[1]
        assert one is not None
        header: Header = one.header
        place = header.place(deployment)
        leaf = Leaf.decode(one.open_part, one.sealed_part)
        try:
            half = first_half(place, open_session(place, header.session_wrap, pair), record_id)
            data_key(place, leaf, half, {i: h.share for i, h in held.items() if h is not None})
        except IntegrityError:
            return False
        return True

    assert opens(old)
    assert not opens(new)
    statement = statement_of(world, KIND)
    assert statement.version == rotated.version
    for attempt in (
        lambda: open_previous(deployment, statement, seed),
        lambda: open_own(deployment, statement, mine),
        lambda: open_own(deployment, statement, pair),
    ):
        with pytest.raises(IntegrityError):
            attempt()
    boxes = [KeyBox.decode(box) for box in world.keyholders[0]._vault.boxes_of(world.patient)]
    others = [one for one in boxes if one.version == rotated.version]
    assert others
    assert hers.grant_id not in [one.grant_id for one in others]
    for box in others:
        for key in (mine, pair, seed):
            with pytest.raises(IntegrityError):
                open_box(deployment, box, key, public_key(mine))


def test_who_lost_a_grant_is_not_helped_by_another_one_to_add_records(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    """The box of a DEPOSIT grant brings the statements, and no seed of any version."""
    hers, _ = granted
    [adding] = world.grant("clinician", KIND, flags=DEPOSIT)
    rotated = revoked(world, hers)
    grant = world.desk("clinician")._boxes.grants(world.patient, adding.grant_id)[0]
    assert rotated.version in [one.statement.version for one in grant.statements]
    assert (grant.granted.key, grant.granted.earlier, grant.seeds) == (bytes(32), b"", {})
    world.desk("patient").revoke([adding.grant_id])


# --- statements of others


def test_a_stranger_cannot_publish_the_next_version(world: World) -> None:
    """Whoever could would read all that is deposited from then on."""
    before, seed = statement_of(world, KIND), new_seed()
    forged = next_statement(world.chain.deployment, before, kind=KIND, seed=seed, earlier=[new_seed()])
    for who in ("stranger", "hospital", "neighbour"):
        one = signed(world, forged.encode(), who)
        for keyholder in world.keyholders:
            assert reason(keyholder, lambda k=keyholder, s=one: k.statement(s)) == "SignatureInvalid"
    assert statement_of(world, KIND) == before


class Serving:
    """A keyholder that gives other statements and another box with a key box than it holds."""

    def __init__(self, inner: Any, lie: Callable[[BoxAnswer], BoxAnswer]) -> None:
        self._inner, self._lie = inner, lie

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def fetch_box(self, asked: Any) -> BoxAnswer:
        return self._lie(self._inner.fetch_box(asked))


@contextmanager
def serving(
    world: World, lie: Callable[[BoxAnswer], BoxAnswer], *indexes: int, down: Collection[int] = ()
) -> Iterator[None]:
    honest = world.group
    some = [Serving(k, lie) if k.card.index in indexes else k for k in world.keyholders]
    up = [one for one in some if one.card.index not in down]
    world.group = Group(world.chain.deployment, honest.roster, up)
    try:
        yield
    finally:
        world.group = honest


def version_of(world: World, record_id: bytes) -> int:
    """The key version under which a record was dealt."""
    held = world.keyholders[0]._vault.find(record_id)
    assert held is not None
    return int(held.header.version)


def stale(answer: BoxAnswer) -> BoxAnswer:
    """Without the newest statement."""
    newest = max(one.statement.version for one in answer.statements)
    older = tuple(one for one in answer.statements if one.statement.version < newest)
    return replace(answer, statements=older)


def spoiled(answer: BoxAnswer) -> BoxAnswer:
    """The newest statement under a signature that does not hold."""
    newest = max(one.statement.version for one in answer.statements)
    return replace(
        answer,
        statements=tuple(
            replace(one, signature=bytes(65)) if one.statement.version == newest else one
            for one in answer.statements
        ),
    )


@pytest.mark.parametrize("lie", [stale, spoiled], ids=lambda lie: lie.__name__)
@pytest.mark.parametrize("indexes", [(1, 2), (2, 3), (4, 5)])
def test_two_keyholders_cannot_have_a_depositor_use_the_older_version(
    world: World,
    granted: tuple[Proposal, Proposal],
    lie: Callable[[BoxAnswer], BoxAnswer],
    indexes: tuple[int, ...],
) -> None:
    """Who lost its grant could then read what is deposited, with the two and one more."""
    rotated = revoked(world, granted[0])
    with serving(world, lie, *indexes):
        text = f"Test letter beside {lie.__name__} {indexes} {rotated.version}"
        assert version_of(world, deposited(world, text.encode())) == rotated.version


def test_a_keyholder_cannot_have_a_depositor_use_a_statement_of_its_own(world: World) -> None:
    before, seed = statement_of(world, KIND), new_seed()
    forged = next_statement(world.chain.deployment, before, kind=KIND, seed=seed, earlier=[])

    def lie(answer: BoxAnswer) -> BoxAnswer:
        return replace(answer, statements=(*answer.statements, signed(world, forged.encode(), "stranger")))

    with serving(world, lie, 1, 2):
        assert version_of(world, deposited(world, b"Test letter beside a forged one")) == before.version


# --- statements and boxes of hers, out of their order


def test_a_version_cannot_be_left_out(world: World) -> None:
    """Not even by the patient: grantees follow the chain of versions down."""
    keyholder, before = world.keyholders[0], statement_of(world, KIND)
    [one, other] = [
        replace(next_statement(world.chain.deployment, b, kind=KIND, seed=new_seed(), earlier=[]))
        for b in (before, replace(before, version=before.version + 1))
    ]
    skipped = replace(other, previous=one.hash)
    assert reason(keyholder, lambda: keyholder.statement(signed(world, skipped.encode()))) == "chain"
    assert held_versions(world)[0] == before.version


def test_an_older_statement_that_is_presented_again_is_not_the_newest(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    old = world.keyholders[0]._vault.statements(world.patient, granted[0].terms.segment)
    rotated = revoked(world, granted[0])
    for keyholder in world.keyholders:
        for one in old:
            with suppress(KeyholderRefused):
                keyholder.statement(one)
    assert held_versions(world) == [rotated.version] * 5
    assert version_of(world, deposited(world, b"Test letter after a replay")) == rotated.version


def test_an_older_box_that_is_presented_again_takes_no_key_from_a_grantee(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    hers, nurses = granted
    revoked(world, hers)
    for keyholder in world.keyholders:
        assert reason(keyholder, lambda k=keyholder: k.box(nurses.box.encode())) == "older box"
    assert deposited(world, b"Test letter after an older box") in seen(world, "nurse", nurses)


def test_two_keyholders_that_give_an_older_box_keep_no_record_from_a_grantee(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    hers, nurses = granted
    revoked(world, hers)
    new = deposited(world, b"Test letter beside older boxes")
    deployment, keyholders = world.chain.deployment, {k.card.address: k for k in world.keyholders}

    def lie(answer: BoxAnswer) -> BoxAnswer:
        if KeyBox.decode(answer.box).grant_id != nurses.grant_id:
            return answer
        said = next(k for k in keyholders.values() if k.card.index == answer.signed.keyholder)
        told = replace(answer.signed, subject=nurses.box.hash)
        signature = said._signer.sign_typed_data(told.message(deployment))
        return replace(stale(answer), box=nurses.box.encode(), signed=replace(told, signature=signature))

    for indexes in ((1, 2), (2, 3), (4, 5)):
        with serving(world, lie, *indexes):
            assert new in seen(world, "nurse", nurses)


def test_two_keyholders_that_hide_a_statement_keep_no_old_record_from_who_got_a_box_late(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    """The nurse had no live credential when the key changed, and two keyholders were down. Of those who hold
    the statement, through which older keys are found, two hide it and one is down: her box has the last."""
    hers, nurses = granted
    old, nurse = deposited(world, b"Test letter of before"), world.person("nurse").address
    world.admin.suspend(nurse)
    with serving(world, stale, down=(4, 5)):
        rotated = revoked(world, hers)
        world.admin.reinstate(nurse)
        world.desk("patient").my_records()
    with serving(world, stale, 1, 2, down=[3]):
        [grant] = world.desk("nurse")._boxes.grants(world.patient, nurses.grant_id)
        assert grant.version == rotated.version
        assert rotated.version not in [one.statement.version for one in grant.statements]
        assert old in seen(world, "nurse", nurses)
    world.desk("patient").my_records()
    assert held_versions(world) == [rotated.version] * 5


def test_a_box_does_not_count_by_a_signature_over_other_boxes(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    """One signature for several boxes is one for each of these, and for no other."""
    hers, nurses = granted
    revoked(world, hers)
    raw = world.keyholders[0]._vault.find_box(world.patient, nurses.grant_id)
    assert raw is not None
    good = KeyBox.decode(raw)
    theirs = bytearray(good.to_grantee)
    theirs[-1] ^= 1
    keyholder = world.keyholders[0]
    for forged in (
        replace(good, to_grantee=bytes(theirs)),
        replace(good, signature=good.signature[:-1]),
        KeyBox.decode(box_of(world, nurses, good.version, by="stranger")),
    ):
        box = forged.encode()
        assert reason(keyholder, lambda box=box: keyholder.box(box)) == "SignatureInvalid"
    keyholder.box(raw)


@pytest.mark.parametrize("liars", [4, 5])
def test_a_keyholder_cannot_have_the_next_key_sealed_to_somebody_else(
    world: World, granted: tuple[Proposal, Proposal], liars: int
) -> None:
    """To a new device of the patient's it gives a box for the nurse's grant with the card of the clinician,
    who is about to lose hers, inside: anybody can seal to the patient. One honest keyholder is enough for the
    nurse; without any she gets no box, and nobody gets hers."""
    hers, nurses = granted
    deployment, key = world.chain.deployment, world.person("patient").keyring.public_key
    inside = Granted(nurses.terms, nurses.reading, nurses.kind, SEGMENT_SEED, new_seed())
    made_up = make_box(
        deployment, inside, version=nurses.box.version, card=world.cards["clinician"], patient_key=key
    )

    def lie(answer: OwnAnswer) -> OwnAnswer:
        others = (box for box in answer.boxes if KeyBox.decode(box).grant_id != nurses.grant_id)
        return replace(answer, boxes=(made_up.encode(), *others))

    person = world.person("patient")
    fresh = Person(person.signer, person.keyring, world.home / f"new device {liars}", deployment.id)
    some: list[Any] = [Liar(k, lie) if k.card.index <= liars else k for k in world.keyholders]
    desk = Client(world.store, world.chain, Group(deployment, world.group.roster, some), fresh)
    [rotated] = desk.revoke([hers.grant_id]).rotation.done
    raw = world.keyholders[0]._vault.find_box(world.patient, nurses.grant_id)
    assert raw is not None
    box, clinician = KeyBox.decode(raw), world.person("clinician").keyring
    with pytest.raises(IntegrityError):
        open_box(deployment, box, clinician.seed, clinician.public_key)
    nurse = world.person("nurse").keyring
    assert box.version == rotated.version - (liars == 5)
    assert open_box(deployment, box, nurse.seed, nurse.public_key).terms == nurses.terms


class Liar:
    """A keyholder that gives the patient other things than hers."""

    def __init__(self, inner: Any, lie: Callable[[OwnAnswer], OwnAnswer]) -> None:
        self._inner, self._lie = inner, lie

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def own(self, asked: Any) -> OwnAnswer:
        return self._lie(self._inner.own(asked))


def test_a_keyholder_that_makes_up_boxes_has_no_segment_rotated(world: World) -> None:
    """Of an ended grant, with the newest version or one far off, and of a grant of its own making:
    a box that the patient signed counts before it, and without one it counts nothing."""
    [grant] = world.grant("clinician", KIND)
    revoked(world, grant)
    deployment, key = world.chain.deployment, world.person("patient").keyring.public_key
    before, card = statement_of(world, KIND).version, world.cards["clinician"]
    inside = Granted(grant.terms, grant.reading, grant.kind, SEGMENT_SEED, new_seed())
    invented = replace(inside, terms=replace(grant.terms, epoch=grant.terms.epoch + 1))
    made_up = [
        make_box(deployment, one, version=version, card=card, patient_key=key).encode()
        for one, version in ((inside, before), (inside, 2**60), (invented, before))
    ]
    person = world.person("patient")
    for number, box in enumerate(made_up):
        fresh = Person(person.signer, person.keyring, world.home / f"fooled {number}", deployment.id)
        liar = Liar(world.keyholders[0], lambda answer, b=box: replace(answer, boxes=(b, *answer.boxes)))  # type: ignore[misc]
        group = Group(deployment, world.group.roster, [liar, *world.keyholders[1:]])
        desk = Client(world.store, world.chain, group, fresh)
        for _ in range(2):
            desk.my_records()
    assert held_versions(world) == [before] * 5


# --- over HTTP it is the same


def test_keyholders_over_http_are_rotated_alike(world: World, granted: tuple[Proposal, Proposal]) -> None:
    hers, nurses = granted
    with ExitStack() as stack:
        honest = world.group
        web: list[Any] = [stack.enter_context(served(one)) for one in world.keyholders]
        world.group = Group(world.chain.deployment, honest.roster, web)
        try:
            rotated = revoked(world, hers)
            new = deposited(world, b"Test letter over HTTP")
            assert version_of(world, new) == rotated.version
            assert new in seen(world, "nurse", nurses)
            with pytest.raises(NoGrant):
                world.desk("clinician").open(world.patient, new, grant_id=hers.grant_id)
        finally:
            world.group = honest
    assert held_versions(world) == [rotated.version] * 5
