"""Running a tool of the assurance run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.setup.__main__ import main as set_up
from tools.setup.base import ROOT, VENV, SetupError

LAST = 25
_RUNNING: set[int] = set()


def need(*tools: str) -> None:
    """Put tools that `tools.setup` knows by these names in place; SetupError where that cannot be."""
    if set_up(list(tools)):
        raise SetupError(f"not in place: {', '.join(tools)}")


def call(
    words: Sequence[str | Path],
    *,
    folder: Path = ROOT,
    seconds: int = 1800,
    env: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run a tool to its end, in a folder, with `env` added and `.venv/bin` before all else on PATH.

    Gives its exit code and what it printed, errors included. After `seconds` it and all that it started are
    killed, and TimeoutExpired is raised.
    """
    path = os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)])
    with subprocess.Popen(
        [str(word) for word in words],
        cwd=folder,
        env={**os.environ, "PATH": path, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        _RUNNING.add(process.pid)
        try:
            printed, _ = process.communicate(timeout=seconds)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            _RUNNING.discard(process.pid)
    return process.returncode, printed


def stop() -> None:
    """Kill every tool that runs, with all that it started: for who waits for threads that wait for tools."""
    for pid in tuple(_RUNNING):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def last_lines(printed: str) -> tuple[str, ...]:
    """The end of what a tool printed: where tools say what went wrong."""
    return tuple(printed.rstrip().splitlines()[-LAST:])
