"""A copy of contracts and tests in which a tool may compile, write, and find a contract broken."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.setup.base import BUILD, ROOT, TOOLS


@contextlib.contextmanager
def copied(*tests: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Give a fresh folder with the contracts and these folders of tests/, of which forge compiles the first,
    and the variables that say so. The folder is gone afterwards."""
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="assure-", dir=BUILD) as name:
        folder = Path(name)
        shutil.copytree(ROOT / "contracts", folder / "contracts", ignore=shutil.ignore_patterns(".cache"))
        for test in tests:
            shutil.copytree(ROOT / "tests" / test, folder / "tests" / test)
        shutil.copy(ROOT / "foundry.toml", folder)
        (folder / "tools").symlink_to(TOOLS)
        settings = {
            "FOUNDRY_TEST": f"tests/{tests[0]}",
            "FOUNDRY_OUT": "out",
            "FOUNDRY_CACHE_PATH": "cache",
        }
        yield folder, settings
