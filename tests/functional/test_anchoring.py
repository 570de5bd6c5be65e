"""Anchors: a record alone has one of its own, several of one deposit are one batch; both open alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from eth_utils.address import to_checksum_address

from consentry.client import Client, Deposited, deposit
from consentry.client.proposal import Proposal
from consentry.envelope.anchor import Batched, batched, link
from consentry.envelope.leaf import Leaf
from consentry.errors import ConsentryError, IntegrityError, Unreachable
from consentry.evidence import Journal, Report, audit
from tests.contracts import batches
from tests.support.world import World, make_world, populated, record

BODIES = [f"Test letter {number} of five".encode() for number in range(5)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return populated(make_world(tmp_path_factory.mktemp("anchoring")))


@pytest.fixture(scope="module")
def clinicians(world: World) -> Proposal:
    return world.grant("clinician", "general")


@pytest.fixture(scope="module")
def letters(world: World, clinicians: Proposal) -> list[Deposited]:
    """Five letters that the hospital deposited at once."""
    return world.desk("hospital").deposit(world.patient, [record("general", body) for body in BODIES])


def told(world: World, event: str) -> list[dict[str, object]]:
    hospital = world.person("hospital").address
    return [one.args for one in world.chain.rpc.events("RecordRegistry", event, contributor=hospital)]


def opened(desk: Client, world: World, one: Deposited) -> bytes:
    with desk.open(world.patient, one.record_id).file as file:
        return bytes(file.read())


def leaf_of(world: World, one: Deposited) -> Leaf:
    held = world.keyholders[0]._vault.find(one.record_id)
    assert held is not None
    return Leaf.decode(held.open_part, held.sealed_part)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9, 33])
def test_places_are_those_that_the_contract_knows(count: int) -> None:
    """`tests/contracts` says them again, and asks the contract."""
    contributor = to_checksum_address("0x" + "a5" * 20)
    batch = batches.Batch.of(contributor, count)
    places = batched(contributor, 7, batch.anchors)
    assert places == [Batched(7, n, count, tuple(batch.proof(n))) for n in range(count)]
    for place, anchor in zip(places, batch.anchors, strict=True):
        assert (place.root(contributor, *anchor), count) == batch.link
    assert link(bytes(32), *batch.link) == batches.link(bytes(32), *batch.link)


@pytest.mark.parametrize(
    ("index", "count", "length"), [(5, 5, 3), (6, 5, 3), (0, 5, 2), (0, 5, 4), (0, 9, 3)]
)
def test_what_is_no_place_in_a_batch_leads_to_no_root(index: int, count: int, length: int) -> None:
    place = Batched(7, index, count, (bytes(32),) * length)
    assert place.root(to_checksum_address("0x" + "a5" * 20), bytes(32), bytes(32)) == bytes(32)


def test_five_letters_are_one_batch_and_each_opens(world: World, letters: list[Deposited]) -> None:
    (batch,) = told(world, "BatchAnchored")
    assert batch["count"] == 5
    alone = {one["recordId"] for one in told(world, "RecordAnchored")}
    assert not alone & {one.record_id for one in letters}
    for one, body in zip(letters, BODIES, strict=True):
        assert opened(world.desk("clinician"), world, one) == body
        assert opened(world.desk("patient"), world, one) == body


def test_one_letter_has_an_anchor_of_its_own(world: World, clinicians: Proposal) -> None:
    before = told(world, "BatchAnchored")
    (one,) = world.desk("hospital").deposit(world.patient, [record("general", b"one letter alone")])
    assert told(world, "BatchAnchored") == before
    assert one.record_id in {each["recordId"] for each in told(world, "RecordAnchored")}
    assert opened(world.desk("clinician"), world, one) == b"one letter alone"


def test_more_than_one_envelope_takes_go_into_several(
    world: World, clinicians: Proposal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no part of one is too large for a keyholder."""
    monkeypatch.setattr(deposit, "MOST", 2)
    before = len(told(world, "BatchAnchored"))
    records = [record("general", f"of many {number}".encode()) for number in range(5)]
    records.insert(2, record("substance-use", b"of another kind"))
    done = world.desk("hospital").deposit(world.patient, records)
    assert [one.kind for one in done] == [each.kind for each in records]
    assert [each["count"] for each in told(world, "BatchAnchored")[before:]] == [2, 2]
    assert len({world.keyholders[0]._vault.envelope_of(one.record_id) for one in done}) == 4
    for one, given in zip(done, records, strict=True):
        assert one.acknowledged == 5
        assert opened(world.desk("patient"), world, one) == given.body


def test_a_deposit_that_is_cut_off_when_its_batch_is_mined_anchors_it_once(
    world: World, clinicians: Proposal
) -> None:
    records = [record("general", f"cut off {number}".encode()) for number in range(3)]
    real, before = world.chain.send, len(told(world, "BatchAnchored"))

    def cut_off(*sent: object) -> object:
        real(*sent)
        raise Unreachable("cut off")

    with patch.object(world.chain, "send", cut_off), pytest.raises(Unreachable):
        world.desk("hospital").deposit(world.patient, records)
    *_, last = world.desk("hospital").deposit(world.patient, records)
    assert len(told(world, "BatchAnchored")) == before + 1
    assert opened(world.desk("clinician"), world, last) == b"cut off 2"


