"""The bundled manifest: ABI and bytecode of the contracts, as Ape compiled them (EthPM v3 form)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak

FILE = Path(str(files("consentry").joinpath("artifacts/manifest.json")))
NAMES = ("ProviderRegistry", "ConsentRegistry", "RecordRegistry", "AccessLog")


@cache
def contract_types() -> dict[str, dict[str, Any]]:
    """Contract types by name, each with ``abi``, ``deploymentBytecode`` and ``runtimeBytecode``."""
    return cast("dict[str, dict[str, Any]]", json.loads(FILE.read_text("utf-8"))["contractTypes"])


def shipped(name: str) -> tuple[list[dict[str, Any]], str]:
    """The ABI and the creation bytecode (hex) of the contract ``name``."""
    return abi(name), str(contract_types()[name]["deploymentBytecode"]["bytecode"])


def abi(name: str) -> list[dict[str, Any]]:
    """The ABI of the contract ``name``."""
    return cast("list[dict[str, Any]]", contract_types()[name]["abi"])


def types_of(fields: list[dict[str, Any]]) -> list[str]:
    """The ABI types of a function's, an error's or an event's inputs or outputs, structs as tuples."""
    return [collapse_if_tuple(dict(field)) for field in fields]


def selector_of(item: dict[str, Any]) -> bytes:
    """The 4 bytes by which calldata or revert data name a function or an error."""
    return keccak(text=f"{item['name']}({','.join(types_of(item['inputs']))})")[:4]
