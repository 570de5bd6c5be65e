"""One order, arguments that are recorded, and addresses that anybody can reckon beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from web3 import EthereumTesterProvider, Web3
from web3.utils import get_create_address

from consentry.chain import Deployed, Deployments, LocalSigner
from consentry.chain.deploying import Deployer
from consentry.chain.deployments import FINALITIES, Placed
from consentry.chain.manifest import shipped
from consentry.chain.node import identify
from consentry.cli.deploying import DEPTH, depth_on, waiting
from tests.support.fixed import seed
from tests.support.world import fund

DEPLOYER, OTHER = LocalSigner(b"\7" * 32), LocalSigner(b"\x08" * 32)
AUTHORITIES = [Web3.to_checksum_address("0x" + 20 * byte) for byte in ("11", "22")]


def fresh(*signers: LocalSigner) -> Web3:
    """A new chain on which ``signers`` have ether and have sent nothing."""
    web3 = Web3(EthereumTesterProvider())
    for signer in signers:
        fund(web3, signer.address)
    return web3


def deploy(web3: Web3, signer: LocalSigner = DEPLOYER) -> dict[str, Placed]:
    return Deployer(web3, shipped).deploy(signer, AUTHORITIES)


def addresses(contracts: dict[str, Placed]) -> dict[str, str]:
    return {name: placed.address for name, placed in contracts.items()}


def immutable(web3: Web3, placed: dict[str, Placed], name: str, function: str) -> Any:
    abi, _ = shipped(name)
    return web3.eth.contract(placed[name].address, abi=abi).functions[function]().call()


def test_the_same_account_gets_the_same_addresses_and_the_same_code_on_two_fresh_chains() -> None:
    one, other = fresh(DEPLOYER), fresh(DEPLOYER, OTHER)
    here, there = deploy(one), deploy(other)
    assert addresses(here) == addresses(there)
    for name, address in addresses(here).items():
        assert one.eth.get_code(address) == other.eth.get_code(address), name


def test_the_addresses_follow_from_the_account_and_the_order_alone() -> None:
    """So everybody can reckon them before, and another account or an account that was used gets others."""
    order = ("ProviderRegistry", "ConsentRegistry", "RecordRegistry", "AccessLog")
    reckoned = {name: get_create_address(DEPLOYER.address, nonce) for nonce, name in enumerate(order)}
    web3 = fresh(DEPLOYER, OTHER)
    planned = {one.name: one.address for one in Deployer(web3, shipped).plan(DEPLOYER.address, AUTHORITIES)}
    assert planned == reckoned == addresses(deploy(web3))
    again, by_another = addresses(deploy(web3)), addresses(deploy(web3, OTHER))
    assert len({*reckoned.values(), *again.values(), *by_another.values()}) == 12


def test_the_arguments_that_are_recorded_are_those_that_the_contracts_were_made_with(tmp_path: Path) -> None:
    web3 = fresh(DEPLOYER)
    contracts = deploy(web3)
    file = Deployments(tmp_path / "deployments.json")
    file.add(Deployed(*identify(web3), contracts, AUTHORITIES, 0, seed(9)))
    placed = file.find(*identify(web3)).contracts
    assert {name: one.arguments for name, one in placed.items()} == {
        "ProviderRegistry": [immutable(web3, placed, "ProviderRegistry", "authorities")],
        "ConsentRegistry": [immutable(web3, placed, "ConsentRegistry", "providers")],
        "RecordRegistry": [],
        "AccessLog": [immutable(web3, placed, "AccessLog", "consents")],
    }
    assert immutable(web3, placed, "AccessLog", "consents") == placed["ConsentRegistry"].address


@pytest.mark.parametrize("cut", range(1, 4))
def test_a_deployment_that_was_cut_off_ends_at_the_same_addresses(cut: int, tmp_path: Path) -> None:
    web3 = fresh(DEPLOYER)
    planned = [one.address for one in Deployer(web3, shipped).plan(DEPLOYER.address, AUTHORITIES)]

    def stop(step: str, seen: list[str] = []) -> None:  # noqa: B006 - it counts its own calls
        seen.append(step)
        if len(seen) > cut:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Deployer(web3, shipped, tmp_path).deploy(DEPLOYER, AUTHORITIES, stop)
    assert web3.eth.get_transaction_count(DEPLOYER.address) == cut
    finished = Deployer(web3, shipped, tmp_path).deploy(DEPLOYER, AUTHORITIES)
    assert list(addresses(finished).values()) == planned


def test_the_depth_is_none_where_nothing_is_mined_or_the_chain_vouches_for_the_block() -> None:
    assert [depth_on(1, None, finality) for finality in FINALITIES] == [DEPTH, 0, 0]
    assert [depth_on(31337, None, finality) for finality in FINALITIES] == [0, 0, 0]
    assert depth_on(1, 5, "finalized") == 5
    assert waiting(5, "latest") == "depth 5"
    assert waiting(5, "finalized") == "depth 5 below the finalized block"
