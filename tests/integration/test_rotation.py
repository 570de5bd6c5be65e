"""A segment gets its next key version while two of five keyholders, each a process of its own, are dead."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from consentry.client.rotation import Rotated
from consentry.consent.box import KeyBox
from consentry.errors import NoGrant
from consentry.keyholder.place import Place
from tests.support.services import Services, services
from tests.support.world import populated, record


@pytest.fixture
def running(tmp_path: Path, anvil_url: str) -> Iterator[Services]:
    """Five institutions; the hospital deposited, and clinician and nurse may read the general record."""
    with services(tmp_path, anvil_url) as running:
        populated(running.world).onboard("nurse", organisation="hospital")
        yield running


def held(running: Services, grant_id: bytes) -> list[tuple[int, int]]:
    """What lies on each keyholder's disk: the general segment's newest key version, and that of a box."""
    world, found = running.world, []
    segment = world.desk("patient")._own.segments()["general"].statement.segment
    for index in range(1, 6):
        with closing(Place(running.place(index)).vault(world.chain)) as vault:
            versions = [one.statement.version for one in vault.statements(world.patient, segment)]
            box = vault.find_box(world.patient, grant_id)
            found.append((max(versions), KeyBox.decode(box).version if box else 0))
    return found


def texts(running: Services, who: str, *records: bytes) -> list[bytes]:
    """What somebody gets who opens these records."""
    found = []
    for one in records:
        with running.world.desk(who).open(running.world.patient, one).file as file:
            found.append(file.read())
    return found


def until(all_have_it: Callable[[], bool]) -> None:
    """Repeats what gives keyholders something: one that is late gets it with another run."""
    assert any(all_have_it() for _ in range(20))


def test_keyholders_that_were_dead_get_the_next_key_and_only_who_remains_reads(running: Services) -> None:
    """The patient ends the clinician's grant by her wallet alone, as on a device without this software: her
    next command here finds it."""
    world, patient, hospital = running.world, running.world.desk("patient"), running.world.desk("hospital")
    hers, nurses = world.grant("clinician", "general")[0], world.grant("nurse", "general")[0]
    [listing] = world.desk("clinician").list(world.patient)
    old, body = listing.record_id, record("general").body
    assert texts(running, "clinician", old) == [body]
    signer = world.person("patient").signer
    world.chain.send(signer, "ConsentRegistry", "revoke", world.patient, hers.grant_id)
    assert held(running, nurses.grant_id) == [(1, 1)] * 5

    running.signal(signal.SIGKILL, 2, 5)
    patient.my_records()
    assert patient.rotation.failed == ""
    assert patient.rotation.done == (Rotated("general", 2, 1, 3),)
    assert held(running, nurses.grant_id) == [(2, 2), (1, 1), (2, 2), (2, 2), (1, 1)]
    assert held(running, hers.grant_id) == [(2, 1), (1, 1), (2, 1), (2, 1), (1, 1)]
    assert texts(running, "nurse", old) == [body]

    running.start(2, 5)
    until(lambda: bool(patient.my_records()) and not world.person("patient").outbox.unfinished())
    assert held(running, nurses.grant_id) == [(2, 2)] * 5
    assert held(running, hers.grant_id) == [(2, 1)] * 5
    letter = [record("general", b"a letter from after it")]
    until(lambda: hospital.deposit(world.patient, letter)[0].acknowledged == 5)
    [new] = {one.record_id for one in world.desk("nurse").list(world.patient)} - {old}

    running.signal(signal.SIGKILL, 1, 3)  # what those say who were dead is needed now
    assert {one.record_id for one in world.desk("nurse").list(world.patient)} == {old, new}
    assert texts(running, "nurse", old, new) == [body, b"a letter from after it"]
    assert not world.desk("clinician").list(world.patient)
    for one in (old, new):
        with pytest.raises(NoGrant):
            world.desk("clinician").open(world.patient, one)
    assert texts(running, "patient", old, new) == [body, b"a letter from after it"]
