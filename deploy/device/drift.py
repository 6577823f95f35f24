"""What a release's features are like on this device: counts by the bins of its training.

A source of features that looks at what it gives, once a second at most: shares are what is compared, and a
list of a thousand candidates is not counted on every call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from deploy.task.bins import Bins, counted
from featuregraph.vector import FeatureSource, FeatureVector

EVERY_S: Final = 1.0


class Watched:
    """A source that counts what it gives; safe to share between threads."""

    def __init__(self, source: FeatureSource, bins: Bins, clock: Callable[[], float] = monotonic) -> None:
        self._source, self._cuts, self._clock = source, bins.features, clock
        self._lock = threading.Lock()
        self._counts = counted(self._cuts)
        self._due = clock()

    def extract(self, graph_id: str, **asked: Any) -> FeatureVector:
        """Return the features of GRAPH_ID; ASKED as of `FeatureSource.extract`."""
        vector = self._source.extract(graph_id, **asked)
        now = self._clock()
        if now >= self._due:
            self._due = now + EVERY_S
            with self._lock:
                self._see(vector)
        return vector

    def take(self) -> dict[str, tuple[int, ...]]:
        """Return the counts since the last call, of features that were seen."""
        with self._lock:
            found, self._counts = self._counts, counted(self._cuts)
        return {name: tuple(counts) for name, counts in found.items() if any(counts)}

    def _see(self, vector: FeatureVector) -> None:
        for name, cut in self._cuts.items():
            value = vector.values.get(name)
            for each in value if isinstance(value, list) else (value,):  # of a candidate: one for each
                self._counts[name][cut.place(each)] += 1
