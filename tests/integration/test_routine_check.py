"""A keyholder that lost something finds it by itself, says so, and serves what it has."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from bench._anvil import free_port
from consentry.cli.services import is_ready
from consentry.keyholder.held import Held
from tests.attacks.support import access
from tests.support.services import Services, services
from tests.support.world import populated

SECONDS = 120  # of a machine with much else to do
METRICS = free_port()
OFTEN = ("--rate", "0", "--check-every", "0.0002", "--metrics-port", str(METRICS))
"""Less than a second."""


@pytest.fixture(scope="module")
def institutions(tmp_path_factory: pytest.TempPathFactory, anvil_url: str) -> Iterator[Services]:
    """Two of three keyholders are needed; the first one's folder is copied as it is after all was dealt."""
    with services(tmp_path_factory.mktemp("routine"), anvil_url, count=3, threshold=2) as running:
        populated(running.world)
        running.signal(signal.SIGTERM, 1)
        shutil.copytree(running.place(1), running.folder / "whole")
        running.options = OFTEN
        yield running


@pytest.fixture
def first(institutions: Services) -> Iterator[Services]:
    """The first keyholder checks all the time, and has found nothing yet."""
    institutions.log(1).write_bytes(b"")
    institutions.start(1)
    wait(lambda: metric("checked_seconds") > 0)
    assert metric("faults") == 0
    yield institutions
    institutions.signal(signal.SIGTERM, 1)
    shutil.rmtree(institutions.place(1))
    shutil.copytree(institutions.folder / "whole", institutions.place(1))


def found(institutions: Services) -> list[dict[str, Any]]:
    """What the first keyholder's log says that is wrong."""
    lines = institutions.log(1).read_text("utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == "fault found"]


def metric(name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{METRICS}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    [value] = [line.split()[1] for line in lines if line.startswith(f"consentry_keyholder_{name} ")]
    return float(value)


def wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.2)


@contextmanager
def database(institutions: Services, name: str) -> Iterator[sqlite3.Connection]:
    """The first keyholder's own file, behind its back."""
    [path] = institutions.place(1).rglob(name)
    with closing(sqlite3.connect(path, timeout=60)) as opened, opened:
        yield opened


def record_of(institutions: Services, kind: str) -> bytes:
    """The record of a kind, as the patient knows it."""
    desk = institutions.world.desk("patient")
    desk._own.refresh()
    [one] = [key.leaf.record_id for key in desk._own.openings() if key.label.kind == kind]
    return one


def lose_the_key(institutions: Services, record: bytes) -> str:
    with database(institutions, "record-keys.sqlite") as keys:
        keys.execute("DELETE FROM record_keys WHERE record_id = ?", (record,))
    return f"record {record.hex()}"


def put_in_anothers_share(institutions: Services, record: bytes) -> str:
    with (
        database(institutions, "record-keys.sqlite") as keys,
        database(institutions, "vault.sqlite") as vault,
    ):
        [[key]] = keys.execute("SELECT key FROM record_keys WHERE record_id = ?", (record,))
        [[header, sealed]] = vault.execute(
            "SELECT header, sealed FROM records JOIN envelopes USING (envelope) WHERE record_id = ?",
            (record,),
        )
        held = Held.unseal(header, key, sealed)
        wrong = Held(held.header, held.open_part, held.sealed_part, bytes(31) + b"\1").seal(key)
        vault.execute("UPDATE records SET sealed = ? WHERE record_id = ?", (wrong, record))
    return f"record {record.hex()}"


def leave_the_record_out(institutions: Services, record: bytes) -> str:
    with database(institutions, "vault.sqlite") as vault:
        vault.execute("DELETE FROM records WHERE record_id = ?", (record,))
    return f"record 0x{record.hex()}"


def cut_the_journal(institutions: Services, _: bytes) -> str:
    """Its newest row, which the last check saw, and which nothing that it holds needs."""
    for _ in range(2):  # the first one to end may have begun before that row came
        ended = metric("checked_seconds")
        wait(lambda before=ended: metric("checked_seconds") > before)  # type: ignore[misc]
    with database(institutions, "vault.sqlite") as vault:
        vault.execute('DELETE FROM journal WHERE "row" = (SELECT max("row") FROM journal)')
    return "journal"


LOSSES = {
    "a lost key": (lose_the_key, "its key is lost"),
    "a wrong share": (put_in_anothers_share, "share"),
    "a missing record": (leave_the_record_out, "is not held"),
    "a journal cut": (cut_the_journal, "the tail was cut"),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_what_a_keyholder_lost_it_finds_while_it_releases_what_it_has(first: Services, loss: str) -> None:
    lose, said = LOSSES[loss]
    where = lose(first, record_of(first, "substance-use"))
    wait(lambda: metric("faults") > 0)
    assert any(one["where"] == where and said in one["what"] for one in found(first)), found(first)
    assert {one["level"] for one in found(first)} == {"error"}
    assert is_ready(first.roster.card(1).url)
    [general] = first.world.grant("clinician", "general")
    assert access(first.world, general).release(to=1).sealed


def test_a_keyholder_that_is_told_to_checks_nothing(first: Services) -> None:
    first.signal(signal.SIGTERM, 1)
    first.log(1).write_bytes(b"")
    first.options = ("--rate", "0", "--check-every", "0", "--metrics-port", str(METRICS))
    first.start(1)
    assert metric("checked_seconds") == 0
    first.options = OFTEN
