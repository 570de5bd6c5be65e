"""Node, and the npm tools at the exact versions of tools/package.json."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
from pathlib import Path

from .base import TOOLS, VENV, SetupError, run, say
from .keep import fingerprint, fresh_folder, healing, keep, replace_folder, restore

MODULES = TOOLS / "node_modules"
PACKAGES = TOOLS / "package.json"
OLDEST = 18
FOUNDRY = ("anvil", "cast", "forge")
PROGRAMS = (*FOUNDRY, "ganache")


def major_of(node: str | Path) -> int:
    """The major version of a Node; 0 when it does not start."""
    with contextlib.suppress(SetupError, ValueError):
        return int(run([node, "--version"]).strip().lstrip("v").split(".")[0])
    return 0


def system_node() -> str | None:
    """A Node that is new enough and has npm with it, on PATH and not from `.venv`; or None."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if Path(folder) != VENV / "bin")
    node = shutil.which("node", path=path)
    fits = node and shutil.which("npm", path=path) and major_of(node) >= OLDEST
    return node if fits else None


def environment_node() -> str:
    """The Node that uv.lock's group `node` puts into `.venv`; SetupError when it did not."""
    if not major_of(VENV / "bin/node"):
        raise SetupError(f"Node {OLDEST} or newer is not installed, and PyPI's does not start here")
    return str(VENV / "bin/node")


def install_tools(cache: Path, node: str) -> list[tuple[str, str]]:
    """Put the npm tools in place: what is there, else from the cache, else from the registry.

    Gives (name, version) of each. Raises SetupError naming those that do not start.
    """
    machine = f"{platform.system()} {platform.machine()} {platform.libc_ver()[0]}".strip()
    key = fingerprint(PACKAGES.read_bytes(), machine.encode(), b"%d" % major_of(node))
    archive = cache / f"node_modules-{key[:24]}.tar"
    if not missing():
        source = "found"
    elif restore(archive, MODULES) and not missing():
        source = "cached"
    else:
        source = "fetched"
        fetch(cache)
        if lacking := missing():
            raise SetupError(f"not installed or not starting on {machine}: {', '.join(lacking)}")
        with contextlib.suppress(OSError):  # a full disk costs the next checkout a download
            keep(MODULES, archive)
    link_programs()
    tools = [(short(name), pin) for name, pin in sorted(pins().items())]
    for tool in tools:
        say(source, *tool)
    return tools


def pins() -> dict[str, str]:
    """The npm packages and their exact versions."""
    found: dict[str, str] = json.loads(PACKAGES.read_bytes())["dependencies"]
    return found


def missing() -> list[str]:
    """The npm packages that are not there, or do not answer, at the pinned version."""
    commands: dict[str, Path | None] = {f"@foundry-rs/{tool}": native(tool) for tool in FOUNDRY}
    commands["ganache"] = MODULES / ".bin/ganache"
    commands["solc"] = TOOLS / "solcx" / f"solc-v{pins()['solc']}"
    return [
        f"{name} {pin}"
        for name, pin in sorted(pins().items())
        if pin not in (reported(commands[name]) if name in commands else packaged(name))
    ]


def reported(program: Path | None) -> str:
    """What a program answers to --version; empty when it does not start."""
    with contextlib.suppress(SetupError):
        return run([program, "--version"]) if program else ""
    return ""


def packaged(name: str) -> str:
    """The version of an installed npm package; empty when it is not there."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return str(json.loads((MODULES / name / "package.json").read_bytes())["version"])
    return ""


def short(name: str) -> str:
    """An npm package's name for people: `@foundry-rs/anvil` is anvil, `@openzeppelin/contracts` its scope."""
    scope, _, rest = name.lstrip("@").partition("/")
    return rest if scope in ("foundry-rs", "ethereum-attestation-service") else scope


def fetch(cache: Path) -> None:
    """Install the npm packages from the registry; no half-made folder takes the old one's place."""
    with fresh_folder(beside=MODULES) as folder:
        shutil.copy(PACKAGES, folder)
        command = ["npm", "install", "--prefix", str(folder), "--no-package-lock", "--ignore-scripts"]
        command += ["--no-audit", "--no-fund", "--loglevel=error", f"--cache={cache / 'npm'}"]
        healing(cache / "npm", cache / "attic", lambda: run(command))
        replace_folder(folder / "node_modules", MODULES)


def native(tool: str) -> Path | None:
    """The executable of a Foundry tool that npm chose for this platform, if it chose one."""
    return next(MODULES.glob(f"@foundry-rs/{tool}-*/bin/{tool}"), None)


def link_programs() -> None:
    """Put anvil, cast, forge and ganache into `.venv/bin`.

    Foundry's own executables stand there, not npm's wrappers: those end with 0 whatever happened
    and leave anvil running when they are stopped.
    """
    for name in PROGRAMS:
        link = VENV / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(native(name) or MODULES / ".bin" / name, link.parent))
