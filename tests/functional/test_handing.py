"""Shares that are handed on: no record is opened for it, and whoever spoils it is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from consentry.envelope.handing import Holding, Members, check_holding, gather, hand_on, together
from consentry.envelope.leaf import Leaf
from consentry.errors import IntegrityError, ShareMismatch
from consentry.keys import shamir
from tests.support.fixed import dealt, seed

FIRST = Members(seed(1), 3, (1, 2, 3, 4, 5))
SECOND = Members(seed(2), 3, (1, 2, 3, 5, 6))
THIRD = Members(seed(3), 4, (2, 3, 5, 6, 7, 8, 9))
LEAF: Leaf
LEAF, SHARES = dealt().leaves[0]
SECRET = shamir.evaluate({1: SHARES[0], 2: SHARES[1], 3: SHARES[2]}, 0)
ORIGIN = {index: Holding.dealt(share) for index, share in enumerate(SHARES, 1)}
Holdings = dict[int, Holding]


def handed(
    holdings: Holdings,
    line: list[Members],
    *,
    dealers: Iterable[int] = (),
    spoil: dict[int, Callable[[Holding, int], Holding]] | None = None,
) -> Holdings:
    """What the last of ``line`` hold when the ``dealers`` of the one before it (by default all) handed on
    what they hold, each as ``spoil`` has it for whom."""
    before, to = line[-2:]
    given: dict[int, list[Holding]] = {index: [] for index in to.indexes}
    for dealer in dealers or before.indexes:
        for index, part in hand_on(LEAF.record_id, holdings[dealer], dealer, to).items():
            spoiled = (spoil or {}).get(dealer, lambda one, _: one)(part, index)
            given[index].append(Holding.decode(spoiled.encode()))
    joined = {index: together(parts, before.threshold) for index, parts in given.items()}
    held = {index: one for index, one in joined.items() if one is not None}
    for index, one in held.items():
        check_holding(LEAF, line, index, one)
    return held


def once(**how: object) -> Holdings:
    return handed(ORIGIN, [FIRST, SECOND], **how)  # type: ignore[arg-type]


def some(holdings: Holdings, *indexes: int) -> Holdings:
    return {index: holdings[index] for index in indexes}


def secret(shares: dict[int, bytes]) -> bytes:
    return shamir.evaluate(shares, 0)


@pytest.mark.parametrize("asked", [(1, 2, 3), (1, 5, 6), (6, 5, 3), (1, 2, 3, 5, 6)])
def test_any_three_of_those_who_came_after_lead_to_what_was_dealt(asked: tuple[int, ...]) -> None:
    shares, cheats = gather(LEAF, [FIRST, SECOND], some(once(), *asked))
    assert (secret(shares), len(shares), cheats) == (SECRET, 3, [])


def test_two_of_them_lead_nowhere() -> None:
    assert gather(LEAF, [FIRST, SECOND], some(once(), 1, 6)) == ({}, [])


def test_two_who_came_after_and_two_who_were_before_lead_nowhere() -> None:
    """What both hold together fits no polynomial that gives the secret."""
    mixed = {1: SHARES[0], 2: SHARES[1], 6: once()[6].values[b"\3"]}
    assert secret(mixed) != SECRET


def test_three_dealers_are_enough_to_hand_on() -> None:
    held = once(dealers=(1, 2, 4))
    assert secret(gather(LEAF, [FIRST, SECOND], some(held, 2, 5, 6))[0]) == SECRET


def test_two_dealers_are_not() -> None:
    held = once(dealers=(1, 2))
    shares, _ = gather(LEAF, [FIRST, SECOND], held)
    assert len(shares) == 2


def test_a_record_is_handed_on_again_to_more_of_whom_more_are_needed() -> None:
    line = [FIRST, SECOND, THIRD]
    twice = handed(once(), line)
    shares, cheats = gather(LEAF, line, some(twice, 2, 5, 7, 9))
    assert (secret(shares), cheats) == (SECRET, [])
    assert gather(LEAF, line, some(twice, 2, 5, 7))[0] == {}


def test_nobody_who_hands_on_gives_its_own_share_away() -> None:
    parts = hand_on(LEAF.record_id, ORIGIN[1], 1, SECOND)
    values = [value for part in parts.values() for value in part.values.values()]
    assert SHARES[0] not in values
    assert len(set(values)) == len(SECOND.indexes)


def test_a_dealer_gives_the_same_whenever_it_is_asked() -> None:
    assert hand_on(LEAF.record_id, ORIGIN[1], 1, SECOND) == hand_on(LEAF.record_id, ORIGIN[1], 1, SECOND)
    other = replace(SECOND, roster=seed(9))
    assert hand_on(LEAF.record_id, ORIGIN[1], 1, other) != hand_on(LEAF.record_id, ORIGIN[1], 1, SECOND)


# --- cheats


def wrong_share(dealer: int) -> Holdings:
    """That dealer hands on another share than its own, and all that it promises fits that."""
    lie = Holding.dealt(seed(77))
    return once(spoil={dealer: lambda _, to: hand_on(LEAF.record_id, lie, dealer, SECOND)[to]})


def test_a_dealer_that_hands_on_another_share_is_named_and_the_record_opens() -> None:
    shares, cheats = gather(LEAF, [FIRST, SECOND], wrong_share(2))
    assert secret(shares) == SECRET
    assert cheats == ["keyholder 2 did not hand on what it had been dealt"]


def test_a_dealer_whose_shares_do_not_belong_together_is_named() -> None:
    def torn(part: Holding, to: int) -> Holding:
        path = b"\2"
        other = hand_on(LEAF.record_id, Holding.dealt(seed(to)), 2, SECOND)
        promises = tuple(
            hand_on(LEAF.record_id, Holding.dealt(seed(index)), 2, SECOND)[index].promises[path][place]
            for place, index in enumerate(SECOND.indexes)
        )
        return Holding({path: other[to].values[path]}, {path: promises})

    shares, cheats = gather(LEAF, [FIRST, SECOND], once(spoil={2: torn}))
    assert (secret(shares), cheats) == (SECRET, ["keyholder 2 did not hand on what it had been dealt"])


def test_a_dealer_that_promises_each_something_else_spoils_its_own_path_alone() -> None:
    def each(_: Holding, to: int) -> Holding:
        return hand_on(LEAF.record_id, Holding.dealt(seed(to)), 2, SECOND)[to]

    shares, _ = gather(LEAF, [FIRST, SECOND], once(spoil={2: each}))
    assert (secret(shares), 2 in shares) == (SECRET, False)


def test_a_dealer_that_alters_what_others_promised_before_is_left_out() -> None:
    def altered(part: Holding, _: int) -> Holding:
        first = min(part.promises)
        return replace(part, promises={**part.promises, first: tuple(reversed(part.promises[first]))})

    line = [FIRST, SECOND, THIRD]
    twice = handed(once(), line, spoil={6: altered})
    assert not [path for path in twice[7].values if path == b"\1\6"]
    assert secret(gather(LEAF, line, twice)[0]) == SECRET


def test_who_gives_another_value_than_it_was_given_is_named() -> None:
    held = once()[6]
    forged = replace(held, values={**held.values, b"\1": seed(7)})
    with pytest.raises(ShareMismatch, match="keyholder 6 holds is not what keyholder 1 promised"):
        check_holding(LEAF, [FIRST, SECOND], 6, forged)


def test_who_gives_what_another_was_given_is_named() -> None:
    with pytest.raises(ShareMismatch):
        check_holding(LEAF, [FIRST, SECOND], 5, once()[6])


@pytest.mark.parametrize("line", [[FIRST], [FIRST, SECOND, THIRD]])
def test_a_share_of_another_group_is_none(line: list[Members]) -> None:
    with pytest.raises(ShareMismatch):
        check_holding(LEAF, line, 2, once()[2])


def test_one_who_was_not_among_them_holds_nothing_of_theirs() -> None:
    with pytest.raises(ShareMismatch, match="holds no share of this group"):
        check_holding(LEAF, [FIRST, SECOND], 4, once()[6])


def test_a_promise_that_too_few_repeat_counts_for_nothing() -> None:
    """Two of the new ones cannot make up what a dealer promised."""
    held, lie = once(), hand_on(LEAF.record_id, Holding.dealt(seed(77)), 1, SECOND)
    for index in (5, 6):
        path = b"\1"
        held[index] = replace(
            held[index],
            values={**held[index].values, path: lie[index].values[path]},
            promises={**held[index].promises, path: lie[index].promises[path]},
        )
    shares, cheats = gather(LEAF, [FIRST, SECOND], held)
    assert (secret(shares), cheats) == (SECRET, [])


def test_a_share_that_no_polynomial_gives_is_not_handed_on() -> None:
    beyond = Holding.dealt(b"\xff" * 32)
    assert hand_on(LEAF.record_id, beyond, 1, SECOND)[6].values == {}


# --- bytes


def test_a_dealt_share_is_its_32_bytes() -> None:
    assert ORIGIN[1].encode() == SHARES[0]
    assert Holding.decode(SHARES[0]) == ORIGIN[1]


def test_what_is_held_comes_back_from_its_bytes() -> None:
    held = once()[6]
    assert Holding.decode(held.encode()) == held


def test_a_holding_that_lacks_a_part_is_none() -> None:
    held = once()[6]
    for values, promises in (
        ({**held.values, b"\1\2": seed(1)}, held.promises),
        (held.values, {path: p for path, p in held.promises.items() if path != b"\1"}),
        (held.values, {**held.promises, b"\7": held.promises[b"\1"]}),
        ({}, held.promises),
    ):
        broken = object.__new__(Holding)
        object.__setattr__(broken, "values", values)
        object.__setattr__(broken, "promises", promises)
        with pytest.raises((IntegrityError, StopIteration)):
            Holding.decode(broken.encode())
