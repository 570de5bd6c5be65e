"""Handing on: how keyholders pass their shares of a record to those who come after them, and nobody learns
the record's half.

Each keyholder that hands on (a *dealer*) shares what it holds among the next group, as Shamir shares with
that group's threshold, and promises each of them by a hash (Desmedt and Jajodia 1997; what was dealt is kept
apart instead of added up). What came through which dealers is a *path*: their indexes, oldest first. So a
dealer that hands on something else than it was dealt is named when the record is opened, and what the others
dealt opens it. Once handed on, a keyholder holds a value a dealer; handed on again, one a pair of dealers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from eth_utils.crypto import keccak

from consentry.envelope.leaf import Leaf, check_share
from consentry.errors import IntegrityError, ShareMismatch
from consentry.keys import shamir
from consentry.keys.binding import abi_decode, abi_encode, text_word, word
from consentry.keys.hpke import hkdf

_HOLDING = ["bytes[]", "bytes32[]", "bytes[]", "bytes32[][]"]  # paths, values, promised paths, promises
_DEALT = b""  # the path of what the contributor dealt itself
MOST_TIMES = 32
"""How often a record can be handed on: a path is one word."""


@dataclass(frozen=True, slots=True)
class Members:
    """A group of keyholders: the hash of its keyholders.json, its threshold, and its indexes (1..255) in
    rising order, at which its shares sit."""

    roster: bytes
    threshold: int
    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Holding:
    """What one keyholder holds of a record's half: 32-byte ``values`` by path, all of one length, and for
    each path and all that it begins with what the last dealer in it promised, one hash for each of those it
    dealt to (in the order of their indexes)."""

    values: Mapping[bytes, bytes] = field(repr=False)
    promises: Mapping[bytes, tuple[bytes, ...]] = field(default_factory=dict)

    @classmethod
    def dealt(cls, share: bytes) -> Holding:
        """A share as the contributor dealt it."""
        return cls({_DEALT: share})

    @property
    def times(self) -> int:
        """How often it was handed on."""
        return len(next(iter(self.values)))

    def encode(self) -> bytes:
        """The bare share as the contributor dealt it, or ABI."""
        if not self.times:
            return self.values[_DEALT]
        held, promised = sorted(self.values), sorted(self.promises)
        values = [[self.values[path] for path in held], promised, [self.promises[path] for path in promised]]
        return abi_encode(_HOLDING, [held, *values])

    @classmethod
    def decode(cls, data: bytes) -> Holding:
        """Raises `IntegrityError`."""
        if len(data) == 32:
            return cls.dealt(data)
        held, values, promised, promises = abi_decode(_HOLDING, data, "a share that was handed on")
        length = len(held[0]) if held else 0
        begun = {path[:end] for path in held for end in range(1, length + 1)}
        whole = (
            1 <= length <= MOST_TIMES
            and {len(path) for path in held} == {length}
            and (len(values), len(promises)) == (len(held), len(promised))
            and (list(held), list(promised)) == (sorted(set(held)), sorted(begun))
        )
        if not whole:
            raise IntegrityError("a share that was handed on lacks a part")
        said = zip(promised, map(tuple, promises), strict=True)
        return cls(dict(zip(held, values, strict=True)), dict(said))


def _promise(record: bytes, to: Members, path: bytes, index: int, value: bytes) -> bytes:
    place = record + to.roster + path.ljust(MOST_TIMES, b"\0") + word(index)
    return keccak(text_word("consentry/1 handed share") + place + value)


def hand_on(record: bytes, holding: Holding, dealer: int, to: Members) -> dict[int, Holding]:
    """What keyholder ``dealer`` gives to each of ``to`` of its holding of a record, by index.

    The polynomials follow from what is shared: so it is the same each time, and nothing of it is kept."""
    given: dict[int, dict[bytes, bytes]] = {index: {} for index in to.indexes}
    promises = dict(holding.promises)
    for before, value in holding.values.items():
        if int.from_bytes(value, "big") >= shamir.PRIME:
            continue  # its contributor dealt what no polynomial gives; that would tell against the dealer
        path = before + bytes([dealer])
        bound = text_word("consentry/1 hand on") + record + to.roster + path.ljust(MOST_TIMES, b"\0")
        drawn = [hkdf(value, bound + word(power)) for power in range(1, to.threshold)]
        shares = shamir.evaluations([value, *drawn], to.indexes)
        promises[path] = tuple(_promise(record, to, path, index, shares[index]) for index in to.indexes)
        for index in to.indexes:
            given[index][path] = shares[index]
    return {index: Holding(values, promises) for index, values in given.items()}


def together(parts: Sequence[Holding], threshold: int) -> Holding | None:
    """What several dealers gave to one keyholder, as one; None where nothing of it is of use.

    What a dealer repeats of earlier promises counts where ``threshold`` (of their group) say it alike."""
    said = Counter((path, p) for one in parts for path, p in one.promises.items() if len(path) < one.times)
    agreed = {path: p for (path, p), sayers in said.items() if sayers >= threshold}
    values: dict[bytes, bytes] = {}
    promises: dict[bytes, tuple[bytes, ...]] = {}
    for part in parts:
        for path, value in part.values.items():
            earlier = {path[:end]: part.promises[path[:end]] for end in range(1, len(path))}
            if all(agreed.get(before) == promised for before, promised in earlier.items()):
                values[path] = value
                promises |= {**earlier, path: part.promises[path]}
    return Holding(values, promises) if values else None


def check_holding(leaf: Leaf, line: Sequence[Members], index: int, holding: Holding) -> None:
    """Raises `ShareMismatch` unless keyholder ``index`` of the last group of ``line`` (all groups that there
    were, or those from the one on to which the record was dealt) holds what was promised to it."""
    if holding.times >= len(line) or index not in line[-1].indexes:
        raise ShareMismatch(f"keyholder {index} holds no share of this group")
    line = line[len(line) - 1 - holding.times :]
    for path, value in holding.values.items():
        _fits(leaf, line, holding.promises, path, index, value)


def _fits(
    leaf: Leaf,
    line: Sequence[Members],
    promises: Mapping[bytes, tuple[bytes, ...]],
    path: bytes,
    index: int,
    value: bytes,
) -> None:
    if not path:
        check_share(leaf, index, value)
        return
    to, promised = line[len(path)], promises[path]
    given = _promise(leaf.record_id, to, path, index, value)
    if len(promised) != len(to.indexes) or promised[to.indexes.index(index)] != given:
        raise ShareMismatch(f"what keyholder {index} holds is not what keyholder {path[-1]} promised to it")


def gather(
    leaf: Leaf, line: Sequence[Members], holdings: Mapping[int, Holding]
) -> tuple[dict[int, bytes], list[str]]:
    """The contributor's shares (index to share, as many as are needed or fewer) to which ``holdings`` lead,
    all of one length, each that `check_holding` let pass; and the dealers that did not hand on what they were
    dealt.

    A promise counts that as many gave alike as are needed: one of them is honest."""
    times = next(iter(holdings.values())).times
    line = line[len(line) - 1 - times :]
    said = Counter((path, p) for one in holdings.values() for path, p in one.promises.items())
    promises = {path: p for (path, p), sayers in said.items() if sayers >= line[-1].threshold}
    values: dict[bytes, dict[int, bytes]] = defaultdict(dict)
    for index, holding in holdings.items():
        for path, value in holding.values.items():
            if not path or holding.promises[path] == promises.get(path):
                values[path][index] = value
    cheats: set[str] = set()
    for depth in range(len(line) - 1, 0, -1):
        earlier: dict[bytes, dict[int, bytes]] = defaultdict(dict)
        for path, shares in sorted(values.items()):
            before, dealer = path[:-1], path[-1]
            if len(shares) < line[depth].threshold or (before and before not in promises):
                continue
            try:
                value = _joined(leaf, line[depth], promises[path], path, shares)
                _fits(leaf, line, promises, before, dealer, value)
                earlier[before][dealer] = value
            except (ShareMismatch, ValueError):
                cheats.add(f"keyholder {dealer} did not hand on what it had been dealt")
        values = earlier
    found = sorted(values[_DEALT].items())[: line[0].threshold]
    return dict(found), sorted(cheats)


def _joined(
    leaf: Leaf, to: Members, promised: tuple[bytes, ...], path: bytes, shares: Mapping[int, bytes]
) -> bytes:
    """What was dealt along a path. Raises `ShareMismatch` where its shares do not belong together."""
    some = dict(list(shares.items())[: to.threshold])
    for index, promise in zip(to.indexes, promised, strict=True):
        if _promise(leaf.record_id, to, path, index, shamir.evaluate(some, index)) != promise:
            raise ShareMismatch("the shares do not belong together")
    return shamir.evaluate(some, 0)
