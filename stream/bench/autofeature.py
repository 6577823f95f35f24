"""AutoFeature's design (SenSys 2026) on NumPy columns, written from its paper and apart from our engine.

1. retrieve   per event, once for all features: what is new if its columns are kept, else its widest window
2. decode     the union of the attributes that features use of it
3. filter     one search for all edges of all windows on it: rows stand in order of time
4. compute    each feature over its ranges, the whole window again
5. rank       which events' columns stay until the next request, under the budget of bytes

What is new is taken from memory, not read back from the file: a kindness that the paper's design has not.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featuregraph.testing.workload import Feature
from stream.bench.columns import FUNCTIONS, Columns
from stream.bench.policy import Offer, Policy, greedy
from stream.bench.storage import Row, Storage, used
from stream.bench.system import Event, Values

Places = Mapping[str, Sequence[int]]  # by event, one for each of its edges


class AutoFeature:
    """Fused extraction of FEATURES from STORAGE with a cache of BUDGET bytes; 0: fused only."""

    def __init__(
        self, features: Sequence[Feature], storage: Storage, budget: int, policy: Policy = greedy
    ) -> None:
        self.budget = budget
        self._features = tuple(features)
        self._storage = storage
        self._policy = policy
        self._used = used(features)
        self._reach = {event: max(f.reach_ms for f in features if event in f.events) for event in self._used}
        self._since = {event: min(f.offset_ms for f in features if event in f.events) for event in self._used}
        # How long before the query each window on an event begins and ends, every distance once.
        self._edges: dict[str, list[int]] = {
            event: sorted({ms for f in features if event in f.events for ms in (f.reach_ms, f.offset_ms)})
            for event in self._used
        }
        self._behind: dict[str, NDArray[np.int64]] = {
            event: np.array(edges, np.int64) for event, edges in self._edges.items()
        }
        self._steps = [self._step(feature) for feature in features]
        self._kept: dict[str, Columns] = {}
        self._now: dict[str, Columns] = {}  # of this request
        self._new: dict[str, list[Row]] = {event: [] for event in self._used}
        self._cost: dict[str, float] = {}  # ns to retrieve and decode a row, by event
        self._known: frozenset[str] = frozenset()  # events whose rows are all in kept columns, or new
        self._count = 0
        self._t: int | None = None

    def _step(self, feature: Feature) -> tuple[Any, ...]:
        """Return what compute needs of FEATURE: by event, its column and where its range is."""
        where = [
            (
                event,
                0 if feature.attribute is None else 2 + self._used[event].index(feature.attribute),
                self._edges[event].index(feature.reach_ms),
                self._edges[event].index(feature.offset_ms),
            )
            for event in feature.events
        ]
        return feature.name, where, FUNCTIONS[feature.function], feature.last, feature.attribute

    def append(self, events: Sequence[Event]) -> None:
        """Write EVENTS, and keep those of kept columns at hand."""
        self._storage.append(events, self._count)
        for place, event in enumerate(events, self._count):
            if event["event"] in self._known:
                self._new[event["event"]] += self._storage.stored([event], place)
        self._count += len(events)

    def extract(self, t: int) -> Values:
        """Return the features at T by the five steps."""
        found = self.compute(self.filter(self.decode(self.retrieve(t)), t))
        self.rank(t)
        return found

    def retrieve(self, t: int) -> dict[str, list[Row]]:
        """Return the stored rows that are not in kept columns, by event."""
        rows = {}
        for event, reach in self._reach.items():
            if event not in self._known:
                rows[event] = self._read(event, t - reach, t if self.budget else t - self._since[event])
            elif self._new[event]:
                rows[event] = self._new[event]
                self._new[event] = []
        return rows

    def _read(self, event: str, lo: int, hi: int) -> list[Row]:
        if event in self._cost:
            return self._storage.retrieve(event, lo, hi)
        began = time.process_time_ns()  # the profiler: what a row of this event costs, measured once
        rows = self._storage.retrieve(event, lo, hi)
        self._storage.decode(event, rows)
        self._cost[event] = (time.process_time_ns() - began) / max(len(rows), 1)
        return rows

    def decode(self, rows: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
        """Return ROWS with their values."""
        return {event: self._storage.decode(event, found) for event, found in rows.items() if found}

    def filter(self, rows: Mapping[str, list[Row]], t: int) -> Places:
        """Bring ROWS into columns, and return where the edges of the windows are in them."""
        self._now = dict(self._kept)
        for event, found in rows.items():
            if event in self._kept:
                self._kept[event].append(found)
            else:
                self._now[event] = Columns(found)
        return {event: columns.places(t - self._behind[event]) for event, columns in self._now.items()}

    def compute(self, places: Places) -> Values:
        """Return each feature over its ranges."""
        now, found = self._now, {}
        for name, where, function, last, attribute in self._steps:
            parts = [
                (now[event], number, places[event][start], places[event][end])
                for event, number, start, end in where
                if event in now
            ]
            value = function(parts, last)
            found[name] = {attribute: value} if last else value
        return found

    def rank(self, t: int) -> None:
        """Keep the columns that are worth most if the next request comes as soon as this one did."""
        interval = 0 if self._t is None else t - self._t
        self._t = t
        for event, columns in self._now.items():
            columns.trim(t - self._reach[event])
        kept = frozenset(self._now)
        if sum(columns.bytes for columns in self._now.values()) > self.budget:
            kept = self._policy(self._offers(interval), self.budget)
        empty = self._used.keys() - self._now.keys() if self.budget else ()
        self._known = kept.union(empty)
        self._kept = self._now = {event: self._now[event] for event in kept}

    def _offers(self, interval: int) -> dict[str, Offer]:
        """Return what the next request, INTERVAL after this one, needs again of each event's columns."""
        offers = {}
        for event, columns in self._now.items():
            again = max(0, self._reach[event] - interval) / self._reach[event]
            offers[event] = Offer(again * len(columns) * self._cost[event], columns.bytes)
        return offers

    @property
    def state_bytes(self) -> int:
        """Return the bytes of the rows in kept columns."""
        return sum(columns.bytes for columns in self._kept.values())

    @property
    def log_bytes(self) -> int:
        """Return the bytes of the log."""
        return self._storage.bytes

    def close(self) -> None:
        """Close the log."""
        self._storage.close()
