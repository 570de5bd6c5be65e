"""The contracts' functions: what is asked and answered is what web3's own contracts ask and answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from eth_abi.exceptions import EncodingError
from web3 import EthereumTesterProvider, Web3
from web3.exceptions import ABIFunctionNotFound, ContractLogicError

from bench._anvil import anvil
from consentry.chain import connect
from consentry.chain.functions import function
from consentry.chain.manifest import NAMES, abi
from consentry.chain.node import asking
from consentry.chain.refusals import named_error, reverted
from consentry.errors import ContractRefused, Unreachable
from tests.support.chains import ganache
from tests.support.fixed import seed
from tests.support.world import World, make_world


@contextmanager
def in_process() -> Iterator[str]:
    yield ""


@pytest.fixture(scope="module", params=[in_process, anvil, ganache], ids=["in process", "anvil", "ganache"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with request.param() as url:
        web3 = connect(url) if url else Web3(EthereumTesterProvider())
        made = make_world(tmp_path_factory.mktemp("functions"), web3)
        made.onboard("hospital", roles=1)
        made.desk("patient").enrol(["general"])
        yield made


ITEMS = {
    f"{contract}.{item['name']}": (contract, item)
    for contract in NAMES
    for item in abi(contract)
    if item["type"] == "function"
}
VIEWS = [name for name, (_, item) in ITEMS.items() if item["stateMutability"] in ("view", "pure")]


def argument(world: World, field: dict[str, Any]) -> Any:
    """A value of a field's type, by which a view has something to tell."""
    if field["type"] == "tuple":
        return tuple(argument(world, one) for one in field["components"])
    if field["type"].endswith("[]"):
        return [argument(world, {**field, "type": field["type"].removesuffix("[]")})] * 2
    provider = "authority" not in field["name"]
    values = {
        "address": world.person("hospital").address if provider else world.authority.address,
        "bytes32": world.patient,
        "bytes": b"any",
        "string": "d'accord",
        "bool": True,
    }
    return values.get(field["type"], 1)


def outcome(ask: Any) -> Any:
    """What a view gave, or its refusal."""
    try:
        with asking():
            return ask()
    except ContractRefused as refused:
        return refused.name, refused.values


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_answers_as_web3s_own_contract_has_it(world: World, name: str) -> None:
    contract, item = ITEMS[name]
    rpc, arguments = world.chain.rpc, [argument(world, field) for field in item["inputs"]]
    theirs = rpc._contracts[contract].functions[item["name"]](*arguments)
    here = world.chain.head().number
    told = plain(outcome(theirs.call))
    assert plain(outcome(lambda: rpc.call(contract, item["name"], *arguments))) == told
    assert plain(outcome(lambda: rpc.call(contract, item["name"], *arguments, at=here))) == told


def plain(value: Any) -> Any:
    """Arrays are tuples here and lists there."""
    return tuple(map(plain, value)) if isinstance(value, list | tuple) else (type(value), value)


def test_a_question_that_a_contract_refuses_is_refused_by_its_name(world: World) -> None:
    """A transaction is asked as a view before it is sent: a mined revert carries no reason."""
    grant_id = world.chain.deployment.genesis
    with pytest.raises(ContractRefused) as caught:
        world.chain.rpc.call("ConsentRegistry", "grant", world.patient, grant_id)
    assert caught.value.name == "NotController"
    assert caught.value.values["patient"] == world.patient


def test_what_answers_where_no_contract_is_yet_is_no_answer(world: World) -> None:
    with pytest.raises(Unreachable, match="it has lost blocks, or lies"):
        world.chain.rpc.call("AccessLog", "isOpen", world.patient, at=0)


def test_a_view_is_asked_at_the_block_that_is_named(world: World) -> None:
    before = world.chain.head().number
    patient = world.person("patient")
    world.chain.send(patient.signer, "ConsentRegistry", "grant", patient.identity, seed(before % 200))
    asked = ("ConsentRegistry", "inForce", patient.identity, seed(before % 200))
    epoch = world.chain.epoch_of(patient.identity)
    assert world.chain.rpc.call(*asked, epoch, at=before) is False
    assert world.chain.rpc.call(*asked, epoch) is True


