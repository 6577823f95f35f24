"""Features as SQL, over tables that hold values decoded once and in the order that queries read them.

covering        a table per event with the attributes that are used, its rows stored in order of time
feature store   one table with a row per event and feature, stored by feature and time

Both are SQLite files in WAL mode whose rows are their index. SQLite sums doubles one by one: a mean agrees
with the exact one to some 1e-12.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from featuregraph.testing.workload import Feature
from stream.bench.storage import connect, file_bytes, inserting, transaction, used
from stream.bench.system import Event, Values

# What is asked of the rows (ts, place, x) of one feature.
_ASKED: Mapping[str, str] = {
    "count": "SELECT count(*) FROM ({rows})",
    "mean": "SELECT avg(x) FROM ({rows})",
    "min": "SELECT min(x) FROM ({rows})",
    "max": "SELECT max(x) FROM ({rows})",
    "concat": "SELECT x FROM ({rows}) ORDER BY ts DESC, place DESC LIMIT {last}",
}


class Queries(ABC):
    """A query per feature; the tables are of whoever derives from this."""

    def __init__(self, features: Sequence[Feature], path: Path) -> None:
        self._connection = connect(path)
        self._count = 0
        self._asked = [
            (f, _ASKED[f.function].format(rows=self._rows(f, number), last=f.last))
            for number, f in enumerate(features)
        ]

    @abstractmethod
    def _rows(self, feature: Feature, number: int) -> str:
        """Return the rows of FEATURE from :lo on as SQL."""

    def extract(self, t: int) -> Values:
        """Ask for each feature by itself."""
        found: dict[str, Any] = {}
        ask = self._connection.execute
        for feature, sql in self._asked:
            answer = ask(sql, {"lo": t - feature.window_ms})
            if feature.last:
                latest = [x for (x,) in answer]
                latest.reverse()
                found[feature.name] = {feature.attribute: latest}
            else:
                (found[feature.name],) = answer.fetchone()
        return found

    @property
    def state_bytes(self) -> int:
        """Return nothing: all is in the file."""
        return 0

    @property
    def log_bytes(self) -> int:
        """Return the size of the file."""
        return file_bytes(self._connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class Covering(Queries):
    """A table per event, which covers every query on it."""

    def __init__(self, features: Sequence[Feature], path: Path) -> None:
        self._used = used(features)
        super().__init__(features, path)
        self._inserts: dict[str, str] = {}
        for event, names in self._used.items():
            columns = ", ".join(("ts", "place", *names, "PRIMARY KEY (ts, place)"))
            self._connection.execute(f"CREATE TABLE of_{event} ({columns}) WITHOUT ROWID")
            self._inserts[event] = inserting(f"of_{event}", 2 + len(names))

    def _rows(self, feature: Feature, number: int) -> str:
        x = feature.attribute or "NULL"
        return " UNION ALL ".join(
            f"SELECT ts, place, {x} AS x FROM of_{event} WHERE ts >= :lo"  # noqa: S608 - our own names
            for event in feature.events
        )

    def append(self, events: Sequence[Event]) -> None:
        """Insert the used attributes of EVENTS in one transaction."""
        with transaction(self._connection):
            for place, event in enumerate(events, self._count):
                if event["event"] in self._inserts:
                    values = map(event["attrs"].get, self._used[event["event"]])
                    self._connection.execute(self._inserts[event["event"]], (event["ts_ms"], place, *values))
        self._count += len(events)


class FeatureStore(Queries):
    """A row per event and feature, written when the event happens."""

    def __init__(self, features: Sequence[Feature], path: Path) -> None:
        super().__init__(features, path)
        self._connection.execute(
            "CREATE TABLE value (feature, ts, place, x, PRIMARY KEY (feature, ts, place)) WITHOUT ROWID"
        )
        self._takers: dict[str, list[tuple[int, str | None]]] = {}
        for number, feature in enumerate(features):
            for event in feature.events:
                self._takers.setdefault(event, []).append((number, feature.attribute))

    def _rows(self, feature: Feature, number: int) -> str:
        return f"SELECT ts, place, x FROM value WHERE feature = {number} AND ts >= :lo"  # noqa: S608 - a number

    def append(self, events: Sequence[Event]) -> None:
        """Insert a row for each feature that an event counts for, in one transaction."""
        with transaction(self._connection):
            self._connection.executemany(inserting("value", 4), self._made(events))
        self._count += len(events)

    def _made(self, events: Sequence[Event]) -> list[tuple[Any, ...]]:
        return [
            (number, event["ts_ms"], place, event["attrs"].get(attribute))
            for place, event in enumerate(events, self._count)
            for number, attribute in self._takers.get(event["event"], ())
        ]
