"""Stop watches of `bench/keys.py`: what was timed, by room, and its percentiles."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def percentile(values: list[float], part: float) -> float:
    """The value below which ``part`` of ``values`` lie (the nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(part * len(ranked)))]


@dataclass
class Watch:
    """Seconds by room; a room may be passed several times in one ``lap``, which adds up."""

    laps: list[dict[str, float]] = field(default_factory=list)
    _now: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def around(self, room: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """``work``, timed as ``room``."""

        def timed(*args: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            try:
                return work(*args, **named)
            finally:
                self._now[room] += time.perf_counter() - begun

        return timed

    def lap(self) -> None:
        """What was timed since the last lap belongs together."""
        self.laps.append(dict(self._now))
        self._now.clear()

    def milliseconds(self, *rooms: str, without: tuple[str, ...] = ()) -> list[float]:
        """Per lap, the sum of ``rooms`` less that of ``without``."""
        return [
            1000 * (sum(lap.get(one, 0) for one in rooms) - sum(lap.get(one, 0) for one in without))
            for lap in self.laps
        ]


@dataclass(frozen=True)
class Spread:
    """Milliseconds: median and 95th percentile of ``count``."""

    median: float
    p95: float
    count: int

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """The spread of ``values``."""
        return cls(percentile(values, 0.5), percentile(values, 0.95), len(values))

    def cells(self) -> tuple[str, str, str]:
        """Its cells in a table."""
        return f"{self.median:.1f}", f"{self.p95:.1f}", f"{self.count:,}"
