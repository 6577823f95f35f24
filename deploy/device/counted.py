"""What was counted of one release since its last report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy.wire.report import LATENCY_BINS, Counts


@dataclass(slots=True)
class Counted:
    """Runs and what an app counts; whoever shares it between threads locks it."""

    runs: int = 0
    failures: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * LATENCY_BINS)
    counters: Counter[str] = field(default_factory=Counter)

    def ended(self, spent_us: float, *, failed: bool) -> None:
        """Count a run that took SPENT_US."""
        self.runs += 1
        if failed:
            self.failures += 1
        else:
            self.latency[latency_bin(spent_us)] += 1

    def told(self, drift: Mapping[str, tuple[int, ...]]) -> Counts:
        """Return it as a report tells it, with values by bin."""
        counters, latency = dict(self.counters), tuple(self.latency)
        return Counts(self.runs, self.failures, latency=latency, counters=counters, drift=dict(drift))


def latency_bin(microseconds: float) -> int:
    """Return the bin of a latency: bin i holds [2^(i/4), 2^((i+1)/4)) microseconds."""
    if microseconds < 1:
        return 0
    return min(LATENCY_BINS - 1, int(4 * math.log2(microseconds)))
