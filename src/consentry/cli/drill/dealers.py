"""A contributor that deals what does not fit: to one keyholder, or to all of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from consentry.cli.drill.envelopes import made_by_hand
from consentry.cli.drill.tries import Drill, several
from consentry.consent.terms import DEPOSIT
from consentry.envelope.deposit import Part
from consentry.envelope.leaf import Leaf
from consentry.errors import CommitMismatch, ConsentryError, DealInconsistent, KeyholderRefused
from consentry.keys.hpke import new_seed
from consentry.keys.shamir import commitment, new_secret


def play(drill: Drill) -> None:
    """All of it."""
    _refused_at_once(drill)
    odd = new_secret()

    def off(leaf: Leaf) -> list[Leaf]:
        own = (*leaf.share_commitments[:4], commitment(leaf.record_id, 5, odd))
        return [replace(leaf, share_commitments=own)]

    def fifth(shares: list[bytes]) -> list[bytes]:
        return [*shares[:4], odd]

    what = "deals shares that fit their commitments, and one another not"
    _found_by_a_reader(drill, what, DealInconsistent, leaves=off, shares=fifth)
    what = "deals shares of another secret than it promised"
    _found_by_a_reader(drill, what, CommitMismatch, leaves=lambda leaf: [replace(leaf, commit=new_seed())])


def _parts(drill: Drill, **changes: Any) -> list[Part]:
    """What the hospital deals into the general segment: honest but for ``changes``."""
    stage = drill.stage
    own = stage.desk("patient").my_grants().values()
    terms = next(one.terms for one in own if one.kind == "general" and one.terms.flags == DEPOSIT)
    return made_by_hand(
        stage.chain.deployment,
        stage.group.roster,
        stage.people["hospital"].signer,
        drill.statement("general"),
        terms,
        cid=stage.store.put(io.BytesIO(b"a blob")),
        **changes,
    )


def _refused_at_once(drill: Drill) -> None:
    """The keyholder whose share does not fit says so at once, and the deposit has not enough of them."""

    def fourth(shares: list[bytes]) -> list[bytes]:
        return [*shares[:3], new_secret(), shares[4]]

    taken, refused = _deal(drill, _parts(drill, shares=fourth))
    got = "" if refused == [4] else f"keyholders {several(taken)} took it"
    drill.line(
        "the hospital",
        "deals keyholder 4 a share off its commitment",
        got,
        f"refused by keyholder {several(refused)}",
    )


def _deal(drill: Drill, parts: Sequence[Part]) -> tuple[list[int], list[int]]:
    """Who took its part, and who refused it."""
    taken, refused = list[int](), list[int]()
    for keyholder, part in zip(drill.stage.keyholders, parts, strict=True):
        try:
            keyholder.deal(part.encode())
            taken.append(keyholder.card.index)
        except KeyholderRefused:
            refused.append(keyholder.card.index)
    return taken, refused


def _found_by_a_reader(
    drill: Drill, what: str, error: type[ConsentryError], **changes: Callable[[Any], Any]
) -> None:
    """No keyholder can see it; the first reader does, and lays it to the contributor."""
    stage, parts = drill.stage, _parts(drill, **changes)
    _deal(drill, parts)
    [leaf] = parts[-1].leaves
    hospital = stage.people["hospital"].signer
    stage.chain.send(hospital, "RecordRegistry", "anchor", leaf.record_id, leaf.anchor)
    try:
        opened = stage.desk("clinician").open(stage.patient, leaf.record_id)
        got, met = f"a reader took {opened.size:,} bytes", ""
    except error as found:
        reader = stage.people["clinician"]
        proved = drill.proved(reader.proofs.glob(f"{type(found).__name__}-*"))
        got, met = "", f"{type(found).__name__}, at the first reader{proved and '; '}{proved}"
    except ConsentryError as other:
        got, met = "the contributor is not named", f"{type(other).__name__}: {other}"
    drill.line("the hospital", what, got, met)
