"""A keyholder whose view of the chain is attacked: endpoints that lie, lag, stall, or are of another chain.

Each attack ends without a release, and the keyholder's own journal or health says why.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from eth_abi.exceptions import EncodingError
from web3 import HTTPProvider, Web3

from bench._anvil import anvil, free_port
from consentry.chain import Chain, Endpoints, agreed, connect, endpoint
from consentry.chain.sending import Sender
from consentry.chain.transaction import Call
from consentry.client import Proposal
from consentry.errors import ChainUncertain, ContractRefused
from consentry.evidence import Journal, audit
from consentry.keyholder import wire
from consentry.keyholder.http.desk import Desk
from consentry.keyholder.http.metrics import Metrics
from consentry.keys.binding import abi_encode
from tests.attacks.support import Access, access, reason
from tests.support.chains import ganache, tell
from tests.support.forging import (
    RECEIPTS,
    altering,
    asking_instead,
    both,
    forged,
    hiding,
    inventing,
    lying,
    made_up,
    rehashed,
)
from tests.support.middleman import BreakOff
from tests.support.watching import Liar, Lie, Watching, dripping, liar_before, uncertain, watching
from tests.support.world import World, make_world, populated

BLOCK = ("eth_getBlockByNumber",)


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    with anvil() as url:
        yield url


@pytest.fixture(scope="module")
def world(node: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    return populated(make_world(tmp_path_factory.mktemp("world"), Web3(HTTPProvider(node))))


@pytest.fixture
def granted(world: World) -> Proposal:
    return world.grant("clinician", "general")[0]


@pytest.fixture
def mine(world: World, granted: Proposal) -> Access:
    """The clinician's entry, with two blocks after it."""
    mine = access(world, granted)
    tell(world.web3.provider.endpoint_uri, "anvil_mine", "0x2")  # type: ignore[attr-defined]
    return mine


@pytest.fixture
def liar(node: str) -> Iterator[Liar]:
    with liar_before(node) as liar:
        yield liar


@pytest.fixture
def pair(world: World, node: str, liar: Liar) -> Iterator[Watching]:
    """A keyholder with two endpoints, of which the first will lie."""
    with watching(world, liar.url, node) as watched:
        yield watched


@pytest.fixture
def alone(world: World, liar: Liar) -> Iterator[Watching]:
    """A keyholder whose only endpoint will lie."""
    with watching(world, liar.url) as watched:
        yield watched


def revoke(world: World, granted: Proposal) -> None:
    """The patient revokes on chain alone: no stop reaches the keyholders."""
    signer = world.person("patient").signer
    world.chain.send(signer, "ConsentRegistry", "revoke", world.patient, granted.grant_id)


# --- lies about events


def test_two_endpoints_that_agree_release(pair: Watching, mine: Access) -> None:
    assert mine.release()
    assert pair.states() == ["well", "well"]
    assert pair.keyholder.journal()[-1].kind == "release"


def test_an_endpoint_cannot_invent_an_entry(pair: Watching, liar: Liar, mine: Access) -> None:
    """It adds the log of an entry that nobody wrote to the receipts of a block."""
    fake = made_up(mine.entry, secrets.token_bytes(32))
    liar.lie = lying(RECEIPTS, inventing(mine.entry, fake))
    assert reason(pair.keyholder, lambda: mine.release(mine.asked(entry=fake))) == "entry"
    assert pair.states() == ["contradicts", "well"]


def test_an_only_endpoint_cannot_invent_an_entry_in_an_honest_block(
    alone: Watching, liar: Liar, mine: Access
) -> None:
    """Nobody else is there to ask, and the block's own hash speaks against it."""
    fake = made_up(mine.entry, secrets.token_bytes(32))
    liar.lie = lying(RECEIPTS, inventing(mine.entry, fake))
    asked = mine.asked(entry=fake)
    assert uncertain(alone.keyholder, lambda: mine.release(asked)) == "BlockUnproved"
    assert alone.states() == ["contradicts"]


def test_an_endpoint_cannot_hide_an_entry(pair: Watching, liar: Liar, mine: Access) -> None:
    """The other one proves it, and the clinician is served."""
    liar.lie = lying(RECEIPTS, hiding(mine.entry))
    assert mine.release()
    assert pair.states() == ["contradicts", "well"]


def test_an_only_endpoint_that_hides_an_entry_is_named(alone: Watching, liar: Liar, mine: Access) -> None:
    liar.lie = lying(RECEIPTS, hiding(mine.entry))
    assert uncertain(alone.keyholder, mine.release) == "BlockUnproved"


