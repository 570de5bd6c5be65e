"""Compiling the manifest again, to see whether it is what its own sources compile to.

``sources`` and ``compilers[0].settings`` of the manifest together are solc's standard-JSON input.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import solcx
from solcx.exceptions import SolcError, SolcNotInstalled

from consentry.chain.manifest import NAMES
from consentry.errors import IntegrityError, NotFound

_EXTRA = ("abi", "evm.deployedBytecode.immutableReferences", "metadata")


@dataclass(frozen=True, slots=True)
class Compiled:
    """One contract as the compiler made it: its ABI, its code as deployed with zeros for every immutable,
    and by name of each immutable the offsets at which its 32-byte word stands."""

    abi: list[dict[str, Any]]
    code: bytes
    immutables: dict[str, list[int]]


def recompile(manifest: Path) -> dict[str, Compiled]:
    """The contracts that the standard-JSON input in ``manifest`` compiles to, by name.

    Raises `IntegrityError` naming the first place at which the manifest says something else, and
    `NotFound` where there is no manifest, or its compiler is not here or does not run."""
    document, version, sources, settings, asked = _parts(manifest)
    selection = {"*": {"*": [*asked, *_EXTRA], "": ["ast"]}}
    job = {"language": "Solidity", "sources": sources, "settings": {**settings, "outputSelection": selection}}
    made = compile_with_solc(job, version)
    places = {name: source for source, found in made["contracts"].items() for name in found if name in NAMES}
    if missing := ", ".join(sorted(set(NAMES) - set(places))):
        raise IntegrityError(f"the manifest's sources make no {missing}")
    outputs = {name: made["contracts"][place][name] for name, place in places.items()}
    expected = _expected(sources, settings, asked, places, outputs)
    if (path := _difference(document, expected)) is not None:
        raise IntegrityError(
            f"the manifest is not what its own sources compile to: {path} differs; get it again, or build it "
            "from sources that you trust (ape run build)"
        )
    names = dict(_immutables(made["sources"]))
    return {name: _compiled(output, names) for name, output in outputs.items()}


def _parts(manifest: Path) -> tuple[dict[str, Any], str, dict[str, Any], dict[str, Any], Sequence[str]]:
    """The whole document, and of it the compiler's version, sources, settings and selected outputs."""
    try:
        document = json.loads(manifest.read_bytes())
        (compiler,) = document["compilers"]
        sources = {name: {"content": source["content"]} for name, source in document["sources"].items()}
        settings = dict(compiler["settings"])
        asked = [str(output) for output in settings["outputSelection"]["*"]["*"]]
        return document, str(compiler["version"]), sources, settings, asked
    except OSError as error:
        raise NotFound(f"the manifest {manifest} cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise IntegrityError(f"{manifest} is not a manifest ({type(error).__name__}: {error})") from None


def compile_with_solc(job: dict[str, Any], version: str) -> dict[str, Any]:
    """The compiler's standard-JSON output for ``job``. Raises `IntegrityError` where it does not compile,
    `NotFound` without this compiler."""
    number = version.partition("+")[0]
    try:
        return dict(solcx.compile_standard(job, solc_version=number))
    except SolcError as error:
        if error.error_dict:
            first = str(error.message).splitlines()[0]
            raise IntegrityError(f"the manifest's sources do not compile: {first}") from None
        said = (error.stderr_data or str(error.message)).strip().splitlines()[-1:]
        why = f"does not run ({''.join(said)})"
    except (SolcNotInstalled, ValueError):  # a version that is none is a ValueError
        why = "is not here"
    except (OSError, subprocess.SubprocessError) as error:
        why = f"does not run ({error})"
    raise NotFound(
        f"the compiler that the manifest names, solc {number}, {why}; run make setup in a checkout, or "
        f"`python -c 'import solcx; solcx.install_solc(\"{number}\")'`"
    )


def _expected(
    sources: dict[str, Any],
    settings: dict[str, Any],
    asked: Sequence[str],
    places: dict[str, str],
    outputs: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """The whole manifest as it has to be. Its sources are those that went into the contracts' metadata, and
    so into their code: of what went into none nothing is verified, and solc reads one that is missing from
    the folder it runs in."""
    metadata = [json.loads(output["metadata"]) for output in outputs.values()]
    used = {name for one in metadata for name in one["sources"]}
    compiler = {
        "name": "solidity",
        "version": metadata[0]["compiler"]["version"],
        "contractTypes": sorted(NAMES),
        "settings": {**settings, "outputSelection": {"*": {"*": asked}}},
    }
    types = {
        name: {
            "abi": output["abi"],
            "contractName": name,
            "deploymentBytecode": {"bytecode": "0x" + _object(output, "bytecode")},
            "devdoc": output.get("devdoc"),
            "runtimeBytecode": {"bytecode": "0x" + _object(output, "deployedBytecode")},
            "sourceId": places[name],
            "userdoc": output.get("userdoc"),
        }
        for name, output in outputs.items()
    }
    return {
        "manifest": "ethpm/3",
        "name": "consentry",
        "compilers": [compiler],
        "contractTypes": types,
        "sources": {name: {**sources.get(name, {}), "urls": []} for name in used},
    }


def _object(output: dict[str, Any], part: str) -> str:
    return str(output["evm"].get(part, {}).get("object", ""))


def _difference(one: Any, other: Any, path: str = "") -> str | None:
    """The path to the first place at which two JSON values differ, or None."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            inner = f"{path} > {key}" if path else key
            if key not in one or key not in other:
                return inner
            if (found := _difference(one[key], other[key], inner)) is not None:
                return found
        return None
    return None if one == other else path


def _immutables(sources: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(AST id, name) of every immutable in the sources."""
    for source in sources.values():
        for contract in source["ast"]["nodes"]:
            for node in contract.get("nodes", ()):
                if node.get("mutability") == "immutable":
                    yield str(node["id"]), str(node["name"])


def _compiled(output: dict[str, Any], names: dict[str, str]) -> Compiled:
    references = output["evm"]["deployedBytecode"].get("immutableReferences", {})
    places = {names[number]: [int(place["start"]) for place in found] for number, found in references.items()}
    return Compiled(output["abi"], bytes.fromhex(_object(output, "deployedBytecode")), places)
