"""What a careful engineer writes without us: per feature a deque and counters, in plain Python.

An event is pushed from the dict that the app has, with no log between; a request takes out what has left
each window. A mean is a running sum of doubles, which drifts: it agrees with the exact one to some 1e-12.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from featuregraph.testing.workload import Feature
from stream.bench.system import Event, Values

_MOST_PENDING = 256


class Counter(Protocol):
    """One feature's state."""

    def push(self, ts: int, x: Any) -> None:
        """Take a value."""

    def read(self, lo: int) -> Any:
        """Return the feature of the values from LO on."""


class Count:
    """How many."""

    def __init__(self, last: int) -> None:
        self._times: deque[int] = deque()

    def push(self, ts: int, x: Any) -> None:
        """Take a time."""
        self._times.append(ts)

    def read(self, lo: int) -> int:
        """Return the number of times from LO on."""
        times = self._times
        while times and times[0] < lo:
            times.popleft()
        return len(times)


class Mean:
    """A running sum."""

    def __init__(self, last: int) -> None:
        self._rows: deque[tuple[int, Any]] = deque()
        self._total: Any = 0

    def push(self, ts: int, x: Any) -> None:
        """Add X."""
        self._rows.append((ts, x))
        self._total += x

    def read(self, lo: int) -> float | None:
        """Take out what is before LO, and divide."""
        rows = self._rows
        while rows and rows[0][0] < lo:
            self._total -= rows.popleft()[1]
        if not rows:
            self._total = 0  # what the sum has drifted by goes too
            return None
        return float(self._total / len(rows))


class Min:
    """A deque that rises from its front: whoever is behind a smaller one will never be the least."""

    def __init__(self, last: int) -> None:
        self._rows: deque[tuple[int, Any]] = deque()

    def push(self, ts: int, x: Any) -> None:
        """Put X behind what is smaller."""
        rows = self._rows
        while rows and rows[-1][1] >= x:
            rows.pop()
        rows.append((ts, x))

    def read(self, lo: int) -> Any:
        """Return the least from LO on."""
        rows = self._rows
        while rows and rows[0][0] < lo:
            rows.popleft()
        return rows[0][1] if rows else None


class Max(Min):
    """A deque that falls from its front."""

    def push(self, ts: int, x: Any) -> None:
        """Put X behind what is larger."""
        rows = self._rows
        while rows and rows[-1][1] <= x:
            rows.pop()
        rows.append((ts, x))


class Concat:
    """The latest values."""

    def __init__(self, last: int) -> None:
        self._rows: deque[tuple[int, Any]] = deque(maxlen=last)

    def push(self, ts: int, x: Any) -> None:
        """Let X take the oldest one's place."""
        self._rows.append((ts, x))

    def read(self, lo: int) -> list[Any]:
        """Return the values from LO on."""
        rows = self._rows
        while rows and rows[0][0] < lo:
            rows.popleft()
        return [x for _, x in rows]


COUNTERS: Mapping[str, Callable[[int], Counter]] = {
    "count": Count,
    "mean": Mean,
    "min": Min,
    "max": Max,
    "concat": Concat,
}


class Deques:
    """FEATURES whose windows end at the request, each with a counter of its own."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._taps: dict[str, list[tuple[Callable[[int, Any], None], str | None]]] = {}
        self._reads: list[tuple[str, int, Callable[[int], Any], str | None]] = []
        self._pending: list[Event] = []
        for feature in features:
            counter = COUNTERS[feature.function](feature.last)
            name = feature.attribute if feature.function == "concat" else None
            self._reads.append((feature.name, feature.window_ms, counter.read, name))
            for event in feature.events:
                self._taps.setdefault(event, []).append((counter.push, feature.attribute))

    def append(self, events: Sequence[Event]) -> None:
        """Leave EVENTS for the next request, whose time is all of the work; a history goes in by parts."""
        for event in events:
            self._pending.append(event)
            # Sums that grow beyond their windows would drift.
            if len(self._pending) >= _MOST_PENDING:
                self.extract(event["ts_ms"])

    def extract(self, t: int) -> Values:
        """Push what is new, take out what is old, read."""
        for event in self._pending:
            taps = self._taps.get(event["event"])
            if taps is not None:
                ts, attrs = event["ts_ms"], event["attrs"]
                for push, attribute in taps:
                    push(ts, None if attribute is None else attrs[attribute])
        self._pending.clear()
        found: dict[str, Any] = {}
        for name, window, read, attribute in self._reads:
            value = read(t - window)
            found[name] = value if attribute is None else {attribute: value}
        return found

    @property
    def state_bytes(self) -> int:
        """Return nothing: what deques hold is not counted."""
        return 0

    @property
    def log_bytes(self) -> int:
        """Return nothing: there is no file."""
        return 0

    def close(self) -> None:
        """Have nothing to close."""
