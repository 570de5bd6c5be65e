"""The desk: what each verb does for a patient, a provider and a stranger, with keyholders up and down."""

from __future__ import annotations

import json
import re
import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from consentry.admin import ORGANISATION
from consentry.chain import LocalSigner
from consentry.client import Client, Group, Listing, Opened, Person, deliver
from consentry.consent.box import KeyBox
from consentry.consent.terms import DEPOSIT, MEMBERS, READ
from consentry.envelope.statement import SignedStatement
from consentry.errors import (
    BlobAltered,
    BlobMissing,
    CardInvalid,
    ConsentryError,
    ContractRefused,
    GrantNotDelivered,
    IntegrityError,
    KindUnknown,
    NoGrant,
    NotAllowed,
    NotFound,
    PurposeUnknown,
    SegmentMissing,
    StatementStale,
    TooFewKeyholders,
    Unreachable,
    UsageError,
)
from consentry.keys.keyring import Keyring
from consentry.record import Record
from tests.support.wallet import WalletSigner
from tests.support.world import DAY, World, fund, make_world, populated, record

LETTER = b"Test letter about a test patient"


@pytest.fixture(scope="module")
def world(anvil_url: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A patient with one general and one substance-use record that the hospital deposited."""
    web3 = Web3(HTTPProvider(anvil_url))
    world = populated(make_world(tmp_path_factory.mktemp("client"), web3))
    world.onboard("doctor")
    world.person("stranger")
    return world


def another(world: World, name: str, *kinds: str) -> World:
    """The same world seen from another patient, who has enrolled."""
    people = {**world.people, "patient": world.person(name)}
    theirs = replace(world, people=people)
    theirs.desk("patient").enrol(kinds or ("general", "hiv"))
    return theirs


def letter(kind: str = "general", body: bytes | None = None) -> Record:
    return Record(kind, "text/plain", body or LETTER + secrets.token_hex(4).encode(), "2026-02-01")


def read(opened: Opened) -> bytes:
    with opened.file as file:
        return file.read()


def listed(world: World, who: str, grant_id: bytes | None = None) -> Sequence[Listing]:
    return world.desk(who).list(world.patient, grant_id)


def entries(world: World, who: str) -> int:
    return len(world.chain.entries(actor=world.person(who).address))


def without(world: World, *down: int) -> World:
    """The world with some keyholders gone."""
    up = [k for k in world.keyholders if k.card.index not in down]
    return replace(world, group=Group(world.chain.deployment, world.group.roster, up))


# --- the way through


def test_a_provider_reads_what_the_patient_granted_byte_for_byte(world: World) -> None:
    mine = another(world, "anna")
    mine.grant("hospital", "general", flags=DEPOSIT)
    records = [letter() for _ in range(3)]
    deposited = mine.desk("hospital").deposit(mine.patient, records)
    mine.grant("doctor", "general")
    found = {one.record_id: one for one in listed(mine, "doctor")}
    assert set(found) == {one.record_id for one in deposited}
    for one, original in zip(deposited, records, strict=True):
        opened = mine.desk("doctor").open(mine.patient, one.record_id)
        assert read(opened) == original.body
        assert opened.size == original.size
        assert opened.label == found[one.record_id].label
        assert (opened.label.kind, opened.label.date) == ("general", "2026-02-01")
        assert opened.label.contributor == world.person("hospital").address
        assert opened.label.media_type == "text/plain"
        assert opened.keyholders == (1, 2, 3)
        assert opened.cheats == ()
        (entry,) = mine.chain.entries(recordId=one.record_id)
        assert entry.access_id == opened.access_id
        assert entry.actor == world.person("doctor").address


def test_one_deposit_of_several_kinds_makes_one_envelope_a_kind(world: World) -> None:
    mine = another(world, "bela")
    mine.grant("hospital", "general", "hiv", flags=DEPOSIT)
    records = [letter(kind) for kind in ("general", "hiv", "general")]
    told: list[str] = []
    desk = Client(world.store, world.chain, world.group, world.person("hospital"), told.append)
    deposited = desk.deposit(mine.patient, records)
    assert [one.kind for one in deposited] == ["general", "hiv", "general"]
    held = world.keyholders[0]._vault.held(mine.patient)
    assert len({one.header.session for one in held}) == 2
    assert [word for word in told if word.startswith("dealing")] == [
        "dealing general to the keyholders",
        "dealing hiv to the keyholders",
    ]
    assert {label.kind for _, label in mine.desk("patient").my_records()} == {"general", "hiv"}


def test_a_record_that_is_a_file_of_several_chunks_comes_back(world: World, tmp_path: Path) -> None:
    path = tmp_path / "scan.bin"
    path.write_bytes(secrets.token_bytes(3 << 20))
    body = Record("general", "application/octet-stream", path)
    (deposited,) = world.desk("hospital").deposit(world.patient, [body])
    opened = world.desk("patient").open(world.patient, deposited.record_id)
    assert read(opened) == path.read_bytes()


def test_a_deposit_without_leave_lists_every_kind_that_is_missing_and_does_nothing(world: World) -> None:
    before = list((world.home / "store").rglob("*"))
    records = [letter("general"), letter("hiv"), letter("mental-health")]
    with pytest.raises(SegmentMissing, match=r"no DEPOSIT grant for: hiv, mental-health; nothing was dep"):
        world.desk("hospital").deposit(world.patient, records)
    with pytest.raises(SegmentMissing, match="general"):
        world.desk("doctor").deposit(world.patient, [letter()])
    assert list((world.home / "store").rglob("*")) == before


def test_a_suspended_hospital_cannot_deposit(world: World) -> None:
    world.onboard("clinic", roles=1 | ORGANISATION)
    world.grant("clinic", "general", flags=DEPOSIT)
    world.admin.suspend(world.person("clinic").address)
    with pytest.raises(NotAllowed, match="credential is not live"):
        world.desk("clinic").deposit(world.patient, [letter()])


def test_a_patient_deposits_for_herself_and_grants_what_she_deposited(world: World) -> None:
    mine = another(world, "cora", "mental-health")
    (deposited,) = mine.desk("patient").deposit(mine.patient, [letter("mental-health", LETTER)])
    ((record_id, label),) = mine.desk("patient").my_records()
    assert record_id == deposited.record_id
    assert label.contributor == mine.person("patient").address
    assert read(mine.desk("patient").open(mine.patient, record_id)) == LETTER
    mine.grant("doctor", "mental-health")
    assert read(mine.desk("doctor").open(mine.patient, record_id)) == LETTER


def test_a_patient_cannot_deposit_a_kind_she_has_not_enrolled(world: World) -> None:
    world.desk("dana").enrol(["general"])
    with pytest.raises(SegmentMissing, match="hiv"):
        world.desk("dana").deposit(world.person("dana").identity, [letter("hiv")])


# --- enrolling


def test_an_unknown_kind_stops_an_enrolment_before_anything_is_done(world: World) -> None:
    with pytest.raises(KindUnknown):
        world.desk("emma").enrol(["general", "genetic"])
    with pytest.raises(NotFound, match="has to enrol first"):
        world.chain.encryption_key_of(world.person("emma").identity)


def test_enrolling_again_adds_a_kind_and_keeps_the_rest(world: World) -> None:
    desk = world.desk("flora")
    first = {one.kind: one for one in desk.enrol(["general"])}
    second = {one.kind: one for one in desk.enrol(["hiv", "general"])}
    assert second["general"] == first["general"]
    assert set(second) == {"general", "hiv"}
    assert second["hiv"].statement.segment != first["general"].statement.segment


# --- listing and opening


def test_listing_writes_no_entry_and_shows_what_the_grant_reaches(world: World) -> None:
    (proposal,) = world.grant("doctor", "general")
    before = entries(world, "doctor")
    assert {one.label.kind for one in listed(world, "doctor", proposal.grant_id)} == {"general"}
    assert entries(world, "doctor") == before


def test_a_kind_that_was_not_granted_is_neither_listed_nor_opened(world: World) -> None:
    world.grant("doctor", "general")
    hidden = [r for r, label in world.desk("patient").my_records() if label.kind == "substance-use"]
    assert not {one.record_id for one in listed(world, "doctor")} & set(hidden)
    before = entries(world, "doctor")
    with pytest.raises(NoGrant, match="nothing was requested"):
        world.desk("doctor").open(world.patient, hidden[0])
    assert entries(world, "doctor") == before


def test_a_stranger_and_a_provider_without_a_grant_get_nothing(world: World) -> None:
    record_id = world.desk("patient").my_records()[0][0]
    with pytest.raises(NotAllowed, match="credential is not live"):
        world.desk("stranger").open(world.patient, record_id)
    world.onboard("idle")
    assert listed(world, "idle") == []
    with pytest.raises(NoGrant):
        world.desk("idle").open(world.patient, record_id)


def test_another_purpose_is_refused_before_anything_is_written(world: World) -> None:
    world.onboard("carer")
    world.grant("carer", "general")
    before = entries(world, "carer")
    record_id = listed(world, "carer")[0].record_id
    with pytest.raises(NotAllowed, match="did not grant this purpose of use; nothing was requested"):
        world.desk("carer").open(world.patient, record_id, purpose="HRESCH")
    with pytest.raises(PurposeUnknown):
        world.desk("carer").open(world.patient, record_id, purpose="BTG")
    assert entries(world, "carer") == before


def test_of_two_grants_the_one_that_allows_the_purpose_is_used(world: World) -> None:
    world.onboard("researcher")
    (research,) = world.grant("researcher", "general", purposes=("HRESCH",))
    (treatment,) = world.grant("researcher", "general")
    record_id = listed(world, "researcher")[0].record_id
    for purpose, proposal in [("HRESCH", research), ("TREAT", treatment)]:
        opened = world.desk("researcher").open(world.patient, record_id, purpose=purpose)
        opened.file.close()
        (entry,) = [e for e in world.chain.entries(recordId=record_id) if e.access_id == opened.access_id]
        assert entry.grant_id == proposal.grant_id


def test_a_grant_of_one_record_reaches_exactly_that_one(world: World) -> None:
    world.onboard("expert")
    world.desk("hospital").deposit(world.patient, [letter(), letter()])
    mine = [r for r, label in world.desk("patient").my_records() if label.kind == "general"]
    one, other = mine[:2]
    (proposal,) = world.grant("expert", "general", record=one)
    assert f"my single record {one.hex()[:8]} of my general records" in proposal.sentence
    assert [found.record_id for found in listed(world, "expert")] == [one]
    read(world.desk("expert").open(world.patient, one))
    with pytest.raises(NoGrant):
        world.desk("expert").open(world.patient, other)
    key = world.desk("patient")._own.opening(other)
    args = (proposal.terms.as_tuple(), [key.leaf.record_salt], 1, bytes(32), bytes(32))
    with pytest.raises(ContractRefused, match="RecordNotInTerms"):
        world.chain.send(world.person("expert").signer, "AccessLog", "request", *args)


def test_a_single_record_must_be_one_of_hers_and_of_its_kind(world: World) -> None:
    hidden = next(r for r, label in world.desk("patient").my_records() if label.kind == "substance-use")
    desk = world.desk("patient")
    with pytest.raises(NotFound, match="not one of your general records"):
        desk.propose(world.offered("doctor", "general", record=hidden))
    with pytest.raises(NotFound, match="no such record of yours"):
        desk.propose(world.offered("doctor", "general", record=secrets.token_bytes(32)))


# --- members of an organisation


@pytest.fixture(scope="module")
def practice(world: World) -> World:
    """An organisation with a member that may open for it, and one that left its keys."""
    world.onboard("practice", roles=1 | ORGANISATION)
    for name in ("nurse", "locum"):
        world.onboard(name, organisation="practice")
        seeds = world.person(name).keyring.organisations
        seeds[world.person("practice").address] = world.person("practice").keyring.seed
    return world


def test_a_member_reads_for_its_organisation_in_its_own_name(practice: World) -> None:
    (proposal,) = practice.grant("practice", "general", flags=READ | MEMBERS)
    assert "and the staff it employs" in proposal.sentence
    record_id = listed(practice, "nurse")[0].record_id
    opened = practice.desk("nurse").open(practice.patient, record_id)
    opened.file.close()
    (entry,) = [e for e in practice.chain.entries(recordId=record_id) if e.access_id == opened.access_id]
    assert entry.actor == practice.person("nurse").address


def test_a_member_reads_nothing_where_the_patient_named_the_organisation_alone(practice: World) -> None:
    (alone,) = practice.grant("practice", "substance-use")
    with pytest.raises(NotAllowed, match="neither the grantee nor a live member"):
        listed(practice, "nurse", alone.grant_id)
    assert {one.label.kind for one in listed(practice, "practice", alone.grant_id)} == {"substance-use"}


def test_a_member_without_the_organisations_key_opens_nothing(practice: World) -> None:
    practice.onboard("trainee", organisation="practice")
    (proposal,) = practice.grant("practice", "general", flags=READ | MEMBERS)
    assert listed(practice, "trainee") == []
    with pytest.raises(GrantNotDelivered, match="key box is missing"):
        listed(practice, "trainee", proposal.grant_id)


def test_when_the_organisation_is_suspended_its_members_wait(practice: World) -> None:
    (proposal,) = practice.grant("practice", "general", flags=READ | MEMBERS)
    record_id = listed(practice, "locum")[0].record_id
    practice.admin.suspend(practice.person("practice").address)
    try:
        assert listed(practice, "locum") == []
        with pytest.raises(NoGrant):
            practice.desk("locum").open(practice.patient, record_id)
    finally:
        practice.admin.reinstate(practice.person("practice").address)
    read(practice.desk("locum").open(practice.patient, record_id, grant_id=proposal.grant_id))


def test_a_member_deposits_for_its_organisation_in_its_own_name(practice: World) -> None:
    practice.grant("practice", "hiv", flags=DEPOSIT | MEMBERS)
    (deposited,) = practice.desk("nurse").deposit(practice.patient, [letter("hiv")])
    labels = dict(practice.desk("patient").my_records())
    assert labels[deposited.record_id].contributor == practice.person("nurse").address


# --- proposing and granting


def test_a_proposal_says_what_is_signed_and_sends_nothing(world: World) -> None:
    before = world.chain.grants_of(world.patient)
    offered = world.offered("doctor", "hiv", purposes=("TREAT", "HRESCH"))
    (proposal,) = world.desk("patient").propose(offered)
    assert proposal.reading.hash == proposal.terms.reading_hash
    assert "Test doctor (register number 1234567893" in proposal.sentence
    assert "my hiv records for" in proposal.sentence
    assert proposal.terms.purposes == 0b1001
    assert world.desk("patient").propose(offered) == [proposal]
    assert world.chain.grants_of(world.patient) == before


def test_a_proposal_of_an_earlier_epoch_is_made_anew(world: World) -> None:
    mine = another(world, "gina")
    offered = mine.offered("doctor", "general")
    (first,) = mine.desk("patient").propose(offered)
    mine.desk("patient").revoke()
    (second,) = mine.desk("patient").propose(offered)
    assert second.terms.epoch == mine.chain.epoch_of(mine.patient) != first.terms.epoch


def test_after_a_revocation_the_same_offer_is_a_new_grant_of_what_was_revoked_only(world: World) -> None:
    mine = another(world, "hana")
    offered = mine.offered("doctor", "general", "hiv")
    handed = [mine.desk("patient").sign(one) for one in mine.desk("patient").propose(offered)]
    for one in handed:
        deliver(mine.chain, mine.group, mine.person("stranger").signer, one)
    general, hiv = mine.desk("patient").propose(offered)
    assert mine.chain.in_force(mine.patient, general.grant_id)
    mine.desk("patient").revoke([general.grant_id])
    again, same = mine.desk("patient").propose(offered)
    assert same == hiv
    assert again.grant_id != general.grant_id
    receipt = mine.desk("patient").grant(offered, [again, same])
    assert receipt is not None
    assert mine.chain.in_force(mine.patient, again.grant_id)


def test_a_proposal_that_a_revocation_has_overtaken_is_not_put_in_force(world: World) -> None:
    mine = another(world, "gita")
    offered = mine.offered("doctor", "general")
    waiting = mine.desk("patient").propose(offered)
    (granted,) = mine.grant("doctor", "hiv")
    mine.desk("patient").revoke()
    before = mine.chain.grants_of(mine.patient)
    for overtaken in (waiting, [granted]):
        with pytest.raises(UsageError, match="propose again"):
            mine.desk("patient").grant(offered, overtaken)
    assert mine.chain.grants_of(mine.patient) == before


def test_granting_what_is_in_force_already_sends_nothing(world: World) -> None:
    mine = another(world, "irma")
    offered = mine.offered("doctor", "general")
    proposals = mine.desk("patient").propose(offered)
    assert mine.desk("patient").grant(offered, proposals) is not None
    assert mine.desk("patient").grant(offered, proposals) is None


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"kinds": ()}, UsageError),
        ({"kinds": ("general", "general")}, UsageError),
        ({"kinds": ("genetic",)}, KindUnknown),
        ({"flags": 0}, UsageError),
        ({"flags": MEMBERS}, UsageError),
        ({"flags": READ | DEPOSIT}, UsageError),
        ({"flags": READ | 8}, UsageError),
        ({"purposes": ()}, UsageError),
        ({"purposes": ("BTG",)}, PurposeUnknown),
        ({"flags": DEPOSIT, "purposes": ("TREAT",)}, UsageError),
        ({"kinds": ("general", "hiv"), "record": bytes(31) + b"\1"}, UsageError),
        ({"flags": DEPOSIT, "purposes": (), "record": bytes(31) + b"\1"}, UsageError),
    ],
)
def test_an_offer_that_no_grant_can_say_is_refused(
    world: World, changes: dict[str, Any], error: type[ConsentryError]
) -> None:
    with pytest.raises(error):
        replace(world.offered("doctor", "general"), **changes)


def test_a_grant_that_ends_before_it_begins_is_refused(world: World) -> None:
    now = world.chain.head().time
    for changes in [{"until": now - 1}, {"since": now + DAY, "until": now + DAY}]:
        with pytest.raises(UsageError, match="end before it begins"):
            world.desk("patient").propose(world.offered("doctor", "general", **changes))


def test_a_grant_that_begins_later_waits(world: World) -> None:
    world.onboard("later")
    now = world.chain.head().time
    (proposal,) = world.grant("later", "general", since=now + DAY)
    with pytest.raises(NotAllowed, match="the grant has not begun; nothing was requested"):
        listed(world, "later", proposal.grant_id)


def test_a_kind_without_a_segment_cannot_be_granted(world: World) -> None:
    world.desk("jana").enrol(["general"])
    with pytest.raises(NotFound, match="no segment for 'hiv'; enrol that kind first"):
        world.desk("jana").propose(world.offered("doctor", "hiv"))


def test_an_impostor_with_the_hospitals_name_gets_no_sentence(world: World) -> None:
    world.onboard("impostor")
    mine = world.cards["impostor"]
    for forged in [
        replace(world.cards["hospital"], address=mine.address, public_key=mine.public_key),
        replace(mine, name=world.cards["hospital"].name),
    ]:
        with pytest.raises(CardInvalid, match="not the one on chain"):
            world.desk("patient").propose(replace(world.offered("hospital", "general"), card=forged))


def test_a_patient_sees_her_own_grants_as_she_made_them(world: World) -> None:
    mine = another(world, "klara")
    (proposal,) = mine.grant("doctor", "general")
    (grant,) = mine.desk("patient").my_grants().values()
    assert (grant.terms, grant.reading, grant.kind) == (proposal.terms, proposal.reading, "general")
    assert grant.card == mine.cards["doctor"]


# --- a grant that is handed over


@pytest.fixture
def handed(world: World) -> dict[str, Any]:
    """A fresh grant of the patient's to the doctor, signed and not delivered."""
    until = world.chain.head().time + DAY + secrets.randbelow(10**6)
    (proposal,) = world.desk("patient").propose(world.offered("doctor", "general", until=until))
    return world.desk("patient").sign(proposal)


def delivered(world: World, handed: dict[str, Any]) -> Any:
    return deliver(world.chain, world.group, world.person("stranger").signer, json.loads(json.dumps(handed)))


def test_anybody_can_deliver_a_signed_grant_and_delivering_it_again_is_success(
    world: World, handed: dict[str, Any]
) -> None:
    grant_id = bytes.fromhex(handed["grantId"][2:])
    with pytest.raises(GrantNotDelivered, match="transaction is missing"):
        listed(world, "doctor", grant_id)
    assert delivered(world, handed) is not None
    assert listed(world, "doctor", grant_id)
    assert delivered(world, handed) is None


def test_a_handed_over_grant_shows_no_term(world: World, handed: dict[str, Any]) -> None:
    grant = json.dumps(handed)
    assert "Test doctor" not in grant
    assert "treatment" not in grant
    box = KeyBox.decode(bytes.fromhex(handed["box"][2:]))
    assert box.grant_id.hex() in grant


def test_a_grant_without_its_key_box_is_named_before_any_entry(world: World, handed: dict[str, Any]) -> None:
    patient, signer, grant_id, signature = (
        bytes.fromhex(handed[name][2:]) for name in ("patient", "signer", "grantId", "signature")
    )
    sender = world.person("stranger").signer
    world.chain.send(sender, "ConsentRegistry", "grantBySig", patient, signer, grant_id, signature)
    before = entries(world, "doctor")
    with pytest.raises(GrantNotDelivered, match="key box is missing"):
        listed(world, "doctor", grant_id)
    assert entries(world, "doctor") == before
    assert delivered(world, handed) is None
    assert listed(world, "doctor", grant_id)


def test_a_revoked_grant_cannot_be_delivered_any_more(world: World, handed: dict[str, Any]) -> None:
    world.desk("patient").revoke([bytes.fromhex(handed["grantId"][2:])])
    with pytest.raises(ContractRefused, match="GrantEnded"):
        delivered(world, handed)


def test_a_grant_that_was_ended_with_all_others_is_not_called_in_force(world: World) -> None:
    mine = another(world, "hedvika")
    (proposal,) = mine.desk("patient").propose(mine.offered("doctor", "general"))
    handed = mine.desk("patient").sign(proposal)
    assert delivered(mine, handed) is not None
    mine.desk("patient").revoke()
    with pytest.raises(ContractRefused, match="GrantEnded"):
        delivered(mine, handed)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": "consentry grant 9"}, "not a grant of this version"),
        ({"box": None}, "not a grant of this version"),
        ({"box": 7}, "not a grant of this version"),
        ({"patient": "0xno"}, "not a grant of this version"),
        ({"chainId": "one"}, "not a grant of this version"),
        ({"chainId": 1}, "another chain or contract"),
        ({"genesis": "0x" + "00" * 32}, "another chain or contract"),
        ({"contract": "0x" + "00" * 20}, "another chain or contract"),
        ({"grantId": "0x" + "00" * 32}, "not that of its grant"),
    ],
)
def test_a_file_that_is_no_grant_of_this_chain_is_refused(
    world: World, handed: dict[str, Any], changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        delivered(world, {**handed, **changes})


def test_what_is_no_file_at_all_is_refused(world: World) -> None:
    for nothing in ({}, [], "grant"):
        with pytest.raises(UsageError):
            delivered(world, nothing)  # type: ignore[arg-type]


def test_a_key_box_that_another_signed_is_refused(world: World, handed: dict[str, Any]) -> None:
    box = KeyBox.decode(bytes.fromhex(handed["box"][2:]))
    signature = world.person("stranger").signer.sign_typed_data(box.message(world.chain.deployment))
    forged = replace(box, signature=signature).encode()
    with pytest.raises(IntegrityError):
        delivered(world, {**handed, "box": "0x" + forged.hex()})


# --- ending a grant


def test_a_revoked_grant_lets_nothing_through_any_more(world: World) -> None:
    world.onboard("former")
    (proposal,) = world.grant("former", "general")
    record_id = listed(world, "former")[0].record_id
    ended = world.desk("patient").revoke([proposal.grant_id])
    assert (ended.grants, ended.stopped) == ((proposal.grant_id,), 5)
    assert listed(world, "former") == []
    with pytest.raises(NoGrant):
        world.desk("former").open(world.patient, record_id)
    assert listed(world, "former", proposal.grant_id) == []


def test_revoking_everything_ends_every_grant_at_once(world: World) -> None:
    mine = another(world, "lena")
    ids = {one.grant_id for one in mine.grant("doctor", "general", "hiv")}
    ended = mine.desk("patient").revoke()
    assert set(ended.grants) == ids
    assert ended.stopped == 5
    assert not any(mine.chain.in_force(mine.patient, one) for one in ids)
    assert mine.desk("patient").revoke().grants == ()


def test_a_grant_that_nobody_delivered_can_be_revoked_for_ever(world: World, handed: dict[str, Any]) -> None:
    grant_id = bytes.fromhex(handed["grantId"][2:])
    assert world.desk("patient").revoke([grant_id]).grants == (grant_id,)
    assert world.chain.grant_state(world.patient, grant_id).status == 2


def test_a_revocation_needs_no_keyholder(world: World) -> None:
    (proposal,) = world.grant("doctor", "hiv")
    ended = without(world, 1, 2, 3, 4, 5).desk("patient").revoke([proposal.grant_id])
    assert ended.stopped == 0
    assert not world.chain.in_force(world.patient, proposal.grant_id)


def test_to_revoke_nothing_is_a_mistake(world: World) -> None:
    with pytest.raises(UsageError, match="name the grants"):
        world.desk("patient").revoke([])


def test_a_suspended_provider_is_refused_and_reinstated_is_served(world: World) -> None:
    world.onboard("paused")
    world.grant("paused", "general")
    record_id = listed(world, "paused")[0].record_id
    world.admin.suspend(world.person("paused").address)
    with pytest.raises(NotAllowed, match="credential is not live"):
        world.desk("paused").open(world.patient, record_id)
    world.admin.reinstate(world.person("paused").address)
    read(world.desk("paused").open(world.patient, record_id))


# --- keyholders that are away


def test_with_two_keyholders_away_everything_but_a_deposit_goes_on(world: World) -> None:
    mine = another(world, "marta")
    mine.grant("hospital", "general", flags=DEPOSIT)
    (deposited,) = mine.desk("hospital").deposit(mine.patient, [letter()])
    fewer = without(mine, 2, 4)
    fewer.desk("nela").enrol(["general"])
    fewer.grant("doctor", "general")
    opened = fewer.desk("doctor").open(mine.patient, deposited.record_id)
    read(opened)
    assert opened.keyholders == (1, 3, 5)
    with pytest.raises(TooFewKeyholders, match="deal not taken: 3 of the keyholders answered well, 4 are"):
        fewer.desk("hospital").deposit(mine.patient, [letter()])


def test_with_three_keyholders_away_nothing_is_lost(world: World) -> None:
    mine = another(world, "olga")
    mine.grant("hospital", "general", flags=DEPOSIT)
    (deposited,) = mine.desk("hospital").deposit(mine.patient, [letter()])
    (proposal,) = mine.grant("doctor", "general")
    few = without(mine, 1, 3, 5)
    before = entries(mine, "doctor")
    with pytest.raises((TooFewKeyholders, NoGrant)):
        few.desk("doctor").open(mine.patient, deposited.record_id)
    with pytest.raises(TooFewKeyholders, match="not reachable"):
        few.desk("patient").grant(
            offered := mine.offered("doctor", "hiv"), few.desk("patient").propose(offered)
        )
    with pytest.raises(TooFewKeyholders):
        few.desk("hospital").deposit(mine.patient, [letter()])
    read(mine.desk("doctor").open(mine.patient, deposited.record_id, grant_id=proposal.grant_id))
    assert entries(mine, "doctor") == before + 1


def test_the_patient_opens_alone_from_her_own_copy_when_no_keyholder_is_left(world: World) -> None:
    mine = another(world, "pavla")
    (deposited,) = mine.desk("patient").deposit(mine.patient, [letter("hiv", LETTER)])
    mine.desk("patient").my_records()
    alone = without(mine, 1, 2, 3, 4, 5)
    person = alone.person("patient")
    alone.people["patient"] = Person(
        person.signer, person.keyring, world.home / "pavla", world.chain.deployment.id
    )
    opened = alone.desk("patient").open(mine.patient, deposited.record_id)
    assert read(opened) == LETTER
    assert opened.access_id == b""
    assert entries(mine, "patient") == 0
    with pytest.raises(NotFound, match="no such record of yours"):
        alone.desk("patient").open(mine.patient, secrets.token_bytes(32))


def test_without_keyholders_and_without_a_copy_there_is_nothing(world: World) -> None:
    alone = without(another(world, "radka"), 1, 2, 3, 4, 5)
    with pytest.raises(NotFound, match="no keyholder answers and there is no copy"):
        alone.desk("patient").open(alone.patient, secrets.token_bytes(32))


def saying(world: World, verb: str, said: Callable[[Any], Any], *indexes: int) -> World:
    """The world in which some keyholders make something else of their answers to ``verb``."""

    class Saying:
        def __init__(self, keyholder: Any) -> None:
            self.card, self._keyholder = keyholder.card, keyholder

        def __getattr__(self, name: str) -> Any:
            real = getattr(self._keyholder, name)
            return (lambda *args: said(real(*args))) if name == verb else real

    all_of_them = [Saying(k) if k.card.index in indexes else k for k in world.keyholders]
    return replace(world, group=Group(world.chain.deployment, world.group.roster, all_of_them))


def silence(_: Any) -> Any:
    raise Unreachable("it does not answer")


def test_too_few_keyholders_to_name_grants_are_not_taken_for_no_grant(world: World) -> None:
    mine = another(world, "xenia")
    with pytest.raises(TooFewKeyholders, match="grants not named: 2 of the keyholders"):
        saying(mine, "grants", silence, 1, 2, 3).desk("doctor").list(mine.patient)
    assert listed(mine, "doctor") == []


def test_keyholders_that_give_no_labels_are_not_taken_for_no_records(world: World) -> None:
    mine = another(world, "yvona")
    mine.grant("doctor", "general")
    with pytest.raises(TooFewKeyholders, match="labels not given"):
        saying(mine, "labels", silence, 1, 2, 3, 4, 5).desk("doctor").list(mine.patient)


def _with_statements(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda answer: replace(answer, statements=tuple(map(change, answer.statements)))


def test_a_key_box_that_one_keyholder_made_up_shows_no_grant(world: World) -> None:
    mine = another(world, "zita")
    (proposal,) = mine.grant("doctor", "general")
    made_up = replace(proposal.box, grant_id=secrets.token_bytes(32), to_patient=b"nothing").encode()
    more = saying(mine, "own", lambda answer: replace(answer, boxes=(*answer.boxes, made_up)), 1)
    assert set(more.desk("patient").my_grants()) == {proposal.grant_id}


def test_a_depositor_believes_no_statement_but_the_patients(world: World) -> None:
    mine = another(world, "zora")
    mine.grant("hospital", "general", flags=DEPOSIT)
    other = another(world, "zuzana").desk("patient")
    foreign = SignedStatement(*map(bytes.fromhex, next(iter(other._me.copy.statements.values()))))
    of_another = saying(mine, "fetch_box", _with_statements(lambda _: foreign), *range(1, 6))
    unsigned = _with_statements(lambda signed: replace(signed, signature=bytes(65)))
    with pytest.raises(NotFound, match="no keyholder gives a statement"):
        of_another.desk("hospital").deposit(mine.patient, [letter()])
    with pytest.raises(StatementStale):
        saying(mine, "fetch_box", unsigned, *range(1, 6)).desk("hospital").deposit(mine.patient, [letter()])
    elsewhere = _with_statements(lambda signed: _restated(signed, deployment=bytes(32)))
    with pytest.raises(NotFound, match="no keyholder gives a statement"):
        saying(mine, "fetch_box", elsewhere, *range(1, 6)).desk("hospital").deposit(mine.patient, [letter()])
    garbage = _with_statements(lambda signed: replace(signed, body=b"garbage"))
    (done,) = saying(mine, "fetch_box", garbage, 1, 2).desk("hospital").deposit(mine.patient, [letter()])
    assert done.acknowledged == 5


def test_a_depositor_needs_enough_keyholders_to_know_the_newest_statement(world: World) -> None:
    mine = another(world, "zoe")
    mine.grant("hospital", "general", flags=DEPOSIT)
    quiet = saying(mine, "fetch_box", silence, 1, 2, 3)
    with pytest.raises(TooFewKeyholders, match="2 keyholders gave the segment's statements, 3 are needed"):
        quiet.desk("hospital").deposit(mine.patient, [letter()])


def _restated(signed: SignedStatement, **changes: Any) -> SignedStatement:
    return replace(signed, body=replace(signed.statement, **changes).encode())


def test_an_opening_waits_until_the_entry_is_deep_enough(
    anvil_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = make_world(tmp_path, Web3(HTTPProvider(anvil_url)), depth=2)
    deep.onboard("doctor")
    deep.desk("patient").enrol(["general"])
    (deposited,) = deep.desk("patient").deposit(deep.patient, [letter("general", LETTER)])
    deep.grant("doctor", "general")
    waited: list[float] = []

    def a_block_passes(seconds: float) -> None:
        waited.append(seconds)
        deep.web3.provider.make_request(RPCEndpoint("evm_mine"), [])

    monkeypatch.setattr("consentry.client.reader.time.sleep", a_block_passes)
    assert read(deep.desk("doctor").open(deep.patient, deposited.record_id)) == LETTER
    assert len(waited) == 2


# --- the own copy, a second device


def test_a_second_device_with_the_same_keyring_finds_everything(world: World) -> None:
    mine = another(world, "sara")
    (deposited,) = mine.desk("patient").deposit(mine.patient, [letter("general", LETTER)])
    (proposal,) = mine.grant("doctor", "general")
    first = mine.person("patient")
    second = Person(first.signer, first.keyring, world.home / "sara-tablet", world.chain.deployment.id)
    tablet = Client(world.store, world.chain, world.group, second)
    assert set(tablet.my_grants()) == {proposal.grant_id}
    assert [record_id for record_id, _ in tablet.my_records()] == [deposited.record_id]
    assert {one.kind for one in tablet.enrol(["general"])} == {"general", "hiv"}
    (again,) = tablet.deposit(mine.patient, [letter("hiv")])
    assert {r for r, _ in mine.desk("patient").my_records()} == {deposited.record_id, again.record_id}


def test_what_the_keyholders_lose_stays_in_the_own_copy(world: World) -> None:
    mine = another(world, "tereza")
    (deposited,) = mine.desk("patient").deposit(mine.patient, [letter("general", LETTER)])
    mine.desk("patient").my_records()
    emptied = [replace_own(keyholder) for keyholder in world.keyholders]
    lost = replace(mine, group=Group(world.chain.deployment, world.group.roster, emptied))
    assert [record_id for record_id, _ in lost.desk("patient").my_records()] == [deposited.record_id]
    assert read(lost.desk("patient").open(mine.patient, deposited.record_id)) == LETTER


def replace_own(keyholder: Any) -> Any:
    """The keyholder with nothing to give to the patient."""

    class Emptied:
        card = keyholder.card

        def own(self, call: Any) -> Any:
            return replace(keyholder.own(call), statements=(), records=(), boxes=())

        def __getattr__(self, name: str) -> Any:
            return getattr(keyholder, name)

    return Emptied()


def test_another_keyring_finds_no_record_and_no_segment(world: World) -> None:
    mine = another(world, "ursula")
    mine.desk("patient").deposit(mine.patient, [letter()])
    signer = mine.person("patient").signer
    thief = Person(signer, Keyring(), world.home / "ursula-thief", world.chain.deployment.id)
    desk = Client(world.store, world.chain, world.group, thief)
    assert desk.my_records() == []
    with pytest.raises(IntegrityError):
        desk.open(mine.patient, mine.desk("patient").my_records()[0][0])


# --- cards that are renewed, patients that move


def test_a_provider_with_a_new_key_gets_a_new_card_and_the_old_one_counts_no_more(world: World) -> None:
    world.onboard("renewed")
    old = world.cards["renewed"]
    (before,) = world.grant("renewed", "general")
    world.person("renewed").keyring.seed = secrets.token_bytes(32)
    new = world.onboard("renewed")
    assert (new.address, new.public_key != old.public_key) == (old.address, True)
    with pytest.raises(CardInvalid, match="forged, altered or outdated"):
        world.desk("patient").propose(replace(world.offered("renewed", "general"), card=old))
    with pytest.raises(GrantNotDelivered, match="key box is missing"):
        listed(world, "renewed", before.grant_id)
    (after,) = world.grant("renewed", "general")
    read(world.desk("renewed").open(world.patient, listed(world, "renewed", after.grant_id)[0].record_id))


def test_a_statement_signed_by_who_no_longer_controls_the_identity_stops_a_deposit(world: World) -> None:
    mine = another(world, "vera")
    mine.grant("hospital", "general", flags=DEPOSIT)
    heir = LocalSigner(secrets.token_bytes(32))
    args = (mine.patient, heir.address)
    mine.chain.send(mine.person("patient").signer, "ConsentRegistry", "setController", *args)
    with pytest.raises(StatementStale, match="has to sign it again"):
        mine.desk("hospital").deposit(mine.patient, [letter()])


def test_a_patient_whose_account_is_a_contract_enrols_signs_and_revokes(world: World) -> None:
    key = LocalSigner(secrets.token_bytes(32))
    fund(world.web3, key.address)
    signer = WalletSigner(key, world.web3)
    person = Person(signer, Keyring(), world.home / "wallet", world.chain.deployment.id)
    mine = replace(world, people={**world.people, "patient": person})
    desk = mine.desk("patient")
    desk.enrol(["general"])
    (deposited,) = desk.deposit(mine.patient, [letter("general", LETTER)])
    (proposal,) = desk.propose(mine.offered("doctor", "general"))
    assert delivered(mine, desk.sign(proposal)) is not None
    assert read(mine.desk("doctor").open(mine.patient, deposited.record_id)) == LETTER
    assert desk.revoke([proposal.grant_id]).stopped == 5
    with pytest.raises(NoGrant):
        mine.desk("doctor").open(mine.patient, deposited.record_id)


# --- the store


def test_a_blob_that_is_gone_or_altered_is_named_and_the_entry_serves_again(world: World) -> None:
    mine = another(world, "wanda")
    (deposited,) = mine.desk("patient").deposit(mine.patient, [letter("general", LETTER)])
    mine.grant("doctor", "general")
    (file,) = (world.home / "store").rglob(deposited.cid)
    good = file.read_bytes()
    before = entries(mine, "doctor")
    for spoilt, error in [(None, BlobMissing), (good[:-1] + b"\0", BlobAltered), (b"", BlobAltered)]:
        file.unlink() if spoilt is None else file.write_bytes(spoilt)
        with pytest.raises(error):
            mine.desk("doctor").open(mine.patient, deposited.record_id)
        with pytest.raises(error):
            mine.desk("patient").open(mine.patient, deposited.record_id)
    file.write_bytes(good)
    assert read(mine.desk("doctor").open(mine.patient, deposited.record_id)) == LETTER
    assert entries(mine, "doctor") == before + 1


class Careless:
    """A store that gives whatever it has under any id."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob

    def get(self, cid: str, sink: Any) -> None:
        sink.write(self._blob)


def test_a_store_that_does_not_check_its_blobs_is_checked_by_the_desk(world: World) -> None:
    mine = another(world, "zdena")
    one, other = mine.desk("patient").deposit(mine.patient, [letter(), letter()])
    (file,) = (world.home / "store").rglob(other.cid)
    careless = replace(mine, store=Careless(file.read_bytes()))
    with pytest.raises(BlobAltered, match="another blob than the one that was anchored"):
        careless.desk("patient").open(mine.patient, one.record_id)
    read(careless.desk("patient").open(mine.patient, other.record_id))


# --- time


def test_an_expired_grant_is_refused_by_its_reason(world: World) -> None:
    world.onboard("visitor")
    until = world.chain.head().time + 600
    offered = world.offered("visitor", "general", until=until)
    world.desk("patient").grant(offered, world.desk("patient").propose(offered))
    record_id = listed(world, "visitor")[0].record_id
    world.web3.provider.make_request(RPCEndpoint("evm_increaseTime"), [700])
    world.web3.provider.make_request(RPCEndpoint("evm_mine"), [])
    before = entries(world, "visitor")
    with pytest.raises(NotAllowed, match="the grant has expired; nothing was requested"):
        world.desk("visitor").open(world.patient, record_id)
    with pytest.raises(NotAllowed, match="expired"):
        listed(world, "visitor")
    assert entries(world, "visitor") == before
    with pytest.raises(UsageError, match="end before it begins"):
        world.desk("patient").propose(offered)


# --- nothing leaks


def test_nothing_secret_lies_in_a_file_an_error_or_a_repr(
    anvil_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Collected(monkeypatch)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    world = make_world(tmp_path / "home", Web3(HTTPProvider(anvil_url)))
    shown: list[str] = []
    _a_whole_run(world, shown)
    for name, person in world.people.items():
        person.keyring.save(world.home / "keyrings" / f"{name}.json", kept.passphrase)
        kept.add(person.keyring.seed)
    assert len(kept.secrets) > 30
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "passphrase"]
    assert len(files) > 30
    # What destroys a record by being destroyed itself lies in a file of its own, left out of backups.
    files = [path for path in files if not path.name.startswith("record-keys.sqlite")]
    for path in files:
        data = path.read_bytes()
        for secret in kept.forms():
            assert secret not in data, f"{path} holds a secret"
    text = "\n".join(shown)
    for form in kept.texts():
        assert form not in text


class Collected:
    """Every secret that the program draws or derives while it runs, and the plaintext."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from consentry.client import enrol, reader, sealing
        from consentry.envelope import deposit as envelope
        from consentry.envelope import leaf
        from consentry.keys import hpke, shamir

        self.secrets: set[bytes] = set()
        self.passphrase = "a test passphrase that is typed nowhere else"
        for module, name in [
            (hpke, "hkdf"),
            (leaf, "hkdf"),
            (leaf, "data_key"),
            (shamir, "new_secret"),
            (shamir, "split"),
            (enrol, "new_seed"),
            (reader, "new_seed"),
        ]:
            real = getattr(module, name)
            monkeypatch.setattr(module, name, self._watched(real))
        real_seal = sealing.seal.seal
        monkeypatch.setattr(sealing.seal, "seal", lambda *args: (self.add(args[2]), real_seal(*args))[1])

        halves = envelope.Halves
        monkeypatch.setattr(
            envelope, "Halves", lambda *keys: ([self.add(key) for key in keys], halves(*keys))[1]
        )

    def _watched(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            result = real(*args, **kwargs)
            for one in result if isinstance(result, list) else [result]:
                self.add(one)
            return result

        return call

    def add(self, secret: bytes) -> None:
        self.secrets.add(secret)

    def forms(self) -> list[bytes]:
        """The secrets as bytes, as hex, the passphrase and the plaintext."""
        raw = [*self.secrets, LETTER]
        hexes = [secret.hex().encode() for secret in self.secrets]
        return [*raw, *hexes, self.passphrase.encode()]

    def texts(self) -> list[str]:
        """The same as text would show them."""
        inner = [re.sub(r"^b['\"]|['\"]$", "", repr(secret)) for secret in self.secrets]
        return [*inner, *(secret.hex() for secret in self.secrets), LETTER.decode(), self.passphrase]


def _a_whole_run(world: World, shown: list[str]) -> None:
    """Everybody does everything once, and much is refused; ``shown`` collects what a log could hold."""

    def refused(attempt: Callable[[], object]) -> None:
        try:
            attempt()
        except ConsentryError as error:
            shown.extend([str(error), repr(error), repr(error.__cause__), repr(error.__context__)])
        else:
            raise AssertionError("it was not refused")

    world.onboard("hospital", roles=1 | ORGANISATION)
    world.onboard("doctor")
    patient, hospital, doctor = (world.desk(name) for name in ("patient", "hospital", "doctor"))
    segments = patient.enrol(["general", "hiv"])
    world.grant("hospital", "general", "hiv", flags=DEPOSIT)
    deposited = hospital.deposit(world.patient, [record("general", LETTER), record("hiv", LETTER + b"2")])
    refused(
        lambda: (
            without(world, 1, 2).desk("hospital").deposit(world.patient, [record("general", LETTER + b"3")])
        )
    )
    (proposal,) = world.grant("doctor", "general")
    listings = doctor.list(world.patient)
    opened = doctor.open(world.patient, deposited[0].record_id)
    opened.file.close()
    refused(lambda: doctor.open(world.patient, deposited[1].record_id))
    refused(lambda: without(world, 1, 2, 3).desk("doctor").open(world.patient, deposited[0].record_id))
    refused(lambda: world.desk("stranger").list(world.patient))
    refused(lambda: patient.open(world.patient, bytes(32)))
    refused(lambda: Keyring.load(world.home / "none.json", "a test passphrase that is typed nowhere else"))
    shown += [repr(thing) for thing in (segments, listings, opened, deposited, proposal.terms, world.people)]
    granted = world.desk("doctor")._boxes.grants(world.patient)
    own = world.desk("patient")._own
    shown += [repr(thing) for thing in (granted, own.segments(), own.openings(), own.grants())]
    shown += [repr(world.keyholders[0]._vault.held(world.patient))]
    shown += [repr(person.keyring) for person in world.people.values()]
    shown += [str(row.to_json()) for keyholder in world.keyholders for row in keyholder.journal()]
    patient.revoke([proposal.grant_id])
    refused(lambda: doctor.open(world.patient, deposited[0].record_id))
