"""What every act costs is committed to the gas, and within what it may cost."""

import json
import re

import pytest

from bench import gas
from consentry.chain.manifest import FILE

PEERS = gas.ROOT / "bench" / "contracts"


@pytest.fixture(scope="module")
def measured() -> tuple[list[gas.Row], list[gas.Peer]]:
    return gas.measure()


@pytest.fixture(scope="module")
def rows(measured: tuple[list[gas.Row], list[gas.Peer]]) -> list[gas.Row]:
    return measured[0]


def test_every_act_costs_exactly_what_is_committed(
    measured: tuple[list[gas.Row], list[gas.Peer]],
) -> None:
    """Ours and the peers'."""
    assert gas.figures(*measured) == json.loads(gas.VECTORS.read_text("utf-8"))


def test_the_page_tells_what_is_measured(measured: tuple[list[gas.Row], list[gas.Peer]]) -> None:
    assert gas.page(*measured) == gas.PAGE.read_text("utf-8")


def test_the_page_says_in_words_what_stands_between_for_each_target(rows: list[gas.Row]) -> None:
    words = gas.PAGE.read_text("utf-8").partition("In words:")[2].partition("##")[0]
    told = re.findall(r"\*\*(.+?)\*\*", words)
    assert sorted(told) == sorted(row.name for row in rows if row.target)


def test_a_terminal_of_100_columns_holds_all_of_it(
    measured: tuple[list[gas.Row], list[gas.Peer]],
) -> None:
    assert max(map(len, gas.terminal(*measured).splitlines())) <= 100


def test_no_act_costs_more_than_it_may(rows: list[gas.Row]) -> None:
    assert [row for row in rows if row.target and row.used > row.target] == []


def test_no_act_costs_less_than_the_chain_alone_charges(rows: list[gas.Row]) -> None:
    assert [row for row in rows if row.used <= row.floor] == []


def test_no_peer_is_shipped() -> None:
    shipped = FILE.read_text("utf-8")
    assert {path.stem for path in PEERS.glob("*.sol")} == {"PlainRegistry", "Roles"}
    assert not [name for name in ("bench/", "PlainRegistry", "Roles.sol") if name in shipped]
