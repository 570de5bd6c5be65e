"""One keyholder: its releases a second on one core, where a release goes, and how long each refusal takes."""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench._opening import Opener
from bench._watch import Spread, Watch
from consentry.chain import Chain, Endpoints
from consentry.client import Proposal
from consentry.consent.terms import typed_revoke
from consentry.errors import KeyholderRefused
from consentry.keyholder import checks, service
from consentry.keyholder.messages import Call
from consentry.keyholder.place import Place
from consentry.keyholder.remote import RemoteKeyholder
from consentry.keyholder.service import KeyholderService
from tests.attacks.support import Access, access, salts
from tests.support.services import PASSPHRASE, Services

LINES = 8  # connections at once
WRITTEN = "the transaction: nonce, stop, row and answer signed, on the disk"


@dataclass(frozen=True)
class Rate:
    """``count`` releases in ``seconds``, by a keyholder on ``cores`` cores."""

    count: int
    seconds: float
    cores: int


def rate(running: Services, mine: Sequence[Access], count: int) -> Rate:
    """Releases of the first keyholder, which has one core, to calls of which there are always more, for the
    entries ``mine`` in turn."""
    process = running.running[1].pid
    calls = [mine[number % len(mine)].call() for number in range(count + 50)]
    with pinned(process) as cores, ThreadPoolExecutor(LINES) as threads:
        lines = [RemoteKeyholder(running.roster.keyholders[0]) for _ in range(LINES)]

        def send(number: int) -> None:
            lines[number % LINES].release(calls[number])

        list(threads.map(send, range(50)))
        begun = time.perf_counter()
        list(threads.map(send, range(50, count + 50)))
        seconds = time.perf_counter() - begun
        for line in lines:
            line.close()
    return Rate(count, seconds, cores)


@contextmanager
def pinned(process: int) -> Iterator[int]:
    """Gives a process, all its threads, one core, where the system knows of that; gives its cores."""
    if not hasattr(os, "sched_setaffinity"):
        yield os.cpu_count() or 1
        return
    threads = [int(one.name) for one in Path(f"/proc/{process}/task").iterdir()]
    every = os.sched_getaffinity(process)
    for one in [process, *threads]:
        os.sched_setaffinity(one, {min(every)})
    try:
        yield 1
    finally:
        for one in [process, *threads]:
            os.sched_setaffinity(one, every)


def inside(running: Services, mine: Sequence[Access], count: int) -> dict[str, list[float]]:
    """Milliseconds by room of ``count`` releases of the second keyholder, for once in this process, over its
    own files and HTTP to the node."""
    world, watch = running.world, Watch()
    place = Place(running.place(2))
    with closing(Endpoints([running.node])) as endpoints:
        chain = Chain(endpoints, world.chain.deployed)
        with closing(place.service(place.keyring(PASSPHRASE), running.roster, chain)) as keyholder:
            for number in range(count + 5):
                if number == 5:
                    watch.laps.clear()
                call = mine[number % len(mine)].call(to=2)
                with timed(keyholder, watch):
                    watch.around("all", keyholder.release)(call)
                watch.lap()
    rooms = {f"check: {name}": watch.milliseconds(name) for name in checks.RELEASE}
    other = ("find", "wrap", "write")
    rooms["the record and its key, from the files"] = watch.milliseconds("find")
    rooms["the share, sealed to the reply key"] = watch.milliseconds("wrap")
    rooms[WRITTEN] = watch.milliseconds("write")
    rooms["rest: the call read, the head once more"] = watch.milliseconds(
        "all", without=(*checks.RELEASE, *other)
    )
    rooms["all"] = watch.milliseconds("all")
    return rooms


@contextmanager
def timed(keyholder: KeyholderService, watch: Watch) -> Iterator[None]:
    """The rooms of a release, under ``watch``."""
    vault = keyholder._vault

    @contextmanager
    def written() -> Iterator[None]:
        begun = time.perf_counter()
        with transaction():
            yield
        watch._now["write"] += time.perf_counter() - begun

    transaction, around = vault.transaction, watch.around
    steps = {name: around(name, check) for name, check in checks.RELEASE.items()}
    # Asked again in the transaction, which counts as a whole.
    once = {**steps, "stop": checks.RELEASE["stop"]}
    with ExitStack() as patches:
        patches.enter_context(patch.object(vault, "transaction", written))
        patches.enter_context(patch.object(vault, "find", around("find", vault.find)))
        patches.enter_context(patch.object(service, "wrap", around("wrap", service.wrap)))
        patches.enter_context(patch.object(service, "RELEASE", once))
        yield


# --- refusals


def refusals(running: Services, count: int) -> dict[str, Spread]:
    """How long ``count`` refusals of each reason take a caller, in an order of chance."""
    world = running.world
    good, stopped, revoked = (world.grant("clinician", "general")[0] for _ in range(3))
    mine, theirs, ended = (access(world, one) for one in (good, stopped, revoked))
    stop(running, stopped)
    world.chain.send(
        world.person("patient").signer, "ConsentRegistry", "revoke", world.patient, revoked.grant_id
    )
    made: dict[str, Callable[[], Call]] = {
        "caller": lambda: replace(mine.call(), signature=bytes(65)),
        "reply key": lambda: mine.call(mine.asked(reply_key=b"another")),
        "actor": lambda: mine.call(who="hospital"),
        "record": lambda: mine.call(mine.asked(record_id=secrets.token_bytes(32))),
        "stop": theirs.call,
        "depth": lambda: mine.call(mine.asked(entry=replace(mine.entry, block=2**40))),
        "entry": lambda: mine.call(mine.asked(entry=replace(mine.entry, access_id=secrets.token_bytes(32)))),
        "consent at head": ended.call,
    }
    order = [name for name in made for _ in range(count)]
    random.Random(0).shuffle(order)
    taken: dict[str, list[float]] = {name: [] for name in made}
    with closing(RemoteKeyholder(running.roster.keyholders[0])) as keyholder:
        for name in order:
            taken[name].append(refused(keyholder, made[name]()))
    return {name: Spread.of(values) for name, values in taken.items()}


def refused(keyholder: RemoteKeyholder, call: Call) -> float:
    """Milliseconds until the refusal."""
    begun = time.perf_counter()
    try:
        keyholder.release(call)
    except KeyholderRefused:
        return 1000 * (time.perf_counter() - begun)
    raise RuntimeError("it was answered")


def stop(running: Services, granted: Proposal) -> None:
    """The patient stops a grant at the first keyholder."""
    world = running.world
    full = typed_revoke(world.chain.deployment, world.patient, granted.grant_id)
    signature: Any = world.person("patient").signer.sign_typed_data(full)
    with closing(RemoteKeyholder(running.roster.keyholders[0])) as keyholder:
        keyholder.stop(world.patient, granted.grant_id, signature)


def entries(opener: Opener, count: int) -> list[Access]:
    """Entries of the clinician for the record, answered for an hour; each in a block of its own, and more
    than a keyholder keeps proofs of."""
    [salt], world = salts(opener.world).values(), opener.world
    [granted] = world.grant("clinician", "general")
    return [access(world, granted, salt=salt) for _ in range(count)]
