"""Opening one record by keyholders that are processes: t of n beside one alone, in turn, on one chain."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from bench._watch import Watch
from consentry.admin import ORGANISATION
from consentry.client import Client, reader
from consentry.consent.terms import DEPOSIT
from consentry.record import Record
from tests.support.services import Services, services

SIZE = 1 << 20
ROOMS = ("before", "entry", "found", "releases", "keys", "blob")
NEEDED = 3  # of five keyholders
AROUND = "around it: what is under way, reply key, the entry in its block"
HALVES = "both halves to the data key, all commitments"
BLOB = "blob: fetched, its digest, opened"
REST = "rest: the rule, the anchor, own files"


@contextmanager
def institutions(home: Path, node: str, threshold: int, count: int) -> Iterator[Services]:
    """``count`` keyholders as processes; the clinician may read the patient's one record of 1 MiB."""
    with services(home, node, threshold=threshold, count=count) as running:
        world = running.world
        world.onboard("hospital", roles=1 | ORGANISATION)
        world.onboard("clinician", organisation="hospital")
        world.desk("patient").enrol(["general"])
        world.grant("hospital", "general", flags=DEPOSIT)
        body = Record("general", "application/octet-stream", secrets.token_bytes(SIZE), "2026-01-01")
        world.desk("hospital").deposit(world.patient, [body])
        world.grant("clinician", "general")
        yield running


class Opener:
    """The clinician at ``running``, under a watch."""

    def __init__(self, running: Services) -> None:
        self.world, self.watch = running.world, Watch()
        self._desk: Client = self.world.desk("clinician")
        self.record = self._desk.list(self.world.patient)[0].record_id
        around, inside = self.watch.around, self._desk._reader
        for room, name in (("request", "_request"), ("depth", "_await_depth"), ("releases", "_releases")):
            setattr(inside, name, around(room, getattr(inside, name)))
        inside.open = around("open", inside.open)  # type: ignore[method-assign]
        self._open = around("verb", self._desk.open)

    def once(self) -> None:
        """Opens the record, by an entry of its own."""
        around, chain = self.watch.around, self.world.chain
        with ExitStack() as timed:
            for owner, room, name in (
                (chain, "entry", "send"),
                (reader, "keys", "data_key"),
                (reader, "blob", "fetch"),
            ):
                timed.enter_context(patch.object(owner, name, around(room, getattr(owner, name))))
            found = self._open(self.world.patient, self.record)
        with found.file as file:
            assert len(file.read()) == SIZE
        self.watch.lap()

    def beyond(self) -> list[float]:
        """Milliseconds of each opening from the listing on, but for the entry's own transaction."""
        return self.watch.milliseconds("open", without=("entry",))

    def verb(self) -> list[float]:
        """The same with the listing: key box and labels, asked of n-t+1 keyholders."""
        return self.watch.milliseconds("verb", without=("entry",))

    def rooms(self) -> dict[str, list[float]]:
        """Where the milliseconds of each opening go."""
        parts = ("request", "depth", "releases", "keys", "blob")
        of = self.watch.milliseconds
        return {
            "listing: key box and labels": of("verb", without=("open",)),
            "the entry's transaction, from its price to its receipt": of("entry"),
            AROUND: of("request", "depth", without=("entry",)),
            "t releases, asked side by side": of("releases"),
            HALVES: of("keys"),
            BLOB: of("blob"),
            REST: of("open", without=parts),
        }


def pairs(many: Services, one: Services, count: int, warm: int) -> tuple[Opener, Opener]:
    """Opens ``count`` times by each, in turn, after ``warm`` times that do not count."""
    openers = Opener(many), Opener(one)
    for number in range(warm + count):
        if number == warm:
            for opener in openers:
                opener.watch.laps.clear()
        for opener in openers if number % 2 else reversed(openers):
            opener.once()
    return openers
