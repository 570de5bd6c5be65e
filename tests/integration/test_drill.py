"""The drill runs whole and nobody gets anything; where a keyholder leaves a check out, it says so."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from consentry.cli.drill.tries import revolving, several

ROOT = Path(__file__).parents[2]


def drill(tmp_path: Path, *scenes: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the drill in a process of its own."""
    words = [word for scene in scenes for word in ("--scene", scene)]
    return subprocess.run(
        [str(ROOT / ".venv/bin/ape"), "run", "drill", *words],
        cwd=ROOT,
        env={
            **os.environ,
            "APE_DATA_FOLDER": str(tmp_path / "ape"),
            "CONSENTRY_STORE": "folder",
            "COLUMNS": "240",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
    )


SCENES = {
    "The hospital deposits, the patient grants general to a clinician, who opens": 0,
    "Machines fail: any two, any three": 6,
    "A key is asked for without an entry that fits": 15,
    "Keyholders give wrong shares": 5,
    "Keyholders write in their journals": 5,
    "A contributor deals what does not fit": 3,
    "Keyholders hide a new key version": 1,
    "The chain reorganises": 3,
    "A newcomer replaces a keyholder": 10,
}
"""Each scene, and how many attempts it tells."""


def tried(said: str) -> dict[str, int]:
    """The scenes that were told, in their order, each with how many of its attempts got nothing."""
    scenes = re.split(r"^ ?\d+\. (.*) \(\d+ s\)$", said, flags=re.M)[1:]
    attempt = re.compile(r"^  ✓  \S.*  nothing  ", re.M)
    return {title: len(attempt.findall(told)) for title, told in zip(scenes[::2], scenes[1::2], strict=True)}


def test_the_drill_runs_whole_and_nobody_gets_anything(tmp_path: Path) -> None:
    done = drill(tmp_path)
    said = done.stdout
    assert done.returncode == 0, said[-5000:] + done.stderr[-3000:]
    assert tried(said) == SCENES
    assert re.search(rf"^{sum(SCENES.values())} attempts; 0 of them got anything$", said, re.M)
    for named in (
        "10 of 10 times the clinician opened",
        "10 of 10 times TooFewKeyholders",
        *(
            "check “entry” ×5",
            "check “record” ×5",
            "check “actor” ×5",
            "check “caller” ×5",
            "check “nonce” ×5",
        ),
        *(
            "check “reply key” ×5",
            "check “age” ×5",
            "check “consent at head” ×5",
            "check “credential at head” ×5",
        ),
        *("ShareMismatch", "EnvelopesDiffer", "DealInconsistent", "CommitMismatch", "it was forked"),
        *("the tail was cut", "signed two rows", "seals to version 2"),
        *(
            "check “NotApproved” ×5",
            "check “taker” ×5",
            "2 of them are shares of the record, and 3 are needed",
        ),
        *("keyholder 2 did not hand on what it had been dealt; opened by", "it lay in record-keys.sqlite"),
    ):
        assert named in said, named


@pytest.mark.parametrize("check", ["entry", "consent at head"])
def test_a_keyholder_that_leaves_one_check_out_is_found_by_the_drill(check: str, tmp_path: Path) -> None:
    done = drill(
        tmp_path,
        "entries",
        PYTHONPATH=str(ROOT / "tests/support/sabotage"),
        SABOTAGED_HOME="/keyholders/2",
        SABOTAGED_CHECK=check,
    )
    assert done.returncode == 7, done.stdout[-5000:] + done.stderr[-3000:]
    assert "FindingsError: " in done.stderr
    assert re.search(r"✗ .*\d bytes, of 1 keyholder ", done.stdout)
    assert not re.search(r" 0 of them got anything", done.stdout)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_every_group_of_keyholders_has_its_turn_and_one_changes_at_a_time(size: int) -> None:
    from itertools import combinations, pairwise

    groups = revolving(5, size)
    assert sorted(groups) == sorted(combinations(range(1, 6), size))
    assert all(len(set(a) & set(b)) == size - 1 for a, b in pairwise(groups))


def test_indexes_are_told_in_words() -> None:
    assert (several([3]), several([1, 2, 5])) == ("3", "1, 2 and 5")