def test_an_endpoint_cannot_alter_a_receipt(pair: Watching, liar: Liar, mine: Access) -> None:
    """It tells a made-up entry in the place of the true one."""
    fake = made_up(mine.entry, secrets.token_bytes(32))
    liar.lie = lying(RECEIPTS, altering(mine.entry, fake))
    assert reason(pair.keyholder, lambda: mine.release(mine.asked(entry=fake))) == "entry"


def forging(liar: Liar, mine: Access, fake: Any) -> Lie:
    """A block forged whole around an entry that nobody wrote, with a hash that fits."""
    number = hex(mine.entry.block)
    invent = inventing(mine.entry, fake)
    receipts = invent(tell(liar.node, "eth_getBlockReceipts", number))

    def block(told: Any) -> Any:
        return forged(told, receipts) if told and told["number"] == number else told

    return both(lying(BLOCK, block), lying(RECEIPTS, invent))


def test_an_endpoint_cannot_forge_a_whole_block_around_an_entry(
    pair: Watching, liar: Liar, mine: Access
) -> None:
    """Receipts, root and hash fit one another; the other endpoint knows another hash."""
    fake = made_up(mine.entry, secrets.token_bytes(32))
    liar.lie = forging(liar, mine, fake)
    asked = mine.asked(entry=fake)
    assert uncertain(pair.keyholder, lambda: mine.release(asked)) == "EndpointsDisagree"
    assert pair.states() == ["contradicts", "contradicts"]


def test_one_endpoint_alone_cannot_tell_a_block_that_is_forged_whole(
    alone: Watching, liar: Liar, mine: Access
) -> None:
    """The limit, and the reason to have two."""
    fake = made_up(mine.entry, secrets.token_bytes(32))
    liar.lie = forging(liar, mine, fake)
    assert mine.release(mine.asked(entry=fake))


# --- lies about the state at head


def test_an_endpoint_cannot_say_that_a_revoked_grant_is_in_force(
    pair: Watching, world: World, liar: Liar, granted: Proposal, mine: Access
) -> None:
    """It answers every call as of the block before the revocation."""
    before = world.chain.head().number
    revoke(world, granted)
    liar.lie = asking_instead("eth_call", lambda asked: [asked[0], hex(before)])
    assert uncertain(pair.keyholder, mine.release) == "EndpointsDisagree"
    assert pair.states() == ["contradicts", "contradicts"]


def test_of_three_the_one_that_contradicts_is_named(
    world: World, node: str, liar: Liar, granted: Proposal, mine: Access
) -> None:
    with liar_before(node) as honest, watching(world, node, honest.url, liar.url, agree=2) as three:
        before = world.chain.head().number
        revoke(world, granted)
        liar.lie = asking_instead("eth_call", lambda asked: [asked[0], hex(before)])
        assert uncertain(three.keyholder, mine.release) == "EndpointsDisagree"
        assert three.states() == ["well", "well", "contradicts"]


def at_an_old_head(old: int) -> Lie:
    """Everything as it was when ``old`` was the newest block."""

    def block(asked: list[Any]) -> list[Any]:
        number = old if asked[0] == "latest" else int(asked[0], 16)
        return [hex(number) if number <= old else hex(2**40), *asked[1:]]

    return both(
        asking_instead("eth_getBlockByNumber", block),
        asking_instead("eth_call", lambda asked: [asked[0], hex(old)]),
    )


@pytest.mark.parametrize("blocks", [1, 5])
def test_an_endpoint_cannot_hide_a_revocation_behind_an_old_head(
    world: World, node: str, liar: Liar, granted: Proposal, mine: Access, blocks: int
) -> None:
    with watching(world, liar.url, node, patience=2) as pair:
        old = world.chain.head().number
        revoke(world, granted)
        tell(node, "anvil_mine", hex(blocks - 1)) if blocks > 1 else None
        liar.lie = at_an_old_head(old)
        assert uncertain(pair.keyholder, mine.release) == "ChainUncertain"
        assert [(one.state, one.behind) for one in pair.health()] == [("behind", blocks), ("well", 0)]


def test_where_one_of_two_is_enough_the_newest_head_counts(
    world: World, node: str, liar: Liar, granted: Proposal, mine: Access
) -> None:
    """The old head of one does not outvote what the other knows."""
    with watching(world, liar.url, node, agree=1) as either:
        liar.lie = at_an_old_head(world.chain.head().number)
        revoke(world, granted)
        assert reason(either.keyholder, mine.release) == "consent at head"


