"""All mutants of what decides who may, who did and who practises:
``python -m tools.assure.mutation [WORD ...]``, with the words of `campaign`.

Without words, or with ``--after FILE`` alone, and in a clean tree the result is written to docs/mutation.md.
What killed each mutant is kept in .build/mutation.json, for the next run's ``--after``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from tools.setup.base import BUILD, ROOT

from ..page import clean_commit
from .page import text
from .score import campaign, explanations, judge, outcome

PAGE = ROOT / "docs" / "mutation.md"
KEPT = BUILD / "mutation.json"
LONGEST = 6 * 3600
CONTRACTS = ("ConsentRegistry", "AccessLog", "ProviderRegistry")
"""The sample of `make assure` is drawn from all, and from the files that these inherit from."""


def main(words: Sequence[str]) -> int:
    """Try all mutants, or those that the words say: 0 when it passed, 1 when not."""
    parser = argparse.ArgumentParser(prog="mutation", add_help=False)
    parser.add_argument("--after", default=None)
    chosen, others = parser.parse_known_args(words)
    before = clean_commit()
    after = ["--after", chosen.after] if chosen.after else []
    told = campaign([*after, *(others or ["--only", *CONTRACTS])], LONGEST)
    if isinstance(told, str):
        print(told)
        return 1
    KEPT.write_text(json.dumps(told), "utf-8")
    result = judge(told, explanations())
    done = outcome(result)
    print(*done.lines, *(f"{what}: {figure}" for what, figure in done.figures.items()), sep="\n")
    if not others and before and clean_commit() == before:
        PAGE.write_text(text(result, explanations(), before, datetime.now(UTC)), "utf-8")
        print(f"written: {PAGE.relative_to(ROOT)}")
    return 0 if done.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
