"""How often something may happen: a bucket that fills steadily. Pure but for the clock that it is given."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

MAX_KEYS: Final = 10_000  # that are told apart at once


class Rate:
    """A bucket of BURST drops that fills by PER_S drops a second; PER_S of 0: no limit."""

    __slots__ = ("_at", "_burst", "_clock", "_drops", "_per_s")

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._drops, self._at = burst, clock()

    def take(self) -> float:
        """Take a drop and return 0, or return after how many seconds there will be one."""
        if not self._per_s:
            return 0.0
        now = self._clock()
        self._drops = min(self._burst, self._drops + (now - self._at) * self._per_s)
        self._at = now
        if self._drops < 1:
            return (1 - self._drops) / self._per_s
        self._drops -= 1
        return 0.0


class Rates:
    """A `Rate` for each key; the oldest is forgotten where there are too many."""

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._args = (per_s, burst, clock)
        self._rates: dict[str, Rate] = {}

    def take(self, key: str) -> float:
        """Take a drop for KEY and return 0, or return after how many seconds there will be one."""
        rate = self._rates.get(key)
        if rate is None:
            if len(self._rates) >= MAX_KEYS:
                self._rates.pop(next(iter(self._rates)))
            rate = self._rates[key] = Rate(*self._args)
        return rate.take()
