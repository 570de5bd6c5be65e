"""The story runs from beginning to end, on the generated record and on others, on a folder and on Kubo."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from rich.console import Console

from consentry.cli.demo.stage import StoryBroken, Teller
from consentry.cli.kubo import running_kubo
from consentry.cli.services import is_ready
from consentry.errors import (
    CardInvalid,
    NoGrant,
    NotAllowed,
)
from consentry.fhir import synthetic_bundle
from tests.support.bundles import PLAIN
from tests.support.kubo import client_of

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("CONSENTRY_SHARED", ROOT.parent / "shared")) / "data" / "fhir"
SCENES = 16


def play(tmp_path: Path, *arguments: str, **environment: str) -> tuple[str, str]:
    """Plays the demo in a process of its own: what it said, and the page that it left. No Kubo of this
    machine is seen."""
    (tmp_path / "api").write_text("/ip4/127.0.0.1/tcp/9")
    page = tmp_path / "demo.html"
    done = subprocess.run(
        [str(ROOT / ".venv/bin/ape"), "run", "demo", "--report", str(page), *arguments],
        cwd=ROOT,
        env={**os.environ, "APE_DATA_FOLDER": str(tmp_path / "ape"), "COLUMNS": "200"}
        | {"IPFS_PATH": str(tmp_path)}
        | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout, page.read_text("utf-8")


def whole(said: str, page: str) -> None:
    """Every scene was told, and the page has the three entries of the story."""
    assert re.findall(r"^ ?(\d+)\. ", said, re.M) == [str(n) for n in range(1, SCENES + 1)]
    assert len(re.findall(r"data-access-id=\"0x[0-9a-f]{64}\"", page)) == 3
    assert "no findings" in page.lower()


def test_the_story_of_the_generated_record(tmp_path: Path) -> None:
    said, page = play(tmp_path, CONSENTRY_STORE="folder")
    whole(said, page)
    assert said.startswith("Store: FolderStore, embedded, as CONSENTRY_STORE says\n")
    for word in (
        "NoGrant",
        "ContractRefused",
        "KeyholderRefused",
        "CardInvalid",
        "NotAllowed",
        "BlobAltered",
    ):
        assert word in said
    assert "journal of keyholder 2" in said


def test_a_record_without_anything_sensitive_gets_the_generated_one_beside_it(tmp_path: Path) -> None:
    bundle = tmp_path / "plain.json"
    bundle.write_text(json.dumps(PLAIN))
    said, page = play(tmp_path, "--bundle", str(bundle))
    whole(said, page)
    assert said.startswith("Store: Kubo ")
    assert said.splitlines()[0].endswith(", the ipfs on PATH, started offline")
    assert "It holds nothing sensitive" in said


def test_the_story_of_a_record_from_elsewhere(tmp_path: Path) -> None:
    """Trenton Turner's of the shared data where there is one, else another generated patient's; in somebody's
    Kubo, which has taken the blobs and has none of them pinned afterwards."""
    bundle = SHARED / "Trenton_Turner.json"
    if not bundle.exists():
        bundle = tmp_path / "another.json"
        bundle.write_bytes(synthetic_bundle(seed=7))
    with running_kubo() as address:
        before, pinned = blocks(address), pins(address)
        said, page = play(tmp_path, "--bundle", str(bundle), CONSENTRY_STORE="kubo", CONSENTRY_KUBO=address)
        assert blocks(address) > before
        assert pins(address) == pinned
    whole(said, page)
    assert said.startswith("Store: Kubo ")
    assert said.splitlines()[0].endswith(f", which answers at {address}")
    assert "substance-use is refused to the same clinician" in said


def test_the_story_over_services_that_it_starts_for_itself_and_stops(tmp_path: Path) -> None:
    said, page = play(tmp_path, CONSENTRY_STORE="folder", CONSENTRY_KEYHOLDERS="services")
    whole(said, page)
    assert "an Anvil of its own" in said.splitlines()[0]
    assert "Keyholders: 3 of 5, each a process of its own" in said
    assert len(urls(said)) == 5
    assert not any(map(is_ready, urls(said)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_services_do_not_outlive_a_story_that_is_cut_off(
    number: signal.Signals, anvil_url: str, tmp_path: Path
) -> None:
    command = [str(ROOT / ".venv/bin/ape"), "run", "demo", "--network", anvil_url]
    env = {"APE_DATA_FOLDER": str(tmp_path / "ape"), "CONSENTRY_STORE": "folder", "COLUMNS": "200"}
    env |= {"CONSENTRY_KEYHOLDERS": "services", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as story:
        assert story.stdout
        said = ""
        for line in story.stdout:
            said += line
            if "Everybody enrols" in line:
                break
        assert all(map(is_ready, urls(said))), said
        story.send_signal(number)
        assert story.wait(60) == (130 if number == signal.SIGINT else -signal.SIGKILL)
    until = time.monotonic() + 60
    while any(map(is_ready, urls(said))):
        assert time.monotonic() < until, "services are left"
        time.sleep(0.2)


def urls(said: str) -> list[str]:
    """Where the services are that a story started, as it says."""
    ports = next(line for line in said.splitlines() if line.startswith("Keyholders: ")).partition("ports ")[2]
    return [f"http://127.0.0.1:{port}" for port in ports.split(", ") if port]


@pytest.mark.parametrize(
    ("chosen", "network", "why"),
    [
        ("six", "ethereum:local:test", "there are local, services, or the file keyholders.json"),
        (str(ROOT / "README.md"), "ethereum:local:test", "deployments.json"),
    ],
)
def test_keyholders_that_do_not_exist_end_the_demo_with_a_name(
    chosen: str, network: str, why: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [str(ROOT / ".venv/bin/ape"), "run", "demo", "--network", network],
        cwd=ROOT,
        env={**os.environ, "APE_DATA_FOLDER": str(tmp_path / "ape"), "CONSENTRY_KEYHOLDERS": chosen},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode in (2, 3)
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def blocks(address: str) -> int:
    """How many blocks a daemon holds, pinned or not."""
    return int(client_of(address).repo.stat()["NumObjects"])


def pins(address: str) -> set[str]:
    """What a daemon has pinned."""
    return set(client_of(address).pin.ls(type="recursive")["Keys"])


def test_a_store_that_does_not_exist_ends_the_demo_with_a_name(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(ROOT / ".venv/bin/ape"), "run", "demo"],
        cwd=ROOT,
        env={**os.environ, "APE_DATA_FOLDER": str(tmp_path / "ape"), "CONSENTRY_STORE": "s3"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2
    assert "CONSENTRY_STORE=s3 is no store; there are folder and kubo" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_refusal_that_does_not_come_breaks_the_story() -> None:
    teller = Teller(Console(quiet=True))
    with pytest.raises(StoryBroken, match="was not refused"), teller.expect(NoGrant, "clinician"):
        pass


def test_a_refusal_for_another_reason_breaks_the_story() -> None:
    teller = Teller(Console(quiet=True))
    with pytest.raises(NotAllowed), teller.expect(CardInvalid, "clinician"):
        raise NotAllowed("the grant has expired")
    with pytest.raises(StoryBroken, match="not as Revoked"), teller.expect(NoGrant, "she", "Revoked"):
        raise NoGrant("no grant")
