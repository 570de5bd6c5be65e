"""What a step of the assurance run gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """How a step ended: its name, whether it passed, its figures (few words each, in the order of the page),
    and lines for who reads the terminal: findings, counterexamples, what to do. A step that could look at
    nothing has not passed."""

    name: str
    passed: bool
    figures: Mapping[str, str] = field(default_factory=dict)
    lines: Sequence[str] = ()
