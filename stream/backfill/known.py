"""Recorded events of some names that are known, in the order of time: what queries are made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from featuregraph.arrays.column import Array, Column
from featuregraph.types import IDENTIFIER, INT64, TIMESTAMP, Type
from stream.backfill import intake
from stream.backfill.columnar.duplicates import duplicates
from stream.backfill.columnar.keys import Keys
from stream.backfill.columnar.order import sorted_order
from stream.backfill.columnar.source import Flat
from stream.backfill.needs import Needs, Span
from stream.backfill.reading import Read, held, tables_of
from stream.errors import BackfillError


@dataclass(frozen=True, slots=True)
class History:
    """Events of some names.

    Args:
        columns: all that was read, in the order of arrival.
        read: what became of the events.
        duplicate: how many of the events that count came again (SEMANTICS 1.3).
        ts: int64, shape (events,).
        names: the names by code; name: each event's code.
        rows: the numbers of the known ones, by (ts_ms, seq, arrival).
    """

    columns: Flat
    read: Read
    duplicate: int
    ts: Array
    names: tuple[str, ...]
    name: Array
    rows: Array

    def of(self, event: str) -> Array:
        """Return the numbers of the events called EVENT, in the order of time."""
        if event not in self.names:
            return self.rows[:0]
        found: Array = self.rows[self.name[self.rows] == self.names.index(event)]
        return found

    def values(self, field: str, type: Type) -> Column:
        """Return FIELD of every event."""
        return self.columns.read(field, type).column


def history(
    events: Any,
    names: Collection[str],
    key: Sequence[str],
    fields: Collection[str],
    progress: Callable[[int, int | None], object],
    most: int | None = None,
) -> History:
    """Return the events of NAMES that have a KEY, with FIELDS.

    most: bytes that they may take; None: any.

    Raises:
        EventError, StreamError: an event is refused, the file cannot be read, or they take more.
    """
    source = intake.opened(events)
    needs = Needs(tuple(key), frozenset(fields), frozenset(), {name: Span() for name in names}, known=False)
    read = Read()
    batches = read.counted(source.read(needs), lambda n: progress(n, source.rows))
    found, whole = held(batches, most)
    if not whole:
        raise BackfillError(
            f"expected the events {', '.join(sorted(names))} in {(most or 0) / 2**20:.1f} MiB, found more"
            f" after {read.events:,} of the {source.rows or 'many'} events; give more memory, or other events"
        )
    columns = Flat(tables_of(found))
    owners = Keys([columns.read(name, IDENTIFIER).column for name in key])
    ids, name = (columns.read(one, IDENTIFIER).column for one in ("event_id", "event"))
    ts, seq = columns.read("ts_ms", TIMESTAMP).column.values, columns.read("seq", INT64).column
    rows = np.arange(len(ts))
    again = duplicates(owners.number, ids, rows)
    kept = rows if again is None else rows[~again]
    words, code = name.words or (), name.values
    wanted = kept[np.isin(code[kept], [place for place, word in enumerate(words) if word in names])]
    seqs = seq.values if seq.known is None else np.where(seq.known, seq.values, 0)
    order = sorted_order([ts[wanted], seqs[wanted]], len(wanted))
    return History(columns, read, len(rows) - len(kept), ts, words, code, wanted[order])
