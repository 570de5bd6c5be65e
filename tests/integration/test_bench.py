"""The benches run: a small measurement, so that nobody finds them broken when figures are wanted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench._report import Large, Small, write

ROOT = Path(__file__).parents[2]


def test_the_store_bench_measures_both_sides() -> None:
    words = [sys.executable, "bench/store.py", "--records", "3", "--mebibytes", "2", "--rounds", "1"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for side in ("the usual way", "ours", "streaming add", "CAR import", "age piped", "ipfs add alone"):
        assert side in done.stdout


def test_the_page_tells_the_ratio_and_where_the_time_goes(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    small = Small(10, 4.0, {"seal": 0.5, "pin": 0.5, "anchor": 1.0})
    ways = [Large(name, 2.0, 50 << 20, (1.0, 0.5)) for name in ("add", "car")]
    ways += [Large(name, seconds, 20 << 20, ()) for name, seconds in (("age", 1.0), ("floor", 0.5))]
    write(tmp_path, small, ways, 1 << 30)
    page = (tmp_path / "bench-store.md").read_text("utf-8")
    assert "**Ratio: 2.00**" in page
    assert "| anchor | 1.00 | 50% |" in page
    assert "| add | 2.00 | 2.00 | 50 MiB | 1.00 | 0.50 |" in page
    picture = (tmp_path / "img" / "bench-store.svg").read_text("utf-8")
    assert "anchor 1.0 s" in picture


def test_the_bench_of_keyholders_measures_all_that_it_tells() -> None:
    few = {"opens": 2, "warm": 1, "releases": 4, "deposits": 3, "refusals": 2, "mebibytes": 4, "rounds": 1}
    words = [sys.executable, "bench/keys.py"]
    words += [word for name, count in few.items() for word in (f"--{name}", str(count))]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for row in ("3 of 5, from the listing on", "1 of 1, the whole verb", "check: entry", "consent at head"):
        assert f"| {row} |" in done.stdout
    for figure in ("a second**", "| seal |", "| open |", "| anchor |", "| target | measured |"):
        assert figure in done.stdout
