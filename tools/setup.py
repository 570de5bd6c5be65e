"""Sets up the workshop: `.venv` with the locked packages, Node, and the npm tools.

Run by `make setup` with any Python from 3.9 on; nothing but the standard library is imported.
Downloads are kept outside the checkout, in `${XDG_CACHE_HOME:-~/.cache}/consentry`.
A second run finds its stamp and ends at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
TOOLS = ROOT / "tools"
MODULES = TOOLS / "node_modules"
STAMP = VENV / "consentry-setup.json"
PYTHONS = ((3, 11), (3, 12))
NODE_AT_LEAST = 18
FOUNDRY = ("anvil", "cast", "forge")
INPUTS = ("pyproject.toml", "uv.lock", "tools/package.json", "tools/setup.py")
PROBE = "import ape, ape_foundry, ape_solidity, solcx, web3, cryptography"


class SetupError(Exception):
    """Set-up cannot go on; the message says what is missing and what would help."""


def say(state: str, what: str, detail: object = "") -> None:
    """Print one aligned line: what was found, fetched, made, or is missing."""
    print(f"  {state:<9}{what:<14}{detail}", flush=True)


def run(command: Sequence[str | Path], **env: str) -> str:
    """Run a command to its end and give what it printed; SetupError quotes it when it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=ROOT,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except OSError as error:
        raise SetupError(f"{words[0]} did not start: {error.strerror}") from error
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise SetupError(f"{' '.join(words)} ended with {done.returncode}:\n{tail}")
    return done.stdout


def cache_folder() -> Path:
    """Where downloads are kept between checkouts."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "consentry"


def fingerprint(*parts: bytes) -> str:
    """SHA-256 over parts, each with its length before it, so that no two lists meet."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


# --- Python -----------------------------------------------------------------------------------


def python_version(executable: str | Path) -> tuple[int, int] | None:
    """(major, minor) of a Python that starts and can make environments, else None."""
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    try:
        major, minor = run([executable, "-c", code]).split()
    except (SetupError, ValueError):
        return None
    return int(major), int(minor)


def find_python() -> str:
    """A Python 3.11 or 3.12: the running one, else from PATH, else one that pyenv installed."""
    names = [f"{major}.{minor}" for major, minor in reversed(PYTHONS)]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [getattr(sys, "_base_executable", sys.executable)]  # never the one to be rebuilt
    candidates += [found for name in names if (found := shutil.which(f"python{name}"))]
    candidates += [p for name in names for p in sorted(glob.glob(f"{pyenv}/{name}*/bin/python"))]
    for candidate in candidates:
        if python_version(candidate) in PYTHONS:
            return candidate
    raise SetupError(
        "Python 3.11 or 3.12 with its venv module is needed (Ape's packages end at 3.12); "
        "the package `consentry` alone also runs on 3.13. On Debian: apt install python3-venv"
    )


def locked_version(name: str, lock: str) -> str:
    """The version of a package in the text of uv.lock."""
    found = re.search(rf'^name = "{re.escape(name)}"\nversion = "([^"]+)"', lock, re.MULTILINE)
    if not found:
        raise SetupError(f"uv.lock holds no {name}")
    return found[1]


def make_environment() -> None:
    """Make `.venv` with uv in it, unless both are there and start."""
    with contextlib.suppress(SetupError):
        run([VENV / "bin/python", "-c", ""])
        run([VENV / "bin/uv", "--version"])
        return
    python = find_python()
    say("found", "python", f"{platform_version(python)}  {python}")
    shutil.rmtree(VENV, ignore_errors=True)
    run([python, "-m", "venv", VENV])
    version = locked_version("uv", (ROOT / "uv.lock").read_text(encoding="utf-8"))
    run([VENV / "bin/python", "-m", "pip", "install", "--quiet", f"uv=={version}"])
    say("fetched", "uv", version)


def platform_version(python: str | Path) -> str:
    """The full version that a Python reports."""
    return run([python, "-c", "import platform; print(platform.python_version())"]).strip()


def sync_packages(groups: Sequence[str], cache: Path) -> None:
    """Install exactly what uv.lock names; a cache that stands in the way is set aside."""
    command = [VENV / "bin/uv", "sync", "--locked", "--quiet"]
    command += [word for group in groups for word in ("--group", group)]
    healing(
        cache / "uv",
        lambda folder: run(
            command,
            UV_CACHE_DIR=str(folder),
            UV_PYTHON_DOWNLOADS="never",
            UV_PROJECT_ENVIRONMENT=str(VENV),
            UV_PYTHON=str(VENV / "bin/python"),
        ),
    )


