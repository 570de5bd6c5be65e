"""Trials in one warm pytest: every mutant gets a copy (fork) of the process that has all tests collected.

Pytest starts once, imports Ape and runs one test; what follows is the operating system's copying of memory.
In a copy the mutant's code takes the place of the original's, and tests run until one fails.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from .compiler import Code


@dataclass(frozen=True)
class Case:
    """A mutant ready for trial: its name, its contracts' code, and the tests to run, in this order."""

    name: int
    codes: dict[str, Code]
    tests: Sequence[str]


@dataclass(frozen=True)
class Verdict:
    """How a trial ended: the test that failed, `timeout`, or nothing where none did."""

    name: int
    by: str
    seconds: float


@dataclass
class _Copy:
    case: Case
    began: float
    pipe: int
    told: bytes = b""


@dataclass(eq=False)
class Trials:
    """The pytest plugin that runs `play` in the place of the tests, with all of them collected."""

    play: Callable[[Trials], None]
    swap: Callable[[str, Code], None]
    """Puts a code in the place of the one that a contract of this name is deployed with."""
    jobs: int = 2
    limit: float = 60.0
    """Seconds that a trial may take, and twenty times what its tests take with the original."""
    seconds: dict[str, float] = field(default_factory=dict)
    """What each test takes with the original."""
    items: dict[str, Any] = field(default_factory=dict)
    on_call: Callable[[], None] | None = None
    """Is told when a test's fixtures stand and its own code begins."""
    _failed: list[str] = field(default_factory=list)
    _at_once: Callable[[str], None] | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Hand the collected tests to `play`."""
        if session.testsfailed:
            raise session.Interrupted("the tests cannot be collected")
        self.items = {item.nodeid: item for item in session.items}
        self.run([next(iter(self.items))])
        gc.collect()
        gc.freeze()  # what is here stays: no copy has to look through it
        self.play(self)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Note a failure, in whichever phase; a copy that may ends here: to tell a trace takes a second."""
        if call.excinfo and not call.excinfo.errisinstance(pytest.skip.Exception):
            self._failed.append(item.nodeid)
            if self._at_once:
                self._at_once(item.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self) -> None:
        """See `on_call`."""
        if self.on_call:
            self.on_call()

    def run(self, names: Iterable[str], after: Callable[[str], object] | None = None) -> str:
        """Run tests here until one fails; gives its name or nothing. ``after`` is told each that ended."""
        chosen = [self.items[name] for name in names]
        for item, following in zip(chosen, [*chosen[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed:
                return self._failed[0]
            if after:
                after(item.nodeid)
        return ""

    def apart(self, work: Callable[[], str], *, at_once: bool = False) -> tuple[int, int]:
        """Do work in a copy of this process; gives the copy's number and a pipe with what the work gave: with
        ``at_once`` the name of the first test that failed, as soon as it does."""
        ours, theirs = os.pipe()
        sys.stdout.flush()
        if child := os.fork():
            os.close(theirs)
            return child, ours
        try:
            os.setpgid(0, 0)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)

            def end(word: str) -> None:
                with os.fdopen(theirs, "wb") as pipe:
                    pipe.write(word.encode() + b"\n")
                os._exit(0)

            self._at_once = end if at_once else None
            end(work())
        except BaseException as error:
            os.write(theirs, f"{type(error).__name__}\n".encode())
        finally:
            os._exit(0)

    def decide(self, cases: Iterable[Case]) -> Iterator[Verdict]:
        """Try cases, several at a time; verdicts come as they fall."""
        running: dict[int, _Copy] = {}
        for case in cases:
            while len(running) >= self.jobs:
                yield from self._wait(running)
            child, pipe = self.apart(lambda case=case: self._try(case), at_once=True)  # type: ignore[misc]
            running[child] = _Copy(case, time.monotonic(), pipe)
        while running:
            yield from self._wait(running)

    def _try(self, case: Case) -> str:
        for name, code in case.codes.items():
            self.swap(name, code)
        return self.run(case.tests)

    def _wait(self, running: dict[int, _Copy]) -> Iterator[Verdict]:
        """Give the verdicts of copies that have ended, or have had their time."""
        ready, _, _ = select.select([copy.pipe for copy in running.values()], [], [], 1.0)
        for child, copy in list(running.items()):
            took = time.monotonic() - copy.began
            late = took > self.limit + 20 * sum(self.seconds.get(name, 0) for name in copy.case.tests)
            if copy.pipe in ready:
                part = os.read(copy.pipe, 65536)
                copy.told += part
                if part:
                    continue
            elif not late:
                continue
            if late:
                os.killpg(child, signal.SIGKILL)
            os.close(copy.pipe)
            os.waitpid(child, 0)
            del running[child]
            # A copy that ended without a word died of the mutant.
            by = "timeout" if late else copy.told.decode().strip() if copy.told else "died"
            yield Verdict(copy.case.name, by, took)


def gather(trials: Trials, works: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do works in copies at once; gives what each gave, by way of JSON."""
    copies = [trials.apart(lambda work=work: json.dumps(work())) for work in works]  # type: ignore[misc]
    answers = []
    for child, pipe in copies:
        with os.fdopen(pipe, "rb") as told:
            answers.append(json.loads(told.read()))
        os.waitpid(child, 0)
    return answers


class Order:
    """In which order tests are tried on a mutant: first those that lately killed its neighbours, then those
    that run its line, the most particular first, then the others that run its function."""

    RECENT = 6

    def __init__(
        self, covers: Mapping[str, set[str]], seconds: Mapping[str, float], shared: Collection[str] = ()
    ) -> None:
        self._covers, self._seconds, self._shared = covers, seconds, frozenset(shared)
        self._recent: defaultdict[str, list[str]] = defaultdict(list)

    def tests(self, function: str, line: str) -> list[str]:
        """The tests for a mutant in a function (`file:name`) at a line (`file:number`). What runs before all
        of them, in the fixtures that they share, every test may notice; so with what lies in no function."""
        able = [name for name, places in self._covers.items() if function in places]
        here = [name for name in able if line in self._covers[name]]
        here.sort(key=lambda name: (len(self._covers[name]) // 10, self._seconds.get(name, 0)))
        if not able or function in self._shared:
            able += self._covers
        # Those that run nothing here may run it on a node of their own.
        able += [name for name, places in self._covers.items() if not places]
        recent = [name for name in self._recent[function] if name in set(able)]
        return list(dict.fromkeys([*recent, *here, *able]))

    def killed(self, function: str, by: str) -> None:
        """Remember which test killed there."""
        kept = [by, *(name for name in self._recent[function] if name != by)]
        self._recent[function] = kept[: self.RECENT]
