"""The wheel in a clean environment without Ape: its command starts at once and opens what it may."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from web3 import HTTPProvider, Web3

from consentry.chain import Deployments, LocalSigner
from consentry.client import Person
from consentry.keys.keyring import Keyring
from tests.support.world import World, fund, make_world, record
from tools.setup.base import cache_folder

ROOT = Path(__file__).parents[2]
PASSPHRASE = "the passphrase of nobody"
BODY = b'{"resourceType":"Bundle","type":"collection","note":"Synthetic"}'


def uv(*arguments: str | Path, **environment: str) -> None:
    """Runs the environment's uv with set-up's cache, so that nothing is fetched twice."""
    known = {"UV_CACHE_DIR": str(cache_folder() / "uv"), "UV_PYTHON_DOWNLOADS": "never"}
    command = [str(word) for word in (ROOT / ".venv/bin/uv", *arguments)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **known, **environment}, check=True, timeout=300)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--quiet", "--wheel", "--out-dir", folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The programs of a new environment that holds the wheel, and what uv.lock names for it."""
    return environment(tmp_path_factory.mktemp("bare"), wheel)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The same with what a keyholder on the same machine needs."""
    return environment(tmp_path_factory.mktemp("whole"), wheel, "--extra", "keyholder")


def environment(folder: Path, wheel: Path, *extras: str) -> Path:
    """Makes an environment in ``folder``; gives where its programs are."""
    python = ("--python", ROOT / ".venv/bin/python")
    only = ("--locked", "--no-default-groups", "--no-install-project", *extras)
    uv("sync", "--quiet", *only, *python, UV_PROJECT_ENVIRONMENT=str(folder))
    uv("pip", "install", "--quiet", "--no-deps", "--python", folder / "bin/python", wheel)
    return folder / "bin"


@dataclass
class Running:
    """A chain with a patient and a clinician whose keyrings hold signing keys, as a home folder."""

    url: str
    world: World
    patient: Person
    clinician: Person

    def consentry(self, programs: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Runs the installed command, far from the checkout."""
        home, variables = self.world.home, {"CONSENTRY_PASSPHRASE": PASSPHRASE, "COLUMNS": "100"}
        command = [str(programs / "consentry"), "open", "--rpc", self.url, *arguments]
        known = {"CONSENTRY_HOME": str(home), "PATH": os.defpath, "HOME": str(home), **variables}
        return subprocess.run(command, cwd=home, env=known, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, anvil_url: str) -> Running:
    home, web3 = tmp_path_factory.mktemp("world"), Web3(HTTPProvider(anvil_url))
    world = make_world(home, web3)
    world.group.roster.save(home / "keyholders.json")
    Deployments(home / "deployments.json").add(world.chain.deployed)
    patient, clinician = (with_own_key(world, name) for name in ("patient", "clinician"))
    world.onboard("clinician")
    world.desk("patient").enrol(["general", "hiv"])
    world.desk("patient").deposit(world.patient, [record("general", BODY), record("hiv")])
    world.grant("clinician", "general")
    return Running(anvil_url, world, patient, clinician)


def with_own_key(world: World, name: str) -> Person:
    """A person whose keyring, sealed in the home folder, signs for itself."""
    keyring = Keyring(signing_key=secrets.token_bytes(32))
    assert keyring.signing_key is not None
    signer = LocalSigner(keyring.signing_key)
    fund(world.web3, signer.address)
    keyring.save(world.home / "keyrings" / f"{signer.address}.json", PASSPHRASE)
    world.people[name] = Person(signer, keyring, world.home, world.chain.deployment.id)
    return world.people[name]


def test_the_command_helps_within_a_moment_and_without_ape(bare: Path) -> None:
    python = [bare / "python", "-c", "import importlib.util; print(importlib.util.find_spec('ape'))"]
    assert subprocess.run(python, capture_output=True, text=True, check=True).stdout.strip() == "None"
    took = []
    for _ in range(5):
        start = time.perf_counter()
        helped = subprocess.run([bare / "consentry", "--help"], capture_output=True, check=True)
        took.append(time.perf_counter() - start)
    assert b"CONSENTRY_HOME" in helped.stdout
    print(f"consentry --help: {min(took):.2f} s")


def test_without_a_keyholders_packages_it_says_what_to_install(bare: Path, running: Running) -> None:
    me = running.patient.address
    said = running.consentry(bare, "--as", me)
    assert said.returncode == 2
    assert b"pip install 'consentry[keyholder]'" in said.stderr
    assert b"Traceback" not in said.stderr


def test_the_patient_opens_her_own_record_alone(installed: Path, running: Running) -> None:
    me = running.patient.address
    listed = running.consentry(installed, "--as", me)
    assert b"general" in listed.stdout, listed.stderr
    opened = running.consentry(installed, "--as", me, "--kind", "general", "-o", "-")
    assert opened.returncode == 0, opened.stderr
    assert opened.stdout == BODY
    assert b"without an entry" in opened.stderr
    assert not running.world.chain.entries(actor=me)


def test_the_clinician_opens_what_was_granted_by_an_entry_and_nothing_else(
    installed: Path, running: Running
) -> None:
    me, patient = running.clinician.address, running.patient.address
    of_hers = ("--as", me, "--patient", patient)
    opened = running.consentry(installed, *of_hers, "--kind", "general", "-o", "opened.json")
    assert opened.returncode == 0, opened.stderr
    assert (running.world.home / "opened.json").read_bytes() == BODY
    assert len(running.world.chain.entries(actor=me)) == 1
    refused = running.consentry(installed, *of_hers, "--kind", "hiv", "-o", "more.json")
    assert refused.returncode == 4
    assert refused.stderr.startswith(b"NoGrant: ")


def test_it_says_so_when_no_node_answers(installed: Path, running: Running) -> None:
    silent = running.consentry(installed, "--as", running.patient.address, "--rpc", "http://127.0.0.1:1")
    assert silent.returncode == 6
    assert silent.stderr.startswith(b"Unreachable: ")
