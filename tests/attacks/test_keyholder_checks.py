"""Each check that a keyholder makes stops an attack that nothing else stops.

Every test here is one attack on one check of `RELEASE` or `DEAL`: refused, with the check's name in the
journal alone. The last test switches each check off and sees its test fail: the attack then gets through.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

import pytest

from consentry.client import Proposal
from consentry.consent.terms import DEPOSIT, MEMBERS, READ
from consentry.envelope.statement import segment_pair_seed
from consentry.keyholder.checks import DEAL, RELEASE
from consentry.keys.hpke import new_seed, public_key
from tests.attacks.assurance import check_test
from tests.attacks.support import HOUR, access, deal, deposit_terms, envelope, later, reason, statement_of
from tests.support.world import World


@pytest.fixture
def granted(world: World) -> Proposal:
    """A fresh grant of the patient's general records to the clinician."""
    return world.grant("clinician", "general")[0]


# --- before a release


def test_a_stranger_cannot_present_the_clinicians_call_as_its_own(world: World, granted: Proposal) -> None:
    """What a colluding keyholder was shown is of no use at another: the caller's signature is missing."""
    mine = access(world, granted)
    forged = world.person("stranger").signer.sign_typed_data

    def attack() -> object:
        call = mine.call()
        card = world.keyholders[0].card
        signature = forged(call.message(world.chain.deployment, card.address))
        return world.keyholders[0].release(replace(call, signature=signature))

    assert reason(world.keyholders[0], attack) == "caller"


def test_a_clinician_cannot_have_the_answer_sealed_to_another_key(world: World, granted: Proposal) -> None:
    """The entry says to which key keyholders answer; a stranger's is not named in it."""
    mine = access(world, granted)
    asked = mine.asked(reply_key=public_key(new_seed()))
    assert reason(world.keyholders[0], lambda: mine.release(asked)) == "reply key"


def test_a_colleague_under_the_same_grant_cannot_use_the_clinicians_entry(world: World) -> None:
    """The nurse may use the hospital's grant, but has to write an entry in her own name."""
    proposal = world.grant("hospital", "general", flags=READ | MEMBERS)[0]
    mine = access(world, proposal, "clinician")
    assert reason(world.keyholders[0], lambda: mine.release(who="nurse")) == "actor"


def test_an_entry_for_one_record_releases_no_other(world: World, granted: Proposal) -> None:
    """A second record of the same segment, under the same grant, needs its own entry."""
    terms = deposit_terms(world, "general")
    parts = envelope(world, "hospital", statement_of(world, "general"), terms)
    deal(world, parts)
    first, second = access(world, granted), access(world, granted, salt=parts[0].leaves[0].record_salt)
    asked = first.asked(record_id=second.record_id)
    assert reason(world.keyholders[0], lambda: first.release(asked)) == "record"


def test_a_signed_stop_at_the_keyholder_ends_its_releases(world: World, granted: Proposal) -> None:
    """The chain still says in force: the stop alone must do it."""
    mine = access(world, granted)
    world.desk("patient")._granter._stop(world.patient, granted.grant_id)
    assert world.chain.in_force(world.patient, granted.grant_id)
    assert reason(world.keyholders[0], lambda: mine.release()) == "stop"


def test_an_entry_that_a_reorganisation_could_drop_is_not_answered_yet(deep: World) -> None:
    """Two blocks have to follow the entry, as the deployment says."""
    mine = access(deep, deep.grant("clinician", "general")[0])
    assert deep.chain.deployed.depth == 2
    assert reason(deep.keyholders[0], lambda: mine.release()) == "depth"


def test_after_two_more_blocks_the_same_entry_is_answered(deep: World) -> None:
    """The other side of the depth: it delays, and does not refuse for ever."""
    mine = access(deep, deep.grant("clinician", "general")[0])
    later(deep, 12)
    assert reason(deep.keyholders[0], lambda: mine.release()) == "depth"
    later(deep, 12)
    assert mine.release()


def test_an_entry_that_is_not_on_chain_releases_nothing(world: World, granted: Proposal) -> None:
    """A clinician with a live grant who would rather not be seen makes an entry up."""
    real = access(world, granted)
    made_up = replace(real.entry, access_id=secrets.token_bytes(32))
    asked = real.asked(entry=made_up)
    assert reason(world.keyholders[0], lambda: real.release(asked)) == "entry"


def test_an_entry_older_than_an_hour_is_not_answered(world: World, granted: Proposal) -> None:
    """An old entry does not stand for reading today."""
    mine = access(world, granted)
    later(world, HOUR)
    assert mine.release()
    later(world, 1)
    assert reason(world.keyholders[0], lambda: mine.release()) == "age"


