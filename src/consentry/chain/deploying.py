"""Deploying: the contracts one after the other, resumed where it was cut off, or only reckoned."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak
from web3 import Web3
from web3.utils import get_create_address

from consentry.chain.deployments import Placed, place_all
from consentry.chain.node import asking, identify
from consentry.chain.sending import Sender
from consentry.chain.transaction import Call, Price
from consentry.files import write_private
from consentry.keys.typed import Signer

Code = Callable[[str], tuple[list[Any], str]]
"""A contract's ABI and creation bytecode (hex) by its name."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One contract as it would be deployed: its ``data`` (code and arguments, bytes) and what it may cost."""

    name: str
    arguments: list[Any]
    address: str
    data: bytes
    price: Price


class Deployer:
    """Deploys ``code`` over one connection. ``folder`` is where it writes down what is under way or was
    placed, so that a deployment that was cut off is finished; None remembers nothing."""

    def __init__(self, web3: Web3, code: Code, folder: Path | None = None) -> None:
        self._web3, self._code, self._folder = web3, code, folder
        self._sender = Sender(web3, folder)

    def deploy(
        self, signer: Signer, authorities: list[str], tell: Callable[[str], None] = lambda step: None
    ) -> dict[str, Placed]:
        """Deploys all contracts. Raises as `Sender.send`; repeated, it goes on where it stopped."""
        notes = self._notes(signer.address)
        placed: dict[str, dict[str, Any]] = _read(notes)

        def create(name: str, arguments: list[Any]) -> Placed:
            key = keccak(self._data(name, arguments)).hex()
            if key not in placed:
                tell(f"deploying {name}")
                made = self.create(signer, name, arguments)
                placed[key] = {"address": made.address, "block": made.block}
                if notes:
                    write_private(notes, json.dumps(placed).encode())
            return Placed(**placed[key], arguments=arguments)

        return place_all(create, authorities)

    def create(self, signer: Signer, name: str, arguments: list[Any]) -> Placed:
        """Deploys one contract. Raises as `Sender.send`."""
        receipt = self._sender.send(signer, Call(None, Web3.to_hex(self._data(name, arguments))))
        assert receipt.contract is not None
        return Placed(receipt.contract, receipt.block, arguments)

    def forget(self, address: str) -> None:
        """The deployment of the account ``address`` is finished and recorded."""
        if notes := self._notes(address):
            notes.unlink(missing_ok=True)

    def plan(self, address: str, authorities: list[str]) -> list[Planned]:
        """What `deploy` by the account ``address`` would send now, and what it may cost. Sends nothing."""
        planned: list[Planned] = []
        with asking():
            nonce = self._web3.eth.get_transaction_count(Web3.to_checksum_address(address), "pending")

        def create(name: str, arguments: list[Any]) -> Placed:
            data = self._data(name, arguments)
            place = str(get_create_address(Web3.to_checksum_address(address), nonce + len(planned)))  # type: ignore[arg-type]
            price = self._sender.price(address, Call(None, Web3.to_hex(data)))
            planned.append(Planned(name, arguments, place, data, price))
            return Placed(place, 0, arguments)

        place_all(create, authorities)
        return planned

    def _data(self, name: str, arguments: list[Any]) -> bytes:
        abi, bytecode = self._code(name)
        made = self._web3.eth.contract(abi=abi, bytecode=bytecode).constructor(*arguments)
        return bytes.fromhex(made.data_in_transaction.removeprefix("0x"))

    def _notes(self, address: str) -> Path | None:
        if self._folder is None:
            return None
        chain_id, genesis = identify(self._web3)
        return self._folder / f"{chain_id}-{genesis.hex()[:16]}-{address}.deploying.json"


def _read(notes: Path | None) -> dict[str, dict[str, Any]]:
    try:
        return dict(json.loads(notes.read_text("utf-8"))) if notes else {}
    except (FileNotFoundError, ValueError):
        return {}