@pytest.mark.parametrize("name", ITEMS)
def test_calldata_is_what_web3_makes(name: str) -> None:
    contract, item = ITEMS[name]
    some = {
        "address": "0x" + "11" * 20,
        "bytes32": seed(1),
        "bytes": b"any",
        "string": "d'accord",
        "bool": True,
    }

    def value(field: dict[str, Any]) -> Any:
        if field["type"].endswith("[]"):
            return [value({**field, "type": field["type"].removesuffix("[]")})] * 2
        if field["type"] == "tuple":
            return tuple(map(value, field["components"]))
        return some.get(field["type"], 7)

    arguments = [value(field) for field in item["inputs"]]
    assert function(contract, item["name"]).asked(*arguments) == (
        Web3().eth.contract(abi=abi(contract)).encode_abi(item["name"], arguments)
    )


@pytest.mark.parametrize(
    "arguments",
    [
        (bytes(31), seed(1), 0),
        (bytes(33), seed(1), 0),
        (seed(1), seed(1), -1),
        (seed(1), seed(1), 2**64),
        (seed(1), seed(1)),
        (seed(1), seed(1), 0, 0),
        ("nobody", seed(1), 0),
    ],
)
def test_what_does_not_fit_is_not_made_to_fit(arguments: tuple[Any, ...]) -> None:
    """Nothing is filled up or cut: another grant than the one that is meant would be asked about."""
    with pytest.raises((EncodingError, ValueError)):
        function("ConsentRegistry", "inForce").asked(*arguments)


def test_a_function_that_is_not_there_is_named() -> None:
    with pytest.raises(ABIFunctionNotFound, match="ConsentRegistry has no function no_such_function"):
        function("ConsentRegistry", "no_such_function")


def test_no_contract_has_two_functions_of_one_name() -> None:
    """They are looked up by their name alone."""
    functions = [item["name"] for contract in NAMES for item in abi(contract) if item["type"] == "function"]
    assert len(functions) - len(ITEMS) == 0


# --- how nodes say that a call reverted

NAMED = "0x" + function("ConsentRegistry", "epochOf").selector.hex()


@pytest.mark.parametrize(
    "error",
    [
        {"code": 3, "message": "execution reverted: custom error", "data": NAMED},
        {"code": -32000, "message": "VM Exception while processing transaction: revert", "data": NAMED},
        {"code": -32015, "message": "VM execution error.", "data": NAMED},
        {"code": -32000, "message": "execution reverted"},
        {"code": 3, "message": "execution reverted", "data": "0x"},
    ],
    ids=["geth and Anvil", "Ganache", "by its data alone", "by its words alone", "without a reason"],
)
def test_a_revert_is_one_in_every_nodes_words(error: dict[str, Any]) -> None:
    with pytest.raises(ContractLogicError) as caught:
        reverted({"jsonrpc": "2.0", "id": 1, "error": error})  # type: ignore[typeddict-item]
    refused = named_error(caught.value)
    assert refused is not None
    assert refused.name == "Reverted"


@pytest.mark.parametrize(
    "error",
    [
        {"code": -32005, "message": "limit exceeded", "data": {"see": "https://node.example"}},
        {"code": -32005, "message": "limit exceeded", "data": "see https://node.example"},
        {"code": -32000, "message": "header not found"},
        {"code": -32602, "message": "invalid argument", "data": None},
        {"code": -32000, "message": "out of gas", "data": "0x"},
        "an error that is none",
        None,
    ],
    ids=["a limit", "a limit in words", "no block", "no arguments", "no gas", "no error", "nothing"],
)
def test_what_else_a_node_refuses_is_no_contracts_refusal(error: Any) -> None:
    """Else a caller would be told No where a node had no answer."""
    answer: Any = {"jsonrpc": "2.0", "id": 1, "error": error}
    assert reverted(answer) == answer
