"""Nothing that a contract says or does goes without a test."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
TESTS = "\n".join(path.read_text("utf-8") for path in HERE.glob("test_*.py") if path != Path(__file__))
MANIFEST = HERE.parent.parent / "src" / "consentry" / "artifacts" / "manifest.json"
CONTRACTS = json.loads(MANIFEST.read_text("utf-8"))["contractTypes"]
ENTRIES = sorted({(e["type"], e["name"]) for c in CONTRACTS.values() for e in c["abi"] if "name" in e})


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_every_function_error_and_event_is_in_a_test(kind: str, name: str) -> None:
    assert re.search(rf"\.{name}\b", TESTS), f"no test mentions the {kind} {name}"


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_function_error_and_event_says_what_it_is_for(contract: str) -> None:
    shipped = CONTRACTS[contract]
    said = {"function": "methods", "event": "events", "error": "errors"}
    for entry in shipped["abi"]:
        if entry["type"] in said:
            documented = shipped["userdoc"][said[entry["type"]]]
            assert any(each.startswith(entry["name"] + "(") for each in documented), entry["name"]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_what_these_tests_run_is_what_the_package_ships(contract: str, project: Any) -> None:
    """Ape compiles a contract again when its own file has changed, not when a file that it imports has:
    ``ape compile --force`` does."""
    tested = getattr(project, contract).contract_type.deployment_bytecode.bytecode
    shipped = CONTRACTS[contract]["deploymentBytecode"]["bytecode"]
    assert str(tested) == shipped
