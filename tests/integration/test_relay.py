"""A patient who signs a stop and sends nothing: keyholders stop at once, and tell the chain."""

from __future__ import annotations

import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench._anvil import free_port
from consentry.client import Proposal
from consentry.consent.terms import typed_revoke
from consentry.errors import KeyholderRefused
from consentry.keyholder.messages import Signed
from tests.attacks.support import access
from tests.support.services import Services, services
from tests.support.world import fund, populated

SECONDS = 300  # of a machine with much else to do
AT_ONCE = ("--rate", "0", "--relay-after", "0")


@pytest.fixture(scope="module")
def institutions(tmp_path_factory: pytest.TempPathFactory, anvil_url: str) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("relay"), anvil_url, options=AT_ONCE) as running:
        populated(running.world)
        yield running


@pytest.fixture
def granted(institutions: Services) -> Proposal:
    missing = [index for index in range(1, 6) if index not in institutions.running]
    institutions.start(*missing)
    return institutions.world.grant("clinician", "general")[0]


def stopped(institutions: Services, granted: Proposal, index: int) -> Signed:
    """What keyholder ``index`` acknowledges to the patient, who sends no transaction."""
    world = institutions.world
    full = typed_revoke(world.chain.deployment, world.patient, granted.grant_id)
    signature = world.person("patient").signer.sign_typed_data(full)
    return world.keyholders[index - 1].stop(world.patient, granted.grant_id, signature)


def on_chain(institutions: Services, granted: Proposal) -> bool:
    return institutions.world.chain.grant_state(institutions.world.patient, granted.grant_id).revoked


def kinds(institutions: Services, index: int, granted: Proposal) -> list[str]:
    """What the keyholder's journal says of the grant, since its stop."""
    rows = institutions.world.keyholders[index - 1].journal()
    named = [row.kind for row in rows if row.body.get("grant") == "0x" + granted.grant_id.hex()]
    return named[named.index("stop") :]


def says(institutions: Services, index: int) -> dict[str, Any]:
    """What the keyholder says of itself."""
    with urllib.request.urlopen(
        f"{institutions.roster.keyholders[index - 1].url}/readyz", timeout=60
    ) as answer:
        return dict(json.loads(answer.read()))


def sent(institutions: Services, index: int) -> int:
    """How many transactions the keyholder's account ever sent."""
    address = institutions.roster.keyholders[index - 1].address
    return institutions.world.web3.eth.get_transaction_count(address)


def wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.2)


def test_what_a_patient_signed_to_one_keyholder_is_soon_on_chain(
    institutions: Services, granted: Proposal
) -> None:
    fund(institutions.world.web3, institutions.roster.keyholders[0].address)
    stopped(institutions, granted, 1)
    wait(lambda: on_chain(institutions, granted))
    wait(lambda: kinds(institutions, 1, granted) == ["stop", "relayed"])
    assert sent(institutions, 1) == 1
    assert not institutions.world.chain.in_force(institutions.world.patient, granted.grant_id)


def test_what_is_revoked_already_costs_the_keyholder_nothing(
    institutions: Services, granted: Proposal
) -> None:
    """The patient's own transaction came first; so would another keyholder's."""
    before, world = sent(institutions, 1), institutions.world
    world.chain.send(
        world.person("patient").signer, "ConsentRegistry", "revoke", world.patient, granted.grant_id
    )
    stopped(institutions, granted, 1)
    wait(lambda: kinds(institutions, 1, granted) == ["stop", "relayed"])
    assert sent(institutions, 1) == before


def test_a_keyholder_without_ether_says_so_and_its_stop_holds_all_the_same(
    institutions: Services, granted: Proposal
) -> None:
    """Killed then, and given some ether, it passes the stop on after its next start."""
    world, mine = institutions.world, access(institutions.world, granted)
    port = free_port()
    institutions.signal(signal.SIGTERM, 2)
    institutions.options = (*AT_ONCE, "--metrics-port", str(port))
    institutions.start(2)
    wait(lambda: says(institutions, 2) == {"ready": True, "relay": "too little"})
    assert "cannot relay revocations" in institutions.log(2).read_text("utf-8")
    assert institutions.roster.keyholders[1].address in institutions.log(2).read_text("utf-8")
    stopped(institutions, granted, 2)
    with pytest.raises(KeyholderRefused):
        mine.release(to=2)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        shown = answer.read().decode()
    assert "consentry_keyholder_relay_waiting 1.0" in shown
    assert "consentry_keyholder_relay_funded 0.0" in shown
    assert not on_chain(institutions, granted)

    institutions.signal(signal.SIGKILL, 2)
    fund(world.web3, institutions.roster.keyholders[1].address)
    institutions.options = AT_ONCE
    institutions.start(2)
    wait(lambda: on_chain(institutions, granted))
    wait(lambda: kinds(institutions, 2, granted) == ["stop", "relayed"])
    wait(lambda: says(institutions, 2) == {"ready": True, "relay": "enough"})


def test_a_keyholder_that_leaves_it_to_others_first_is_killed_and_remembers(
    institutions: Services, granted: Proposal
) -> None:
    fund(institutions.world.web3, institutions.roster.keyholders[2].address)
    institutions.signal(signal.SIGTERM, 3)
    institutions.options = ("--rate", "0", "--relay-after", "86400")
    institutions.start(3)
    stopped(institutions, granted, 3)
    institutions.signal(signal.SIGKILL, 3)
    assert not on_chain(institutions, granted)
    institutions.options = AT_ONCE
    institutions.start(3)
    wait(lambda: on_chain(institutions, granted))


def test_a_keyholder_that_is_told_to_relays_nothing(institutions: Services, granted: Proposal) -> None:
    institutions.signal(signal.SIGTERM, 1)
    institutions.options = ("--rate", "0", "--no-relay")
    institutions.start(1)
    assert says(institutions, 1) == {"ready": True, "relay": "off"}
    before = sent(institutions, 1)
    stopped(institutions, granted, 1)
    institutions.signal(signal.SIGTERM, 1)
    institutions.options = AT_ONCE
    assert (sent(institutions, 1), on_chain(institutions, granted)) == (before, False)
