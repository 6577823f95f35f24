"""All runs of one release together: for charts and for drift, not for verdicts about devices. Pure."""

from __future__ import annotations

from itertools import accumulate

from msgspec import Struct

from deploy.gate.view import COUNTER, View
from deploy.wire.report import LATENCY_BINS, Counts


class Totals(Struct):
    """Counts of all reports, in bounds: only what a view looks at is kept."""

    runs: int = 0
    failures: int = 0
    crashes: int = 0
    latency: list[int] = []  # of runs, by the bins of a report
    counters: dict[str, int] = {}
    drift: dict[str, list[int]] = {}  # values by feature and bin

    def add(self, counts: Counts, view: View) -> None:
        """Add COUNTS of one report."""
        self.runs += counts.runs
        self.failures += counts.failures
        self.crashes += counts.crashes
        if counts.latency:
            self.latency = self.latency or [0] * LATENCY_BINS
            _add(self.latency, counts.latency)
        for name, number in counts.counters.items():
            if COUNTER + name in view.events:
                self.counters[name] = self.counters.get(name, 0) + number
        for feature, bins in counts.drift.items():
            if view.bins.get(feature) == len(bins):
                _add(self.drift.setdefault(feature, [0] * len(bins)), bins)

    def latency_us(self, per_mille: int) -> int | None:
        """Return within how many microseconds PER_MILLE of 1,000 runs ended, by the ends of bins.

        >>> Totals(latency=[99, 1]).latency_us(990)
        1
        """
        runs = sum(self.latency)
        for bin, passed in enumerate(accumulate(self.latency)):
            if passed and 1_000 * passed >= per_mille * runs:
                return int(2 ** ((bin + 1) / 4))
        return None


def _add(sums: list[int], counts: tuple[int, ...]) -> None:
    for place, count in enumerate(counts):
        sums[place] += count
