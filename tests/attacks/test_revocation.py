"""Promise 2: nothing stops a revocation, and once it is known no open gathers t releases any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from consentry.client import Group, Proposal, deliver
from consentry.client.grant import deliver_box
from consentry.consent.rule import Reason
from consentry.consent.terms import DEPOSIT, READ, typed_revoke
from consentry.errors import (
    ConsentryError,
    ContractRefused,
    GrantNotDelivered,
    KeyholderRefused,
    NoGrant,
    NotAllowed,
    SegmentMissing,
    StatementStale,
    TooFewKeyholders,
)
from consentry.keys.hpke import new_seed, public_key
from tests.attacks.support import TREAT, Access, access, later, salts
from tests.support.world import World, make_world, populated, record


@pytest.fixture
def granted(world: World) -> Proposal:
    """A fresh grant of the patient's general records to the clinician."""
    return world.grant("clinician", "general")[0]


def releases(mine: Access, keyholders: Callable[[int], bool] = lambda _: True) -> int:
    """How many keyholders release their share to this entry."""
    count = 0
    for index in range(1, mine.world.group.roster.count + 1):
        if not keyholders(index):
            continue
        try:
            mine.release(to=index)
            count += 1
        except KeyholderRefused:
            continue
    return count


def cannot_open(world: World, proposal: Proposal, *errors: type[ConsentryError]) -> None:
    """The clinician's desk refuses by name, and leaves no entry."""
    entries = len(world.chain.entries())
    [record_id, *_] = salts(world)
    with pytest.raises(errors):
        world.desk("clinician").open(world.patient, record_id, grant_id=proposal.grant_id)
    assert len(world.chain.entries()) == entries


def why_not(world: World, proposal: Proposal) -> Reason:
    return world.chain.why(proposal.terms, world.person("clinician").address, TREAT, READ)


def on_chain(world: World, function: str, *arguments: object, who: str = "patient") -> None:
    world.chain.send(world.person(who).signer, "ConsentRegistry", function, *arguments)


def stop(world: World, proposal: Proposal, *indexes: int) -> None:
    """The patient's signed stop reaches these keyholders, the chain not yet."""
    full = typed_revoke(world.chain.deployment, world.patient, proposal.grant_id)
    signature = world.person("patient").signer.sign_typed_data(full)
    for index in indexes:
        world.keyholders[index - 1].stop(world.patient, proposal.grant_id, signature)


# --- a revocation on chain


def test_after_a_revocation_no_keyholder_releases_to_an_older_entry(world: World, granted: Proposal) -> None:
    """The entry was good a moment ago, and no stop was sent to anyone."""
    mine = access(world, granted)
    assert releases(mine) == world.group.roster.count
    on_chain(world, "revoke", world.patient, granted.grant_id)
    assert releases(mine) == 0


def test_after_a_revocation_no_entry_can_be_written(world: World, granted: Proposal) -> None:
    """Neither by the desk, nor past it."""
    world.desk("patient").revoke([granted.grant_id])
    cannot_open(world, granted, NoGrant, NotAllowed)
    with pytest.raises(ContractRefused) as refused:
        access(world, granted)
    assert refused.value.name == "NotAllowed"
    assert refused.value.values["reason"] == Reason.REVOKED.text


def test_revoking_everything_ends_grants_of_every_kind_at_once(world: World) -> None:
    """One transaction, whatever their number, and the hospital deposits nothing more."""
    one, other = world.grant("clinician", "general")[0], world.grant("clinician", "substance-use")[0]
    first, second = access(world, one), access(world, other)
    on_chain(world, "revokeAll", world.patient)
    assert (releases(first), releases(second)) == (0, 0)
    for proposal in (one, other):
        assert (
            world.chain.why(proposal.terms, world.person("clinician").address, TREAT, READ)
            == Reason.EPOCH_CHANGED
        )
    with pytest.raises(SegmentMissing):
        world.desk("hospital").deposit(world.patient, [record("general", b"after the end")])
    world.grant("hospital", "general", "substance-use", flags=DEPOSIT)


def test_a_grant_signed_for_an_earlier_epoch_is_of_no_use_in_this_one(world: World) -> None:
    """It can be put in force, and is not allowed: its terms name the epoch in which they were signed."""
    desk = world.desk("patient")
    [proposal] = desk.propose(world.offered("clinician", "general"))
    handed = desk.sign(proposal)
    on_chain(world, "revokeAll", world.patient)
    deliver(world.chain, world.group, world.person("stranger").signer, handed)
    assert why_not(world, proposal) == Reason.EPOCH_CHANGED
    with pytest.raises(ContractRefused):
        access(world, proposal)
    world.grant("hospital", "general", "substance-use", flags=DEPOSIT)


