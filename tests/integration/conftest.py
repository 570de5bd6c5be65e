"""A node of our own for what runs against a chain from outside this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench._anvil import anvil


@pytest.fixture(scope="session")
def anvil_url() -> Iterator[str]:
    """The URL of an Anvil on a free port, which ends with the tests."""
    with anvil() as url:
        yield url
