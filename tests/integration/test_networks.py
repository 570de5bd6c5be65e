"""The scripts on networks that are not in this process: Ganache by its configuration, and a public testnet's
id on an Anvil of our own. No test here reaches a public network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench._anvil import anvil
from tests.integration.test_demo import play, whole
from tests.integration.test_scripts import Story
from tests.support.chains import SEPOLIA, ganache, tell
from tests.support.doors import AUTHORITY, CLINICIAN, PATIENT, address


@pytest.fixture(scope="module")
def ganache_url() -> Iterator[str]:
    with ganache() as url:
        yield url


@pytest.fixture(scope="module")
def sepolia_url() -> Iterator[str]:
    with anvil("--chain-id", str(SEPOLIA)) as url:
        yield url


# --- Ganache


def test_the_whole_path_on_ganache(tmp_path: Path, ganache_url: str) -> None:
    """Deploy, enrol, onboard, deposit, grant, open, revoke, audit: each a process of its own."""
    story = Story(tmp_path, f"ethereum:ganache:{ganache_url}")
    story.opened()
    assert (tmp_path / "opened.json").read_bytes() == story.expected("general")
    story.ape("revoke", "--grant", story.granted().out.split()[-1][:14], by=PATIENT).well()
    assert story.open("general", tmp_path / "late.json", by=CLINICIAN).code == 4
    audited = story.ape("audit").well()
    assert len([line for line in audited.out.splitlines() if " TREAT " in line]) == 1


@pytest.mark.parametrize("engine", ["ganache", "anvil"])
def test_the_demo_on_a_node(tmp_path: Path, engine: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(f"{engine}_url")
    said, page = play(tmp_path, "--network", f"ethereum:ganache:{url}" if engine == "ganache" else url)
    whole(said, page)
    assert url in said


# --- a public testnet by its id


def sepolia(folder: Path, url: str) -> Story:
    return Story(folder, f"ethereum:sepolia:{url}")


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(tmp_path: Path, sepolia_url: str) -> None:
    story = sepolia(tmp_path, sepolia_url)
    before = tell(sepolia_url, "eth_blockNumber")
    dry = story.ape("deploy", "--dry-run", "--authority", address(CLINICIAN), by=AUTHORITY).well()
    assert tell(sepolia_url, "eth_blockNumber") == before
    assert not story.home.exists()
    for word in ("ProviderRegistry", "ConsentRegistry", "RecordRegistry", "AccessLog", address(CLINICIAN)):
        assert word in dry.out
    assert re.search(r"gwei now, \d+\.\d+ at most", dry.out)
    assert re.search(r"Cost: 0\.\d+ ether now, 0\.\d+ at most; 0x\w+ has \d+\.\d+", dry.out)
    assert "Depth 3 would be recorded" in dry.out
    made = story.ape("deploy", "--authority", address(CLINICIAN), by=AUTHORITY).well()
    for line in made.out.splitlines():
        if line.split()[:1] in (["ConsentRegistry"], ["AccessLog"]):
            assert line.split()[1] in dry.out, "it stands where the dry run said"
    (recorded,) = json.loads((story.home / "deployments.json").read_text())["deployments"].values()
    assert recorded["depth"] == 3


def test_a_dry_run_of_an_account_that_cannot_pay_says_so(tmp_path: Path, sepolia_url: str) -> None:
    poor = address(9)
    tell(sepolia_url, "anvil_setBalance", poor, hex(10**15))
    dry = sepolia(tmp_path, sepolia_url).ape("deploy", "--dry-run", by=9)
    assert dry.code == 1
    assert "NotEnoughEther: " in dry.err
    assert "has 0.001000 ether" in dry.err
    real = sepolia(tmp_path, sepolia_url).ape("deploy", by=9)
    assert real.code == 1
    assert "NotEnoughEther: " in real.err


def test_a_public_network_by_the_environments_url(tmp_path: Path, sepolia_url: str) -> None:
    story = Story(tmp_path, "ethereum:sepolia:node")
    dry = story.ape("deploy", "--dry-run", by=AUTHORITY, WEB3_PROVIDER_URI=sepolia_url).well()
    assert f"Chain {SEPOLIA}" in dry.out


def test_a_node_of_another_chain_than_the_network_is_refused(tmp_path: Path, ganache_url: str) -> None:
    wrong = sepolia(tmp_path, ganache_url).ape("deploy", by=AUTHORITY)
    assert wrong.code == 6
    assert "1337" in wrong.err
    assert str(SEPOLIA) in wrong.err


def test_a_deployment_that_was_cut_off_goes_on_where_it_stopped(tmp_path: Path, sepolia_url: str) -> None:
    """The account runs out of ether after the first contract."""
    story, deployer = sepolia(tmp_path, sepolia_url), address(8)
    tell(sepolia_url, "anvil_setNextBlockBaseFeePerGas", hex(10**9))
    tell(sepolia_url, "evm_mine")
    tell(sepolia_url, "anvil_setBalance", deployer, hex(10**16))
    cut = story.ape("deploy", by=8)
    assert cut.code == 1
    sent = int(tell(sepolia_url, "eth_getTransactionCount", deployer, "latest"), 16)
    assert sent == 1
    tell(sepolia_url, "anvil_setBalance", deployer, hex(10**18))
    story.ape("deploy", by=8).well()
    assert int(tell(sepolia_url, "eth_getTransactionCount", deployer, "latest"), 16) == 4
    assert [path.name for path in story.home.glob("underway/*.json")] == []
