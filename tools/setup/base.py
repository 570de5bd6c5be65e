"""The checkout's folders, one line of output, and running a program to its end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"
TOOLS = ROOT / "tools"
VENV = ROOT / ".venv"


class SetupError(Exception):
    """Set-up cannot go on; the message says what is missing and what would help."""


def say(state: str, what: str, detail: object = "") -> None:
    """Print one aligned line: what was found, fetched, taken from the cache, or is missing."""
    print(f"  {state:<9}{what:<13} {detail}", flush=True)


def cache_folder() -> Path:
    """Where downloads are kept between checkouts."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "consentry"


def run(command: Sequence[str | Path], **env: str) -> str:
    """Run a program to its end.

    Takes its words, and variables to add to the environment; PATH always begins with `.venv/bin`.
    Gives what it printed, errors included. Raises SetupError with the last of that when the
    program does not start or does not end with 0.
    """
    words = [str(word) for word in command]
    path = os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)])
    try:
        done = subprocess.run(
            words,
            cwd=ROOT,
            env={**os.environ, "PATH": path, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except OSError as error:
        raise SetupError(f"{words[0]} did not start: {error.strerror}") from error
    if done.returncode:
        last = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise SetupError(f"`{' '.join(words)}` ended with {done.returncode}:\n{last}")
    return done.stdout
