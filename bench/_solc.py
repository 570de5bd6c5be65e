"""Contracts that stand outside contracts/ and may import npm packages, by our compiler with our settings.

Ape compiles a copy of contracts/, outside of which the compiler reads nothing: what imports a package cannot
lie there.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import solcx

from consentry.chain.manifest import FILE

ROOT = Path(__file__).parent.parent
PACKAGES = ROOT / "tools" / "node_modules"


@cache
def compiled(source: str) -> tuple[Any, str]:
    """ABI and bytecode of the contract that a file is named after; the file by its path from the checkout.

    An import that starts with ``@`` is one of the npm packages, any other starts at the checkout.
    """
    (ours,) = json.loads(FILE.read_text("utf-8"))["compilers"]
    job = {
        "language": "Solidity",
        "sources": {source: {"content": (ROOT / source).read_text("utf-8")}},
        "settings": {
            **ours["settings"],
            "remappings": [f"@={PACKAGES.relative_to(ROOT)}/@"],
            "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
        },
    }
    version = ours["version"].partition("+")[0]
    made = solcx.compile_standard(job, solc_version=version, base_path=str(ROOT), allow_paths=[str(ROOT)])
    contract = made["contracts"][source][Path(source).stem]
    return contract["abi"], contract["evm"]["bytecode"]["object"]
