"""A node of our own, for worlds with more blocks than py-evm looks through in reasonable time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench._anvil import anvil


@pytest.fixture(scope="session")
def anvil_url() -> Iterator[str]:
    """The URL of an Anvil on a free port, which ends with the tests."""
    with anvil() as url:
        yield url
