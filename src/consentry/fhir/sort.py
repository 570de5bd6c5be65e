"""Which entry belongs to which kind.

Three rules, in this order:

1. **By itself.** Labels, code lists and words (:mod:`consentry.fhir.codes`) anywhere in the entry; of several
   kinds the most restrictive.
2. **Its parts.** What a sensitive resource is made of (a report's results, a plan's goals) goes with it.
3. **By reference.** What points to a sensitive entry goes with it, over any number of steps: everything
   of an encounter for an overdose, the claim for it, the report on a result.

The rule fails closed: text alone is enough, and is flagged for whoever deposits to look at. Who and where
(``Patient``, ``Practitioner``, ``Organization``, ``Location`` …) is in everything, so it is never sorted by
reference and nothing is sorted because it points there; the Patient always stays in ``general``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from consentry.fhir.codes import TEXT, named
from consentry.fhir.look import Look
from consentry.record import kind

DIRECTORY = named("directory")
SUBJECTS = named("subject")
PARTS = named("part")

_SHOWN = 5


def sort(looks: Sequence[Look]) -> list[int]:
    """Gives each entry the order of its kind (an index into :func:`consentry.record.kinds`)."""
    order = [0 if look.type in SUBJECTS else _own(look) for look in looks]
    points = _points(looks)
    _parts(order, points)
    _references(order, points)
    return order


def flags(name: str, looks: Iterable[Look]) -> tuple[str, ...]:
    """Gives the notes for a record of kind ``name`` that holds these entries: what a person should check."""
    notes: dict[str, Counter[str]] = {}

    def note(text: str, look: Look) -> None:
        notes.setdefault(text, Counter())[look.type] += 1

    for look in looks:
        decided = {hit.kind for hit in look.hits if hit.how != TEXT}
        for hit in look.hits:
            if hit.how == TEXT and hit.kind not in decided:
                note(f"unlabelled but looks sensitive: {hit.what!r}{_stays(hit.kind, name)}", look)
            elif hit.kind != name:
                note(f"also {hit.kind} ({hit.how} {hit.what}){_stays(hit.kind, name)}", look)
        for label in look.labels:
            note(f"labelled {label}, which says no kind: check where it belongs", look)
        for media_type in look.unread:
            note(f"not looked into: an attachment of type {media_type}", look)
    return tuple(f"{text}: {_counted(types)}" for text, types in sorted(notes.items()))


def _own(look: Look) -> int:
    return max((kind(hit.kind).order for hit in look.hits), default=0)


def _points(looks: Sequence[Look]) -> list[dict[int, set[str]]]:
    """For each entry, the other ones that it points to, and from which elements; directory left out."""
    by_name: dict[str, set[int]] = {}
    for index, look in enumerate(looks):
        if look.type not in DIRECTORY:
            for name in look.names:
                by_name.setdefault(name, set()).add(index)
    found: list[dict[int, set[str]]] = []
    for index, look in enumerate(looks):
        mine: dict[int, set[str]] = {}
        for element, target in look.points if look.type not in DIRECTORY else ():
            for other in by_name.get(target) or by_name.get(_tail(target), set()):
                if other != index:
                    mine.setdefault(other, set()).add(element)
        found.append(mine)
    return found


def _tail(target: str) -> str:
    """``Type/id`` of an absolute URL."""
    return "/".join(target.rsplit("/", 2)[-2:])


def _parts(order: list[int], points: list[dict[int, set[str]]]) -> None:
    queue = [index for index, level in enumerate(order) if level]
    while queue:
        whole = queue.pop()
        for part, elements in points[whole].items():
            if order[part] < order[whole] and elements & PARTS:
                order[part] = order[whole]
                queue.append(part)


def _references(order: list[int], points: list[dict[int, set[str]]]) -> None:
    pointing: dict[int, list[int]] = {}
    for index, targets in enumerate(points):
        for target in targets:
            pointing.setdefault(target, []).append(index)
    queue = [index for index, level in enumerate(order) if level]
    while queue:
        target = queue.pop()
        for index in pointing.get(target, ()):
            if order[index] < order[target]:
                order[index] = order[target]
                queue.append(index)


def _stays(kind_name: str, name: str) -> str:
    """Says so where something is not sorted as it looks: a Patient, or a kind given by hand."""
    return " (stays here)" if kind(kind_name).order > kind(name).order else ""


def _counted(types: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in types.most_common(_SHOWN))
