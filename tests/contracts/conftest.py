"""The people and the contracts of every contract test; each test starts from the same chain."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.nodes import teach_plain_nodes
from tests.contracts.strict import be_strict
from tests.contracts.words import ORGANISATION, Terms, credential, domain, identity

teach_plain_nodes()
be_strict()


@pytest.fixture(scope="session")
def authority(accounts: Any) -> Any:
    return accounts[0]


@pytest.fixture(scope="session")
def second_authority(accounts: Any) -> Any:
    return accounts[1]


@pytest.fixture(scope="session")
def patient(accounts: Any) -> Any:
    return accounts[2]


@pytest.fixture(scope="session")
def clinician(accounts: Any) -> Any:
    """A practitioner with a practice of her own."""
    return accounts[3]


@pytest.fixture(scope="session")
def hospital(accounts: Any) -> Any:
    return accounts[4]


@pytest.fixture(scope="session")
def nurse(accounts: Any) -> Any:
    """A member of the hospital."""
    return accounts[5]


@pytest.fixture(scope="session")
def relayer(accounts: Any) -> Any:
    """Anybody who delivers what others signed."""
    return accounts[6]


@pytest.fixture(scope="session")
def stranger(accounts: Any) -> Any:
    return accounts[7]


@pytest.fixture(scope="session")
def guardian(accounts: Any) -> Any:
    """Somebody whom the patient makes her controller."""
    return accounts[8]


@pytest.fixture(scope="session")
def providers(
    project: Any, authority: Any, second_authority: Any, clinician: Any, hospital: Any, nurse: Any
) -> Any:
    """The ProviderRegistry, with the clinician, the hospital and its nurse onboarded."""
    registry = authority.deploy(project.ProviderRegistry, [authority, second_authority])
    onboarded = [
        credential(clinician),
        credential(hospital, roles=ORGANISATION),
        credential(nurse, hospital),
    ]
    registry.issueBatch(onboarded, sender=authority)
    return registry


@pytest.fixture(scope="session")
def consents(project: Any, authority: Any, providers: Any) -> Any:
    return authority.deploy(project.ConsentRegistry, providers)


@pytest.fixture(scope="session")
def records(project: Any, authority: Any) -> Any:
    return authority.deploy(project.RecordRegistry)


@pytest.fixture(scope="session")
def log(project: Any, authority: Any, consents: Any) -> Any:
    return authority.deploy(project.AccessLog, consents)


@pytest.fixture(scope="session")
def me(patient: Any) -> bytes:
    """The patient's identity."""
    return identity(patient)


@pytest.fixture(scope="session")
def terms(me: bytes, clinician: Any) -> Terms:
    """The clinician may read one segment of the patient's, for treatment and research."""
    return Terms(me, identity(clinician))


@pytest.fixture(scope="session")
def grants(consents: Any, chain: Any) -> dict[str, Any]:
    """The domain in which grants are signed."""
    return domain(consents, chain.chain_id)


@pytest.fixture(scope="session")
def control(consents: Any, chain: Any) -> dict[str, Any]:
    """The domain in which control messages are signed."""
    return domain(consents, chain.chain_id, "Consentry Control")


@pytest.fixture(scope="session", autouse=True)
def shared(records: Any, log: Any, grants: Any, control: Any) -> None:
    """All that tests share stands before the first of them, so that no test's own doings are in it."""
