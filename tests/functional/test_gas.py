"""What every act costs is committed to the gas, and within what it may cost."""

import json

import pytest

from bench import gas


@pytest.fixture(scope="module")
def rows() -> list[gas.Row]:
    return gas.measure()


def test_every_act_costs_exactly_what_is_committed(rows: list[gas.Row]) -> None:
    assert {row.name: row.used for row in rows} == json.loads(gas.VECTORS.read_text("utf-8"))


def test_no_act_costs_more_than_it_may(rows: list[gas.Row]) -> None:
    assert [row for row in rows if row.target and row.used > row.target] == []


def test_no_act_costs_less_than_the_chain_alone_charges(rows: list[gas.Row]) -> None:
    assert [row for row in rows if row.used <= row.floor] == []
