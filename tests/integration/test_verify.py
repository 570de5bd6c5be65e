"""Whoever verifies learns whether the chain runs what the manifest's sources compile to."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from consentry.chain import Chain, Deployed, Deployments, LocalSigner
from consentry.chain.deploying import Deployer
from consentry.chain.deployments import Placed
from consentry.chain.manifest import FILE, NAMES, shipped
from consentry.chain.node import identify
from consentry.cli import recompiling
from consentry.cli.verifying import run
from consentry.errors import FindingsError, IntegrityError, NotFound, WrongChain
from tests.support.world import fund

ROOT = Path(__file__).parents[2]
AUTHORITIES = ["0x" + f"{number:02x}" * 20 for number in (0x11, 0x22)]
IMMUTABLES = {
    "ProviderRegistry": ("_authority0", "_authority1", "_authority2", "_authority3"),
    "ConsentRegistry": ("providers", "_CHAIN_ID", "_grantDomain", "_controlDomain"),
    "AccessLog": ("consents",),
    "RecordRegistry": (),
}


@pytest.fixture(scope="module")
def web3(anvil_url: str) -> Web3:
    return Web3(HTTPProvider(anvil_url))


@pytest.fixture(scope="module")
def deployed(web3: Web3) -> Deployed:
    signer = LocalSigner(b"\7" * 32)
    fund(web3, signer.address)
    authorities = [Web3.to_checksum_address(one) for one in AUTHORITIES]
    contracts = Deployer(web3, shipped).deploy(signer, authorities)
    return Deployed(*identify(web3), contracts, authorities, 0, bytes(32))


@pytest.fixture
def chain(web3: Web3, deployed: Deployed) -> Iterator[Chain]:
    """The chain with the contracts as they were deployed, and so again after the test."""
    codes = {placed.address: web3.eth.get_code(placed.address) for placed in deployed.contracts.values()}
    yield Chain(web3, deployed)
    for address, code in codes.items():
        web3.provider.make_request("anvil_setCode", [address, Web3.to_hex(code)])


SOLC = recompiling.compile_with_solc


@pytest.fixture(scope="module", autouse=True)
def compile_once() -> Iterator[None]:
    """The compiler runs once for the same input."""
    kept: dict[str, dict[str, Any]] = {}

    def once(job: dict[str, Any], version: str) -> dict[str, Any]:
        key = json.dumps([job, version])
        if key not in kept:
            kept[key] = SOLC(job, version)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recompiling, "compile_with_solc", once)
        yield


def set_code(chain: Chain, name: str, code: bytes) -> None:
    placed = chain.deployed.contracts[name]
    chain.rpc.web3.provider.make_request("anvil_setCode", [placed.address, Web3.to_hex(code)])


def flipped(code: bytes, at: int) -> bytes:
    at %= len(code)
    return code[:at] + bytes([code[at] ^ 1]) + code[at + 1 :]


def places(name: str) -> dict[str, list[int]]:
    """Where the immutables of that contract stand in its code."""
    return recompiling.recompile(FILE)[name].immutables


# --- as it was deployed


def test_the_contracts_that_were_deployed_are_a_full_match(
    chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    run(chain, FILE)
    said = capsys.readouterr()
    lines = {line.split()[0]: line.split() for line in said.out.splitlines() if line.split()[0] in NAMES}
    assert {name: (int(line[3]), line[4]) for name, line in lines.items()} == {
        name: (len(immutables), "full") for name, immutables in IMMUTABLES.items()
    }
    assert "metadata included" in said.err


def test_the_contracts_that_ape_deployed_are_a_full_match_and_a_flipped_byte_is_not(
    tmp_path: Path, anvil_url: str, web3: Web3
) -> None:
    """All by the scripts, each a process of its own."""

    def ape(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ROOT / ".venv/bin/ape"), "run", script, "--network", anvil_url, *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "APE_DATA_FOLDER": str(tmp_path / "ape"),
                "CONSENTRY_HOME": str(tmp_path / "home"),
                "CONSENTRY_PASSPHRASE": "of nobody at all",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    assert ape("verify").returncode == 3, "nothing was deployed there"
    assert ape("deploy", "--account", "TEST::0").returncode == 0
    good = ape("verify")
    assert (good.returncode, good.stdout.count(" full")) == (0, 4), good.stderr
    made = Deployments(tmp_path / "home" / "deployments.json").find(*identify(web3))
    log = Chain(web3, made)
    code = log.rpc.code(made.contracts["AccessLog"].address)
    set_code(log, "AccessLog", flipped(code, 100))
    bad = ape("verify")
    assert bad.returncode == 7
    assert "FOUND   AccessLog: 1 byte of its code differ" in bad.stdout
    assert "Traceback" not in bad.stderr
    (tmp_path / "manifest.json").write_text(FILE.read_text("utf-8").replace("Who did?", "Who dit?", 1))
    wrong = ape("verify", "--manifest", str(tmp_path / "manifest.json"))
    assert wrong.returncode == 5
    assert wrong.stderr.splitlines()[-1].startswith("IntegrityError: ")


# --- the chain


@pytest.mark.parametrize("name", NAMES)
def test_one_flipped_byte_of_code_on_chain_is_found_by_name(
    name: str, chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    code = chain.rpc.code(chain.deployed.contracts[name].address)
    masked = {at for found in places(name).values() for start in found for at in range(start, start + 32)}
    set_code(chain, name, flipped(code, next(at for at in range(60, 200) if at not in masked)))
    with pytest.raises(FindingsError, match="1 finding"):
        run(chain, FILE)
    said = capsys.readouterr().out
    assert [
        line for line in said.splitlines() if line.startswith("  FOUND   " + name + ": 1 byte of its code")
    ]
    assert said.count(" none") == 1


@pytest.mark.parametrize("name", NAMES)
def test_one_flipped_byte_of_metadata_on_chain_is_a_partial_match_and_found(
    name: str, chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    code = chain.rpc.code(chain.deployed.contracts[name].address)
    set_code(chain, name, flipped(code, -20))
    with pytest.raises(FindingsError, match="1 finding"):
        run(chain, FILE)
    said = capsys.readouterr().out
    assert f"FOUND   {name}: only its metadata differs" in said
    assert (said.count(" full"), said.count(" partial")) == (3, 1)


@pytest.mark.parametrize(
    ("name", "immutable"), [(name, immutable) for name in NAMES for immutable in IMMUTABLES[name]]
)
def test_one_flipped_byte_of_an_immutable_on_chain_is_found_by_its_name(
    name: str, immutable: str, chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    code = chain.rpc.code(chain.deployed.contracts[name].address)
    set_code(chain, name, flipped(code, places(name)[immutable][0] + 31))
    with pytest.raises(FindingsError, match="1 finding"):
        run(chain, FILE)
    assert f"FOUND   {name}: its immutable {immutable} is 0x" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_code_that_was_cut_or_added_to_is_found(
    name: str, chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    code = chain.rpc.code(chain.deployed.contracts[name].address)
    for altered in (code[:-1], code + b"\0"):
        set_code(chain, name, altered)
        with pytest.raises(FindingsError):
            run(chain, FILE)
        assert f"FOUND   {name}: its code has {len(altered):,} bytes" in capsys.readouterr().out


def test_a_contract_that_is_not_there_is_named(chain: Chain) -> None:
    set_code(chain, "RecordRegistry", b"")
    with pytest.raises(WrongChain, match="no RecordRegistry"):
        Chain(chain.rpc.web3, chain.deployed)
    with pytest.raises(FindingsError):
        run(chain, FILE)


# --- deployments.json


def with_placed(chain: Chain, **changes: Placed) -> Chain:
    contracts = {**chain.deployed.contracts, **changes}
    return Chain(chain.rpc.web3, replace(chain.deployed, contracts=contracts))


@pytest.mark.parametrize(
    ("name", "arguments", "found"),
    [
        ("ProviderRegistry", [AUTHORITIES[::-1]], "its immutable _authority0"),
        ("ProviderRegistry", [AUTHORITIES[:1]], "its immutable _authority1"),
        ("ProviderRegistry", [[*AUTHORITIES, "0x" + "33" * 20]], "its immutable _authority2"),
        ("ProviderRegistry", [[*AUTHORITIES, "0x" + "00" * 20]], "its constructor refuses"),
        ("ProviderRegistry", [["0x" + f"{n:02x}" * 20 for n in range(1, 6)]], "its constructor refuses"),
        ("ProviderRegistry", [[AUTHORITIES[0]] * 2], "its constructor refuses"),
        ("ProviderRegistry", [], "its constructor takes no such arguments"),
        ("ConsentRegistry", ["0x" + "33" * 20], "its immutable providers"),
        ("ConsentRegistry", ["a provider registry"], "its constructor takes no such arguments"),
        ("AccessLog", ["0x" + "33" * 20], "its immutable consents"),
        ("RecordRegistry", ["0x" + "33" * 20], "its constructor takes no such arguments"),
    ],
)
def test_other_constructor_arguments_than_those_on_chain_are_found(
    name: str, arguments: list[Any], found: str, chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    placed = replace(chain.deployed.contracts[name], arguments=arguments)
    with pytest.raises(FindingsError):
        run(with_placed(chain, **{name: placed}), FILE)
    assert f"FOUND   {name}: {found}" in capsys.readouterr().out


def test_two_contracts_that_were_swapped_are_both_found(
    chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = chain.deployed.contracts["RecordRegistry"], chain.deployed.contracts["AccessLog"]
    swapped = with_placed(
        chain,
        RecordRegistry=replace(one, address=other.address),
        AccessLog=replace(other, address=one.address),
    )
    with pytest.raises(FindingsError):
        run(swapped, FILE)
    said = capsys.readouterr().out
    assert "FOUND   RecordRegistry: " in said
    assert "FOUND   AccessLog: " in said


def test_authorities_that_the_file_names_beside_the_truth_are_found(
    chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    other = replace(chain.deployed, authorities=["0x" + "33" * 20])
    with pytest.raises(FindingsError, match="1 finding"):
        run(Chain(chain.rpc.web3, other), FILE)
    assert "other authorities" in capsys.readouterr().out


def test_a_log_that_asks_another_consent_registry_is_found(
    chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything on chain is as it was deployed; only it was not deployed together."""
    arguments = chain.deployed.contracts["ConsentRegistry"].arguments
    second = Deployer(chain.rpc.web3, shipped).create(LocalSigner(b"\7" * 32), "ConsentRegistry", arguments)
    with pytest.raises(FindingsError, match="1 finding"):
        run(with_placed(chain, ConsentRegistry=second), FILE)
    assert "FOUND   AccessLog: it asks another ConsentRegistry" in capsys.readouterr().out


