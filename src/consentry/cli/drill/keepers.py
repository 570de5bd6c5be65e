"""Keyholders that give wrong shares: each writes it into its own database, and its process serves it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

from consentry.cli.drill.tries import Drill, several
from consentry.cli.insider.disk import vault_file
from consentry.envelope.leaf import Leaf
from consentry.errors import TooFewKeyholders
from consentry.keyholder.held import Held
from consentry.keyholder.vault import Vault
from consentry.keys.shamir import commitment, new_secret

Lie = Callable[[Held], Held]


def play(drill: Drill) -> None:
    """All of it."""
    hidden = next(one for one in drill.deposited if one.kind == "substance-use")

    def another(_: Held) -> Held:
        return held(drill, 3, hidden.record_id)

    _one(drill, 2, "releases a forged share", forged_share)
    _one(drill, 3, "releases its share of another record", another)
    _one(drill, 1, "releases a forged share and a leaf that it fits", forged_leaf)
    _three(drill)


def forged_share(held: Held) -> Held:
    """Another share than the one that was dealt."""
    return replace(held, share=new_secret())


def forged_leaf(held: Held) -> Held:
    """A share that fits its leaf, which is not the others'; of keyholder 1."""
    share, leaf = new_secret(), Leaf.decode(held.open_part, held.sealed_part)
    own = (commitment(leaf.record_id, 1, share), *leaf.share_commitments[1:])
    return Held(held.header, *replace(leaf, share_commitments=own).encode(), share)


def _one(drill: Drill, index: int, what: str, lie: Lie) -> None:
    with lying(drill, index, lie):
        drill.cheated(index, what)


def _three(drill: Drill) -> None:
    """Too many: nothing opens, and each is named."""
    liars = (2, 3, 4)
    with ExitStack() as stack:
        for index in liars:
            stack.enter_context(lying(drill, index, forged_share))
        try:
            _, whole = drill.opened()
            got, met = f"the clinician took {'the true' if whole else 'other'} bytes", ""
        except TooFewKeyholders as error:
            named = [index for index in liars if f"keyholder {index}: ShareMismatch" in str(error)]
            got = "" if named == list(liars) else f"of {several(liars)} not all were named"
            met = f"TooFewKeyholders, and {several(named)} are named: ShareMismatch" if named else str(error)
    drill.line(f"keyholders {several(liars)}", "release forged shares, all three", got, met)
    _, whole = drill.opened()
    drill.line(
        "the same three", "are put right: is anything lost?", "" if whole else "the record", "opened again"
    )


@contextmanager
def lying(drill: Drill, index: int, lie: Lie) -> Iterator[None]:
    """Has keyholder ``index`` hold what ``lie`` makes of its part of the clinician's record."""
    record_id = drill.listing.record_id
    true = held(drill, index, record_id)
    _hold(drill, index, record_id, lie(true))
    try:
        yield
    finally:
        _hold(drill, index, record_id, true)


def held(drill: Drill, index: int, record_id: bytes, generation: str = "") -> Held:
    """What keyholder ``index`` holds of a record, in the first group or another (`Roster.generation`)."""
    with closing(Vault.open(vault_file(drill.stage, index).parent, new=False)) as vault:
        found = vault.of(generation).find(record_id)
    assert found is not None
    return found


def record_key(drill: Drill, index: int, record_id: bytes) -> bytes:
    """The key under which keyholder ``index`` keeps what the contributor dealt it of a record."""
    with closing(sqlite3.connect(vault_file(drill.stage, index).parent / "record-keys.sqlite")) as keys:
        asked = "SELECT key FROM record_keys WHERE record_id = ? AND generation = ''"
        [(key,)] = keys.execute(asked, (record_id,)).fetchall()
    return bytes(key)


def _hold(drill: Drill, index: int, record_id: bytes, held: Held) -> None:
    """Writes past the keyholder, as whoever has its disk can."""
    sealed = held.seal(record_key(drill, index, record_id))
    with closing(sqlite3.connect(vault_file(drill.stage, index))) as database, database:
        asked = "UPDATE records SET sealed = ? WHERE record_id = ? AND generation = ''"
        database.execute(asked, (sealed, record_id))
