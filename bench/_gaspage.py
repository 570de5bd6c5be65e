"""What the gas bench tells: tables for the terminal, and docs/bench-gas.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench._chain import Row
from bench._peers import MANY, Peer

HERE = Path(__file__).parent
PACKAGES = HERE.parent / "tools" / "package.json"
SPLIT = ("hashing", "memory", "jumps", "sums", "again")
SYSTEMS = ("OpenZeppelin", "EAS", "plain registry")
# What is done; our row and how many are in it; for each of SYSTEMS the act that comes closest.
BESIDE: tuple[tuple[str, tuple[str, int], tuple[str, str, str]], ...] = (
    ("grant", ("grant", 1), ("grantRole", "attest", "grantConsent")),
    ("grant, signed", ("grantBySig", 1), ("", "attestByDelegation", "")),
    ("many grants in one call, each", ("grantMany, 100", 100), ("", f"multiAttest, {MANY}", "")),
    ("end one", ("revoke", 1), ("revokeRole", "revoke", "revokeConsent")),
    ("end all", ("revokeAll", 1), ("", "", "")),
    ("log an access", ("request, own", 1), ("", "", "logAccess")),
    ("100 records in one access, each", ("request, own, 100 records", 100), ("", "", "")),
    ("grant and access in one", ("requestWithSignature, own", 1), ("", "", "")),
    ("anchor a record", ("anchor", 1), ("", "timestamp", "")),
    ("100 anchors in one call, each", ("anchorBatch, 100 records", 100), ("", "multiTimestamp, 100", "")),
    ("credential", ("credential, practitioner", 1), ("grantRole", "attest", "")),
)


def beside(rows: Sequence[Row], peers: Sequence[Peer]) -> list[tuple[str, ...]]:
    """Ours beside the others: what is done, our gas, and for each other its gas and how many times ours."""
    ours = {row.name: row.used for row in rows}
    theirs = {(peer.system, peer.act): peer.used for peer in peers}
    found = []
    for what, (name, count), acts in BESIDE:
        used = ours[name] // count
        cells = [(theirs[system, act] if act else 0) for system, act in zip(SYSTEMS, acts, strict=True)]
        told = [f"{cell:,} ({cell / used:.2f})" if cell else "" for cell in cells]
        found.append((what, f"{used:,}", *told))
    return found


def between(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Acts with a target: what stands between floor and figure, and its parts."""
    parts = [(row, (row.between, *astuple(row.split))) for row in rows if row.split]
    return [(row.name, *(f"{part:,}" for part in all_of_it)) for row, all_of_it in parts]


def acts(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Acts: used, target, floor, what stands between."""
    return [
        (row.name, f"{row.used:,}", *(f"{n:,}" if n else "" for n in (row.target, row.floor, row.between)))
        for row in rows
    ]


HEADS = {
    beside: ("act", "Consentry", *SYSTEMS),
    between: ("act", "between", *SPLIT),
    acts: ("act", "used", "target", "floor", "between"),
}
OTHERS = ("act", "used", "floor", "between")


def text(head: tuple[str, ...], body: Sequence[tuple[str, ...]]) -> str:
    """A table for the terminal, its first column to the left, the others to the right."""
    table = [head, *body]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in table
    )


def markdown(head: tuple[str, ...], body: Sequence[tuple[str, ...]]) -> str:
    """The same as Markdown."""
    ruler = ("---", *(["---:"] * (len(head) - 1)))
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ruler, *body))


def terminal(rows: Sequence[Row], peers: Sequence[Peer]) -> str:
    """All of it for a terminal of 100 columns."""
    over = [f"{row.name}: {row.used:,}, target {row.target:,}" for row in rows if row.is_over]
    return "\n\n".join(
        [
            "Every act (floor: what the chain alone charges; between: our contracts' own work)",
            text(HEADS[acts], acts(rows)),
            "What stands between, by kind of operation, where there is a target",
            text(HEADS[between], between(rows)),
            "Beside others, in the same run; in brackets how many times ours",
            text(HEADS[beside], beside(rows, peers)),
            *(["Over their targets:\n" + "\n".join(over)] if over else []),
            "docs/bench-gas.md says what each of them does, what stands between in words, and quotes others.",
        ]
    )


def page(rows: Sequence[Row], peers: Sequence[Peer]) -> str:
    """docs/bench-gas.md."""
    others = acts([row for row in rows if not row.target])
    templates = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, keep_trailing_newline=True
    )
    return templates.get_template("_gas.md.j2").render(
        pins=json.loads(PACKAGES.read_text("utf-8"))["dependencies"],
        many=MANY,
        row={row.name: row for row in rows},
        beside=markdown(HEADS[beside], beside(rows, peers)),
        targets=markdown(HEADS[acts], acts([row for row in rows if row.target])),
        between=markdown(HEADS[between], between(rows)),
        others=markdown(OTHERS, [(name, used, *rest) for name, used, _, *rest in others]),
    )
