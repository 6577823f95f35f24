"""Recorded events, brought to where executors read them: a temporary log, and rows as they came.

events (file, table or rows)
  -> batches of raw events in the order of arrival
  -> all of them into one EventLog in a temporary folder     for the device engine: it sorts (SEMANTICS 1.4)
  -> those of chosen keys into lists by key                  for the reference: it is brute force
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from featuregraph.convert import BAD, converter
from featuregraph.types import IDENTIFIER, TIMESTAMP
from stream.event import COLUMNS, Receipt
from stream.log import EventLog
from stream.tables import BATCH_ROWS, count_rows
from stream.tables import read_events as read_file

if TYPE_CHECKING:
    from featuregraph import Graph

Raw = Mapping[str, Any]
Done = Callable[[int], None]
Rows = Mapping[str, Sequence[Raw]]  # of tables, by name
Key = str | tuple[str, ...]  # identifiers; of several columns one each
Declared = Mapping[str, Sequence[tuple[str, Callable[[Any], Any]]]]  # event -> fields with their converters
# A key that stands for all keys, where they cannot be told apart; no identifier is None.
TOGETHER = None

_identifier, _time = converter(IDENTIFIER), converter(TIMESTAMP)


@dataclass(slots=True)
class Recorded:
    """All events of one source, known."""

    columns: tuple[str, ...]  # of the key
    log: EventLog | None
    rows: dict[Key | None, list[Raw]] = field(default_factory=dict)  # of the chosen keys; see `split`
    count: int = 0
    receipt: Receipt = field(default_factory=Receipt)
    unparsable: Counter[tuple[str, str]] = field(default_factory=Counter)  # by (event, field), of all read
    end: int | None = None  # the largest ts_ms of all read, or what was given (SEMANTICS 9.3)
    tables: Rows = field(default_factory=dict)

    @property
    def split(self) -> bool:
        """Tell whether each key's rows stand alone.

        Under another key than user_id a seq given on arrival counts a user's events of all keys (1.2).
        """
        return self.columns == ("user_id",)

    def rows_of(self, key: Key | None) -> list[Raw]:
        """Return what the reference must be handed to answer queries of KEY."""
        return self.rows.get(key if self.split else TOGETHER, [])


def identifier(raw: object) -> str | None:
    """Return a key as the identifier it is; None for none."""
    value = _identifier(raw)
    return None if value is BAD else value


@contextmanager
def recorded(
    events: Iterable[Sequence[Raw]],
    graphs: Sequence[Graph],
    *,
    name: str,
    log: bool,
    chosen: Collection[Key] = (),
    tables: Rows = MappingProxyType({}),
    end: int | None = None,
    done: Done = lambda n: None,
) -> Iterator[Recorded]:
    """Give recorded events, known; the temporary log is gone afterwards.

    Args:
        events: batches of rows, in the order of arrival.
        graphs: who declare the events; all under one key.
        name: as messages call the events.
        log: whether a log is needed.
        chosen: the keys whose rows are kept as they came.
        tables: rows of the graphs' tables.
        end: the last ms that counts as known; else the largest ts_ms of the events.
        done: called with the number of events of each batch.

    Raises:
        EventError, StreamError: an event is refused, or the file cannot be read; names the row.
    """
    with tempfile.TemporaryDirectory(prefix="headrace-") as folder:
        columns = graphs[0].key_columns
        opened = _open(Path(folder) / "events.db", columns[0]) if log else None
        fields = [_declared(graph) for graph in graphs]
        try:
            found = Recorded(columns, opened, tables=tables)
            for batch in events:
                _take(found, batch, name, chosen)
                for declared in fields:
                    _count_unparsable(found.unparsable, batch, declared)
                done(len(batch))
            found.end = found.end if end is None else end
            yield found
        finally:
            if opened is not None:
                opened.close()


def _open(path: Path, key: str) -> EventLog:
    # No event of a recording lies in the future, and nothing was before it.
    return EventLog(path, key=key, max_future=None, history_start_ms="all")


def latest_of(batch: Iterable[Raw], so_far: int | None) -> int | None:
    """Return the largest ts_ms of a BATCH of events, of any key and name, and SO_FAR."""
    times = [time for event in batch if isinstance(time := _time(event.get("ts_ms")), int)]
    return max(times if so_far is None else [*times, so_far], default=None)


def _take(found: Recorded, batch: Sequence[Raw], name: str, chosen: Collection[Key]) -> None:
    first = found.count
    found.end = latest_of(batch, found.end)
    if found.log is not None:
        receipt, _ = found.log.append_rows(
            batch, keep_known=True, label=lambda place: f"{name}, row {first + place + 1}"
        )
        pairs = zip(astuple(found.receipt), astuple(receipt), strict=True)
        found.receipt = Receipt(*(a + b for a, b in pairs))
    if chosen and not found.split:
        found.rows.setdefault(TOGETHER, []).extend(batch)
    elif chosen:
        for event in batch:
            if (key := identifier(event.get("user_id"))) in chosen:
                found.rows.setdefault(key, []).append(event)
    found.count += len(batch)


def _declared(graph: Graph) -> Declared:
    return {
        event: [(field, converter(type)) for field, type in fields.items()]
        for event, fields in graph.events.items()
    }


def _count_unparsable(counts: Counter[tuple[str, str]], batch: Sequence[Raw], declared: Declared) -> None:
    """Count the values of BATCH that are not of their declared type (SEMANTICS 2.2)."""
    for event in batch:
        attrs = event.get("attrs") or {}
        for name, convert in declared.get(event.get("event", ""), ()):
            raw = event.get(name) if name in event or name in COLUMNS else attrs.get(name)
            if raw is not None and convert(raw) is BAD:
                counts[event["event"], name] += 1


def batches(events: Any) -> Iterator[Sequence[Raw]]:
    """Give the raw events of a path, an Arrow table or rows in batches."""
    if isinstance(events, str | Path):
        yield from read_file(events)
    elif hasattr(events, "column_names"):
        from featuregraph.arrow import read_events

        for start in range(0, events.num_rows, BATCH_ROWS):
            yield read_events(events.slice(start, BATCH_ROWS))
    else:
        rows = list(events)
        for start in range(0, len(rows), BATCH_ROWS):
            yield rows[start : start + BATCH_ROWS]


def name_of(events: Any) -> str:
    """Return what messages call the events of a path, an Arrow table or rows."""
    return str(events) if isinstance(events, str | Path) else "events"


def size(events: Any) -> int | None:
    """Return how many events a path, an Arrow table or rows say they have, None if they do not."""
    if isinstance(events, str | Path):
        return count_rows(events)
    rows = getattr(events, "num_rows", None)
    return rows if rows is not None else len(events) if hasattr(events, "__len__") else None
