"""Where "now" comes from: the one place that asks the system for the time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """What tells the time; it may jump back and forth (the log evens out what it needs to)."""

    def now_ms(self) -> int:
        """Return the time in ms UTC."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The clock of the system."""

    def now_ms(self) -> int:
        """Return the time in ms UTC."""
        return time.time_ns() // 1_000_000
