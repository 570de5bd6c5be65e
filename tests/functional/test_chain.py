"""The connection to a node: errors by their names, and nothing taken for another chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from eth_account import Account
from eth_utils.crypto import keccak
from web3 import HTTPProvider, Web3
from web3.exceptions import BadResponseFormat, ContractCustomError, ContractLogicError, Web3RPCError
from web3.types import RPCEndpoint

from consentry.chain import Chain, LocalSigner, connect
from consentry.chain.deployments import Deployed, Placed
from consentry.chain.refusals import named_error
from consentry.consent.rule import Reason
from consentry.errors import (
    ContractRefused,
    NotEnoughEther,
    NotFound,
    TransactionFailed,
    Unreachable,
    WrongChain,
)
from consentry.keys.binding import abi_encode
from tests.support.chains import Meddler, meddler
from tests.support.fixed import seed
from tests.support.wallet import WalletSigner
from tests.support.watching import dripping
from tests.support.world import World, fund, make_world


@pytest.fixture(scope="module")
def world(anvil_url: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("chain"), Web3(HTTPProvider(anvil_url)))


# --- which chain


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"chain_id": 1}, "not on the chain 1"),
        ({"genesis": bytes(32)}, "not on the chain"),
    ],
)
def test_another_chain_is_not_taken_for_the_deployments(
    world: World, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(WrongChain, match=says):
        Chain(world.web3, replace(world.chain.deployed, **changes))


def test_a_chain_without_the_contracts_is_named(world: World) -> None:
    nowhere = Placed("0x" + "11" * 20, 0, [])
    contracts = {**world.chain.deployed.contracts, "AccessLog": nowhere}
    missing: Deployed = replace(world.chain.deployed, contracts=contracts)
    with pytest.raises(WrongChain, match="no AccessLog at 0x1111"):
        Chain(world.web3, missing)


# --- a node that fails


class Failing(HTTPProvider):
    """A provider that fails when it is told to."""

    failure: Exception | None = None
    answer: Any = None

    def make_request(self, method: RPCEndpoint, params: Any) -> Any:
        if self.failure:
            raise self.failure
        return self.answer or super().make_request(method, params)


@pytest.fixture
def failing(world: World, anvil_url: str) -> tuple[Failing, Chain]:
    provider = Failing(anvil_url)
    return provider, Chain(Web3(provider), world.chain.deployed)


@pytest.mark.parametrize(
    "failure",
    [requests.ConnectionError("no"), TimeoutError(), ConnectionResetError(), BadResponseFormat("<html>")],
    ids=lambda failure: type(failure).__name__,
)
def test_a_node_that_does_not_answer_is_named(failing: tuple[Failing, Chain], failure: Exception) -> None:
    provider, chain = failing
    provider.failure = failure
    with pytest.raises(Unreachable, match=r"node does not answer .*run the same command again"):
        chain.epoch_of(seed(1))


def test_a_node_that_answers_drop_by_drop_is_not_waited_for(anvil_url: str) -> None:
    """Each drop comes in time; the answer would be blanks."""
    with dripping(anvil_url, "body") as dripper:
        web3 = connect(dripper.url, patience=1)
        assert web3.eth.block_number >= 0
        dripper.drips = True
        with pytest.raises(requests.ReadTimeout):
            web3.eth.block_number  # noqa: B018


@pytest.fixture
def proxy(anvil_url: str) -> Iterator[Meddler]:
    with meddler(anvil_url) as found:
        yield found


def test_a_node_is_asked_through_the_proxy_of_the_environment(
    proxy: Meddler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Institutions let nothing out but through theirs."""
    monkeypatch.setenv("http_proxy", proxy.url)
    outside = connect("http://node.example")
    monkeypatch.delenv("http_proxy")
    assert outside.eth.chain_id == 31337
    assert proxy.asked == ["eth_chainId"]


def test_a_node_that_the_environment_excepts_is_asked_without_its_proxy(
    proxy: Meddler, anvil_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert connect(anvil_url).eth.chain_id == 31337
    assert proxy.asked == []


def test_the_environments_password_and_authorities_are_for_their_node_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine node.example login clinic password long")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/institution.pem")
    for url, known in (("https://node.example", ("clinic", "long")), ("https://other.example", None)):
        provider: Any = connect(url).provider
        session = provider._request_session_manager._explicit_session
        prepared = session.prepare_request(requests.Request("POST", url))
        assert ("Authorization" in prepared.headers) is (known is not None)
        assert (session.auth, session.verify) == (known, "/etc/institution.pem")


def test_a_node_that_refuses_is_quoted_in_short(failing: tuple[Failing, Chain]) -> None:
    provider, chain = failing
    error = {"code": -32005, "message": "limit exceeded" + "x" * 1000}
    provider.answer = {"jsonrpc": "2.0", "id": 1, "error": error}
    with pytest.raises(Unreachable, match=r"node refused: .*limit exceeded") as caught:
        chain.epoch_of(seed(1))
    assert len(str(caught.value)) < 300


