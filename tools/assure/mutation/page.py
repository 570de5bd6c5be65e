"""docs/mutation.md: the scores of all mutants, with the commit that they belong to, and why some live."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from .score import Key, Result, Score, percent

HEAD = """# Mutation testing

What `python -m tools.assure.mutation` found, as it was written by it. Each mutant is one line of a contract
changed by a rule of [solidity.rules](../tools/assure/mutation/solidity.rules). Counted are those that compile
to a code of their own; killed are those on which a test of tests/contracts fails. `make assure` tries a
sample, of these files and of all others ([assurance-run.md](assurance-run.md)).

"""
COLUMNS = "| file | made | counted | killed | live | score |\n|---|---|---|---|---|---|\n"


def text(result: Result, known: Mapping[Key, str], commit: str, when: datetime) -> str:
    """The page."""
    facts = f"Commit `{commit}`, {when:%Y-%m-%d %H:%M} UTC.\n\n"
    rows = "".join(f"{row(score)}\n" for score in [*result.scores, total(result)])
    return HEAD + facts + COLUMNS + rows + "\n## What lives, and why\n" + reasons(result, known)


def row(score: Score) -> str:
    """A file's row."""
    cells = (score.file, score.made, score.tried, score.killed, len(score.lives))
    return f"| {' | '.join(map(str, cells))} | {percent(score.killed, score.tried)} % |"


def total(result: Result) -> Score:
    """All files as one."""
    whole = Score("all")
    for score in result.scores:
        whole.made += score.made
        whole.killed += score.killed
        whole.lives += score.lives
    return whole


def reasons(result: Result, known: Mapping[Key, str]) -> str:
    """The mutants that live, by reason."""
    groups: defaultdict[str, list[Key]] = defaultdict(list)
    for key in total(result).lives:
        groups[known.get(key, "Not explained.")].append(key)
    told = ""
    for why, keys in groups.items():
        told += f"\n{why}\n\n"
        for file, function, line, becomes in keys:
            place = f"{file.removeprefix('contracts/')} {function}".strip()
            told += f"- {place}: `{line}` as `{becomes}`\n"
    return told
