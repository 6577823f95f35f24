"""Each feature by itself over one log of JSON rows: nothing is shared and nothing kept.

It reads no row that the feature does not need and decodes no attribute that it does not use, by the fastest
decoder known here.
"""

from __future__ import annotations

from collections.abc import Sequence

from featuregraph.testing.workload import Feature
from stream.bench.autofeature import AutoFeature
from stream.bench.storage import JsonLog, used
from stream.bench.system import Event, Values


class Alone:
    """FEATURES, none of which knows of another."""

    def __init__(self, features: Sequence[Feature], log: JsonLog) -> None:
        self._log = log
        self._count = 0
        self.systems = [AutoFeature([feature], log.narrowed(used([feature])), 0) for feature in features]

    def append(self, events: Sequence[Event]) -> None:
        """Write EVENTS."""
        self._log.append(events, self._count)
        self._count += len(events)

    def extract(self, t: int) -> Values:
        """Return each feature at T."""
        return {name: value for system in self.systems for name, value in system.extract(t).items()}

    @property
    def state_bytes(self) -> int:
        """Return nothing: nothing is kept."""
        return 0

    @property
    def log_bytes(self) -> int:
        """Return the bytes of the log."""
        return self._log.bytes

    def close(self) -> None:
        """Close the log."""
        self._log.close()
