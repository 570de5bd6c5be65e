"""What the documents tell people to type is typed here, and does what they say."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(
    r"(?P<marker><!-- not run[^\n]*-->\n)?^```(?:sh|bash|console)\n(?P<body>.*?)^```$", re.M | re.S
)
_GAS = {
    "put a grant in force": ("grant", 1),
    "the same, delivered by somebody else": ("grantBySig", 1),
    "100 grants at once, each": ("grantMany, 100", 100),
    "end a grant": ("revoke", 1),
    "end all grants, after the first time": ("revokeAll", 1),
    "an access (an entry)": ("request, own", 1),
    "an actor's first access": ("request, own, first", 1),
    "an access for an organisation": ("request, organisation", 1),
    "100 records in one access, each": ("request, own, 100 records", 100),
    "an access that also delivers the grant": ("requestWithSignature, own", 1),
    "anchor a record": ("anchor", 1),
    "100 records of one deposit, anchored as one batch, each": (
        "anchorBatch, 100 records, first of a page",
        100,
    ),
    "a credential": ("credential, practitioner", 1),
}


def blocks(document: Path) -> tuple[list[str], int]:
    """The shell blocks of a document that can run, and how many are marked as not run."""
    found = list(_BLOCK.finditer(document.read_text("utf-8")))
    runnable = [match["body"] for match in found if not match["marker"]]
    return runnable, len(found) - len(runnable)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_free_ports(script: str) -> str:
    """A script with the node's and the keyholders' ports replaced by free ones; metrics are 1,000 above."""
    for port in (8545, 8701, 8702, 8703, 8704):
        free = free_port()
        for old, new in ((port, free), (port + 1000, free + 1000)):  # and no digits of an address
            script = re.sub(rf"(?<![0-9A-Za-z]){old}\b", str(new), script)
    return script


def checkout(place: Path) -> Path:
    """The files of this checkout in a fresh folder, with the environment and tools that set-up made."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    (place / ".venv").symlink_to(ROOT / ".venv")
    (place / "tools" / "node_modules").symlink_to(ROOT / "tools" / "node_modules")
    return place


def run(script: str, folder: Path, data: Path) -> subprocess.CompletedProcess[str]:
    """Runs a shell script as a person would; all that it started ends with it."""
    environment = {**os.environ, "APE_DATA_FOLDER": str(data), "COLUMNS": "100"}
    # Into a file: a pipe would stay open for as long as anything that the script left behind runs.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(600)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        output.seek(0)
        return subprocess.CompletedProcess([], process.returncode, output.read(), "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_shell_block_of_the_documents_runs(document: Path, tmp_path: Path) -> None:
    runnable, marked = blocks(document)
    print(f"{document.name}: {len(runnable)} shell blocks run, {marked} marked as not run")
    if not runnable:
        return
    folder = checkout(tmp_path / "checkout")
    done = run(on_free_ports("\n".join(runnable)), folder, tmp_path / "ape")
    assert done.returncode == 0, done.stdout[-4000:]
    if document.name == "README.md":
        sees_what_the_readme_says(folder)


def sees_what_the_readme_says(folder: Path) -> None:
    """Not only that nothing failed: the clinician's file is the general record, the patient's another."""
    general, mine = ((folder / name).read_bytes() for name in ("general.json", "mine.json"))
    assert json.loads(general)["resourceType"] == json.loads(mine)["resourceType"] == "Bundle"
    assert b"overdose" in mine.lower()
    assert b"overdose" not in general.lower()
    assert "data-access-id" in (folder / "report.html").read_text("utf-8")


def test_the_gas_that_the_readme_tells_is_the_gas_that_was_measured() -> None:
    gas = json.loads((ROOT / "tests" / "vectors" / "gas.json").read_text("utf-8"))
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([\d,]+) \|$", (ROOT / "README.md").read_text("utf-8"), re.M))
    told = {name: int(value.replace(",", "")) for name, value in rows.items()}
    assert told == {name: gas[key] // each for name, (key, each) in _GAS.items()}


def test_a_block_that_cannot_run_carries_its_reason() -> None:
    for document in DOCUMENTS:
        for match in _BLOCK.finditer(document.read_text("utf-8")):
            if match["marker"]:
                assert re.fullmatch(r"<!-- not run[^:]*: .+ -->\n", match["marker"]), document.name