def test_a_revocation_on_chain_alone_ends_releases_to_an_entry(world: World, granted: Proposal) -> None:
    """The entry was written before it; consent is asked again at head."""
    mine = access(world, granted)
    signer = world.person("patient").signer
    world.chain.send(signer, "ConsentRegistry", "revoke", world.patient, granted.grant_id)
    assert reason(world.keyholders[0], lambda: mine.release()) == "consent at head"


def test_a_clinician_suspended_after_the_entry_gets_no_share(world: World, granted: Proposal) -> None:
    """The credential, too, is asked again at head."""
    mine = access(world, granted)
    world.admin.suspend(world.person("clinician").address)
    try:
        assert reason(world.keyholders[0], lambda: mine.release()) == "credential at head"
    finally:
        world.admin.reinstate(world.person("clinician").address)


def test_a_record_that_was_dealt_and_never_anchored_is_not_released(world: World) -> None:
    """Without its anchor nobody could prove which bytes were disclosed."""
    world.grant("hospital", "hiv", flags=DEPOSIT)
    granted = world.grant("clinician", "hiv")[0]
    terms = deposit_terms(world, "hiv")
    [part, *_] = envelope(world, "hospital", statement_of(world, "hiv"), terms)
    world.keyholders[0].deal(part.encode())
    [leaf] = part.leaves
    mine = access(world, granted, salt=leaf.record_salt)
    assert reason(world.keyholders[0], lambda: mine.release()) == "anchor"


# --- before a deal


def test_a_contributor_cannot_seal_to_a_segment_key_that_the_patient_never_signed(world: World) -> None:
    """The hospital may deposit, and names a statement of its own making, with a key that it knows."""
    honest = statement_of(world, "general")
    forged = replace(honest, segment_key=public_key(segment_pair_seed(new_seed())))
    [part, *_] = envelope(world, "hospital", forged, deposit_terms(world, "general"))
    assert reason(world.keyholders[0], lambda: world.keyholders[0].deal(part.encode())) == "statement"


@pytest.mark.parametrize("changes", [{"threshold": 1}, {"count": 1}, {"version": 2}])
def test_a_contributor_cannot_change_what_the_statement_and_the_roster_say(
    world: World, changes: dict[str, int]
) -> None:
    """A threshold of one would let a single keyholder read; the version is the statement's."""
    part, *_ = envelope(
        world, "hospital", statement_of(world, "general"), deposit_terms(world, "general"), **changes
    )
    assert reason(world.keyholders[0], lambda: world.keyholders[0].deal(part.encode())) == "statement"


def test_a_patient_cannot_deal_into_the_segment_of_another(world: World) -> None:
    """The neighbour controls her own identity, and names the patient's segment and statement."""
    victim = statement_of(world, "general")
    part, *_ = envelope(world, "neighbour", victim, patient=world.person("neighbour").identity)
    assert reason(world.keyholders[0], lambda: world.keyholders[0].deal(part.encode())) == "statement"


def test_a_provider_without_a_deposit_grant_cannot_deal(world: World) -> None:
    """The clinic has a credential and knows the statement, and no grant at all."""
    part, *_ = envelope(world, "clinic", statement_of(world, "general"))
    assert reason(world.keyholders[0], lambda: world.keyholders[0].deal(part.encode())) == "contributor"


def test_the_hospitals_grant_is_no_use_to_the_clinic(world: World) -> None:
    """Terms name their grantee, whoever presents them."""
    terms = deposit_terms(world, "general")
    part, *_ = envelope(world, "clinic", statement_of(world, "general"), terms)
    assert reason(world.keyholders[0], lambda: world.keyholders[0].deal(part.encode())) == "contributor"


def test_a_deposit_grant_for_one_segment_opens_no_other(world: World) -> None:
    """The hospital may deposit general records, and tries another kind with the same terms."""
    terms = deposit_terms(world, "general")
    part, *_ = envelope(world, "hospital", statement_of(world, "mental-health"), terms)
    assert reason(world.keyholders[0], lambda: world.keyholders[0].deal(part.encode())) == "contributor"


# --- and without the check


@pytest.mark.parametrize(("checks", "name"), [(c, n) for c in (RELEASE, DEAL) for n in c])
def test_without_the_check_its_own_test_fails(
    checks: dict[str, Callable[..., None]],
    name: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The test that the table names for a check fails once that check, and no other, is switched off,
    because the attack in it is not refused any more."""
    monkeypatch.setitem(checks, name, lambda _: None)
    test = globals()[check_test("RELEASE" if checks is RELEASE else "DEAL", name)]
    arguments = test.__code__.co_varnames[: test.__code__.co_argcount]
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test(*(request.getfixturevalue(n) for n in arguments))