def test_an_endpoint_cannot_set_the_clock_back(pair: Watching, liar: Liar, mine: Access) -> None:
    """With an older time a grant that has expired would be in time; the time is in the block's hash."""

    def earlier(block: Any) -> Any:
        return {**block, "timestamp": hex(int(block["timestamp"], 16) - 3600)} if block else None

    liar.lie = lying(BLOCK, earlier)
    assert uncertain(pair.keyholder, mine.release) == "ChainUncertain"
    assert pair.states() == ["contradicts", "well"]


def test_an_endpoint_cannot_run_ahead_with_blocks_of_its_own(
    world: World, node: str, liar: Liar, mine: Access
) -> None:
    """It gives a newest block that nobody else has, and decides nothing by it."""

    def ahead(block: Any) -> Any:
        return rehashed({**block, "number": hex(int(block["number"], 16) + 1)}) if block else None

    with watching(world, liar.url, node, patience=2) as pair:
        liar.lie = lying(BLOCK, ahead)
        assert uncertain(pair.keyholder, mine.release) == "ChainUncertain"
        assert pair.states() == ["well", "behind"]


def test_an_endpoint_cannot_give_another_block_than_was_asked_for(
    alone: Watching, liar: Liar, mine: Access
) -> None:
    """An old entry would be young in the place of another block; that one, too, has its hash."""
    number = mine.entry.block
    liar.lie = asking_instead(
        "eth_getBlockByNumber",
        lambda asked: [hex(number - 1) if asked[0] == hex(number) else asked[0], *asked[1:]],
    )
    assert uncertain(alone.keyholder, mine.release) == "BlockUnproved"


# --- endpoints that do not answer well

