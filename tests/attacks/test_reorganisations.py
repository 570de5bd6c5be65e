"""A chain that reorganises, shallow and deep, before and after a keyholder released to an entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from bench._anvil import anvil
from consentry.client import Proposal
from consentry.evidence import Journal, Report, audit
from consentry.keyholder.journal import Row
from tests.attacks.support import access, reason
from tests.support.chains import tell
from tests.support.watching import Watching, watching
from tests.support.world import World, make_world, populated


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    with anvil() as url:
        yield url


@pytest.fixture(scope="module")
def world(node: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Its keyholders want one block after an entry."""
    return populated(make_world(tmp_path_factory.mktemp("world"), Web3(HTTPProvider(node)), depth=1))


@pytest.fixture
def granted(world: World) -> Proposal:
    return world.grant("clinician", "general")[0]


@pytest.fixture
def watched(world: World, node: str) -> Iterator[Watching]:
    with watching(world, node) as watched:
        yield watched


def mine(node: str, blocks: int) -> None:
    tell(node, "anvil_mine", hex(blocks))


def reorganise(node: str, blocks: int, *kept: str) -> None:
    """The last ``blocks`` are replaced by as many new ones; transactions ``kept`` are in the last."""
    tell(node, "anvil_reorg", blocks, [[raw, blocks - 1] for raw in kept])


def request_of(node: str, entry: Any) -> str:
    """The signed transaction that wrote the entry."""
    [written] = tell(node, "eth_getBlockByNumber", hex(entry.block), False)["transactions"]
    return str(tell(node, "eth_getRawTransactionByHash", written))


def rows(watched: Watching, kind: str) -> list[Row]:
    return [row for row in watched.keyholder.journal() if row.kind == kind]


@pytest.mark.parametrize("blocks", [2, 30])
def test_an_entry_that_a_reorganisation_dropped_is_not_answered(
    watched: Watching, node: str, world: World, granted: Proposal, blocks: int
) -> None:
    entry = access(world, granted)
    mine(node, blocks - 1)
    reorganise(node, blocks)
    assert reason(watched.keyholder, entry.release) == "entry"


@pytest.mark.parametrize("blocks", [2, 30])
def test_an_entry_that_vanishes_after_a_release_is_flagged_once(
    watched: Watching, node: str, world: World, granted: Proposal, blocks: int
) -> None:
    entry = access(world, granted)
    mine(node, blocks - 1)
    assert entry.release()
    release = watched.keyholder.journal()[-1]
    before = len(rows(watched, "entry vanished"))
    reorganise(node, blocks)
    watched.keyholder.ready()
    watched.keyholder.ready()
    [flagged] = rows(watched, "entry vanished")[before:]
    assert flagged.body["release"] == str(release.index)
    assert flagged.body["access"] == release.body["access"] == "0x" + entry.entry.access_id.hex()
    assert flagged.body["block hash"] == release.body["block hash"]
    assert reason(watched.keyholder, entry.release) == "entry"


def test_a_release_before_the_one_that_vanished_is_not_flagged(
    watched: Watching, node: str, world: World, granted: Proposal
) -> None:
    """Only what stood in the blocks that were replaced is gone."""
    before = len(rows(watched, "entry vanished"))
    stays = access(world, granted)
    mine(node, 1)
    assert stays.release()
    goes = access(world, granted)
    mine(node, 1)
    assert goes.release()
    reorganise(node, 2)
    [flagged] = rows(watched, "entry vanished")[before:]
    assert flagged.body["access"] == "0x" + goes.entry.access_id.hex()
    assert stays.release()


def test_a_keyholder_that_was_down_during_the_reorganisation_flags_it_when_it_is_back(
    world: World, node: str, granted: Proposal
) -> None:
    """It knows the blocks from its journal, and from nothing in memory."""
    with watching(world, node) as watched:
        before = len(rows(watched, "entry vanished"))
        entry = access(world, granted)
        mine(node, 1)
        assert entry.release()
    reorganise(node, 2)
    with watching(world, node) as watched:
        assert len(rows(watched, "entry vanished")) == before + 1


def test_an_entry_that_was_mined_again_in_another_block_has_not_vanished(
    watched: Watching, node: str, world: World, granted: Proposal
) -> None:
    """It is noted where it stands now, served there, and flagged if it goes from there too."""
    entry = access(world, granted)
    again = request_of(node, entry.entry)
    mine(node, 2)
    assert entry.release()
    vanished = len(rows(watched, "entry vanished"))
    reorganise(node, 3, again)
    moved = rows(watched, "entry moved")[-1]
    assert moved.body["access"] == "0x" + entry.entry.access_id.hex()
    assert int(moved.body["block"]) == entry.entry.block + 2
    assert len(rows(watched, "entry vanished")) == vanished
    reorganise(node, 1)
    assert len(rows(watched, "entry vanished")) == vanished + 1


def found(world: World, watched: Watching) -> Report:
    """The audit, with the keyholder's journal alone."""
    journal = Journal(watched.keyholder.card, watched.keyholder.journal())
    return audit(world.chain, None, [journal], threshold=3)


def test_the_audit_says_that_a_released_entry_vanished_and_who_says_so(
    watched: Watching, node: str, world: World, granted: Proposal
) -> None:
    entry = access(world, granted)
    mine(node, 1)
    assert entry.release()
    release = watched.keyholder.journal()[-1].index
    before = [one.what for one in found(world, watched).findings if f"row {release} " in one.what]
    assert before == []
    reorganise(node, 2)
    [flagged] = rows(watched, "entry vanished")[-1:]
    texts = [one.what for one in found(world, watched).findings if f"row {release} " in one.what]
    assert texts == [
        f"row {release} is a release without an entry on chain: it vanished in a reorganisation, as its "
        f"keyholder says in row {flagged.index}"
    ]


@pytest.mark.parametrize(("finality", "blocks"), [("safe", 32), ("finalized", 64)])
def test_a_keyholder_waits_for_the_blocks_that_the_chain_calls_safe_or_final(
    node: str, tmp_path_factory: pytest.TempPathFactory, finality: str, blocks: int
) -> None:
    """What Anvil calls so is that many blocks old."""
    home = tmp_path_factory.mktemp(finality)
    world = populated(make_world(home, Web3(HTTPProvider(node)), finality=finality))
    with watching(world, node) as watched:
        entry = access(world, world.grant("clinician", "general")[0])
        mine(node, blocks - 1)
        assert reason(watched.keyholder, entry.release) == "depth"
        mine(node, 1)
        assert entry.release()
