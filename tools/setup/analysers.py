"""Slither, Halmos and Medusa's compiler, in an environment of their own: they bring another web3."""

from __future__ import annotations

import contextlib
import fcntl
import platform
import shutil
from pathlib import Path

from .base import TOOLS, VENV, SetupError, run, say
from .keep import fingerprint
from .python import incomplete, uv, version_of

PROJECT = TOOLS / "analysers"
PROGRAMS = {
    "slither": "slither-analyzer",
    "crytic-compile": "crytic-compile",
    "halmos": "halmos",
}


def install(cache: Path) -> None:
    """Put slither, crytic-compile and halmos where programs of `.venv` find them: from the cache, or as
    tools/analysers/uv.lock says. Raises SetupError when they cannot be had."""
    cache.mkdir(parents=True, exist_ok=True)
    machine = f"{platform.system()} {platform.machine()} {version_of(VENV / 'bin/python')}".encode()
    files = [(PROJECT / name).read_bytes() for name in ("pyproject.toml", "uv.lock")]
    environment = cache / f"analysers-{fingerprint(machine, *files)[:24]}"
    with (cache / "analysers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second set-up waits, and finds it
        state = "cached" if starts(environment) else "fetched"
        if state == "fetched":
            shutil.rmtree(environment, ignore_errors=True)
            uv(["sync", "--locked", "--quiet", "--project", str(PROJECT)], cache, environment)
            if not starts(environment):
                shutil.rmtree(environment, ignore_errors=True)
                raise SetupError("slither, crytic-compile or halmos is not whole after its installation")
    for name, package in PROGRAMS.items():
        link = VENV / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(environment / "bin" / name)
        say(state, name, installed_version(package))


def starts(environment: Path) -> bool:
    """Whether every file of an environment is there, and what it is for starts."""
    with contextlib.suppress(SetupError, OSError):
        for name in PROGRAMS:
            run([environment / "bin" / name, "--version"])
        return not incomplete(environment)
    return False


def installed_version(package: str) -> str:
    """The version of a package in the environment that is linked; SetupError where none is."""
    python = (VENV / "bin/slither").resolve().parent / "python"
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return run([python, "-c", code]).strip()