# --- stops


def test_n_minus_t_plus_1_stops_are_enough(world: World, granted: Proposal) -> None:
    """The chain does not know of it yet: still no open gathers t; with one stop fewer it would."""
    mine = access(world, granted)
    roster = world.group.roster
    enough = roster.safe
    stop(world, granted, *range(1, enough))
    assert releases(mine) == roster.threshold
    stop(world, granted, enough)
    assert releases(mine) == roster.threshold - 1
    assert world.chain.in_force(world.patient, granted.grant_id)
    [record_id, *_] = salts(world)
    with pytest.raises(TooFewKeyholders):
        world.desk("clinician").open(world.patient, record_id, grant_id=granted.grant_id)


def test_a_stop_holds_whatever_anybody_does_on_chain(world: World, granted: Proposal) -> None:
    """Delivering the signed grant again, or its key box, brings nothing back."""
    mine = access(world, granted)
    stop(world, granted, 1, 2, 3, 4, 5)
    deliver_box(world.group, granted.box)
    assert releases(mine) == 0


def test_keyholders_that_are_away_do_not_stop_a_revocation(world: World, granted: Proposal) -> None:
    """None of them answers: the transaction ends the grant all the same."""
    mine = access(world, granted)
    with away(world, 1, 2, 3, 4, 5):
        ended = world.desk("patient").revoke([granted.grant_id])
    assert ended.stopped == 0
    assert releases(mine) == 0


@contextmanager
def away(world: World, *indexes: int) -> Iterator[None]:
    """These keyholders do not answer."""
    honest = world.group
    there = [keyholder for keyholder in world.keyholders if keyholder.card.index not in indexes]
    world.group = Group(world.chain.deployment, honest.roster, there)
    try:
        yield
    finally:
        world.group = honest


# --- who may try to stop it, or to undo it


@pytest.mark.parametrize("who", ["clinician", "hospital", "authority", "stranger"])
def test_nobody_else_undoes_a_revocation(world: World, granted: Proposal, who: str) -> None:
    """Not the grantee, not an authority; nor does a grant signed before it come alive by delivery."""
    desk = world.desk("patient")
    handed = desk.sign(granted)
    desk.revoke([granted.grant_id])
    signer = world.authority.signer if who == "authority" else world.person(who).signer
    for function in ("grant", "revoke"):
        with pytest.raises(ContractRefused) as refused:
            world.chain.send(signer, "ConsentRegistry", function, world.patient, granted.grant_id)
        assert refused.value.name == "NotController"
    with pytest.raises(ContractRefused) as refused:
        deliver(world.chain, world.group, signer, handed)
    assert refused.value.name == "GrantEnded"
    assert not world.chain.in_force(world.patient, granted.grant_id)


def test_not_even_the_patient_brings_a_revoked_grant_back(world: World, granted: Proposal) -> None:
    """A stolen wallet, or a sentence shown a second time: it takes a new grant with a new id."""
    on_chain(world, "revoke", world.patient, granted.grant_id)
    with pytest.raises(ContractRefused) as refused:
        on_chain(world, "grant", world.patient, granted.grant_id)
    assert refused.value.name == "GrantEnded"


def test_a_grant_revoked_before_it_was_delivered_never_comes_alive(world: World) -> None:
    """Signed at the bedside, thought better of in the corridor."""
    desk = world.desk("patient")
    [proposal] = desk.propose(world.offered("clinician", "general"))
    handed = desk.sign(proposal)
    on_chain(world, "revoke", world.patient, proposal.grant_id)
    with pytest.raises(ContractRefused) as refused:
        deliver(world.chain, world.group, world.person("clinician").signer, handed)
    assert refused.value.name == "GrantEnded"


def test_anybody_may_deliver_the_patients_signed_revocation(world: World, granted: Proposal) -> None:
    """She needs no gas, and no keyholder's or hospital's goodwill."""
    full = typed_revoke(world.chain.deployment, world.patient, granted.grant_id)
    patient = world.person("patient")
    signed = (bytes.fromhex(patient.address[2:]), granted.grant_id, patient.signer.sign_typed_data(full))
    on_chain(world, "revokeBySig", world.patient, *signed, who="stranger")
    assert not world.chain.in_force(world.patient, granted.grant_id)


