"""A node of one's own ends with whoever started it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import _anvil

ROOT = Path(__file__).parents[2]
_STARTS = """
import sys
from bench._anvil import anvil
with anvil() as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def test_a_node_ends_with_the_process_that_started_it_though_that_was_killed() -> None:
    command = [sys.executable, "-c", _STARTS]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout
        url = starter.stdout.readline().strip()
        assert _anvil._answers(url)
        starter.kill()
    until = time.monotonic() + 30
    while _anvil._answers(url):
        assert time.monotonic() < until, "the node is still there"
        time.sleep(0.05)


def test_a_node_that_does_not_start_is_told_with_its_own_words() -> None:
    with pytest.raises(_anvil.AnvilFailed, match="no-such-option"), _anvil.anvil("--no-such-option"):
        pass
