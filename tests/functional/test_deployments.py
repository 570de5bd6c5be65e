"""deployments.json: which contracts stand on which chain."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consentry.chain import Deployed, Deployments
from consentry.chain.deployments import Placed, place_all
from consentry.errors import NotFound, UsageError
from tests.support.fixed import seed

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def deployed(genesis: bytes = seed(1), chain_id: int = 1337, **changes: Any) -> Deployed:
    contracts = {
        "ProviderRegistry": Placed(ADDRESS, 3, [[ADDRESS]]),
        "ConsentRegistry": Placed(ADDRESS, 4, [ADDRESS]),
        "RecordRegistry": Placed(ADDRESS, 5, []),
        "AccessLog": Placed(ADDRESS, 6, [ADDRESS]),
    }
    values = {"contracts": contracts, "authorities": [ADDRESS], "depth": 2, "keyholders": seed(9)}
    return Deployed(chain_id, genesis, **{**values, **changes})


@pytest.fixture
def file(tmp_path: Path) -> Deployments:
    return Deployments(tmp_path / "deployments.json")


def test_a_deployment_is_found_by_chain_id_and_genesis(file: Deployments) -> None:
    one, other = deployed(), deployed(seed(2), depth=0)
    file.add(one)
    file.add(other)
    assert file.find(1337, seed(1)) == one
    assert file.find(1337, seed(2)) == other


def test_a_chain_started_anew_has_no_deployment_although_ids_repeat(file: Deployments) -> None:
    file.add(deployed())
    with pytest.raises(NotFound, match=r"no contracts on this chain \(id 1337, .*known for chain ids: 1337"):
        file.find(1337, seed(2))


def test_before_the_first_deployment_nothing_is_found(file: Deployments) -> None:
    with pytest.raises(NotFound, match=r"known for chain ids: none.*run deploy"):
        file.find(1, seed(1))


def test_a_new_deployment_takes_the_place_of_the_old_one_on_its_chain(file: Deployments) -> None:
    file.add(deployed())
    file.add(deployed(depth=5))
    assert file.find(1337, seed(1)).depth == 5


def test_a_deployment_says_from_which_block_the_depth_counts(file: Deployments) -> None:
    """A file from before says nothing: then it is the newest."""
    file.add(deployed(finality="finalized"))
    assert file.find(1337, seed(1)).finality == "finalized"
    document = json.loads(file.path.read_text("utf-8"))
    [entry] = document["deployments"].values()
    del entry["finality"]
    file.path.write_text(json.dumps(document), "utf-8")
    assert file.find(1337, seed(1)).finality == "latest"


@pytest.mark.parametrize("finality", ["pending", "earliest", "", None, 0])
def test_a_finality_that_a_chain_does_not_vouch_for_is_refused(file: Deployments, finality: Any) -> None:
    file.add(deployed(finality=finality))
    with pytest.raises(UsageError, match="not a deployments file"):
        file.find(1337, seed(1))


def test_events_are_looked_for_from_the_first_contracts_block() -> None:
    assert deployed().block == 3
    assert deployed().deployment.registry == ADDRESS
    assert deployed().deployment.genesis == seed(1)


def _spoil(*path: str, to: Any = None) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        (key,) = document["deployments"]
        place: Any = document["deployments"][key]
        for name in path[:-1]:
            place = place[name]
        if to is None:
            del place[path[-1]]
        else:
            place[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(format="consentry deployments 9"),
        lambda document: document.pop("deployments"),
        lambda document: document.update(deployments=7),
        _spoil("contracts"),
        _spoil("contracts", to=[]),
        _spoil("contracts", "AccessLog"),
        _spoil("contracts", "AccessLog", "address"),
        _spoil("contracts", "AccessLog", "address", to="0x12"),
        _spoil("contracts", "AccessLog", "block", to="six"),
        _spoil("keyholders"),
        _spoil("keyholders", to="0x12"),
        _spoil("keyholders", to="no hex"),
        _spoil("depth"),
        _spoil("depth", to="deep"),
        _spoil("depth", to=-1),
        _spoil("more", to=1),
    ],
)
def test_a_file_that_is_not_one_is_refused_by_name(
    file: Deployments, change: Callable[[dict[str, Any]], None]
) -> None:
    file.add(deployed())
    document = json.loads(file.path.read_text())
    change(document)
    file.path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"deployments\.json is not a deployments file"):
        file.find(1337, seed(1))


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"null"])
def test_bytes_that_are_no_file_are_refused_by_name(file: Deployments, content: bytes) -> None:
    file.path.write_bytes(content)
    with pytest.raises(UsageError, match="not a deployments file"):
        file.find(1337, seed(1))
    with pytest.raises(UsageError, match="not a deployments file"):
        file.add(deployed())


def test_the_contracts_are_placed_in_the_one_order_that_works() -> None:
    made: list[tuple[str, list[Any]]] = []

    def create(name: str, arguments: list[Any]) -> Placed:
        made.append((name, arguments))
        return Placed(f"0x{len(made)}", len(made), arguments)

    placed = place_all(create, ["0xA"])
    assert made == [
        ("ProviderRegistry", [["0xA"]]),
        ("ConsentRegistry", ["0x1"]),
        ("RecordRegistry", []),
        ("AccessLog", ["0x2"]),
    ]
    assert placed["ConsentRegistry"].address == "0x2"
