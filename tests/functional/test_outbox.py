"""The outbox: a verb that was cut off anywhere is finished by calling it again, and done once."""

from __future__ import annotations

import secrets
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from consentry.admin import Admin, Applicant
from consentry.chain import LocalSigner
from consentry.client import Client, Deposited, Group, Opened, Person
from consentry.client.outbox import Outbox, seal_file, unseal_file
from consentry.consent.card import Card
from consentry.consent.terms import DEPOSIT
from consentry.errors import IntegrityError, NotEnoughEther, TooFewKeyholders, Unreachable
from consentry.keyholder.checks import MAX_AGE
from consentry.record import Record
from tests.support.cuts import after_every_step, power_cut_after
from tests.support.fixed import seed
from tests.support.world import DAY, World, fund, make_world, populated, record

# --- parcels


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox", seed(1))


def test_a_verb_is_found_again_by_its_input_and_by_nothing_else(outbox: Outbox) -> None:
    parcel = outbox.parcel("deposit", b"\1", "kind", 7)
    parcel.state["step"] = 1
    parcel.save()
    assert outbox.parcel("deposit", b"\1", "kind", 7).state == {"step": 1}
    for other in [
        ("grant", b"\1", "kind", 7),
        ("deposit", b"\1", "kind", 8),
        ("deposit", b"\1", "kind"),
        ("deposit", b"\1k", "ind", 7),
    ]:
        assert outbox.parcel(*other).state == {}


def test_an_unsaved_change_is_forgotten(outbox: Outbox) -> None:
    outbox.parcel("deposit").state["step"] = 1
    assert outbox.parcel("deposit").state == {}


def test_a_dropped_parcel_leaves_no_file(outbox: Outbox, tmp_path: Path) -> None:
    parcel = outbox.parcel("deposit")
    parcel.path("blob").write_bytes(b"sealed")
    parcel.save()
    parcel.drop()
    parcel.drop()
    assert list((tmp_path / "outbox").iterdir()) == []


def test_neither_names_nor_contents_tell_what_is_under_way(outbox: Outbox, tmp_path: Path) -> None:
    parcel = outbox.parcel("deposit", "general")
    parcel.state["salt"] = "secret"
    parcel.save()
    (file,) = (tmp_path / "outbox").rglob("state")
    shown = str(file).encode() + file.read_bytes()
    for word in (b"deposit", b"general", b"secret", b"salt"):
        assert word not in shown.replace(str(tmp_path).encode(), b"").replace(b"outbox", b"")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_another_person_finds_no_parcel_of_mine(outbox: Outbox, tmp_path: Path) -> None:
    parcel = outbox.parcel("deposit")
    parcel.state["step"] = 1
    parcel.save()
    assert Outbox(tmp_path / "outbox", seed(2)).parcel("deposit").state == {}


def test_a_damaged_parcel_says_which_file_to_remove(outbox: Outbox, tmp_path: Path) -> None:
    parcel = outbox.parcel("deposit")
    parcel.save()
    (file,) = (tmp_path / "outbox").rglob("state")
    for damaged in (file.read_bytes()[:-1], b""):
        file.write_bytes(damaged)
        with pytest.raises(IntegrityError, match=r"/state is damaged or of another keyring; remove it"):
            outbox.parcel("deposit")


def test_the_same_contents_look_different_each_time(tmp_path: Path) -> None:
    for name in "ab":
        seal_file(tmp_path / name, seed(1), b"value")
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()
    assert unseal_file(tmp_path / "a", seed(1)) == unseal_file(tmp_path / "b", seed(1)) == b"value"


def test_a_finished_verb_is_not_counted_as_waiting(outbox: Outbox) -> None:
    assert outbox.unfinished() == 0
    waiting, done = outbox.parcel("deposit", 1), outbox.parcel("deposit", 2)
    done.state["finished"] = True
    waiting.save()
    done.save()
    assert outbox.unfinished() == 1


# --- verbs that are cut off