def test_a_suspended_grantee_is_revoked_like_any_other(world: World, granted: Proposal) -> None:
    """And reinstating it then gives nothing back."""
    mine = access(world, granted)
    clinician = world.person("clinician").address
    world.admin.suspend(clinician)
    world.desk("patient").revoke([granted.grant_id])
    world.admin.reinstate(clinician)
    assert releases(mine) == 0


# --- pauses and ends


def test_suspension_pauses_and_reinstatement_restores(world: World, granted: Proposal) -> None:
    """A suspended credential pauses use, it does not end the grant; of a member as of its organisation."""
    mine = access(world, granted)
    clinician = world.person("clinician").address
    world.admin.suspend(clinician)
    assert releases(mine) == 0
    cannot_open(world, granted, NotAllowed)
    assert world.chain.in_force(world.patient, granted.grant_id)
    world.admin.reinstate(clinician)
    assert releases(mine) == world.group.roster.count


def test_an_expired_grant_releases_nothing_to_an_entry_from_before(world: World) -> None:
    """The entry is minutes old; the grant ended in between."""
    short = world.grant("clinician", "general", until=world.chain.head().time + 120)[0]
    mine = access(world, short)
    assert releases(mine) == world.group.roster.count
    later(world, 120)
    assert releases(mine) == 0
    cannot_open(world, short, NoGrant, NotAllowed)


def test_a_grant_that_has_not_begun_gives_nothing(world: World) -> None:
    since = world.chain.head().time + 600
    proposal = world.grant("clinician", "general", since=since)[0]
    cannot_open(world, proposal, NoGrant, NotAllowed)
    with pytest.raises(ContractRefused) as refused:
        access(world, proposal)
    assert refused.value.values["reason"] == Reason.NOT_YET_VALID.text
    later(world, 600)
    assert releases(access(world, proposal)) == world.group.roster.count


# --- half delivered


def test_a_grant_without_its_transaction_is_named_before_anything_is_written(world: World) -> None:
    """The key box is with the keyholders; the chain does not know the grant."""
    desk = world.desk("patient")
    [proposal] = desk.propose(world.offered("clinician", "general"))
    deliver_box(world.group, proposal.box)
    with pytest.raises(GrantNotDelivered, match="transaction is missing"):
        world.desk("clinician").list(world.patient, proposal.grant_id)
    cannot_open(world, proposal, GrantNotDelivered)


def test_a_grant_without_its_key_box_is_named_before_anything_is_written(world: World) -> None:
    """The chain has it in force; no keyholder has the box."""
    desk = world.desk("patient")
    [proposal] = desk.propose(world.offered("clinician", "general", since=world.chain.head().time))
    on_chain(world, "grant", world.patient, proposal.grant_id)
    with pytest.raises(GrantNotDelivered, match="key box is missing"):
        world.desk("clinician").list(world.patient, proposal.grant_id)
    cannot_open(world, proposal, GrantNotDelivered)


# --- a change of who controls


@pytest.fixture
def moved(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world of its own: the patient's controller or key is about to change."""
    return populated(make_world(tmp_path_factory.mktemp("moved")))


def test_a_grant_signed_by_a_replaced_controller_is_dead_before_delivery(moved: World) -> None:
    desk = moved.desk("patient")
    [proposal] = desk.propose(moved.offered("clinician", "general"))
    handed = desk.sign(proposal)
    on_chain(moved, "setController", moved.patient, moved.person("new wallet").address)
    with pytest.raises(ConsentryError) as refused:
        deliver(moved.chain, moved.group, moved.person("stranger").signer, handed)
    assert type(refused.value).__name__ == "SignatureInvalid"
    signer, signature = (bytes.fromhex(handed[name][2:]) for name in ("signer", "signature"))
    with pytest.raises(ContractRefused) as told:
        on_chain(moved, "grantBySig", moved.patient, signer, proposal.grant_id, signature, who="stranger")
    assert told.value.name == "NotController"


def test_a_depositor_does_not_rely_on_a_replaced_controllers_statement(moved: World) -> None:
    """Whoever held the old wallet may have made it: nothing is deposited until it is signed again."""
    on_chain(moved, "setController", moved.patient, moved.person("new wallet").address)
    with pytest.raises(StatementStale):
        moved.desk("hospital").deposit(moved.patient, [record("general", b"after the change")])


def test_a_depositor_does_not_seal_to_a_key_that_the_patient_has_replaced(moved: World) -> None:
    """Her new device could not open it."""
    on_chain(moved, "setEncryptionKey", moved.patient, 0x647A, public_key(new_seed()))
    with pytest.raises(StatementStale):
        moved.desk("hospital").deposit(moved.patient, [record("general", b"after the change")])