GARBAGE = {
    "a page": b"<html>please sign in</html>",
    "nothing": b"",
    "half": b'{"jsonrpc":"2.0","id":1,"result":{"num',
    "a list": b"[]",
    "nested": b"[" * 200_000,
    "null": b'{"jsonrpc":"2.0","id":1,"result":null}',
    "a number": b'{"jsonrpc":"2.0","id":1,"result":7}',
    "empty": b'{"jsonrpc":"2.0","id":1,"result":{}}',
    "refusal": b'{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit exceeded"}}',
    "neither": b'{"jsonrpc":"2.0","id":1}',
    "not utf-8": b"\xff\xfe\x00",
    "100 MB": b"[" + b"0," * 50_000_000,
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_is_no_answer(pair: Watching, liar: Liar, mine: Access, what: str) -> None:
    liar.lie = lambda request, pass_on: GARBAGE[what]
    assert uncertain(pair.keyholder, mine.release) == "ChainUncertain"
    [first, second] = pair.health()
    assert first.state in ("down", "contradicts")
    assert second.state == "well"


def test_of_an_answer_without_end_no_more_is_read_than_a_bound(
    pair: Watching, liar: Liar, mine: Access
) -> None:
    liar.lie = lambda request, pass_on: GARBAGE["100 MB"]
    assert uncertain(pair.keyholder, mine.release) == "ChainUncertain"
    assert "longer than 33,554,432 bytes" in pair.health()[0].detail


def test_an_endpoint_that_stalls_is_slow(world: World, node: str, liar: Liar, mine: Access) -> None:
    with watching(world, liar.url, node, patience=2) as pair:
        liar.lie = lambda request, pass_on: None
        assert uncertain(pair.keyholder, mine.release) == "ChainUncertain"
        assert pair.states() == ["slow", "well"]


def test_an_endpoint_cannot_hold_a_release_up_until_its_head_is_old(
    pair: Watching, liar: Liar, mine: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer comes in time; meanwhile the patient may have revoked."""
    monkeypatch.setattr(agreed, "_LASTS", 0.5)

    def late(request: Any, pass_on: Any) -> Any:
        time.sleep(0.6)
        return pass_on(request)

    liar.lie = late
    assert uncertain(pair.keyholder, mine.release) == "ChainUncertain"
    liar.lie = None
    monkeypatch.setattr(agreed, "_LASTS", 60)
    assert mine.release()


@pytest.mark.parametrize("where", ["head", "body"])
def test_an_endpoint_that_answers_drop_by_drop_is_slow(
    world: World, node: str, mine: Access, where: str
) -> None:
    """Each drop comes in time, the answer never."""
    with dripping(node, where) as dripper, watching(world, dripper.url, node, patience=2) as pair:
        dripper.drips = True
        assert uncertain(pair.keyholder, mine.release) == "ChainUncertain"
        assert pair.states() == ["slow", "well"]


def test_an_endpoint_that_breaks_off_is_down(pair: Watching, liar: Liar, mine: Access) -> None:
    def broken(*_: Any) -> None:
        raise BreakOff

    liar.lie = broken
    assert uncertain(pair.keyholder, mine.release) == "ChainUncertain"
    assert pair.states() == ["down", "well"]


def test_where_two_of_three_have_to_agree_one_may_be_down_and_not_two(
    world: World, node: str, liar: Liar, mine: Access
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with watching(world, nowhere, liar.url, node, agree=2) as three:
        assert mine.release()
        assert three.states() == ["down", "well", "well"]
        liar.lie = lambda request, pass_on: b""
        assert uncertain(three.keyholder, mine.release) == "ChainUncertain"
        assert three.states() == ["down", "down", "well"]


def test_an_endpoint_that_comes_back_counts_again(
    pair: Watching, liar: Liar, mine: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_REST", 0)
    liar.lie = lambda request, pass_on: b""
    assert uncertain(pair.keyholder, mine.release) == "ChainUncertain"
    liar.lie = None
    assert mine.release()


def test_an_endpoint_of_another_chain_is_not_listened_to(world: World, node: str) -> None:
    """Anvil's chains have one id, and differ by their genesis block alone."""
    with anvil("--timestamp", "1700000000") as other:
        endpoints = Endpoints([node, other])
        endpoints.bind(world.chain.deployed)
        assert [one.state for one in endpoints.health()] == ["well", "on another chain"]
        with pytest.raises(ChainUncertain, match="on another chain"):
            endpoints.head()
        endpoints.close()


def test_an_endpoint_that_becomes_another_chain_is_noticed(
    alone: Watching, liar: Liar, mine: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its node was started anew behind the same URL, with the same contracts' addresses in use or not."""
    monkeypatch.setattr(endpoint, "_LOOK_AGAIN", 0)
    with anvil("--timestamp", "1700000000") as other:
        liar.lie = lambda request, _: dict(requests.post(other, json=request, timeout=60).json())
        assert uncertain(alone.keyholder, mine.release) == "WrongChain"
        assert alone.states() == ["on another chain"]


def test_health_names_an_endpoint_without_the_key_in_its_url(world: World, node: str) -> None:
    with_key = node.replace("//", "//user:secret@") + "/v3/a-key"
    endpoints = Endpoints([with_key])
    endpoints.bind(world.chain.deployed)
    assert endpoints.health()[0].name == node.removeprefix("http://")
    endpoints.close()


# --- what a caller could make them fail at


def test_a_callers_wallet_that_burns_gas_puts_no_endpoint_in_trouble(
    pair: Watching, world: World, liar: Liar
) -> None:
    """A contract account may be anybody's: it gets little to burn, so that no node is kept busy."""
    loop, rich = "5b600056", world.web3.eth.accounts[0]
    sent = world.web3.eth.send_transaction({"from": rich, "data": f"0x6004600c60003960046000f3{loop}"})  # type: ignore[typeddict-item]
    wallet = str(world.web3.eth.wait_for_transaction_receipt(sent)["contractAddress"])
    given: list[str] = []

    def heard(asked: list[Any]) -> list[Any]:
        given.append(asked[0]["gas"])
        return asked

    liar.lie = asking_instead("eth_call", heard)
    chain = pair.keyholder._chain
    assert not chain.wallet_accepts(wallet, bytes(32), b"")
    assert given == [hex(3_000_000)]
    assert pair.states() == ["well", "well"]


def test_a_callers_wallet_sends_nobody_to_look_elsewhere(node: str, world: World) -> None:
    """A contract may have its caller fetch what it needs from a URL (ERC-3668): that would be a request to
    whatever a stranger names, from within the institution."""
    wallet, web3 = Web3.to_checksum_address("0x" + "57" * 20), connect(node)
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.setblocking(False)
        urls = [f"https://127.0.0.1:{inside.getsockname()[1]}/{{sender}}/{{data}}"]
        types = ["address", "string[]", "bytes", "bytes4", "bytes"]
        lookup = bytes.fromhex("556f1830") + abi_encode(types, [wallet, urls, b"", b"look", b""])
        size = f"{len(lookup):04x}"
        reverting = f"0x61{size}600e60003961{size}6000fd{lookup.hex()}"
        tell(node, "anvil_setCode", wallet, reverting)
        assert not Chain(web3, world.chain.deployed).wallet_accepts(wallet, bytes(32), b"")
        with pytest.raises(ContractRefused, match="Reverted"):
            Sender(web3).price(world.authority.address, Call(wallet, "0x"))
        with pytest.raises(BlockingIOError):  # nobody came
            inside.accept()


def test_what_cannot_be_asked_puts_no_endpoint_in_trouble(pair: Watching) -> None:
    """Else a caller who found such a question could keep a keyholder from everybody."""
    for arguments in (("nobody", bytes(32), False), (bytes(3), bytes(32), False)):
        with pytest.raises((AttributeError, EncodingError)):
            pair.keyholder._chain.rpc.call("ProviderRegistry", "may", *arguments)
    assert [one.trouble for one in pair.endpoints._all] == [None, None]


# --- what others see of it

LIES: dict[str, Lie] = {
    "down": lambda request, pass_on: b"",
    "page": lambda request, pass_on: b"<html>http://node.example/key</html>",
    "contradicting": asking_instead("eth_call", lambda asked: [asked[0], "0x1"]),
    "unproved": lying(BLOCK, lambda block: {**block, "timestamp": "0x1"} if block else None),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_caller_learns_nothing_of_what_is_wrong_with_the_chain(
    pair: Watching, liar: Liar, mine: Access, lie: str
) -> None:
    """Over HTTP it is told to come later, in the same words whatever the trouble."""
    desk = Desk(pair.keyholder, Metrics(), "")
    call = mine.call()
    liar.lie = LIES[lie]
    answer = desk.answer("release", lambda: wire.Release.of(pair.keyholder.release(call)))
    assert answer.status_code == 503
    assert answer.body == wire.LATER.model_dump_json().encode()
    assert pair.keyholder.journal()[-1].kind == "uncertain"


def test_the_audit_says_how_often_a_keyholder_could_not_tell_the_chain(
    pair: Watching, liar: Liar, world: World, mine: Access
) -> None:
    liar.lie = LIES["page"]
    uncertain(pair.keyholder, mine.release)
    liar.lie = None
    journal = Journal(pair.keyholder.card, pair.keyholder.journal())
    times = sum(row.kind == "uncertain" for row in journal.rows)
    report = audit(world.chain, None, [journal], threshold=3)
    said = f"{pair.keyholder.card.name} could not tell the chain {times} times, and answered nothing then"
    assert said in report.notes


# --- chains that are not all alike


def test_an_endpoint_cannot_call_a_young_block_final(
    node: str, liar: Liar, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What is final is the oldest block that an endpoint calls so."""
    web3 = Web3(HTTPProvider(node))
    world = populated(make_world(tmp_path_factory.mktemp("final"), web3, finality="finalized"))
    liar.lie = asking_instead(
        "eth_getBlockByNumber",
        lambda asked: ["latest" if asked[0] == "finalized" else asked[0], *asked[1:]],
    )
    entry = access(world, world.grant("clinician", "general")[0])
    with watching(world, liar.url) as alone:
        assert entry.release()
    with watching(world, liar.url, node) as pair:
        assert reason(pair.keyholder, entry.release) == "depth"
    assert alone.world is pair.world


def test_a_node_that_gives_receipts_one_by_one_is_proved_as_well(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Ganache has no other way."""
    with ganache() as url, liar_before(url) as liar:
        world = populated(make_world(tmp_path_factory.mktemp("ganache"), Web3(HTTPProvider(url))))
        real = access(world, world.grant("clinician", "general")[0])
        fake = made_up(real.entry, secrets.token_bytes(32))
        with watching(world, liar.url) as alone:
            assert real.release()
            liar.lie = lying(RECEIPTS, inventing(real.entry, fake))
        with watching(world, liar.url) as alone:
            assert uncertain(alone.keyholder, lambda: real.release(real.asked(entry=fake))) == "BlockUnproved"


def test_a_chain_in_this_process_is_believed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """py-evm speaks no JSON-RPC, and nobody stands between; the same class asks it."""
    world = populated(make_world(tmp_path_factory.mktemp("inside")))
    real = access(world, world.grant("clinician", "general")[0])
    fake = made_up(real.entry, secrets.token_bytes(32))
    with watching(world, world.web3) as inside:
        assert real.release()
        assert reason(inside.keyholder, lambda: real.release(real.asked(entry=fake))) == "entry"
        assert [(one.name, one.state) for one in inside.health()] == [("this process", "well")]
