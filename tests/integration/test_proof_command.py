"""A stranger who is handed a proof is told what it proves, by public things alone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from web3 import HTTPProvider, Web3

from consentry.chain import Deployments
from consentry.keys.hpke import new_seed
from tests.attacks.test_cheats import lying, opened
from tests.attacks.test_proofs import forged_share
from tests.support.services import COMMAND
from tests.support.world import World, make_world, populated


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, anvil_url: str) -> World:
    world = populated(make_world(tmp_path_factory.mktemp("proofs"), Web3(HTTPProvider(anvil_url))))
    world.grant("clinician", "general")
    return world


@pytest.fixture(scope="module")
def proof(world: World) -> Path:
    """What the clinician keeps of a reading in which keyholder 1 cheated."""
    [listing] = world.desk("clinician").list(world.patient)
    with lying(world, 1, forged_share):
        [path] = opened(world, listing.record_id).proofs
    return path


@pytest.fixture
def stranger(world: World, tmp_path: Path) -> Path:
    """A home with nothing in it but who the keyholders are and where the contracts stand."""
    Deployments(tmp_path / "deployments.json").add(world.chain.deployed)
    world.group.roster.save(tmp_path / "keyholders.json")
    return tmp_path


def judged(home: Path, file: Path, node: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [COMMAND, "proof", file],
        env={**os.environ, "CONSENTRY_HOME": str(home), "CONSENTRY_RPC": node},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_stranger_is_told_who_cheated(stranger: Path, proof: Path, anvil_url: str) -> None:
    said = "keyholder 1 (keyholder 1) cheated: the share of keyholder 1 is not the one it was dealt\n"
    assert judged(stranger, proof, anvil_url) == (0, said, "")
    assert sorted(path.name for path in stranger.iterdir()) == ["deployments.json", "keyholders.json"]


@pytest.mark.parametrize("field", ["seed", "deployment"])
def test_a_proof_that_was_altered_proves_nothing(
    stranger: Path, proof: Path, anvil_url: str, field: str
) -> None:
    altered = stranger / "altered.json"
    altered.write_text(json.dumps({**json.loads(proof.read_text("utf-8")), field: "0x" + new_seed().hex()}))
    code, said, why = judged(stranger, altered, anvil_url)
    assert (code, said) == (5, "")
    assert why.startswith("IntegrityError: ")


def test_what_is_no_proof_is_said_to_be_none(stranger: Path, anvil_url: str) -> None:
    (nonsense := stranger / "nonsense.json").write_bytes(b"\xff{")
    code, _, why = judged(stranger, nonsense, anvil_url)
    assert (code, "is no proof of this version" in why) == (2, True)
    assert judged(stranger, stranger / "none.json", anvil_url)[0] == 3


def test_where_no_node_answers_the_judge_can_ask_again(stranger: Path, proof: Path) -> None:
    assert judged(stranger, proof, "http://127.0.0.1:1")[0] == 6
