"""Five keyholders as processes of their own: the whole way through, while machines freeze and die."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Iterator

import pytest

from bench._anvil import free_port
from consentry.client import Opened
from consentry.consent.terms import DEPOSIT
from consentry.errors import NoGrant, TooFewKeyholders
from consentry.evidence import Journal, audit
from consentry.keyholder.journal import verify_journal
from consentry.record import Record
from tests.support.secrets import forms, of, watched
from tests.support.services import PASSPHRASE, Services, services
from tests.support.world import KINDS, World, populated, record

METRICS = free_port()


@pytest.fixture(scope="module")
def handled() -> Iterator[set[tuple[str, bytes]]]:
    """Every secret that patient, hospital and clinician handled in this module, so far."""
    with watched() as secrets:
        yield secrets


@pytest.fixture(scope="module")
def institutions(
    tmp_path_factory: pytest.TempPathFactory, anvil_url: str, handled: set[tuple[str, bytes]]
) -> Iterator[Services]:
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


def delivered(world: World, records: list[Record]) -> bytes:
    """The hospital repeats its deposit until every keyholder has its part: one that is slow gets it with
    another run. Gives the record's id, which never changes."""
    ids = set()
    for _ in range(20):
        [deposited] = world.desk("hospital").deposit(world.patient, records)
        ids.add(deposited.record_id)
        if deposited.acknowledged == 5:
            break
    else:
        pytest.fail("not all five have their parts")
    [found] = ids
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


def test_a_deposit_goes_on_without_one_keyholder_that_gets_its_part_later(
    world: World, institutions: Services
) -> None:
    institutions.signal(signal.SIGKILL, 5)
    world.grant("hospital", "hiv", flags=DEPOSIT)
    hospital, one = world.desk("hospital"), [record("hiv")]
    [first] = hospital.deposit(world.patient, one)
    assert first.acknowledged == 4
    institutions.start(5)
    assert delivered(world, one) == first.record_id


def test_with_two_dead_a_new_deposit_waits_and_loses_nothing(world: World, institutions: Services) -> None:
    institutions.signal(signal.SIGKILL, 4, 5)
    world.grant("hospital", "mental-health", flags=DEPOSIT)
    hospital, one = world.desk("hospital"), [record("mental-health")]
    with pytest.raises(TooFewKeyholders, match="deal not taken: 3 of the keyholders answered well, 4"):
        hospital.deposit(world.patient, one)
    institutions.start(4, 5)
    assert delivered(world, one)


def test_a_stranger_who_reads_all_that_processes_write_and_show_finds_no_secret(
    world: World, institutions: Services, handled: set[tuple[str, bytes]]
) -> None:
    """Logs, databases but for the record keys, journals, metrics and the OpenAPI document."""
    institutions.signal(signal.SIGKILL, 1)
    institutions.options = (*institutions.options, "--metrics-port", str(METRICS))
    institutions.start(1)
    opened(world)
    seen = {str(path): path.read_bytes() for path in institutions.folder.rglob("*") if path.is_file()}
    seen = {name: data for name, data in seen.items() if "record-keys" not in name}
    for name, url in (
        ("metrics", f"http://127.0.0.1:{METRICS}/metrics"),
        ("document", f"{institutions.roster.keyholders[0].url}/openapi.json"),
    ):
        with urllib.request.urlopen(url, timeout=10) as answer:
            seen[name] = answer.read()
    rows = [row.to_json() for keyholder in world.keyholders for row in keyholder.journal()]
    seen["journals"] = json.dumps(rows).encode()
    assert any(world.patient.hex().encode() in data for data in seen.values()), "it finds what is there"
    assert {name for name, _ in handled} >= {"hkdf", "unwrap", "split", "data_key"}
    secrets = {*handled, ("passphrase", PASSPHRASE.encode())}
    secrets |= {(who, secret) for who, one in world.people.items() for _, secret in of(one)}
    secrets |= {("plaintext", record(kind).body) for kind in KINDS}
    found = [
        (what, secret.hex()[:16], name)
        for what, secret in secrets
        for form in forms(secret)
        for name, data in seen.items()
        if form in data
    ]
    assert not found, {(what, name.rpartition("/")[2]) for what, _, name in found}


def test_after_the_patient_revoked_no_process_answers_the_clinician(world: World) -> None:
    desk = world.desk("clinician")
    [listing] = desk.list(world.patient)
    world.desk("patient").revoke([listing.grant.id])
    assert not desk.list(world.patient)
    with pytest.raises(NoGrant):
        desk.open(world.patient, listing.record_id)