def test_an_account_without_ether_is_told_so(world: World) -> None:
    poor = LocalSigner(seed(99))
    patient = bytes(12) + bytes.fromhex(poor.address[2:])
    with pytest.raises(NotEnoughEther, match=r"has 0\.0+ ether, .* may cost 0\.0.* send it some"):
        world.chain.send(poor, "ConsentRegistry", "revokeAll", patient)


class Reverting(LocalSigner):
    """Sends something that reverts in the place of what it was given."""

    def sign_transaction(self, transaction: dict[str, Any]) -> bytes:
        return super().sign_transaction({**transaction, "data": "0xdeadbeef"})


def test_a_transaction_that_was_mined_and_reverted_is_no_success(world: World) -> None:
    signer = Reverting(seed(96))
    fund(world.web3, signer.address)
    patient = bytes(12) + bytes.fromhex(signer.address[2:])
    with pytest.raises(TransactionFailed, match="was mined and reverted"):
        world.chain.send(signer, "ConsentRegistry", "revokeAll", patient)


# --- errors by their contract's names


def test_a_refusal_has_the_contracts_name_and_values(world: World) -> None:
    stranger = world.person("stranger")
    with pytest.raises(ContractRefused) as caught:
        world.chain.send(stranger.signer, "ConsentRegistry", "grant", seed(1), seed(2))
    assert caught.value.name == "NotController"
    assert caught.value.values == {"patient": seed(1), "who": stranger.address.lower()}


def _selector(text: str) -> bytes:
    return keccak(text=text)[:4]


def test_a_refusal_of_the_log_says_why_in_words() -> None:
    data = _selector("NotAllowed(bytes32,uint8)") + abi_encode(["bytes32", "uint8"], [seed(1), 7])
    refused = named_error(ContractCustomError("0x" + data.hex(), data="0x" + data.hex()))
    assert refused is not None
    assert refused.values["reason"] == Reason.EXPIRED.text


class TransactionFailedAsInEthTester(Exception):
    """Its class has the name that eth-tester's has."""


TransactionFailedAsInEthTester.__name__ = "TransactionFailed"


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (TransactionFailedAsInEthTester(f"execution reverted: {_selector('NoRecords()')!r}"), "NoRecords"),
        (TransactionFailedAsInEthTester("execution reverted: 7"), None),
        (TransactionFailedAsInEthTester("execution reverted: b'"), None),
        (TransactionFailedAsInEthTester("out of gas"), None),
        (ContractLogicError("execution reverted"), "Reverted"),
        (ContractLogicError("execution reverted", data="0x01020304"), "Reverted"),
        (ContractCustomError("0x", data="0x" + _selector("NotAuthority(address)").hex()), "NotAuthority"),
        (ValueError("something else"), None),
    ],
)
def test_a_refusal_is_found_in_every_clients_own_words(error: Exception, name: str | None) -> None:
    refused = named_error(error)
    assert (refused.name if refused else None) == name


def test_what_is_no_refusal_stays_what_it_is(world: World) -> None:
    with pytest.raises(Exception, match="no_such_function"):
        world.chain.rpc.call("ConsentRegistry", "no_such_function")


# --- what the contracts say


def test_a_contract_wallet_is_asked_and_everything_else_says_no(world: World) -> None:
    key = LocalSigner(seed(95))
    fund(world.web3, key.address)
    wallet = WalletSigner(key, world.web3)
    digest = keccak(b"something")
    signature = bytes(Account.unsafe_sign_hash(digest, seed(95)).signature)
    assert world.chain.wallet_accepts(wallet.address, digest, signature)
    assert not world.chain.wallet_accepts(wallet.address, digest, bytes(65))
    assert not world.chain.wallet_accepts(wallet.address, digest, b"")  # it reverts
    assert not world.chain.wallet_accepts(key.address, digest, signature)  # an account without code
    assert not world.chain.wallet_accepts(world.chain.deployment.registry, digest, signature)
    assert not world.chain.wallet_accepts("nobody", digest, signature)


def test_an_entry_is_one_in_the_very_block_it_names(world: World) -> None:
    entry = rpc_entry(world)
    assert not world.chain.has_entry(entry)
    assert not world.chain.has_entry(replace(entry, block=world.chain.head().number + 1))


def rpc_entry(world: World) -> Any:
    from consentry.chain.contracts import Entry

    actor = world.person("stranger").address
    return Entry(actor, seed(1), seed(2), seed(3), 1, seed(4), bytes(32), world.chain.head().number)


def test_a_key_that_was_replaced_is_told_by_its_hash(world: World) -> None:
    person = world.person("patient")
    with pytest.raises(NotFound, match="has to enrol first"):
        world.chain.encryption_key_of(person.identity)
    for key in (b"first", b"second"):
        args = (person.identity, 0x647A, key)
        world.chain.send(person.signer, "ConsentRegistry", "setEncryptionKey", *args)
        assert world.chain.encryption_key_of(person.identity) == key


def test_a_web3_error_outside_of_a_call_is_not_hidden() -> None:
    assert named_error(Web3RPCError("limit exceeded")) is None
