"""Exact gas of every act, and of what others use for the same, on an Anvil where nothing is left to chance.

``make bench-gas`` prints the tables and fails where a number differs from tests/vectors/gas.json, or a target
is missed; ``python bench/gas.py --write`` rewrites that file and docs/bench-gas.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from web3 import HTTPProvider, Web3

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench._acts import ACTS  # noqa: E402
from bench._anvil import anvil  # noqa: E402
from bench._chain import START, Bench, Row  # noqa: E402
from bench._gaspage import page, terminal  # noqa: E402
from bench._peers import Peer, measure_peers  # noqa: E402

VECTORS = ROOT / "tests" / "vectors" / "gas.json"
PAGE = ROOT / "docs" / "bench-gas.md"


def measure() -> tuple[list[Row], list[Peer]]:
    """Every row, and then every peer, on a new Anvil."""
    with anvil("--steps-tracing", hardfork="osaka", timestamp=START) as url:
        bench = Bench(Web3(HTTPProvider(url)))
        for part in ACTS:
            part(bench)
        return bench.rows, measure_peers(bench)


def figures(rows: list[Row], peers: list[Peer]) -> dict[str, int]:
    """What is committed: the gas of each transaction, by the name of its act."""
    return {row.name: row.used for row in rows} | {peer.name: peer.total for peer in peers}


def main(arguments: list[str]) -> int:
    """Measure and print; 1 where a number is not the committed one, or a target is missed."""
    rows, peers = measure()
    print(terminal(rows, peers))
    used = figures(rows, peers)
    if arguments == ["--write"]:
        VECTORS.write_text(json.dumps(used, indent=1) + "\n", "utf-8")
        PAGE.write_text(page(rows, peers), "utf-8")
    expected = json.loads(VECTORS.read_text("utf-8"))
    for name in sorted(used.keys() | expected.keys()):
        if used.get(name) != expected.get(name):
            print(f"{name}: {used.get(name)} measured, {expected.get(name)} in {VECTORS.name}")
    return int(used != expected or any(row.is_over for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
