"""The manifest that the package ships is what the contracts in this checkout compile to."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import solcx
import yaml

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return json.loads((ROOT / "src/consentry/artifacts/manifest.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def compiler(manifest: dict[str, Any]) -> dict[str, Any]:
    (only,) = manifest["compilers"]
    return only


@pytest.fixture(scope="module")
def fresh(manifest: dict[str, Any], compiler: dict[str, Any]) -> dict[str, Any]:
    sources = {name: {"content": source["content"]} for name, source in manifest["sources"].items()}
    job = {"language": "Solidity", "sources": sources, "settings": compiler["settings"]}
    return solcx.compile_standard(job, solc_version=compiler["version"].split("+")[0])


def test_it_holds_the_deployable_contracts_and_no_others(manifest: dict[str, Any]) -> None:
    assert sorted(manifest["contractTypes"]) == [
        "AccessLog",
        "ConsentRegistry",
        "ProviderRegistry",
        "RecordRegistry",
    ]


def test_its_sources_are_the_files_of_this_checkout(manifest: dict[str, Any]) -> None:
    files = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "contracts").rglob("*.sol")}
    ours = {name: path for name, path in files.items() if not name.startswith("contracts/mocks/")}
    on_disk = {name: path.read_text("utf-8") for name, path in ours.items()}
    assert {name: source["content"] for name, source in manifest["sources"].items()} == on_disk


def test_no_contract_imports_what_lies_outside_their_folder() -> None:
    """Ape compiles a copy of it, beside which nothing lies; only in /tmp it compiles the checkout itself."""
    for path in (ROOT / "contracts").rglob("*.sol"):
        imports = re.findall(r'^import .*?"(.*?)";', path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        for name in imports:
            assert (path.parent / name).resolve().is_relative_to(ROOT / "contracts"), f"{path.name}: {name}"
            assert (path.parent / name).is_file(), f"{path.name}: {name}"


def test_its_settings_are_those_of_the_workshop(compiler: dict[str, Any]) -> None:
    ours = yaml.safe_load((ROOT / "ape-config.yaml").read_text("utf-8"))["solidity"]
    settings = compiler["settings"]
    assert compiler["version"].split("+")[0] == ours["version"]
    assert settings["evmVersion"] == ours["evm_version"]
    assert settings["optimizer"] == {"enabled": ours["optimize"], "runs": ours["optimization_runs"]}
    assert set(settings) <= {"evmVersion", "optimizer", "outputSelection"}


@pytest.mark.parametrize("name", ["AccessLog", "ConsentRegistry", "ProviderRegistry", "RecordRegistry"])
def test_a_fresh_compile_gives_the_same_contract(
    name: str, manifest: dict[str, Any], fresh: dict[str, Any]
) -> None:
    shipped = manifest["contractTypes"][name]
    made = fresh["contracts"][shipped["sourceId"]][name]
    assert shipped["deploymentBytecode"]["bytecode"] == "0x" + made["evm"]["bytecode"]["object"]
    assert shipped["runtimeBytecode"]["bytecode"] == "0x" + made["evm"]["deployedBytecode"]["object"]
    assert shipped["abi"] == made["abi"]
    assert (shipped["userdoc"], shipped["devdoc"]) == (made["userdoc"], made["devdoc"])


def test_it_does_not_tell_where_it_was_built(manifest: dict[str, Any]) -> None:
    assert str(ROOT) not in json.dumps(manifest)
