"""Commands in processes of their own that end themselves, with SIGKILL, at a step that a test names.

The interpreter tells its auditing hooks of every durable step (`consentry.client.steps`) and of every rename;
nothing of the product is changed or told.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Any

from consentry.client.steps import EVENT

RENAME = "os.rename"
_ROOMS = ("accounts", "chain", "networks", "project")
_DOORS = ("depositing", "desk", "granting", "opening", "stores", "workshop")
_PRELOADED = [
    *(f"ape.managers.{one}" for one in _ROOMS),
    *("ape_ethereum.provider", "ape_node.provider", "ape_test.accounts", "ape_test.provider"),
    *(f"consentry.cli.{one}" for one in _DOORS),
    *("consentry.fhir", "consentry.keyholder.local", "consentry.store.kubo", "tests.support.doors"),
]


def end_at(moment: int, log: Path) -> None:
    """Ends this process at its ``moment``-th step or rename, counted from 1 (0: never), and writes each into
    ``log`` when it comes: a step when it is done, a rename before it is."""
    passed = 0
    with log.open("w") as file:
        names = os.dup(file.fileno())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal passed
        if event not in (EVENT, RENAME):
            return
        passed += 1
        what = (
            arguments[0]
            if event == EVENT
            else f"before {Path(os.fsdecode(arguments[1])).name} is in its place"
        )
        os.write(names, json.dumps(what).encode() + b"\n")
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def passed(log: Path) -> list[str]:
    """What stands in a log."""
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()]


def _child(place: Any, words: tuple[Any, ...], options: dict[str, Any], moment: int, log: Path) -> None:
    with (log.with_suffix(".said")).open("w") as said, contextlib.redirect_stderr(said):
        end_at(moment, log)
        ran = place.run(*words, **options)
        said.write(ran.err)
    os._exit(ran.code)


def run(place: Any, *words: Any, moment: int, log: Path, **options: Any) -> int:
    """Runs a script's command in a process of its own, forked from one that has Ape loaded; gives its exit
    code, or minus the signal that ended it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(target=_child, args=(place, words, options, moment, log))
    process.start()
    process.join(120)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode
