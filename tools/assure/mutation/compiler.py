"""The compiler that Ape uses, with Ape's settings, in a process that stays: half a second a mutant."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.setup.base import ROOT, VENV

SERVER = Path(__file__).with_name("compiler.js")
CODES = ["evm.bytecode.object", "evm.deployedBytecode.object"]
# Where each instruction comes from; blocks are not merged, or one of two like places would seem never run.
MAPPED = [*CODES, *(f"evm.{kind}.sourceMap" for kind in ("bytecode", "deployedBytecode"))]
MAPPED.append("evm.deployedBytecode.immutableReferences")
APART = {"peephole": True, "jumpdestRemover": True, "orderLiterals": True, "yul": True}


@dataclass(frozen=True)
class Code:
    """A contract as it is deployed and as it then stands, hexadecimal and without metadata."""

    creation: str
    runtime: str


def settings() -> dict[str, Any]:
    """What ape-config.yaml tells the compiler, without metadata: they differ for each change of a comment."""
    told = yaml.safe_load((ROOT / "ape-config.yaml").read_text("utf-8"))["solidity"]
    return {
        "evmVersion": told["evm_version"],
        "optimizer": {"enabled": told["optimize"], "runs": told["optimization_runs"]},
        "metadata": {"appendCBOR": False, "bytecodeHash": "none"},
    }


class Compiler:
    """A compiler in a process of its own; ``with`` ends it."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)])
        self._process = subprocess.Popen(
            ["node", str(SERVER)],
            cwd=ROOT,
            env={**os.environ, "PATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Compiler:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, sources: Mapping[str, str], **changes: Any) -> dict[str, Any]:
        """Give the answer to standard JSON with these sources; what they import is read from the checkout."""
        contents = {name: {"content": text} for name, text in sources.items()}
        question = {"language": "Solidity", "sources": contents, "settings": settings() | changes}
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def compile(self, names: frozenset[str], changed: Mapping[str, str]) -> dict[str, Code] | None:
        """Give the code of these contracts, by name, with some files changed; None if they do not compile."""
        sources = {root(name): read(root(name)) for name in names} | dict(changed)
        wanted = {root(name): {name: CODES} for name in names}
        answer = self.ask(sources, outputSelection=wanted)
        if any(told["severity"] == "error" for told in answer.get("errors", [])):
            return None
        return {name: code(answer["contracts"][root(name)][name]["evm"]) for name in names}


def root(name: str) -> str:
    """The file of a contract that is deployed."""
    return f"contracts/{name}.sol"


def read(path: str) -> str:
    """The text of a file of the checkout."""
    return (ROOT / path).read_text("utf-8")


def code(evm: Mapping[str, Any]) -> Code:
    """The code in a compiler's answer for one contract."""
    return Code(evm["bytecode"]["object"], evm["deployedBytecode"]["object"])


def deployed() -> list[str]:
    """The contracts of the checkout that are deployed: those in contracts/ itself that are not abstract."""
    files = sorted((ROOT / "contracts").glob("*.sol"))
    return [path.stem for path in files if re.search(r"^contract ", path.read_text("utf-8"), re.MULTILINE)]
