"""Verifying: whether the chain runs exactly what the manifest's sources compile to.

The code of every contract is compared with the compiled one, its immutables set to what the constructor
makes of the arguments that deployments.json names. The metadata tail (CBOR: the hash of all sources and
settings, the compiler's version) is compared too: a *full* match has it, a *partial* one differs only there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak

from consentry.chain import Chain, Deployed
from consentry.chain.manifest import NAMES
from consentry.cli.recompiling import Compiled, recompile
from consentry.cli.terminal import plural, progress, table
from consentry.errors import FindingsError, IntegrityError
from consentry.keys.binding import abi_encode, word
from consentry.keys.typed import CONTROL, GRANTS

_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one contract of ``size`` bytes: ``match`` is ``full``, ``partial`` or ``none``, and
    ``faults`` say where it differs."""

    name: str
    address: str
    size: int
    immutables: int
    match: str
    faults: list[str]


def run(chain: Chain, manifest: Path) -> None:
    """Verifies and prints a line a contract. Raises `IntegrityError` where the manifest is not what its
    sources compile to, `FindingsError` where the chain runs other code, `NotFound` without a compiler."""
    with progress("compiling") as tell:
        tell(f"compiling {manifest.name} again")
        compiled = recompile(manifest)
        tell("comparing with the chain")
        verdicts = [compare(name, compiled[name], chain) for name in NAMES]
    rows = [[v.name, v.address, f"{v.size:,}", str(v.immutables), v.match] for v in verdicts]
    table("", ["", "=address", ">bytes", ">immutables", "match"], rows)
    faults = [f"{verdict.name}: {fault}" for verdict in verdicts for fault in verdict.faults]
    faults += _disagreements(chain.deployed)
    for fault in faults:
        click.secho(f"  FOUND   {fault}", fg="red")
    if faults:
        raise FindingsError(f"{plural(len(faults), 'finding')}, see above; do not use these contracts")
    click.echo("The chain runs what these sources compile to, metadata included.", err=True)


def compare(name: str, compiled: Compiled, chain: Chain) -> Verdict:
    """Holds the code of the contract ``name`` on chain against the compiled one."""
    placed = chain.deployed.contracts[name]
    there = chain.rpc.code(placed.address)
    try:
        words = _words(name, compiled, chain.deployed)
        expected = _filled(compiled.code, words)
        match = _match(there, expected)
        faults = [] if match == "full" else _faults(there, expected, words, match)
    except IntegrityError as error:
        match, faults = "none", [str(error)]
    return Verdict(name, placed.address, len(there), len(compiled.immutables), match, faults)


def _filled(code: bytes, words: dict[int, tuple[str, bytes]]) -> bytes:
    filled = bytearray(code)
    for at, (_, value) in words.items():
        filled[at : at + 32] = value
    return bytes(filled)


def _match(there: bytes, expected: bytes) -> str:
    """Code ends with its metadata and two bytes that tell its length (Solidity documentation, "Encoding of
    the Metadata Hash in the Bytecode")."""
    if there == expected:
        return "full"
    body = len(expected) - 2 - int.from_bytes(expected[-2:])
    return "partial" if len(there) == len(expected) and there[:body] == expected[:body] else "none"


def _faults(there: bytes, expected: bytes, words: dict[int, tuple[str, bytes]], match: str) -> list[str]:
    """In words, what differs."""
    if len(there) != len(expected):
        return [f"its code has {len(there):,} bytes on chain, and {len(expected):,} compiled"]
    faults = {
        f"its immutable {name} is 0x{there[at : at + 32].hex()}; by deployments.json it is 0x{value.hex()}"
        for at, (name, value) in words.items()
        if there[at : at + 32] != value
    }
    masked = {at for start in words for at in range(start, start + 32)}
    differ = [at for at in range(len(there)) if there[at] != expected[at] and at not in masked]
    if match == "partial":
        faults.add("only its metadata differs: other sources or settings that make the same instructions")
    elif differ:
        faults.add(f"{plural(len(differ), 'byte')} of its code differ, the first at {differ[0]:,}")
    return sorted(faults)


# --- what the constructors make of their arguments


def _words(name: str, compiled: Compiled, deployed: Deployed) -> dict[int, tuple[str, bytes]]:
    """By offset in the code, each immutable's name and its word. Raises `IntegrityError` where the
    constructor cannot have had the recorded arguments."""
    arguments = deployed.contracts[name].arguments
    inputs = [field for item in compiled.abi if item["type"] == "constructor" for field in item["inputs"]]
    try:
        abi_encode([collapse_if_tuple(field) for field in inputs], arguments)
    except Exception:  # eth_abi raises many kinds on values of another type
        raise IntegrityError(f"its constructor takes no such arguments as {arguments}") from None
    values = _immutables(name, arguments, deployed)
    if set(values) != set(compiled.immutables):
        raise IntegrityError(f"its immutables are {', '.join(compiled.immutables)}, of another version")
    return {at: (key, values[key]) for key, offsets in compiled.immutables.items() for at in offsets}


def _immutables(name: str, arguments: list[Any], deployed: Deployed) -> dict[str, bytes]:
    """The constructors of contracts/, said again."""
    if name == "ProviderRegistry":
        authorities = [word(one) for one in arguments[0]]
        if not 1 <= len(authorities) <= 4 or len({*authorities, bytes(32)}) != len(authorities) + 1:
            raise IntegrityError(f"its constructor refuses such authorities as {arguments[0]}")
        padded = authorities + 4 * [bytes(32)]
        return {f"_authority{number}": padded[number] for number in range(4)}
    if name == "ConsentRegistry":
        return {
            "providers": word(arguments[0]),
            "_CHAIN_ID": word(deployed.chain_id),
            "_grantDomain": _domain(GRANTS, deployed),
            "_controlDomain": _domain(CONTROL, deployed),
        }
    return {"consents": word(arguments[0])} if name == "AccessLog" else {}


def _domain(name: str, deployed: Deployed) -> bytes:
    """The EIP-712 domain separator of that name."""
    types = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    hashed = [keccak(text=_DOMAIN), keccak(text=name), keccak(text="1")]
    return keccak(abi_encode(types, [*hashed, deployed.chain_id, deployed.deployment.registry]))


def _disagreements(deployed: Deployed) -> list[str]:
    """Where deployments.json contradicts itself."""
    placed = deployed.contracts
    said = {
        "AccessLog: it asks another ConsentRegistry than this one": (
            placed["AccessLog"].arguments == [placed["ConsentRegistry"].address]
        ),
        "ConsentRegistry: it asks another ProviderRegistry than this one": (
            placed["ConsentRegistry"].arguments == [placed["ProviderRegistry"].address]
        ),
        "ProviderRegistry: deployments.json names other authorities than it was made with": (
            placed["ProviderRegistry"].arguments == [deployed.authorities]
        ),
    }
    return [fault for fault, holds in said.items() if not holds]
