"""The whole set-up, in order, and the stamp that lets a second run end at once."""

from __future__ import annotations

import fcntl
import json
import sys
from pathlib import Path

from . import analysers
from .base import BUILD, ROOT, VENV, SetupError, cache_folder, run, say
from .golang import PROGRAMS as GO_PROGRAMS
from .golang import install as install_go
from .keep import fingerprint, write_whole
from .node import PROGRAMS, environment_node, install_tools, system_node
from .python import install_packages, version_of

STAMP = VENV / "consentry-setup.json"
WORDS = (*GO_PROGRAMS, "analysers")
INPUTS = ("pyproject.toml", "uv.lock", "tools/package.json", "tools/setup/*.py")


def stamp_key() -> str:
    """What the set-up depends on: the files that steer it, and where the checkout lies."""
    files = [path for pattern in INPUTS for path in sorted(ROOT.glob(pattern))]
    return fingerprint(bytes(ROOT), *(path.read_bytes() for path in files))


def already_done() -> bool:
    """Whether the last set-up ended well and nothing that it depends on has changed since."""
    try:
        stamp = json.loads(STAMP.read_bytes())
        programs = [VENV / "bin" / name for name in ("ape", "uv", *PROGRAMS)]
        if stamp["key"] != stamp_key() or not all(program.exists() for program in programs):
            return False
        run([stamp["node"], "--version"])
        run([VENV / "bin/python", "-c", ""])
    except (OSError, ValueError, KeyError, TypeError, SetupError):
        return False
    for line in stamp["found"]:
        say("found", *line)
    return True


def set_up() -> None:
    """Do what is not done yet: environment and packages, Node, npm tools; then leave the stamp."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    node = system_node()
    install_packages(["dev"] if node else ["dev", "node"], cache)
    node = node or environment_node()
    found = [
        ("python", f"{version_of(VENV / 'bin/python')}  {Path('.venv/bin/python')}"),
        ("node", f"{run([node, '--version']).strip().lstrip('v')}  {node}"),
    ]
    for line in found:
        say("found", *line)
    found += install_tools(cache, node)
    stamp = {"key": stamp_key(), "node": node, "found": found}
    write_whole(STAMP, json.dumps(stamp, indent=1).encode())


def main(words: list[str]) -> int:
    """Set up the checkout, or with their names programs in Go and the analysers of the contracts; 0 when
    everything is in place, 1 with the reason otherwise."""
    if unknown := set(words) - set(WORDS):
        known = " | ".join(WORDS)
        print(
            f"no program: {', '.join(unknown)}; usage: python3 -m tools.setup [{known}]...", file=sys.stderr
        )
        return 2
    if not words:
        print("Consentry workshop", flush=True)
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            for word in words:
                if word == "analysers":
                    analysers.install(cache_folder())
                else:
                    install_go(GO_PROGRAMS[word], cache_folder())
            if not words and not already_done():
                set_up()
        except SetupError as error:
            say("missing", "set-up ends", error)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