# --- what a contributor, a keyholder or a node can do to a batch


@pytest.mark.parametrize("when", ["before", "after"])
def test_nothing_that_its_contributor_adds_to_the_page_takes_a_batch_away(
    world: World, clinicians: Proposal, when: str
) -> None:
    """Otherwise it could lock what it deposited, also for the patient."""
    signer, real = world.person("hospital").signer, world.chain.send
    other = (b"\7" * 32, 3)

    def around(*sent: object) -> object:
        _, contract, function, page, *_ = sent
        assert (contract, function) == ("RecordRegistry", "anchorBatch")
        if when == "before":
            real(signer, "RecordRegistry", "anchorBatch", page, *other)
        receipt = real(*sent)
        if when == "after":
            real(signer, "RecordRegistry", "anchorBatch", page, *other)
        return receipt

    records = [record("general", f"{when} {number}".encode()) for number in range(2)]
    with patch.object(world.chain, "send", around):
        one, two = world.desk("hospital").deposit(world.patient, records)
    at = leaf_of(world, one).batched
    assert at is not None
    on_page = [each["count"] for each in told(world, "BatchAnchored") if each["page"] == at.page]
    assert on_page == ([3, 2] if when == "before" else [2, 3])
    assert opened(world.desk("clinician"), world, one) == f"{when} 0".encode()
    assert opened(world.desk("patient"), world, two) == f"{when} 1".encode()


def test_a_batch_counts_as_what_its_contributor_said_and_as_nothing_else(
    world: World, letters: list[Deposited]
) -> None:
    leaf, hospital = leaf_of(world, letters[1]), world.person("hospital").address
    at = leaf.batched
    assert at is not None
    assert world.chain.anchored(hospital, leaf)
    assert not world.chain.anchored(world.person("patient").address, leaf)
    for other in (
        replace(leaf, digest=bytes(32)),
        replace(leaf, anchor_salt=bytes(32)),
        replace(leaf, batched=None),
        replace(leaf, batched=replace(at, page=at.page ^ 1)),
        replace(leaf, batched=replace(at, index=2)),
        replace(leaf, batched=replace(at, count=6)),
        replace(leaf, batched=replace(at, proof=at.proof[::-1])),
    ):
        assert not world.chain.anchored(hospital, other)


def test_a_node_that_makes_up_a_batch_on_a_page_is_not_believed(
    world: World, letters: list[Deposited]
) -> None:
    """What the page stands for does not follow from it."""
    at = leaf_of(world, letters[0]).batched
    assert at is not None
    hospital, events = world.person("hospital").address, world.chain.rpc.events
    made_up = b"\5" * 32

    def lying(contract: str, event: str, **where: object) -> list[object]:
        found = events(contract, event, **where)  # type: ignore[arg-type]
        return [*found, replace(found[0], args={**found[0].args, "root": made_up})]

    with patch.object(world.chain.rpc, "events", lying):
        assert not world.chain.has_batch(hospital, at.page, made_up, 5)


def test_a_keyholder_releases_nothing_of_a_batch_that_was_never_anchored(
    world: World, clinicians: Proposal
) -> None:
    records = [record("general", f"never anchored {number}".encode()) for number in range(2)]
    with (
        patch.object(world.chain, "send", side_effect=Unreachable("cut off")),
        pytest.raises(Unreachable),
    ):
        world.desk("hospital").deposit(world.patient, records)
    (*_, row) = [row for row in world.keyholders[0].journal() if row.kind == "deal"]
    waiting = bytes.fromhex(row.body["record 0"][2:])
    with pytest.raises(ConsentryError):
        world.desk("clinician").open(world.patient, waiting)
    (*_, refused) = world.keyholders[0].journal()
    assert (refused.kind, refused.body["check"]) == ("refused", "anchor")
    with pytest.raises(IntegrityError, match="not one that its contributor anchored"):
        world.desk("patient").open(world.patient, waiting)


# --- what auditors see


def journals(world: World) -> list[Journal]:
    return [Journal(keyholder.card, keyholder.journal()) for keyholder in world.keyholders]


def audited(world: World, shown: list[Journal]) -> Report:
    return audit(world.chain, world.store, shown, threshold=3)


def never_anchored(report: Report) -> list[str]:
    return [note for note in report.notes if "never anchored" in note]


def test_an_auditor_finds_the_batch_of_each_record_on_chain(tmp_path: Path) -> None:
    world = populated(make_world(tmp_path))
    world.desk("hospital").deposit(world.patient, [record("general", body) for body in BODIES])
    report = audited(world, journals(world))
    assert (report.findings, never_anchored(report)) == ([], [])


@pytest.mark.parametrize("name", ["page", "root", "count"])
def test_an_auditor_is_told_of_a_batch_that_is_not_on_chain(tmp_path: Path, name: str) -> None:
    world = populated(make_world(tmp_path))
    world.desk("hospital").deposit(world.patient, [record("general", body) for body in BODIES])
    shown = journals(world)
    first = [
        replace(row, body={**row.body, name: "7"}) if "root" in row.body else row for row in shown[0].rows
    ]
    report = audited(world, [replace(shown[0], rows=first), *shown[1:]])
    assert len(never_anchored(report)) == 5
    assert "do not say the same of what was dealt" in " ".join(one.what for one in report.findings)
