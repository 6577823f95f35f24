"""Positions settled before events are split by another key than user_id (SEMANTICS 1.2, 1.3).

Under such a key a seq given on arrival counts a user's events of all keys, and no two of these may have one
position: no bucket of keys holds what decides that. So passes of their own come before.

flat batches, numbered as they arrive
  those with an event_id  -> by key on disk                -> without those that came again
  all that are left       -> by (user_id, ts_ms) on disk   -> each with its seq, no position twice
-> in any order: now their seq says it
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from featuregraph import Plan
from featuregraph.arrays.column import Array, Mask
from featuregraph.types import IDENTIFIER, INT64, TIMESTAMP
from stream.backfill.bucket import Hashes, hash_keys
from stream.backfill.budget import Budget
from stream.backfill.columnar.duplicates import duplicates
from stream.backfill.columnar.keys import Keys
from stream.backfill.columnar.order import sorted_order
from stream.backfill.columnar.seqs import seqs_of
from stream.backfill.columnar.source import Flat
from stream.backfill.columnar.unparsable import unparsable
from stream.backfill.needs import USER
from stream.backfill.part import Counts
from stream.backfill.spill import Spill, Spilled, by_key

_ARRIVAL = "headrace.arrival"  # no name of a field

T = TypeVar("T")


class Settling:
    """Settles the events of one source for PLANS of one key, in files below FOLDER, COUNT of them at once.

    counts: what became of those that were left out.
    """

    def __init__(self, folder: Path, plans: Sequence[Plan], count: int, budget: Budget) -> None:
        self._folder, self._plans, self._count, self._budget = folder, plans, count, budget
        self._key = plans[0].graph.key_columns
        self.counts = Counts()

    def settled(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Give BATCHES, which are in the order of arrival, each event once and with a seq; in any order.

        Raises:
            EventError: the position of an event is taken.
        """
        with tempfile.TemporaryDirectory(prefix="settling-", dir=self._folder) as name:
            left = self._by_position(batches, Path(name))
            for table in self._each(left, _with_seqs):
                yield from table.to_batches()

    def _by_position(self, batches: Iterator[pa.RecordBatch], folder: Path) -> Spilled:
        """Bring BATCHES to disk by user and time, without those that came again."""
        ids, left = self._spill(folder / "ids", by_key(self._key)), self._spill(folder / "all", _position)
        with left:
            with ids:
                for batch in _numbered(batches):
                    has = _has_id(batch)
                    for spill, chosen in ((ids, has), (left, ~has)):
                        if chosen.any():
                            spill.put(batch if chosen.all() else batch.filter(pa.array(chosen)))
            for table, again in self._each(ids.spilled, self._parted):
                self._leave_out(table.filter(pa.array(again)))
                for batch in table.filter(pa.array(~again)).to_batches():
                    left.put(batch)
        return left.spilled

    def _spill(self, folder: Path, hashed: Callable[[pa.Table], Hashes]) -> Spill:
        folder.mkdir()
        return Spill(folder, hashed, self._count, self._budget.chunk // 2)  # two at once

    def _each(self, spilled: Spilled, change: Callable[[Sequence[pa.Table]], Sequence[T]]) -> Iterator[T]:
        """Give what CHANGE makes of each of the tables of a part, part after part.

        One generation of types after the other, since each change of them begins new files.
        """
        for generation in range(len(spilled.files)):
            for part in self._budget.parts(spilled.sizes):
                tables = spilled.generations(part)
                if generation in tables:
                    yield change(list(tables.values()))[list(tables).index(generation)]

    def _parted(self, tables: Sequence[pa.Table]) -> list[tuple[pa.Table, Mask]]:
        """Return each of TABLES, which hold all events of some keys, and which events of it came again."""
        columns = Flat(tables)
        keys = Keys([columns.read(name, IDENTIFIER).column for name in self._key])
        ids = columns.read("event_id", IDENTIFIER).column
        again = duplicates(keys.number, ids, np.arange(columns.count))
        return list(_cut(tables, np.zeros(columns.count, np.bool_) if again is None else again))

    def _leave_out(self, table: pa.Table) -> None:
        """Count the events of TABLE, which came again."""
        source = Flat([table])
        names = source.read("event", IDENTIFIER).column
        bad = unparsable(self._plans, source, names, lambda field, of: source.read(field, of).bad)
        self.counts.add(Counts(table.num_rows, 0, bad))


def _numbered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    start = 0
    for batch in batches:
        number = pa.array(np.arange(start, start + batch.num_rows))
        yield pa.RecordBatch.from_arrays([*batch.columns, number], [*batch.schema.names, _ARRIVAL])
        start += batch.num_rows


def _has_id(batch: pa.RecordBatch) -> Mask:
    """Return which events may have an event_id: all others are known without a look at any other."""
    if "event_id" not in batch.schema.names:
        return np.zeros(batch.num_rows, np.bool_)
    found: Mask = batch.column("event_id").is_valid().to_numpy(zero_copy_only=False)
    return found


def _position(table: pa.Table) -> Hashes:
    """Return a hash of user and time: a position is one of theirs."""
    user = Flat([table]).read(USER, IDENTIFIER).column
    mask = None if user.known is None else ~user.known
    owner = pa.array(user.words or (), pa.string()).take(pa.array(user.values, mask=mask))
    return hash_keys([owner, table.column("ts_ms")])


def _with_seqs(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Return TABLES, which hold all events of some users and times, with the seq of each event."""
    columns = Flat(tables)
    arrival, ts = columns.read(_ARRIVAL, INT64).column.values, columns.read("ts_ms", TIMESTAMP).column.values
    user, seq = columns.read(USER, IDENTIFIER).column, columns.read("seq", INT64).column
    found = seqs_of(user, ts, seq, sorted_order([arrival], len(arrival)), needed=True)
    assert found is not None, "they are needed"
    return [
        table.drop_columns([name for name in (_ARRIVAL, "seq") if name in table.column_names]).append_column(
            "seq", pa.array(part)
        )
        for table, part in _cut(tables, found)
    ]


def _cut(tables: Sequence[pa.Table], values: Array) -> Iterator[tuple[pa.Table, Array]]:
    """Give each of TABLES with those of VALUES that are of its rows."""
    start = 0
    for table in tables:
        yield table, values[start : start + table.num_rows]
        start += table.num_rows