def install_packages(groups: Sequence[str], cache: Path) -> None:
    """Sync the environment and try it; one that does not import is made anew, once."""
    make_environment()
    try:
        sync_packages(groups, cache)
        run([VENV / "bin/python", "-c", PROBE])
    except SetupError as error:
        say("broken", "packages", "making .venv anew")
        first = error
    else:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    make_environment()
    sync_packages(groups, cache)
    try:
        run([VENV / "bin/python", "-c", PROBE])
    except SetupError as error:
        raise error from first


def healing(folder: Path, action: Callable[[Path], object]) -> None:
    """Do action(folder); if it fails, once more with the folder empty.

    What was in the folder comes back when the second try fails too: then the cause lay elsewhere
    (no network, say) and nothing that was kept is lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        action(folder)
    except SetupError:
        aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}-aside-", dir=folder.parent))
        folder.rename(aside / folder.name)
        try:
            folder.mkdir()
            action(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            (aside / folder.name).rename(folder)
            raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def write_path_file() -> None:
    """Tell every Python of `.venv` where the tools are: plain `ape` and `pytest` need no exports.

    py-solc-x finds the compiler by SOLCX_BINARY_PATH, Ape finds anvil by PATH.
    """
    programs, solc = str(VENV / "bin"), str(TOOLS / "solcx")
    line = (
        f"import os; os.environ.setdefault('SOLCX_BINARY_PATH', {solc!r}); "
        f"os.environ['PATH'] = os.pathsep.join(dict.fromkeys("
        f"[{programs!r}, *os.environ.get('PATH', os.defpath).split(os.pathsep)]))\n"
    )
    for site in VENV.glob("lib/python3.*/site-packages"):
        write_whole(site / "consentry_tools.pth", line.encode())


# --- Node and the npm tools -------------------------------------------------------------------


def node_major(node: str | Path) -> int | None:
    """The major version of a Node that starts, else None."""
    try:
        return int(run([node, "--version"]).strip().lstrip("v").split(".")[0])
    except (SetupError, ValueError):
        return None


def system_node() -> str | None:
    """A node of at least version 18 on PATH that has npm beside it, or None."""
    node = shutil.which("node")
    if not node or not shutil.which("npm") or str(VENV) in node:
        return None
    major = node_major(node)
    return node if major and major >= NODE_AT_LEAST else None


def keep(tree: Path, archive: Path) -> None:
    """Pack a folder into an archive with its SHA-256 beside it; neither is ever seen half."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=archive.name, dir=archive.parent)
    os.close(handle)
    try:
        with tarfile.open(name, "w") as tar:
            tar.add(tree, arcname=tree.name)
        digest = file_digest(Path(name))
        os.replace(name, archive)
        write_whole(checksum_of(archive), digest.encode())
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def restore(archive: Path, tree: Path) -> bool:
    """Unpack a kept folder; one that is not whole is thrown away, and the answer is False."""
    try:
        if file_digest(archive) != checksum_of(archive).read_text(encoding="ascii"):
            raise tarfile.TarError("checksum")
        with fresh_folder(tree) as fresh, tarfile.open(archive) as tar:
            safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            tar.extractall(fresh, **safe)
            replace_tree(fresh / tree.name, tree)
    except (OSError, tarfile.TarError, UnicodeDecodeError):
        for path in (archive, checksum_of(archive)):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        return False
    return True


def checksum_of(archive: Path) -> Path:
    """The file that holds an archive's SHA-256."""
    return archive.with_name(archive.name + ".sha256")


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the whole new one."""
    handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.chmod(name, 0o644)
    os.replace(name, path)


@contextlib.contextmanager
def fresh_folder(beside: Path) -> Iterator[Path]:
    """A temporary folder on the same disk as `beside`, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f".{beside.name}-", dir=beside.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replace_tree(new: Path, old: Path) -> None:
    """Put a folder in another's place."""
    shutil.rmtree(old, ignore_errors=True)
    new.rename(old)


def native(tool: str) -> Path | None:
    """The executable of a Foundry tool that npm chose for this platform, if it chose one."""
    return next(MODULES.glob(f"@foundry-rs/{tool}-*/bin/{tool}"), None)


def link_programs() -> None:
    """Put anvil, cast, forge and ganache into `.venv/bin`.

    Foundry's own executables stand there, not npm's wrappers: those end with 0 whatever happened
    and leave anvil running when they are stopped.
    """
    targets = {tool: native(tool) for tool in FOUNDRY} | {"ganache": MODULES / ".bin/ganache"}
    for name, target in targets.items():
        link = VENV / "bin" / name
        link.unlink(missing_ok=True)
        if target:
            link.symlink_to(os.path.relpath(target, link.parent))


