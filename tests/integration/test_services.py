"""Five keyholders as processes of their own: the whole way through, while machines freeze and die."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from consentry.client import Opened
from consentry.errors import NoGrant, TooFewKeyholders
from consentry.evidence import Journal, audit
from consentry.keyholder.journal import verify_journal
from tests.support.services import Services, services
from tests.support.world import World, populated, record


@pytest.fixture(scope="module")
def institutions(tmp_path_factory: pytest.TempPathFactory, anvil_url: str) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("institutions"), anvil_url) as running:
        populated(running.world)
        running.world.grant("clinician", "general")
        yield running


@pytest.fixture
def world(institutions: Services) -> World:
    """The world with all five running again, whatever the test before did to them."""
    for index in range(1, 6):
        if index not in institutions.running:
            institutions.start(index)
    institutions.signal(signal.SIGCONT, *institutions.running)
    return institutions.world


def opened(world: World) -> Opened:
    """What the clinician gets of the patient's general record."""
    desk = world.desk("clinician")
    [listing] = [one for one in desk.list(world.patient) if one.label.kind == "general"]
    found = desk.open(world.patient, listing.record_id)
    with found.file as file:
        assert file.read() == record("general").body
    return found


def test_the_clinician_opens_over_processes_that_only_an_entry_makes_answer(world: World) -> None:
    before = len(world.chain.entries(actor=world.person("clinician").address))
    assert len(opened(world).keyholders) == 3
    assert len(world.chain.entries(actor=world.person("clinician").address)) == before + 1


def test_with_one_frozen_and_one_dead_the_clinician_opens_by_the_others(
    world: World, institutions: Services
) -> None:
    institutions.signal(signal.SIGSTOP, 1)
    institutions.signal(signal.SIGKILL, 2)
    assert set(opened(world).keyholders) == {3, 4, 5}


def test_with_three_dead_nothing_opens_and_after_they_are_back_the_same_entry_does(
    world: World, institutions: Services
) -> None:
    institutions.signal(signal.SIGKILL, 1, 4, 5)
    before = len(world.chain.entries(actor=world.person("clinician").address))
    with pytest.raises(TooFewKeyholders, match=r"2 of the keyholders .* 3 are needed .*keyholder 5: http"):
        opened(world)
    institutions.start(1, 4, 5)
    opened(world)
    assert len(world.chain.entries(actor=world.person("clinician").address)) == before + 1


def test_an_auditor_with_the_tokens_reads_every_journal_and_finds_nothing_wrong(world: World) -> None:
    opened(world)
    journals = [Journal(keyholder.card, keyholder.journal()) for keyholder in world.keyholders]
    for journal in journals:
        verify_journal(world.chain.deployment, journal.card.address, journal.rows)
    report = audit(world.chain, world.store, journals, list(world.cards.values()), threshold=3)
    assert not report.findings
    assert report.accesses


def test_after_the_patient_revoked_no_process_answers_the_clinician(world: World) -> None:
    desk = world.desk("clinician")
    [listing] = desk.list(world.patient)
    world.desk("patient").revoke(world.chain.grants_of(world.patient)[-1:])
    assert not desk.list(world.patient)
    with pytest.raises(NoGrant):
        desk.open(world.patient, listing.record_id)
