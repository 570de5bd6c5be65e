"""keyholders.json: who the keyholders are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consentry.errors import IntegrityError, KeyInvalid, NotFound, UsageError
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.roster import Roster
from tests.support.fixed import ROSTER, STRANGER


@pytest.fixture
def file(tmp_path: Path) -> Path:
    ROSTER.save(tmp_path / "keyholders.json")
    return tmp_path / "keyholders.json"


def test_a_roster_comes_back_from_its_file(file: Path) -> None:
    assert Roster.load(file, ROSTER.hash) == ROSTER
    assert (ROSTER.count, ROSTER.threshold, ROSTER.safe) == (5, 3, 3)


def test_a_roster_that_the_deployment_does_not_name_is_refused(file: Path) -> None:
    with pytest.raises(IntegrityError, match="not the one that the deployment names"):
        Roster.load(file, bytes(32))


def test_without_the_file_there_are_no_keyholders(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no keyholders\.json here"):
        Roster.load(tmp_path / "keyholders.json", ROSTER.hash)


@pytest.mark.parametrize("name", ["index", "name", "address", "public_key", "url"])
def test_no_field_of_a_keyholder_can_be_changed_without_another_hash(name: str) -> None:
    first = ROSTER.keyholders[0]
    other: dict[str, Any] = {"address": STRANGER.address, "public_key": bytes(1216)}
    changed = replace(first, **{name: other.get(name, "another" if name != "index" else 1)})
    if name == "index":
        assert Roster(2, ROSTER.keyholders).hash != ROSTER.hash
        return
    assert Roster(3, (changed, *ROSTER.keyholders[1:])).hash != ROSTER.hash


@pytest.mark.parametrize(
    ("threshold", "keyholders"),
    [
        (0, ROSTER.keyholders),
        (6, ROSTER.keyholders),
        (1, ()),
        (3, ROSTER.keyholders[::-1]),
        (3, (*ROSTER.keyholders[:4], ROSTER.keyholders[3])),
        (1, tuple(replace(ROSTER.keyholders[0], index=n) for n in range(1, 257))),
        (1, (replace(ROSTER.keyholders[0], address=ROSTER.keyholders[0].address.lower()),)),
        (1, (replace(ROSTER.keyholders[0], address="nowhere"),)),
        (2, (ROSTER.keyholders[0], replace(ROSTER.keyholders[0], index=2))),
    ],
    ids=[
        "none needed",
        "too many needed",
        "nobody",
        "turned round",
        "twice",
        "256",
        "no checksum",
        "no address",
        "one account twice",
    ],
)
def test_a_roster_that_makes_no_sense_is_refused(
    threshold: int, keyholders: tuple[KeyholderCard, ...]
) -> None:
    with pytest.raises(UsageError):
        Roster(threshold, keyholders)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format="consentry keyholders 9"),
        lambda d: d.pop("threshold"),
        lambda d: d.update(threshold="3"),
        lambda d: d.update(keyholders=None),
        lambda d: d["keyholders"][0].pop("url"),
        lambda d: d["keyholders"][0].update(index="1"),
        lambda d: d["keyholders"][0].update(address="nowhere"),
        lambda d: d["keyholders"][0].update(publicKey="no hex"),
        lambda d: d["keyholders"][0].update(name=7),
    ],
)
def test_a_file_that_is_not_one_is_refused_by_name(
    file: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    with pytest.raises(UsageError, match="not a keyholders file"):
        Roster.load(file, ROSTER.hash)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff"])
def test_bytes_that_are_no_file_are_refused_by_name(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(UsageError, match="not a keyholders file"):
        Roster.load(file, ROSTER.hash)


def test_a_keyholder_whose_key_does_not_work_is_refused(file: Path) -> None:
    broken = Roster(3, (replace(ROSTER.keyholders[0], public_key=bytes(1216)), *ROSTER.keyholders[1:]))
    broken.save(file)
    with pytest.raises(KeyInvalid):
        Roster.load(file, broken.hash)


@pytest.mark.parametrize(("threshold", "count", "spared"), [(3, 5, 4), (1, 1, 1), (3, 3, 3), (1, 2, 2)])
def test_one_more_than_needed_holds_a_record_where_there_is_one_more(
    threshold: int, count: int, spared: int
) -> None:
    """With as many as are needed there is nobody to spare, and all must hold it."""
    assert Roster(threshold, ROSTER.keyholders[:count]).spared == spared
