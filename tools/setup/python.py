"""The interpreter, `.venv`, and the packages that uv.lock names."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from .base import BUILD, ROOT, TOOLS, VENV, SetupError, run, say
from .keep import healing, write_whole

FITTING = ("3.12", "3.11")  # Ape's packages need numpy below 2
PROBE = "import ape, ape_foundry, ape_solidity, cryptography, solcx, web3"


def fits(executable: str | Path) -> bool:
    """Whether this is a Python 3.11 or 3.12 that can make environments."""
    with contextlib.suppress(SetupError):
        code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
        return run([executable, "-c", code]).strip() in FITTING
    return False


def find_python() -> str:
    """Give a fitting Python: the running one, else one on PATH, else one that pyenv installed."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [
        getattr(sys, "_base_executable", sys.executable),  # not that of .venv, which may go
        *(shutil.which(f"python{version}") for version in FITTING),
        *(path for version in FITTING for path in sorted(pyenv.glob(f"{version}.*/bin/python"))),
    ]
    for candidate in candidates:
        if candidate and fits(candidate):
            return str(candidate)
    raise SetupError(
        "Python 3.11 or 3.12 with its venv module is needed here (the installed package also "
        "runs on 3.13). Debian, Ubuntu: apt install python3-venv"
    )


def version_of(python: str | Path) -> str:
    """The full version that a Python reports."""
    return run([python, "-c", "import platform; print(platform.python_version())"]).strip()


def locked_version(package: str) -> str:
    """The version of a package in uv.lock."""
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    found = re.search(rf'^name = "{re.escape(package)}"\nversion = "([^"]+)"', lock, re.MULTILINE)
    if not found:
        raise SetupError(f"uv.lock holds no {package}")
    return found[1]


def make_environment() -> None:
    """Make `.venv` with the locked uv in it, unless both are there and start."""
    with contextlib.suppress(SetupError):
        run([VENV / "bin/python", "-c", ""])
        run([VENV / "bin/uv", "--version"])
        return
    python = find_python()
    say("found", "python", f"{version_of(python)}  {python}")
    shutil.rmtree(VENV, ignore_errors=True)
    run([python, "-m", "venv", VENV])
    version = locked_version("uv")
    run([VENV / "bin/python", "-m", "pip", "install", "--quiet", f"uv=={version}"])
    say("fetched", "uv", version)


def install_packages(groups: Sequence[str], cache: Path) -> None:
    """Bring `.venv` to exactly what uv.lock names, and see that all of it is there and starts.

    Where that fails, once more with a new environment, then also with an empty cache.
    """

    def install() -> None:
        make_environment()
        check_lock(cache)
        sync(groups, cache)
        if lacking := incomplete(VENV):
            raise SetupError(f"not whole in .venv: {', '.join(lacking)}")
        run([VENV / "bin/python", "-c", PROBE])

    healing(cache / "uv", cache / "attic", lambda: healing(VENV, BUILD / "attic", install))
    write_path_file()
    count = len(list(VENV.glob("lib/python3.*/site-packages/*.dist-info")))
    say("synced", "packages", f"{count} of uv.lock in .venv")


def incomplete(environment: Path) -> list[str]:
    """The installed packages that lack a file, or have one cut, by their own RECORD (PEP 376).

    A cut cache installs without complaint, and an emptied package still imports.
    """
    return [
        record.parent.name.split("-")[0]
        for record in sorted(environment.glob("lib/python3.*/site-packages/*.dist-info/RECORD"))
        if not is_whole(record)
    ]


def is_whole(record: Path) -> bool:
    """Whether every file that a RECORD names with its size has that size; those of `docs/`, which run
    nowhere, are left out: several packages write there."""
    site = record.parent.parent
    with record.open(newline="", encoding="utf-8") as lines:
        try:
            return all(
                (site / path).stat().st_size == int(size)
                for path, _, size in csv.reader(lines)
                if size and not path.startswith("docs/")
            )
        except FileNotFoundError:
            return False


def uv(command: Sequence[str], cache: Path, environment: Path = VENV) -> str:
    """Run uv on this checkout and an environment; it never brings a Python of its own."""
    return run(
        [VENV / "bin/uv", *command],
        UV_CACHE_DIR=str(cache / "uv"),
        UV_PROJECT_ENVIRONMENT=str(environment),
        UV_PYTHON=str(VENV / "bin/python"),
        UV_PYTHON_DOWNLOADS="never",
    )


def check_lock(cache: Path) -> None:
    """See that uv.lock fits pyproject.toml: no repair of folders would help if it did not."""
    try:
        uv(["lock", "--check", "--quiet"], cache)
    except SetupError as error:
        if "needs to be updated" in str(error):
            say("missing", "uv.lock", "is behind pyproject.toml: run `.venv/bin/uv lock`")
            raise SystemExit(1) from error


def sync(groups: Sequence[str], cache: Path) -> None:
    """Install what uv.lock names for these dependency groups, and remove what it does not."""
    chosen = [word for group in groups for word in ("--group", group)]
    uv(["sync", "--locked", "--quiet", *chosen], cache)


def write_path_file() -> None:
    """Tell every Python of `.venv` where the tools are: plain `ape` and `pytest` need no exports.

    py-solc-x finds the compiler by SOLCX_BINARY_PATH, Ape finds anvil by PATH.
    """
    programs, solc = str(VENV / "bin"), str(TOOLS / "solcx")
    line = (
        f"import os; os.environ.setdefault('SOLCX_BINARY_PATH', {solc!r}); "
        "os.environ['PATH'] = os.pathsep.join(dict.fromkeys("
        f"[{programs!r}, *os.environ.get('PATH', os.defpath).split(os.pathsep)]))\n"
    )
    for site in VENV.glob("lib/python3.*/site-packages"):
        write_whole(site / "consentry_tools.pth", line.encode())
