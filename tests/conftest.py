"""What every test stands on: Ape's data lies in a folder of its own, and CI skips nothing."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Generator

import pytest

from tests.support import passed

# Set while pytest starts, before a test imports Ape or starts it: no keyfile of the user's is seen.
ape_data = tempfile.mkdtemp(prefix="consentry-ape-")
atexit.register(shutil.rmtree, ape_data, ignore_errors=True)
os.environ["APE_DATA_FOLDER"] = ape_data


def pytest_configure(config: pytest.Config) -> None:
    """What passes is written down, for the page that names tests as evidence."""
    passed.record(config)


def failed_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure where CI is set: what cannot run there is not proven there."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and CI allows no skip: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """See failed_in_ci, for a test."""
    report = yield
    failed_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """See failed_in_ci, for a module that skips itself as a whole."""
    report = yield
    failed_in_ci(report)
    return report
