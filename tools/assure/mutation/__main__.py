"""All mutants: ``python -m tools.assure.mutation [WORD ...]``, with the words of `campaign`.

Without words and in a clean tree the result is written to docs/mutation.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from tools.setup.base import ROOT

from ..page import clean_commit
from .page import text
from .score import campaign, explanations, judge, outcome

PAGE = ROOT / "docs" / "mutation.md"
LONGEST = 6 * 3600


def main(words: Sequence[str]) -> int:
    """Try all mutants, or those that the words say: 0 when it passed, 1 when not."""
    commit = clean_commit()
    told = campaign(words, LONGEST)
    if isinstance(told, str):
        print(told)
        return 1
    result = judge(told, explanations())
    done = outcome(result)
    print(*done.lines, *(f"{what}: {figure}" for what, figure in done.figures.items()), sep="\n")
    if not words and commit and clean_commit() == commit:
        PAGE.write_text(text(result, explanations(), commit, datetime.now(UTC)), "utf-8")
        print(f"written: {PAGE.relative_to(ROOT)}")
    return 0 if done.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
