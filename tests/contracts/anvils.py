"""The contracts on a node of one's own, for what Ape's in-process chain cannot show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ape import project
from web3 import HTTPProvider, Web3
from web3.contract import Contract

from bench._anvil import anvil

SAFE = (
    Path(__file__).parent.parent.parent / "tools/node_modules/@safe-global/safe-smart-account/build/artifacts"
)


class Node:
    """A node with the ProviderRegistry and the ConsentRegistry on it; its first account sends."""

    def __init__(self, url: str) -> None:
        self.w3 = Web3(HTTPProvider(url))
        self.sender = self.w3.eth.accounts[0]
        self.providers = self.deploy(of_ape(project.ProviderRegistry), [self.sender])
        self.consents = self.deploy(of_ape(project.ConsentRegistry), self.providers.address)

    def deploy(self, kind: dict[str, Any], *arguments: Any) -> Contract:
        """A contract of a manifest."""
        return deployed(self.w3, kind["abi"], kind["deploymentBytecode"]["bytecode"], self.sender, *arguments)

    def send(self, call: Any) -> Any:
        """The receipt of a contract call, which has to succeed."""
        receipt = self.w3.eth.wait_for_transaction_receipt(call.transact({"from": self.sender}))
        assert receipt["status"] == 1
        return receipt


@contextmanager
def node(hardfork: str = "osaka") -> Iterator[Node]:
    """Contracts on an Anvil of that hard fork."""
    with anvil(hardfork=hardfork) as url:
        yield Node(url)


def deployed(w3: Web3, abi: Any, bytecode: str, sender: str, *arguments: Any) -> Contract:
    """A new contract."""
    made = w3.eth.contract(abi=abi, bytecode=bytecode).constructor(*arguments)  # type: ignore[arg-type]
    receipt = w3.eth.wait_for_transaction_receipt(made.transact({"from": sender, "gas": 8_000_000}))
    assert receipt["status"] == 1
    return w3.eth.contract(receipt["contractAddress"], abi=abi)


def of_ape(kind: Any) -> dict[str, Any]:
    """A contract of Ape's project, as a manifest has it."""
    return dict(kind.contract_type.model_dump(mode="json"))


def of_safe(path: str) -> tuple[Any, str]:
    """ABI and bytecode of a contract of the npm package of Safe, as it was published."""
    artifact = json.loads((SAFE / f"contracts/{path}.sol/{Path(path).name}.json").read_text("utf-8"))
    return artifact["abi"], artifact["bytecode"]
