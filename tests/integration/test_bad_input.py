"""Every row of docs/errors.md: its input comes about, and code, message and what stands are as it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench._anvil import anvil
from tests.integration.bad_input import CASES, Tried
from tests.support.doors import LETTER, ROOT, Place, Ran, State, beside, peopled

# A command leaves its connections to the end of its process, which here is not its own.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
DOCUMENT = (ROOT / "docs" / "errors.md").read_text("utf-8")
HEADING = "| input | exit code | what standard error says | state after |"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the document."""

    input: str
    code: int
    says: list[str]
    after: str


def rows() -> Iterator[Row]:
    """The rows of every table that has the heading."""
    for table in DOCUMENT.split(HEADING)[1:]:
        for line in table.strip().splitlines()[1:]:
            if not line.startswith("|"):
                break
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 4, line
            yield Row(cells[0], int(cells[1]), re.findall("`([^`]+)`", cells[2]), cells[3])


ROWS = list(rows())


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with anvil() as url:
        yield peopled(Place(tmp_path_factory.mktemp("base"), url))


@pytest.fixture
def place(base: Place, tmp_path: Path) -> Iterator[Place]:
    with beside(base, tmp_path) as place:
        yield place


def test_the_rows_and_the_cases_are_the_same_set() -> None:
    assert len({row.input for row in ROWS}) == len(ROWS)
    assert {row.input for row in ROWS} == set(CASES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.input)
def test_what_the_row_says_happens(row: Row, place: Place) -> None:
    tried = CASES[row.input](place)
    tried = Tried(tried) if isinstance(tried, Ran) else tried
    assert tried.ran.code == row.code, tried.ran.err
    assert row.says
    for words in row.says:
        assert fits(words, tried.ran.err), tried.ran.err
    assert place.before is not None
    assert not leftovers(place)
    AFTER[row.after](place, place.before, tried)


def fits(words: str, said: str) -> bool:
    """Whether ``words``, in which … is anything, stand in what was said."""
    pattern = ".*".join(map(re.escape, re.split(" ?… ?", " ".join(words.split()))))
    return re.search(pattern, " ".join(said.split())) is not None


def leftovers(place: Place) -> list[Path]:
    """Temporary files."""
    return [
        path for path in place.folder.rglob("*") if path.name.startswith(".") or path.parent.name == "tmp"
    ]


# --- what stands after it


def as_before(at: Place, before: State, tried: Tried) -> None:
    assert at.look() == before


def done(at: Place, before: State, tried: Tried) -> None:
    """Something was finished, and nothing waits."""
    after = at.look()
    assert after.head > before.head
    assert sound(at, after, tried)


def begun(at: Place, before: State, tried: Tried) -> None:
    after, anchors = at.look(), at.anchors()
    assert after.head == before.head
    [parcel] = after.outbox - before.outbox
    assert parcel
    assert tried.again is not None
    tried.again().well()
    again = at.look()
    assert again.outbox == after.outbox  # its result is kept
    assert again.blobs == after.blobs  # sealed and pinned once
    assert len(at.anchors() - anchors) == 1
    assert sound(at, again, tried)


def requested(at: Place, before: State, tried: Tried) -> None:
    after = at.look()
    assert after.head == before.head + 1
    assert len(after.outbox - before.outbox) == 1
    assert not at.opened.exists()
    assert at.entries() == 1
    assert tried.again is not None
    tried.again().well()
    assert at.opened.read_bytes() == LETTER
    assert at.entries() == 1
    assert at.look().outbox == before.outbox
    assert at.look().head == after.head


AFTER: dict[str, Callable[[Place, State, Tried], None]] = {
    "as before": as_before,
    "done": done,
    "begun": begun,
    "requested": requested,
}


def sound(at: Place, state: State, tried: Tried) -> bool:
    """Every blob is that of an anchored record, and every anchored record has its blob."""
    return len(state.blobs) + tried.elsewhere() == len(at.anchors())
