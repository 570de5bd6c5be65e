"""Several endpoints: how they are named, and what makes no sense. What they do is in tests/attacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from web3 import EthereumTesterProvider, HTTPProvider, Web3
from web3.types import RPCEndpoint

from consentry.chain import Chain, Endpoints
from consentry.errors import ChainUncertain, EndpointsDisagree, UsageError
from tests.support.chains import Meddler, meddler
from tests.support.fixed import seed
from tests.support.world import World, make_world


@pytest.mark.parametrize("agree", [0, 3, -1])
def test_as_many_have_to_agree_as_there_are_and_one_at_least(agree: int) -> None:
    with pytest.raises(UsageError, match="let one to all of them have to agree"):
        Endpoints(["http://one.example", "http://two.example"], agree=agree)


def test_one_endpoint_named_twice_does_not_agree_with_itself() -> None:
    with pytest.raises(UsageError, match="each endpoint of the chain once"):
        Endpoints(["http://one.example", "http://one.example"])


def test_none_at_all_is_no_view_of_the_chain() -> None:
    with pytest.raises(UsageError):
        Endpoints([])


@pytest.mark.parametrize(
    "url", ["node.example:8545", "ws://node.example", "file:///etc/passwd", "http://", ""]
)
def test_an_endpoint_is_a_url_over_http(url: str) -> None:
    with pytest.raises(UsageError, match="begins with http:// or https://"):
        Endpoints([url])


def test_nothing_is_asked_before_it_is_known_about_what() -> None:
    with pytest.raises(UsageError, match="which deployment"):
        Endpoints([Web3(EthereumTesterProvider())]).head()


class Elsewhere(EthereumTesterProvider):
    """Says that it is on another chain."""

    def make_request(self, method: RPCEndpoint, params: Any) -> Any:
        if method == "eth_chainId":
            return {"jsonrpc": "2.0", "id": 1, "result": "0x7"}
        return super().make_request(method, params)


def test_endpoints_of_two_chains_name_none() -> None:
    provider = EthereumTesterProvider()
    one, same = Web3(provider), Web3(provider)
    alike, unlike = Endpoints([one, same]), Endpoints([one, Web3(Elsewhere())])
    assert alike.identify() == (one.eth.chain_id, bytes(one.eth.get_block(0)["hash"]))
    with pytest.raises(EndpointsDisagree, match="which chain they are on"):
        unlike.identify()
    alike.close()
    unlike.close()


# --- what is asked at one head


@pytest.fixture
def heard(anvil_url: str, tmp_path: Path) -> Iterator[tuple[World, Chain, Meddler]]:
    """A world, a keyholder's view of its chain, and what the node hears of it."""
    world = make_world(tmp_path, Web3(HTTPProvider(anvil_url)))
    with meddler(anvil_url) as node, closing(Endpoints([node.url])) as endpoints:
        yield world, Chain(endpoints, world.chain.deployed), node


def test_a_view_is_asked_once_at_one_head_and_anew_at_the_next(heard: tuple[World, Chain, Meddler]) -> None:
    """A call asks the same of the same block in several checks; the next call knows nothing of it."""
    world, chain, node = heard
    patient = world.person("patient")

    def asked() -> int:
        return node.asked.count("eth_call")

    world.chain.send(patient.signer, "ConsentRegistry", "grant", patient.identity, seed(1))
    with chain.at_one_head():
        assert chain.in_force(patient.identity, seed(1))
        assert chain.in_force(patient.identity, seed(1))
        assert asked() == 2  # the epoch, and whether it is in force in it
        assert not chain.in_force(patient.identity, seed(2))
        assert not chain.in_force(patient.identity, seed(1), epoch=7)
        assert asked() == 4
    world.chain.send(patient.signer, "ConsentRegistry", "revoke", patient.identity, seed(1))
    with chain.at_one_head():
        assert not chain.in_force(patient.identity, seed(1))
    assert asked() == 6
    assert not chain.in_force(patient.identity, seed(1))
    assert not chain.in_force(patient.identity, seed(1))
    assert asked() == 10  # nothing holds them together


def test_another_block_is_another_question_at_one_head(heard: tuple[World, Chain, Meddler]) -> None:
    world, chain, _ = heard
    patient = world.person("patient")
    before = chain.head().number
    world.chain.send(patient.signer, "ConsentRegistry", "grant", patient.identity, seed(1))
    view = ("ConsentRegistry", "inForce", patient.identity, seed(1), chain.epoch_of(patient.identity))
    with chain.at_one_head():
        assert [chain.rpc.call(*view), chain.rpc.call(*view, at=before)] == [True, False]


def test_a_question_that_failed_is_asked_again_at_one_head(heard: tuple[World, Chain, Meddler]) -> None:
    _, chain, node = heard
    with chain.at_one_head():
        node.meddle = lambda question: b"<html>" if question["method"] == "eth_call" else None
        with pytest.raises(ChainUncertain):
            chain.epoch_of(seed(1))
        node.meddle = lambda question: None
        assert chain.epoch_of(seed(1)) == 0
