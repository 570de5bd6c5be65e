"""Where the gas of a transaction went, by the kind of its operations, from a trace of its steps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

_HASHING = {"KECCAK256", "SHA3"}
_JUMPS = {"JUMP", "JUMPI", "JUMPDEST"}
_MEMORY = {
    *("MLOAD", "MSTORE", "MSTORE8", "MCOPY", "CALLDATALOAD"),
    *("CALLDATACOPY", "CODECOPY", "RETURNDATACOPY"),
}
_CHAIN = {
    *("SLOAD", "SSTORE", "LOG0", "LOG1", "LOG2", "LOG3", "LOG4"),
    *("CALL", "STATICCALL", "BALANCE", "EXTCODESIZE", "EXTCODEHASH"),
}


@dataclass(frozen=True, slots=True)
class Split:
    """What a contract's own work cost, in gas: keccak256; memory and calldata; jumps (dispatch, checks,
    loops); sums, comparisons and the rest; and what slots, calls and logs cost beyond the floor (a slot that
    is read again, a call of what was called before)."""

    hashing: int
    memory: int
    jumps: int
    sums: int
    again: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.hashing + self.memory + self.jumps + self.sums + self.again


def split(steps: list[dict[str, Any]], charged: int) -> Split:
    """The split of a trace's steps; ``charged`` is what of the slots, calls and logs is in the floor."""
    spent: Counter[str] = Counter()
    for step, cost in zip(steps, costs(steps), strict=True):
        spent[_kind(str(step["op"]))] += cost
    return Split(spent["hashing"], spent["memory"], spent["jumps"], spent["sums"], spent["chain"] - charged)


def costs(steps: list[dict[str, Any]]) -> list[int]:
    """What each step cost by itself: a call without what the called contract used."""
    found = [0] * len(steps)
    calls: list[int] = []  # the steps that the frames around the present one wait at
    entered: list[int] = []  # the gas at the first step of each of these frames
    for at, step in enumerate(steps):
        following = steps[at + 1] if at + 1 < len(steps) else None
        if following and following["depth"] > step["depth"]:
            calls.append(at)
            entered.append(following["gas"])
        elif following and following["depth"] == step["depth"]:
            found[at] = step["gas"] - following["gas"]
        else:
            found[at] = step["gasCost"]
            if following:
                call, used = calls.pop(), entered.pop() - (step["gas"] - step["gasCost"])
                found[call] = steps[call]["gas"] - following["gas"] - used
    return found


def _kind(operation: str) -> str:
    """The kind of an operation."""
    for kind, operations in (
        ("hashing", _HASHING),
        ("memory", _MEMORY),
        ("jumps", _JUMPS),
        ("chain", _CHAIN),
    ):
        if operation in operations:
            return kind
    return "sums"