# --- the manifest


def altered(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    document = json.loads(FILE.read_text("utf-8"))
    change(document)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("part", ["deploymentBytecode", "runtimeBytecode"])
@pytest.mark.parametrize("name", NAMES)
def test_one_flipped_byte_of_bytecode_in_the_manifest_is_refused_by_name(
    name: str, part: str, tmp_path: Path
) -> None:
    def change(document: dict[str, Any]) -> None:
        code = document["contractTypes"][name][part]["bytecode"]
        document["contractTypes"][name][part]["bytecode"] = "0x" + flipped(bytes.fromhex(code[2:]), 99).hex()

    with pytest.raises(IntegrityError, match=f"contractTypes > {name} > {part} > bytecode differs"):
        recompiling.recompile(altered(tmp_path, change))


@pytest.mark.parametrize("name", NAMES)
def test_an_altered_abi_in_the_manifest_is_refused_by_name(name: str, tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        view = next(one for one in document["contractTypes"][name]["abi"] if one["type"] == "function")
        view["name"] = view["name"][:-1] + chr(ord(view["name"][-1]) ^ 1)

    with pytest.raises(IntegrityError, match=f"contractTypes > {name} > abi differs"):
        recompiling.recompile(altered(tmp_path, change))


@pytest.mark.parametrize(
    "source",
    ["contracts/AccessLog.sol", "contracts/interfaces/IERC1271.sol", "contracts/libraries/TypedData.sol"],
)
def test_one_flipped_byte_of_any_source_is_refused_even_in_a_comment(source: str, tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        text = document["sources"][source]["content"]
        document["sources"][source]["content"] = text.replace("Apache-2.0", "Apache-2.1", 1)

    with pytest.raises(IntegrityError, match="> deploymentBytecode > bytecode differs"):
        recompiling.recompile(altered(tmp_path, change))


def _settings(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["compilers"][0]["settings"]
    return found


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: _settings(m)["optimizer"].update(runs=10001), "bytecode differs"),
        (lambda m: _settings(m).update(evmVersion="paris"), "bytecode differs"),
        (lambda m: _settings(m).update(evmVersion="shanghaj"), "do not compile"),
        (lambda m: _settings(m)["outputSelection"]["*"].update({"*": ["abi"]}), "bytecode differs"),
        (lambda m: m["compilers"][0].update(version="0.8.37+commit.f401782e"), "compilers"),
        (lambda m: m["compilers"][0].update(contractTypes=["AccessLog"]), "compilers"),
        (lambda m: m["contractTypes"].pop("AccessLog"), "contractTypes > AccessLog"),
        (lambda m: m["contractTypes"].update(More={}), "contractTypes > More"),
        (
            lambda m: m["contractTypes"]["AccessLog"].update(contractName="AccessLoh"),
            "AccessLog > contractName",
        ),
        (
            lambda m: m["contractTypes"]["AccessLog"]["devdoc"].update(title="Who dit?"),
            "AccessLog > devdoc > title",
        ),
        (
            lambda m: m["sources"].update({"contracts/More.sol": {"content": "", "urls": []}}),
            "sources > contracts/More",
        ),
        (lambda m: m["sources"].pop("contracts/AccessLog.sol"), "make no AccessLog"),
        (lambda m: m["sources"].pop("contracts/interfaces/IERC1271.sol"), "sources > contracts/interf"),
        (lambda m: m.update(name="consentrz"), "name differs"),
        (lambda m: m.pop("compilers"), "is not a manifest"),
        (lambda m: m["compilers"].append({}), "is not a manifest"),
    ],
)
def test_anything_else_that_was_altered_in_the_manifest_is_refused_by_name(
    change: Callable[[dict[str, Any]], None], named: str, tmp_path: Path
) -> None:
    with pytest.raises(IntegrityError, match=named):
        recompiling.recompile(altered(tmp_path, change))


def test_a_manifest_that_is_none_or_is_not_there_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("[1, 2")
    with pytest.raises(IntegrityError, match="is not a manifest"):
        recompiling.recompile(tmp_path / "manifest.json")
    with pytest.raises(NotFound, match="cannot be read"):
        recompiling.recompile(tmp_path / "nowhere.json")


# --- the compiler


def test_without_the_compiler_the_error_says_which_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recompiling, "compile_with_solc", SOLC)
    monkeypatch.setenv("SOLCX_BINARY_PATH", str(tmp_path))
    with pytest.raises(NotFound, match=r"solc 0\.8\.37, is not here; run make setup"):
        recompiling.recompile(FILE)
    assert not list(tmp_path.iterdir()), "nothing was downloaded"
    broken = tmp_path / "solc-v0.8.37"
    broken.write_text("#!/bin/sh\necho 'solc: no node found' >&2\nexit 127\n")
    broken.chmod(0o700)
    with pytest.raises(NotFound, match="does not run"):
        recompiling.recompile(FILE)
    broken.write_bytes(b"\x7fELF")
    with pytest.raises(NotFound, match="does not run"):
        recompiling.recompile(FILE)
