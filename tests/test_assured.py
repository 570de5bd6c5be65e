"""Every test that docs/assurance.md names was collected, and passed, in this checkout as it stands.

The last of all tests, by name and in `make test`: what it reads is what the runs before it wrote down. After
a change to any source it fails until `make test` has run again.
"""

from __future__ import annotations

import pytest

from tests.attacks.assurance import rows
from tests.support import passed

NAMED = sorted({test for row in rows() for test in row.tests})


@pytest.fixture(scope="module")
def those_that_passed() -> set[tuple[str, str]]:
    return passed.passed(passed.current())


@pytest.mark.parametrize("test", NAMED, ids=lambda test: test[1])
def test_what_is_named_as_evidence_has_passed(
    test: tuple[str, str], those_that_passed: set[tuple[str, str]]
) -> None:
    assert test in those_that_passed, "not collected, or not passed, with these sources: run make test"