@pytest.fixture(scope="module")
def world(anvil_url: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    """On Anvil: py-evm looks through its events ever more slowly as blocks are added."""
    return populated(make_world(tmp_path_factory.mktemp("outbox"), Web3(HTTPProvider(anvil_url))))


def restarted(world: World, name: str) -> Client:
    """The desk of a person in a new process: what was not on disk is gone."""
    person = world.person(name)
    fresh = Person(person.signer, person.keyring, world.home / name, world.chain.deployment.id)
    world.people[name] = fresh
    return world.desk(name)


def some_records(number: int) -> list[Record]:
    return [
        Record("general", "text/plain", f"Test letter {number} {part}".encode(), "2026-01-15")
        for part in range(2)
    ]


def test_a_deposit_cut_off_anywhere_is_finished_by_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital = world.person("hospital").address

    def batches() -> int:
        return len(world.chain.rpc.events("RecordRegistry", "BatchAnchored", contributor=hospital))

    before = {record for record, _ in restarted(world, "patient").my_records()}

    def deposit(moment: int) -> Callable[[], list[Deposited]]:
        records = some_records(moment)
        return lambda: restarted(world, "hospital").deposit(world.patient, records)

    def finished(step: str, first: list[Deposited] | None, second: list[Deposited]) -> None:
        nonlocal before
        assert first is None or first == second
        assert [one.acknowledged for one in second] == [5, 5]
        assert batches() == (len(before) - 2) // 2 + 1, step
        before |= {one.record_id for one in second}

    done = after_every_step(deposit, finished, monkeypatch)
    assert [done.count(n) for n in ("FolderStore.put", "KeyholderService.deal", "Chain.send")] == [2, 1, 1]
    assert world.person("hospital").outbox.unfinished() == 0
    mine = {record for record, _ in restarted(world, "patient").my_records()}
    assert mine == before


def test_what_a_deposit_leaves_behind_is_neither_key_nor_salt_nor_blob(world: World) -> None:
    desk = world.desk("hospital")
    records = [record("general", b"Test letter that leaves nothing")]
    desk.deposit(world.patient, records)
    outbox = world.home / "hospital" / "outbox"
    assert not list(outbox.rglob("blob-*"))
    states = [parcel.state for parcel in world.person("hospital").outbox.parcels()]
    assert states
    for state in states:
        assert {name for one in state["records"] for name in one} == {"kind", "record", "cid", "envelope"}
        assert all(envelope["parts"] == [] for envelope in state["envelopes"])


def test_a_deposit_is_finished_under_the_grant_that_took_the_place_of_the_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = world.grant("hospital", "hiv", flags=DEPOSIT)
    records = [record("hiv")]
    with power_cut_after(5, monkeypatch) as done:
        restarted(world, "hospital").deposit(world.patient, records)
    assert done[-1] == "KeyholderService.deal"  # by the third, and three are too few to anchor
    world.desk("patient").revoke([first.grant_id])
    world.grant("hospital", "hiv", flags=DEPOSIT, until=world.chain.head().time + 9 * DAY)
    (done,) = restarted(world, "hospital").deposit(world.patient, records)
    assert done.acknowledged == 5


def test_a_record_that_was_dealt_and_not_yet_anchored_is_not_among_the_patients(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {record for record, _ in restarted(world, "patient").my_records()}
    records = [record("general", b"Test letter that waits for its anchor")]
    with power_cut_after(7, monkeypatch) as done:
        restarted(world, "hospital").deposit(world.patient, records)
    assert done[-3:] == ["KeyholderService.deal", "Person.save", "Parcel.save"]
    desk = restarted(world, "patient")
    assert {record for record, _ in desk.my_records()} == known
    (waiting,) = [
        r["record"]
        for p in world.person("hospital").outbox.parcels()
        for r in p.state["records"]
        if "finished" not in p.state
    ]
    with pytest.raises(IntegrityError, match="not one that its contributor anchored"):
        desk.open(world.patient, bytes.fromhex(waiting))
    (finished,) = restarted(world, "hospital").deposit(world.patient, records)
    assert {record for record, _ in desk.my_records()} == known | {finished.record_id}


def test_a_grant_cut_off_anywhere_is_finished_by_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.chain.grants_of(world.patient)

    def grant(moment: int) -> Callable[[], list[bytes]]:
        until = world.chain.head().time + (10 + moment) * DAY
        offered = world.offered("clinician", "general", "substance-use", until=until)

        def run() -> list[bytes]:
            desk = restarted(world, "patient")
            proposals = desk.propose(offered)
            desk.grant(offered, proposals)
            return [proposal.grant_id for proposal in proposals]

        return run

    def finished(step: str, first: list[bytes] | None, second: list[bytes]) -> None:
        nonlocal before
        after = world.chain.grants_of(world.patient)
        if first is None:
            assert sorted(after) == sorted([*before, *second]), step
            assert after[: len(before)] == before
        else:  # it was not cut: granting anew is the patient's word anew
            assert len(after) == len(before) + 4
        before = after

    done = after_every_step(grant, finished, monkeypatch)
    assert done.count("Chain.send") == 1
    assert done.count("KeyholderService.box") == 2


def test_an_enrolment_cut_off_anywhere_is_finished_by_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def enrol(moment: int) -> Callable[[], dict[str, bytes]]:
        name = f"newcomer-{moment}"
        world.person(name)

        def run() -> dict[str, bytes]:
            segments = restarted(world, name).enrol(["general", "hiv"])
            return {one.kind: one.statement.hash for one in segments}

        return run

    def finished(step: str, first: dict[str, bytes] | None, second: dict[str, bytes]) -> None:
        patient = world.person(f"newcomer-{step.partition(':')[0]}").identity
        assert first is None or first == second
        assert set(second) == {"general", "hiv"}
        published = world.chain.rpc.events("ConsentRegistry", "EncryptionKeySet", patient=patient)
        assert len(published) == 1, step
        for keyholder in world.keyholders:
            held = [one.statement.hash for one in keyholder._vault.statements(patient)]
            assert sorted(held) == sorted(second.values()), step

    done = after_every_step(enrol, finished, monkeypatch)
    assert done.count("KeyholderService.statement") == 2


def test_an_opening_cut_off_anywhere_is_finished_by_the_next_one_with_one_entry(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (proposal,) = world.grant("clinician", "general")
    listing = world.desk("clinician").list(world.patient, proposal.grant_id)[0]
    who = {"actor": world.person("clinician").address}
    before = len(world.chain.entries(**who))

    def opening(moment: int) -> Callable[[], bytes]:
        def run() -> bytes:
            desk = restarted(world, "clinician")
            opened = desk.open(world.patient, listing.record_id, grant_id=proposal.grant_id)
            assert opened.cheats == ()
            opened.file.close()
            return opened.access_id

        return run

    def finished(step: str, first: bytes | None, second: bytes) -> None:
        nonlocal before
        entries = world.chain.entries(**who)
        new = 1 if first is None else 2  # one that was not cut is over, and the next is another look
        assert len(entries) == before + new, step
        assert entries[-1].access_id == second
        before = len(entries)

    done = after_every_step(opening, finished, monkeypatch)
    assert done.count("Chain.send") == 1
    assert done.count("KeyholderService.release") == 1


def test_an_onboarding_cut_off_anywhere_is_finished_by_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def onboard(moment: int) -> Callable[[], list[Card]]:
        now = world.chain.head().time
        applicants = [
            Applicant(world.desk(name).offer(), f"Test {name}", "1234567893", 1, None, now - DAY, now + DAY)
            for name in (f"doctor-{moment}", f"nurse-{moment}")
        ]

        def run() -> list[Card]:
            person = world.authority
            fresh = Person(person.signer, person.keyring, world.home / "authority", world.chain.deployment.id)
            return Admin(world.chain, fresh).onboard(applicants)

        return run

    def finished(step: str, first: list[Card] | None, second: list[Card]) -> None:
        assert first is None or first == second
        for card in second:
            issued = world.chain.rpc.events("ProviderRegistry", "CredentialIssued", provider=card.address)
            assert [event.args["cardHash"] for event in issued] == [card.hash], step
            world.chain.verify_card(card)

    done = after_every_step(onboard, finished, monkeypatch)
    assert done.count("Chain.send") == 1
    assert world.authority.outbox.unfinished() == 0


# --- what cannot be reached for a while


class Away:
    """A keyholder that does not answer."""

    def __init__(self, card: Any) -> None:
        self.card = card

    def __getattr__(self, name: str) -> Any:
        def silent(*_: object) -> None:
            raise Unreachable("it does not answer")

        return silent


def with_away(world: World, *away: int) -> Group:
    """The group of the world with some keyholders silent."""
    roster = world.group.roster
    standing = [Away(k.card) if k.card.index in away else k for k in world.keyholders]
    return Group(world.chain.deployment, roster, standing)


def test_a_deposit_waits_for_more_keyholders_and_loses_nothing(world: World) -> None:
    records = [record("general", b"Test letter for too few")]
    few = replace(world, group=with_away(world, 1, 5))
    anchors = len(world.chain.rpc.events("RecordRegistry", "RecordAnchored"))
    with pytest.raises(TooFewKeyholders, match="deal not taken: 3 of the keyholders"):
        few.desk("hospital").deposit(world.patient, records)
    assert len(world.chain.rpc.events("RecordRegistry", "RecordAnchored")) == anchors
    (done,) = restarted(world, "hospital").deposit(world.patient, records)
    assert done.acknowledged == 5
    assert world.chain.anchor_of(world.person("hospital").address, done.record_id) != bytes(32)


def test_the_last_keyholder_gets_its_part_when_it_is_back(world: World) -> None:
    records = [record("general", b"Test letter for four")]
    four = replace(world, group=with_away(world, 3))
    (done,) = four.desk("hospital").deposit(world.patient, records)
    assert done.acknowledged == 4
    assert world.person("hospital").outbox.unfinished() == 1
    assert world.keyholders[2]._vault.find(done.record_id) is None
    (again,) = restarted(world, "hospital").deposit(world.patient, records)
    assert again == replace(done, acknowledged=5)
    assert world.person("hospital").outbox.unfinished() == 0
    assert world.keyholders[2]._vault.find(done.record_id) is not None


def test_a_keyholder_that_was_away_at_enrolment_gets_the_statements_by_the_next_one(world: World) -> None:
    few = replace(world, group=with_away(world, 1, 2))
    few.desk("late").enrol(["general"])
    patient = world.person("late").identity
    assert not world.keyholders[0]._vault.statements(patient)
    restarted(world, "late").enrol(["general"])
    assert len(world.keyholders[0]._vault.statements(patient)) == 1
    assert len(world.keyholders[2]._vault.statements(patient)) == 1
    rows = [row for row in world.keyholders[2].journal() if row.body.get("patient") == "0x" + patient.hex()]
    assert [row.kind for row in rows].count("statement") == 1


def test_an_enrolment_that_too_few_took_makes_no_second_segment(world: World) -> None:
    few = replace(world, group=with_away(world, 1, 2, 3))
    with pytest.raises(TooFewKeyholders, match="statement not taken: 2"):
        few.desk("unlucky").enrol(["general"])
    (segment,) = restarted(world, "unlucky").enrol(["general"])
    for keyholder in world.keyholders:
        (held,) = keyholder._vault.statements(world.person("unlucky").identity)
        assert held.statement == segment.statement


def test_a_new_entry_is_written_when_the_first_is_over_an_hour_old(world: World) -> None:
    (proposal,) = world.grant("clinician", "general")
    record_id = world.desk("clinician").list(world.patient, proposal.grant_id)[0].record_id
    few = replace(world, group=with_away(world, 1, 2, 3))
    few.people = world.people
    who = {"actor": world.person("clinician").address}
    before = len(world.chain.entries(**who))

    def attempt(at: World) -> Opened:
        return at.desk("clinician").open(world.patient, record_id, grant_id=proposal.grant_id)

    for _ in range(2):
        with pytest.raises(TooFewKeyholders, match="not released: 2 of the keyholders"):
            attempt(few)
    assert len(world.chain.entries(**who)) == before + 1
    world.web3.provider.make_request(RPCEndpoint("evm_increaseTime"), [MAX_AGE + 60])
    world.web3.provider.make_request(RPCEndpoint("evm_mine"), [])
    with attempt(world).file:
        pass
    assert len(world.chain.entries(**who)) == before + 2


def test_a_person_without_ether_can_finish_when_she_has_some(world: World) -> None:
    signer = LocalSigner(secrets.token_bytes(32))
    poor = Person(signer, world.person("patient").keyring, world.home / "poor", world.chain.deployment.id)
    desk = Client(world.store, world.chain, world.group, poor)
    with pytest.raises(NotEnoughEther, match=r"has 0\.0+ ether"):
        desk.enrol(["general"])
    fund(world.web3, signer.address)
    assert [segment.kind for segment in desk.enrol(["general"])] == ["general"]
