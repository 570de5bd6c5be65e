"""Real engines: an Anvil, for worlds with more blocks than py-evm looks through in reasonable time, a
Kubo, and a PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench._anvil import anvil
from consentry.cli.kubo import running_kubo
from tests.support.kubo import unpin_all
from tests.support.postgres import Postgres, postgres


@pytest.fixture(scope="session")
def anvil_url() -> Iterator[str]:
    """The URL of an Anvil on a free port, which ends with the tests."""
    with anvil() as url:
        yield url


@pytest.fixture(scope="session")
def kubo_daemon() -> Iterator[str]:
    """The address of a Kubo of our own, offline, which ends with the tests."""
    with running_kubo() as address:
        yield address


@pytest.fixture
def kubo(kubo_daemon: str) -> str:
    """The same, with nothing pinned when a test begins."""
    unpin_all(kubo_daemon)
    return kubo_daemon


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL of our own, which ends with the tests."""
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a keyholder may hold what it holds: a folder, or an empty database of a real PostgreSQL."""
    if request.param == "sqlite":
        return tmp_path / "vault"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.new_database()
