"""Several endpoints: how they are named, and what makes no sense. What they do is in tests/attacks."""

from __future__ import annotations

from typing import Any

import pytest
from web3 import EthereumTesterProvider, Web3
from web3.types import RPCEndpoint

from consentry.chain import Endpoints
from consentry.errors import EndpointsDisagree, UsageError


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
