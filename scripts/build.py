"""Compile the contracts through Ape and write the manifest that the package ships.

``ape run build``. The manifest is EthPM v3 JSON (EIP-2678): per contract ABI, bytecodes and documentation,
and the sources and settings from which they came. ``sources`` and ``compilers[0].settings`` together are the
compiler's standard-JSON input, so that anybody can compile it again. Nothing in it depends on where the
checkout lies.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SHIPPED = ("AccessLog", "ConsentRegistry", "ProviderRegistry", "RecordRegistry")
MANIFEST = Path(__file__).parent.parent / "src" / "consentry" / "artifacts" / "manifest.json"
PARTS = ("abi", "contractName", "deploymentBytecode", "devdoc", "runtimeBytecode", "sourceId", "userdoc")
OUTPUTS = ("abi", "devdoc", "evm.bytecode.object", "evm.deployedBytecode.object", "userdoc")


def _manifest(project: Any) -> dict[str, Any]:
    """What is shipped of a compiled Ape project."""
    types = {
        name: kind.model_dump(mode="json") for name, kind in project.load_contracts(use_cache=False).items()
    }
    compiled = next(c for c in project.manifest.compilers if "ConsentRegistry" in c.contractTypes)
    settings = {key: compiled.settings[key] for key in compiled.settings if key != "outputSelection"}
    shipped = {name: {part: types[name][part] for part in PARTS} for name in SHIPPED}
    files = {path.relative_to(project.path).as_posix(): path for path in project.sources.paths}
    return {
        "manifest": "ethpm/3",
        "name": "consentry",
        "compilers": [
            {
                "name": compiled.name,
                "version": compiled.version,
                "contractTypes": list(SHIPPED),
                "settings": {**settings, "outputSelection": {"*": {"*": list(OUTPUTS)}}},
            }
        ],
        "contractTypes": shipped,
        "sources": {
            name: {"content": path.read_text("utf-8"), "urls": []}
            for name, path in files.items()
            if not name.startswith("contracts/mocks/")
        },
    }


def main() -> None:
    """Compile, write, and say what was written."""
    from ape import project

    text = json.dumps(_manifest(project), indent=1, sort_keys=True, ensure_ascii=False)
    MANIFEST.parent.mkdir(exist_ok=True)
    MANIFEST.write_text(text + "\n", "utf-8")
    print(f"{MANIFEST.name}: {', '.join(SHIPPED)}, {len(text):,} characters")


if __name__ == "__main__":
    main()
