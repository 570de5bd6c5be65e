"""Joining: how a keyholder takes over what those before it hold.

It asks each dealer for its pages and never learns a record's half: of each record it gets one share a dealer.
Cut off, it goes on where it was; run again, it takes what it lacks. What dealers say of one thing counts by
itself where it is signed, else where as many say it alike as their group needs for a record.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from consentry.envelope.deposit import Header
from consentry.envelope.handing import Holding, Members, check_holding, together
from consentry.envelope.leaf import Leaf, record_id
from consentry.errors import IntegrityError, ShareMismatch
from consentry.files import write_private
from consentry.keyholder.handover import HandedEnvelope, What
from consentry.keyholder.held import Held
from consentry.keyholder.messages import Keyholder
from consentry.keyholder.taking import Joined, Taking
from consentry.keys.binding import json_decode

_Found = tuple[bytes, Held]
_NOTED = 20  # envelopes, after which it is noted how far it is


class Joining(Taking):
    """The keyholder of a new group, while it takes over from the ``dealers`` of the one before (by index).
    ``notes`` is a file of its own, in which it keeps how far it is."""

    def join(
        self, dealers: Mapping[int, Keyholder], notes: Path, progress: Callable[[Joined], None]
    ) -> Joined:
        """Takes over all that there is. Raises `Unreachable` or `Refused` where a dealer does not answer: run
        it again when it does; `NotApproved`."""
        self._roster.approved(self._deployment)
        assert self._roster.previous is not None
        self._before = self._roster.previous
        self._document = json.dumps(self._roster.to_json()).encode()
        self._dealers, self._progress, self._done = dealers, progress, Joined()
        for what, take in (
            (What.STATEMENTS, self._statement),
            (What.BOXES, self._box),
            (What.STOPS, self._stop),
        ):
            self._take_signed(what, take)
        self._envelopes(notes)
        return self._done

    def _envelopes(self, notes: Path) -> None:
        """Envelope by envelope, in the order of their hashes, as all dealers give them."""
        after = self._noted(notes)
        streams = [self._stream(dealer, after) for dealer in self._dealers]
        merged = heapq.merge(*streams, key=itemgetter(0))
        for number, (envelope, alike) in enumerate(groupby(merged, key=itemgetter(0)), 1):
            self._envelope(envelope, {dealer: one for _, dealer, one in alike})
            self._progress(self._done)
            if number % _NOTED == 0:
                words = {"keyholders": self._roster.hash.hex(), "after": envelope.hex()}
                write_private(notes, json.dumps(words).encode())
        notes.unlink(missing_ok=True)

    @cached_property
    def _groups(self) -> tuple[Members, ...]:
        return self._roster.groups

    def _noted(self, notes: Path) -> bytes:
        try:
            words = json_decode(notes.read_bytes())
            return (
                bytes.fromhex(words["after"]) if words["keyholders"] == self._roster.hash.hex() else bytes(32)
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return bytes(32)

    def _stream(self, dealer: int, after: bytes) -> Iterator[tuple[bytes, int, HandedEnvelope]]:
        try:
            for thing in self._pages(dealer, What.ENVELOPES, after):
                one = HandedEnvelope.decode(thing)
                yield one.envelope, dealer, one
        except IntegrityError as error:
            self._done.left[f"dealer {dealer}, from some envelope on"] = str(error)

    def _envelope(self, envelope: bytes, given: Mapping[int, HandedEnvelope]) -> None:
        there = self._vault.stock.positions(envelope)
        positions = sorted({position for one in given.values() for position in one.records} - there)
        if not positions:
            return
        said = Counter((one.header, one.grant_id) for one in given.values())
        head, grant_id = said.most_common(1)[0][0]
        alike = {
            dealer: one for dealer, one in given.items() if (one.header, one.grant_id) == (head, grant_id)
        }
        try:
            header, held = Header.decode(head), {}
        except IntegrityError as error:
            self._done.left[f"envelope {envelope.hex()[:16]}"] = str(error)
            return
        for position in positions:
            parts = {d: one.records[position] for d, one in alike.items() if position in one.records}
            if (found := self._record(header, parts)) is not None:
                held[position] = found
            elif self._on_chain(header, parts):
                name = f"record {position} of envelope {envelope.hex()[:16]}"
                self._done.left[name] = f"{len(parts)} dealers hold it, and not enough of them alike"
            else:
                self._done.unfinished += 1
        if held:
            anchored = sum(not one.since for one in alike.values()) >= self._before.threshold
            self._hold(envelope, header, grant_id, held, anchored=anchored)

    def _record(self, header: Header, parts: Mapping[int, bytes]) -> _Found | None:
        """A record as it is held from now on, from what dealers gave of it; None where they are too few."""
        opened = {}
        for dealer, part in parts.items():
            with self._spoiled_by(dealer):
                opened[dealer] = Held.parts(part)
        leaves = Counter((found[0], found[1]) for found in opened.values())
        [(both, sayers)] = leaves.most_common(1) or [((b"", b""), 0)]
        if sayers < self._before.threshold:
            return None
        leaf = Leaf.decode(*both)
        if leaf.record_id != record_id(header.patient, header.segment, leaf.record_salt):
            return None
        good = []
        for dealer, (*one, share) in opened.items():
            with self._spoiled_by(dealer):
                holding = Holding.decode(share)
                check_holding(leaf, self._groups, self._card.index, holding)
                if (tuple(one), {path[-1:] for path in holding.values}) != (both, {bytes([dealer])}):
                    raise ShareMismatch("another leaf, or what another dealer gave")
                good.append(holding)
        whole = together(good, self._before.threshold)
        if whole is None or len({path[-1] for path in whole.values}) < self._before.threshold:
            return None
        return leaf.record_id, Held(header, *both, whole.encode())

    def _on_chain(self, header: Header, parts: Mapping[int, bytes]) -> bool:
        found = []
        for part in parts.values():
            with suppress(IntegrityError):
                found.append(Leaf.decode(*Held.parts(part)[:2]))
        return any(self._chain.anchored(header.contributor, leaf) for leaf in found)

    @contextmanager
    def _spoiled_by(self, dealer: int) -> Iterator[None]:
        """What one dealer gives counts for nothing where it is not what it promised; the others' does."""
        try:
            yield
        except IntegrityError:
            self._done.left[f"a share of dealer {dealer}"] = "it is not what that dealer promised"

    def _hold(
        self, envelope: bytes, header: Header, grant_id: bytes, held: dict[int, _Found], *, anchored: bool
    ) -> None:
        """Journals the envelope with all that is held of it by now."""
        inside = self._vault.stock.inside(envelope, header.encode())
        inside |= {position: one for position, (_, one) in held.items()}
        leaves = [Leaf.decode(one.open_part, one.sealed_part) for _, one in sorted(inside.items())]
        body, head = self._body(envelope, header, grant_id, leaves), self._head()

        def change() -> None:
            self._vault.add_envelope(envelope, header, grant_id, list(held.values()), list(held))
            if not anchored:  # it waits anew: by a time that a dealer gave, one could have it dropped
                self._vault.await_anchor(envelope, head.time)

        self._take("deal", envelope, body, change, head=head)
        self._done.records += len(held)
