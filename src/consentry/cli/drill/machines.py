"""Keyholders that are killed, frozen and started again, whichever of them: two do not stop a reading, three
delay it, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from consentry.cli.drill.tries import Drill, counted, revolving, several
from consentry.client import Group
from consentry.errors import ConsentryError, TooFewKeyholders
from consentry.keyholder.remote import RemoteKeyholder

_PATIENCE = 10.0  # seconds for a keyholder that holds its connections and says nothing

Change = Callable[..., None]


def play(drill: Drill) -> None:
    """All of it."""
    services = drill.services
    _two(drill, "are killed, and started again", services.kill, services.start)
    _two(drill, "are frozen (SIGSTOP), and thawed", services.freeze, services.thaw)
    _three_killed(drill)
    _three_frozen(drill)


def _changing(drill: Drill, size: int, down: Change, up: Change) -> Iterator[tuple[int, ...]]:
    """Has every ``size`` of the keyholders be ``down`` in turn, one of them going ``up`` before the next."""
    now: set[int] = set()
    for group in revolving(drill.stage.group.roster.count, size):
        if back := now - set(group):
            up(*back)
        down(*(set(group) - now))
        now = set(group)
        yield group
    up(*now)


def _two(drill: Drill, how: str, down: Change, up: Change) -> None:
    """The clinician opens in spite of any two."""
    stopped, opens, pairs, met = list[str](), 0, 0, Counter[str]()
    for pair in _changing(drill, 2, down, up):
        pairs += 1
        try:
            opened, whole = drill.opened()
        except ConsentryError as error:
            stopped.append(f"{several(pair)}: {type(error).__name__}")
            continue
        if whole and not set(pair) & set(opened.keyholders):
            opens += 1
        else:
            stopped.append(f"{several(pair)}: other bytes, or an answer of the dead")
    met[f"{opens} of {pairs} times the clinician opened, byte for byte, by the three others"] += 1
    drill.line("any two keyholders", how, "; ".join(stopped), counted(met)[0])


def _three_killed(drill: Drill) -> None:
    """Refused by name while any three are dead, on one entry; served on that entry after they are back."""
    services, before = drill.services, _entries(drill)
    refused, wrong, triples = 0, list[str](), 0
    for triple in _changing(drill, 3, services.kill, services.start):
        triples += 1
        named = _refused(drill)
        if all(f"keyholder {index}: " in named for index in triple):
            refused += 1
        else:
            wrong.append(f"{several(triple)}: {named or 'opened'}")
    met = f"{refused} of {triples} times TooFewKeyholders, which names all three"
    drill.line("any three keyholders", "are killed: the clinician gets no key", "; ".join(wrong), met)
    _served_again(drill, "are back: is anything lost?", before)


def _three_frozen(drill: Drill) -> None:
    """As dead ones, though they hold their connections."""
    before, frozen = _entries(drill), (1, 3, 5)
    with _patience(drill, _PATIENCE):
        drill.services.freeze(*frozen)
        named = _refused(drill)
        drill.services.thaw(*frozen)
    all_named = all(f"keyholder {index}: " in named for index in frozen)
    met = (
        f"TooFewKeyholders after {_PATIENCE:.0f} seconds of silence, which names all three"
        if all_named
        else ""
    )
    drill.line(f"keyholders {several(frozen)}", "are frozen", "" if all_named else named or "opened", met)
    _served_again(drill, "are thawed: is anything lost?", before)


def _refused(drill: Drill) -> str:
    """What the clinician is told who cannot open; empty where something opens."""
    try:
        drill.opened()
    except TooFewKeyholders as error:
        return str(error)
    except ConsentryError as error:
        return type(error).__name__
    return ""


def _served_again(drill: Drill, what: str, before: list[bytes]) -> None:
    """The same command, repeated, finishes the one entry that it wrote."""
    opened, whole = drill.opened()
    new = _entries(drill)[len(before) :]
    lost = "" if whole and new == [opened.access_id] else f"{len(new)} entries, the bytes {whole and 'whole'}"
    drill.line("the same three", what, lost, "the same command opens, on the one entry that it wrote before")


def _entries(drill: Drill) -> list[bytes]:
    clinician = drill.stage.people["clinician"].address
    return [entry.access_id for entry in drill.stage.chain.entries(actor=clinician)]


@contextmanager
def _patience(drill: Drill, seconds: float) -> Iterator[None]:
    """Waits no longer than ``seconds`` for a keyholder."""
    usual, stage = drill.stage.group, drill.stage
    quick = [RemoteKeyholder(card, patience=seconds) for card in usual.roster.keyholders]
    stage.group = Group(usual.deployment, usual.roster, quick)
    try:
        yield
    finally:
        stage.group = usual
        for keyholder in quick:
            keyholder.close()
