"""A world a test module: its tests leave it usable for the next one."""

import pytest

from consentry.admin import ORGANISATION
from consentry.keyholder.service import KeyholderService
from tests.support.members import Change
from tests.support.world import KINDS, World, make_world, populated


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The patient with a hospital's records, its clinician and nurse; a neighbour who is a patient too, a
    clinic of other people, and a stranger without a credential."""
    world = populated(make_world(tmp_path_factory.mktemp("world")))
    world.onboard("nurse", organisation="hospital")
    world.onboard("clinic", roles=1 | ORGANISATION)
    world.desk("neighbour").enrol(KINDS)
    world.person("stranger")
    return world


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A deployment whose keyholders want two blocks after an entry."""
    return populated(make_world(tmp_path_factory.mktemp("deep"), depth=2))


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Change:
    """Keyholder 4 is to leave, a sixth and a seventh to come; all who hand on approved, and nobody joined."""
    world = populated(make_world(tmp_path_factory.mktemp("changing")))
    world.person("stranger")
    return Change(world, added=2, removed=[4])


@pytest.fixture(scope="module")
def joined(changing: Change) -> KeyholderService:
    """Keyholder 6, which took all over."""
    assert changing.join(6).records == 2
    return changing.serve(6)
