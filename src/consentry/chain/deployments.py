"""``deployments.json``: which contracts stand on which chain, by chain id *and* genesis hash.

Development chains repeat chain ids and addresses; only the genesis hash tells one from the next.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils.address import is_checksum_address

from consentry.chain.manifest import NAMES
from consentry.errors import NotFound, UsageError
from consentry.files import write_private
from consentry.keys.binding import Deployment, json_decode

FINALITIES = ("latest", "safe", "finalized")
"""What the newest block that counts may be: the newest of all, or what the chain's validators vouch for."""

_FORMAT = "consentry deployments 1"


@dataclass(frozen=True, slots=True)
class Placed:
    """One contract as it was deployed: its address, its block, and the constructor's arguments."""

    address: str
    block: int
    arguments: list[Any]


@dataclass(frozen=True, slots=True)
class Deployed:
    """One deployment. ``depth`` is how many blocks must follow an entry, up to the block that the chain calls
    ``finality`` (one of `FINALITIES`), before keyholders answer it; ``keyholders`` is the hash of
    keyholders.json (32 bytes)."""

    chain_id: int
    genesis: bytes
    contracts: dict[str, Placed]
    authorities: list[str]
    depth: int
    keyholders: bytes
    finality: str = "latest"

    @property
    def deployment(self) -> Deployment:
        """What keys and signatures are bound to."""
        return Deployment(self.chain_id, self.genesis, self.contracts["ConsentRegistry"].address)

    @property
    def block(self) -> int:
        """The first block that can hold an event of this deployment."""
        return min(placed.block for placed in self.contracts.values())


def place_all(create: Callable[[str, list[Any]], Placed], authorities: list[str]) -> dict[str, Placed]:
    """Deploys the contracts in the one order that works; ``create`` deploys one by name and arguments."""
    providers = create("ProviderRegistry", [authorities])
    consents = create("ConsentRegistry", [providers.address])
    return {
        "ProviderRegistry": providers,
        "ConsentRegistry": consents,
        "RecordRegistry": create("RecordRegistry", []),
        "AccessLog": create("AccessLog", [consents.address]),
    }


class Deployments:
    """The file. Raises `UsageError` when it is not one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, chain_id: int, genesis: bytes) -> Deployed:
        """The deployment on this very chain. Raises `NotFound`, saying which chains are known."""
        entries = self._read()
        if (entry := entries.get(_key(chain_id, genesis))) is None:
            known = ", ".join(key.split(":")[0] for key in entries) or "none"
            raise NotFound(
                f"{self.path.name} names no contracts on this chain (id {chain_id}, genesis "
                f"0x{genesis.hex()[:8]}...; deployments known for chain ids: {known}); "
                "connect to another network, or run deploy here first"
            )
        try:
            return _deployed(chain_id, genesis, **entry)
        except (ValueError, TypeError, AttributeError):
            raise self._broken() from None

    def only(self) -> Deployed | None:
        """The deployment, where the file names one and no other."""
        entries = self._read()
        if len(entries) != 1:
            return None
        [key] = entries
        chain_id, _, genesis = key.partition(":0x")
        try:
            return self.find(int(chain_id), bytes.fromhex(genesis))
        except ValueError:
            raise self._broken() from None

    def add(self, deployed: Deployed) -> None:
        """Records a deployment, replacing an earlier one on the same chain."""
        entries = self._read()
        entries[_key(deployed.chain_id, deployed.genesis)] = {
            "contracts": {
                name: {"address": p.address, "block": p.block, "arguments": p.arguments}
                for name, p in deployed.contracts.items()
            },
            "authorities": deployed.authorities,
            "depth": deployed.depth,
            "finality": deployed.finality,
            "keyholders": "0x" + deployed.keyholders.hex(),
        }
        document = {"format": _FORMAT, "deployments": entries}
        write_private(self.path, json.dumps(document, indent=1).encode())

    def _read(self) -> dict[str, Any]:
        try:
            document = json_decode(self.path.read_bytes())
            if document["format"] != _FORMAT:
                raise ValueError
            return {**document["deployments"]}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError):
            raise self._broken() from None

    def _broken(self) -> UsageError:
        return UsageError(
            f"{self.path} is not a deployments file of this version; get it again from who deployed"
        )


def _deployed(
    chain_id: int,
    genesis: bytes,
    *,
    contracts: dict[str, dict[str, Any]],
    authorities: list[str],
    depth: int,
    keyholders: str,
    finality: str = "latest",
) -> Deployed:
    placed = {name: Placed(**fields) for name, fields in contracts.items()}
    roster_hash = bytes.fromhex(keyholders.removeprefix("0x"))
    shaped = set(placed) == set(NAMES) and len(roster_hash) == 32 and depth >= 0 and finality in FINALITIES
    if not shaped or not all(is_checksum_address(p.address) and p.block >= 0 for p in placed.values()):
        raise ValueError
    return Deployed(chain_id, genesis, placed, authorities, depth, roster_hash, finality)


def _key(chain_id: int, genesis: bytes) -> str:
    return f"{chain_id}:0x{genesis.hex()}"