def tool_versions() -> dict[str, str]:
    """Ask each tool for its version; SetupError names those that do not answer."""
    package = json.loads((TOOLS / "package.json").read_text(encoding="utf-8"))
    pins = package["dependencies"]
    commands: dict[str, Path | None] = {f"@foundry-rs/{tool}": native(tool) for tool in FOUNDRY}
    commands["ganache"] = MODULES / ".bin/ganache"
    commands["solc"] = TOOLS / "solcx" / f"solc-v{pins['solc']}"
    missing = [
        f"{name} {pin}"
        for name, pin in sorted(pins.items())
        if pin not in (reported(commands[name]) if name in commands else packaged(name))
    ]
    if missing:
        machine = f"{platform.system()} {platform.machine()}"
        raise SetupError(f"missing or not starting on {machine}: {', '.join(missing)}")
    return {short(name): pin for name, pin in sorted(pins.items())}


def reported(command: Path | None) -> str:
    """What a program answers to --version; empty when it does not start."""
    with contextlib.suppress(SetupError):
        return run([command, "--version"], PATH=tool_path()) if command else ""
    return ""


def packaged(name: str) -> str:
    """The version of an installed npm package; empty when it is not there."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return str(json.loads((MODULES / name / "package.json").read_bytes())["version"])
    return ""


def short(name: str) -> str:
    """An npm package's name for people: `@foundry-rs/anvil` is anvil."""
    return name.replace("@foundry-rs/", "").lstrip("@").split("/")[0]


def tool_path() -> str:
    """PATH with the environment's programs before all else."""
    return os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)])


def npm_install(cache: Path) -> None:
    """Fetch the npm tools at the exact versions of tools/package.json."""
    command = ["npm", "install", "--prefix", str(TOOLS), "--no-package-lock", "--ignore-scripts"]
    command += ["--no-audit", "--no-fund", "--loglevel=error"]
    shutil.rmtree(MODULES, ignore_errors=True)
    healing(cache / "npm", lambda folder: run([*command, f"--cache={folder}"], PATH=tool_path()))


def install_tools(cache: Path, node: str | Path) -> str:
    """Put the npm tools in place, from the cache or the registry; say where they came from."""
    pins = (TOOLS / "package.json").read_bytes()
    key = fingerprint(pins, platform.platform().encode(), str(node_major(node)).encode())
    archive = cache / f"node_modules-{key[:24]}.tar"
    for source, place in (
        ("found", lambda: MODULES.is_dir()),
        ("cached", lambda: restore(archive, MODULES)),
    ):
        if place():
            with contextlib.suppress(SetupError):
                tool_versions()
                return source
    npm_install(cache)
    tool_versions()
    with contextlib.suppress(OSError):
        keep(MODULES, archive)
    return "fetched"


# --- The whole --------------------------------------------------------------------------------


def stamp_key() -> str:
    """What the set-up depends on: its inputs and the checkout's folder."""
    return fingerprint(str(ROOT).encode(), *((ROOT / name).read_bytes() for name in INPUTS))


def already_done() -> bool:
    """Whether the last set-up ended well and nothing that it depends on has changed."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        programs = [VENV / "bin" / name for name in ("ape", "uv", *FOUNDRY, "ganache")]
        if stamp["key"] != stamp_key() or not all(program.exists() for program in programs):
            return False
        run([stamp["node"], "--version"])
    except (OSError, ValueError, KeyError, TypeError, SetupError):
        return False
    for line in stamp["found"]:
        say("found", *line)
    return True


def set_up() -> None:
    """Do what is not done yet, in order: environment, packages, Node, npm tools, stamp."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    node: str | Path | None = system_node()
    install_packages(["dev"] if node else ["dev", "node"], cache)
    packages = len(list(VENV.glob("lib/python3.*/site-packages/*.dist-info")))
    found = [("python", f"{platform_version(VENV / 'bin/python')}, {packages} packages in .venv")]
    say("synced", *found[-1])
    write_path_file()
    node = node or VENV / "bin/node"
    if not node_major(node):
        raise SetupError(f"Node {NODE_AT_LEAST} or newer is missing, and none came from PyPI")
    found.append(("node", f"{run([node, '--version']).strip()}  {node}"))
    say("found", *found[-1])
    source = install_tools(cache, node)
    link_programs()
    for line in tool_versions().items():
        say(source, *line)
        found.append(line)
    stamp = {"key": stamp_key(), "node": str(node), "found": found}
    write_whole(STAMP, json.dumps(stamp, indent=1).encode())


def main() -> int:
    """Set up the checkout; 0 when everything is in place, 1 with a reason otherwise."""
    (ROOT / ".build").mkdir(exist_ok=True)
    with (ROOT / ".build/setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        print("Consentry workshop", flush=True)
        try:
            if not already_done():
                set_up()
        except SetupError as error:
            say("missing", "set-up", error)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
