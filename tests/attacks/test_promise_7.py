"""Promise 7: nothing that may never stand on chain is in any transaction, event or slot of a whole run.

All calldata and events of every block are decoded, on py-evm and on Anvil, and Anvil's dumped state with
every slot and all code as well; `forbidden.Forbidden` says what is looked for and in which forms. Each
plant at the end puts one such thing on chain, and the search finds it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from eth_utils.crypto import keccak
from web3 import HTTPProvider, Web3

from bench._anvil import anvil
from consentry.chain.manifest import contract_types
from consentry.fhir import synthetic_bundle
from consentry.store.cid import parse_cid
from tests.attacks.forbidden import Forbidden, values_of
from tests.attacks.public import Undecodable, called, changing, events, state, transactions
from tests.attacks.run import whole_run
from tests.support.world import World

Run = tuple[World, Forbidden]


@pytest.fixture(scope="module")
def in_process(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A whole run on py-evm."""
    return whole_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def on_anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A whole run on an Anvil of its own."""
    with anvil() as url:
        web3 = Web3(HTTPProvider(url))
        yield whole_run(tmp_path_factory.mktemp("anvil"), web3)


@pytest.fixture(scope="module", params=["in_process", "on_anvil"])
def run(request: pytest.FixtureRequest) -> Run:
    """Both."""
    found: Run = request.getfixturevalue(request.param)
    return found


SHIPPED = b"".join(
    bytes.fromhex(kind[code]["bytecode"].removeprefix("0x"))
    for kind in contract_types().values()
    for code in ("deploymentBytecode", "runtimeBytecode")
)


# --- the run


def test_the_run_calls_everything_that_changes_something(run: Run) -> None:
    """A new function has to be added to the run, or nobody looks at what it makes public."""
    world, _ = run
    assert called(world) == changing()


def test_what_is_looked_for_is_what_is_in_the_bundle(run: Run) -> None:
    """The patient's name, an identifier, a date and a code are among the forms; and how many there are."""
    _, forbidden = run
    for text in (b"testperson", b"synthetic-0001", b"1988-02-29", b"555-0100"):
        assert text in forbidden.forms
    names = set(forbidden.forms.values())
    assert {"an anchorSalt", "CID", "a value of the bundle", "a sentence", "a card", "a kind"} <= names
    assert {"another random value", "a wrapped key or label", "a key box", "a blob's digest"} <= names
    assert len(forbidden.forms) > 5000


def test_no_transaction_tells_what_may_never_stand_on_chain(run: Run) -> None:
    """Every block's calldata, decoded, and every constructor's arguments."""
    world, forbidden = run
    seen = list(transactions(world))
    assert len(seen) > 100
    assert forbidden.found_in(seen) == []


def test_no_event_tells_what_may_never_stand_on_chain(run: Run) -> None:
    """Every block's events, decoded."""
    world, forbidden = run
    seen = list(events(world))
    assert len(seen) > 100
    assert forbidden.found_in(seen) == []


def test_no_slot_holds_what_may_never_stand_on_chain(on_anvil: Run) -> None:
    """All slots and all code of an Anvil. A form that stands in the code as we ship it, before any patient
    came, tells nothing: such as the hash of "1", which is the version of our EIP-712 domain."""
    world, forbidden = on_anvil
    seen = list(state(world))
    for name in ("ConsentRegistry", "ProviderRegistry", "RecordRegistry", "AccessLog"):
        address = world.chain.deployed.contracts[name].address.lower()
        assert [one for one in seen if one.where == f"slot of {address}"], name
        assert [one for one in seen if one.where == f"code of {address}"], name
    assert forbidden.found_in(seen, SHIPPED) == []


# --- the search


def anchor(world: World, word: bytes) -> None:
    """Anybody may anchor any 32 bytes: a contributor that hashes or pads a text as it likes."""
    record_id = keccak(word)
    signer = world.person("hospital").signer
    world.chain.send(signer, "RecordRegistry", "anchor", record_id, word)


def publish(world: World, data: bytes) -> None:
    """Bytes of any length, where a public key is expected."""
    stranger = world.person("gossip")
    world.chain.send(stranger.signer, "ConsentRegistry", "setEncryptionKey", stranger.identity, 1, data)


