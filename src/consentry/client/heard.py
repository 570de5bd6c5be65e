"""What keyholders answered to one entry, and what it leads to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from consentry.client.proof import Given
from consentry.envelope.handing import Members, gather
from consentry.keyholder.messages import ReleaseAsked, Released


@dataclass(slots=True)
class Heard:
    """What keyholders answered to one entry: the good answers by leaf and keyholder, all answers as they
    came, who cheated, and what proves it; ``line`` are the groups of keyholders that there were."""

    asked: ReleaseAsked
    reply_seed: bytes = field(repr=False)
    line: Sequence[Members]
    good: dict[tuple[bytes, int], dict[int, Given]] = field(default_factory=lambda: defaultdict(dict))
    answers: dict[int, Released] = field(default_factory=dict)
    cheats: list[str] = field(default_factory=list)
    proofs: list[Path] = field(default_factory=list)

    @property
    def best(self) -> dict[int, Given]:
        """The good answers that have one leaf, most of all."""
        return max(self.good.values(), key=len, default={})

    @property
    def handed_on(self) -> int:
        """How often the record of the best answers was handed on."""
        return next(iter(self.best.values())).holding.times

    def shares(self) -> tuple[dict[int, bytes], list[str]]:
        """The contributor's shares to which the best answers lead, and who handed on others."""
        if not (best := self.best):
            return {}, []
        holdings = {index: given.holding for index, given in best.items()}
        return gather(next(iter(best.values())).leaf, self.line, holdings)

    @property
    def missing(self) -> int:
        """How many good answers more are needed; one, where those that there are do not lead to the key."""
        lacking = self.line[-1].threshold - len(self.best)
        if lacking > 0 or not self.handed_on:
            return lacking
        return int(len(self.shares()[0]) < self.line[-1 - self.handed_on].threshold)