def at_midnight(*day: int) -> int:
    return int(datetime(*day, tzinfo=UTC).timestamp())  # type: ignore[arg-type]


def anchor_salt(world: World) -> bytes:
    return leaf(world).anchor_salt


def leaf(world: World) -> object:
    return world.desk("patient")._own.openings()[0].leaf


PLANTS: dict[str, Callable[[World], None]] = {
    "a name": lambda w: publish(w, b"key of Testperson, Zo\xc3\xab"),
    "a name in capitals": lambda w: publish(w, b"TESTPERSON"),
    "a name in UTF-16": lambda w: publish(w, "Testperson".encode("utf-16-le")),
    "a name in hexadecimal": lambda w: publish(w, b"Testperson".hex().encode()),
    "a name padded to a word": lambda w: anchor(w, b"Zo\xc3\xab".ljust(32, b"\0")),
    "the SHA-256 of a name": lambda w: anchor(w, hashlib.sha256(b"Testperson").digest()),
    "the keccak of an identifier": lambda w: anchor(w, keccak(b"SYNTHETIC-0001")),
    "a date": lambda w: publish(w, b"born 1988-02-29"),
    "a date as a number": lambda w: anchor(w, at_midnight(1988, 2, 29).to_bytes(32, "big")),
    "a register number": lambda w: anchor(w, (1234567893).to_bytes(32, "big")),
    "a short code by its hash": lambda w: anchor(w, keccak(shortest(synthetic_bundle()).encode())),
    "a kind": lambda w: anchor(w, b"hiv".ljust(32, b"\0")),
    "a CID": lambda w: publish(w, leaf(w).cid.encode()),  # type: ignore[attr-defined]
    "a CID's bare digest": lambda w: anchor(w, parse_cid(leaf(w).cid).digest),  # type: ignore[attr-defined]
    "an anchorSalt": lambda w: anchor(w, anchor_salt(w)),
    "the hash of an anchorSalt": lambda w: anchor(w, keccak(anchor_salt(w))),
    "a wrapped key": lambda w: publish(w, b"." + leaf(w).wrapped_key),  # type: ignore[attr-defined]
    "a seed": lambda w: anchor(w, w.person("patient").keyring.seed),
}


def shortest(bundle: bytes) -> str:
    """A value of the bundle that is too short to be looked for anywhere but by itself."""
    return min((value for value in values_of(json.loads(bundle)) if len(value) > 1), key=len)


@pytest.mark.parametrize("plant", PLANTS)
def test_the_search_finds_what_is_planted(in_process: Run, plant: str) -> None:
    """In the calldata; what also shows in an event is found there too."""
    world, forbidden = in_process
    world.person("gossip")
    before = world.chain.head().number + 1
    PLANTS[plant](world)
    assert forbidden.found_in(transactions(world, before))
    assert forbidden.found_in(events(world, before))


def test_the_search_finds_what_is_planted_in_a_slot(on_anvil: Run) -> None:
    """And nothing of it is on the py-evm chain's list of known code."""
    world, forbidden = on_anvil
    snapshot = world.web3.provider.make_request("evm_snapshot", [])["result"]  # type: ignore[arg-type]
    anchor(world, anchor_salt(world))
    found = forbidden.found_in(state(world), SHIPPED)
    world.web3.provider.make_request("evm_revert", [snapshot])  # type: ignore[arg-type]
    address = world.chain.deployed.contracts["RecordRegistry"].address.lower()
    assert (f"slot of {address}", "an anchorSalt") in [(where, what) for where, what, _ in found]


def test_calldata_that_no_interface_explains_is_not_passed_over(in_process: Run) -> None:
    """A transaction to somewhere else, with data, stops the search instead of slipping by."""
    world, _ = in_process
    before = world.chain.head().number + 1
    rich = world.web3.eth.accounts[0]
    sent = world.web3.eth.send_transaction({"from": rich, "to": rich, "data": b"Testperson"})
    world.web3.eth.wait_for_transaction_receipt(sent)
    with pytest.raises(Undecodable):
        list(transactions(world, before))
