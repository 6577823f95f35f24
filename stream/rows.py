"""The rows of one track of one key, in total order, and the ranges that windows cut out of them."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

from featuregraph.ir import Node
from featuregraph.layout import FIRST_SLOT, TS_PLACE, Span, Track
from featuregraph.types import INT64, STRING, AnyType
from stream.batch import SEQ_PLACE, TIE_PLACE, Batch, ColumnBatch, EventRow, RowBatch, interleaved, merged
from stream.columns import Column, Dictionary, Listed, Misfit, column_of
from stream.snapshot import Position


class Entering:
    """Rows that enter windows one after the other, with their values by place, made once for all.

    Ranges are of the track's numbers, and always all of the rows.
    """

    __slots__ = ("_columns", "_rows")

    def __init__(self, rows: list[EventRow]) -> None:
        self._rows = rows
        self._columns: dict[int, list[Any]] = {}

    def between(self, start: int, end: int) -> Sequence[EventRow]:
        """Return the rows."""
        return self._rows

    def values(self, place: int, start: int, end: int) -> Sequence[Any]:
        """Return what stands at PLACE of the rows."""
        column = self._columns.get(place)
        if column is None:
            column = self._columns[place] = [row[place] for row in self._rows]
        return column


class Rows(ABC):
    """Rows sorted by (ts, seq, tie), with their times beside them for fast bounds.

    1. `ts[i]` is the time of row i; rows ascend strictly by their first three parts: no comparison reads
       further.
    2. `broken` holds the times of rows whose filter overflows: no window that admits one has a value.
    """

    __slots__ = ("broken", "track", "ts")

    def __init__(self, track: Track) -> None:
        self.track = track
        self.ts: Sequence[int] = []
        self.broken: list[int] = []

    def _passing(self, batch: Batch, first: int, place: int | None) -> Batch:
        """Return rows of BATCH from FIRST on whose filter at PLACE holds; take note where it overflows."""
        batch = batch.since(first)
        if place is None:
            return batch
        passing, broken = batch.passing(place)
        self.broken += broken
        return passing

    def is_broken(self, lo: int, hi: int) -> bool:
        """Tell whether a row whose filter overflows stands in [LO, HI)."""
        return bool(self.broken) and bisect_left(self.broken, hi) > bisect_left(self.broken, lo)

    @abstractmethod
    def between(self, start: int, end: int) -> Sequence[EventRow]:
        """Return the rows from START to before END; places that no aggregate reads may be None."""

    @abstractmethod
    def values(self, place: int, start: int, end: int) -> Sequence[Any]:
        """Return what stands at PLACE of the rows from START to before END."""


class ScannedRows(Rows):
    """The rows that a scan gives to one query, as they come."""

    __slots__ = ("_all", "_parts")

    def __init__(self, track: Track) -> None:
        super().__init__(track)
        self._parts: list[Batch] = []
        self._all: Batch = RowBatch([])

    def extend(self, batch: Batch, first: int, place: int | None) -> None:
        """Take the rows of BATCH from FIRST on whose filter at PLACE holds; `settle` must follow."""
        self._parts.append(self._passing(batch, first, place))

    def settle(self) -> None:
        """Bring the rows of several events into one order."""
        self._all = merged(self._parts)
        self._parts.clear()
        self.broken.sort()
        self.ts = self._all.ts

    def between(self, start: int, end: int) -> Sequence[EventRow]:
        """Return the rows from START to before END."""
        return self._all.cut(start, end)

    def values(self, place: int, start: int, end: int) -> Sequence[Any]:
        """Return what stands at PLACE of the rows from START to before END."""
        return self._all.values(place, start, end)


class KeptRows(Rows):
    """The rows kept from query to query: columns of what aggregates read, and the latest rows as they came.

    1. Rows before `packed` stand in columns, the others in `loose`.
    2. `floor` is the position of the latest row that was dropped though windows hold it, None without one.
    """

    __slots__ = ("_columns", "_entering", "_parts", "floor", "loose", "packed", "ts")

    ts: array[int]

    def __init__(
        self,
        track: Track,
        kept: Mapping[int, Node],
        dictionary: Dictionary,
        *,
        has_ties: bool,
    ) -> None:
        """Make room for rows of TRACK, of which the places KEPT are read; DICTIONARY is the key's."""
        super().__init__(track)
        self.ts = array("q")
        self.loose: list[EventRow] = []
        self._parts: list[Batch] = []  # of several events, until they are settled
        self._entering: tuple[int, int, Entering] | None = None
        self.packed = 0
        self.floor: Position | None = None
        types: dict[int, AnyType] = {SEQ_PLACE: INT64}
        if has_ties:
            types[TIE_PLACE] = STRING
        types |= {place: node.type for place, node in kept.items()}
        self._columns = {place: column_of(type, dictionary) for place, type in types.items()}

    def serve(self, track: Track, kept: Mapping[int, Node]) -> None:
        """Be the rows of TRACK from now on, of which fewer places may be read than before."""
        self.track = track
        read = {SEQ_PLACE, TIE_PLACE, *kept}
        self._columns = {place: column for place, column in self._columns.items() if place in read}

    # ---- all at once

    def extend(self, batch: Batch, first: int, place: int | None) -> None:
        """Take the rows of BATCH from FIRST on whose filter at PLACE holds; `settle` must follow."""
        self._parts.append(self._passing(batch, first, place))
        if len(self.track.events) == 1:
            self.settle()

    def settle(self) -> None:
        """Bring the rows of several events into one order."""
        taken = interleaved(self._parts)
        self._parts.clear()
        self.broken.sort()
        self.ts.extend(array("q", taken.ts))
        self._pack(taken)

    def _pack(self, batch: Batch) -> None:
        """Put the rows of BATCH, the next that are not, into the columns."""
        for place in self._columns:
            self._extend(place, batch.column(place))
        self.packed += batch.count

    def _extend(self, place: int, values: Sequence[Any]) -> None:
        try:
            self._columns[place].extend(values)
        except Misfit:
            self._list(place).extend(values)

    def _list(self, place: int) -> Column:
        """Exchange a column for a list, which holds any value."""
        listed = self._columns[place] = Listed(self._columns[place].take(0, self.packed))
        return listed

    # ---- one by one

    def insert(self, row: EventRow) -> int:
        """Take one more row; return where it stands."""
        at = self.after(row[:FIRST_SLOT])
        self.ts.insert(at, row[TS_PLACE])
        if at >= self.packed:
            self.loose.insert(at - self.packed, row)
        else:
            self._insert_packed(at, row)
        return at

    def _insert_packed(self, at: int, row: EventRow) -> None:
        for place, column in self._columns.items():
            try:
                column.insert(at, row[place])
            except Misfit:
                self._list(place).insert(at, row[place])
        self.packed += 1

    def put_away(self) -> None:
        """Put all rows into the columns."""
        if self.loose:
            self._pack(RowBatch(self.loose))
            self.loose.clear()  # the same list: who appends to it knows it

    def after(self, position: Position) -> int:
        """Return the number of the first row after POSITION."""
        first = bisect_left(self.ts, position[TS_PLACE])
        end = bisect_right(self.ts, position[TS_PLACE], first)
        return bisect_right(range(end), position, first, end, key=self.position)

    def break_at(self, ts: int) -> None:
        """Take note of a row at TS whose filter overflows."""
        insort(self.broken, ts)

    def forget_broken(self, before: int) -> None:
        """Drop the notes of rows earlier than BEFORE."""
        if self.broken and self.broken[0] < before:
            del self.broken[: bisect_left(self.broken, before)]

    def trim(self, count: int) -> None:
        """Drop the COUNT earliest rows."""
        packed = min(count, self.packed)
        for column in self._columns.values():
            column.drop(packed)
        del self.ts[:count], self.loose[: count - packed]
        self.packed -= packed

    # ---- what is read

    def position(self, at: int) -> Position:
        """Return what orders the row AT."""
        if at >= self.packed:
            return self.loose[at - self.packed][:FIRST_SLOT]
        (seq,) = self._columns[SEQ_PLACE].take(at, at + 1)
        (tie,) = self._columns[TIE_PLACE].take(at, at + 1) if TIE_PLACE in self._columns else ("",)
        return self.ts[at], seq, tie

    def between(self, start: int, end: int) -> Sequence[EventRow]:
        """Return the rows from START to before END; places that no aggregate reads are None."""
        packed = self.packed
        if start >= packed:
            return self.loose[start - packed : end - packed]
        until = min(end, packed)
        parts: list[Iterable[Any]] = [self.ts[start:until]]
        for place in range(1, max(self._columns) + 1):
            column = self._columns.get(place)
            parts.append(repeat(None) if column is None else column.take(start, until))
        return [*zip(*parts, strict=False), *self.loose[: max(0, end - packed)]]

    def values(self, place: int, start: int, end: int) -> Sequence[Any]:
        """Return what stands at PLACE of the rows from START to before END."""
        packed = self.packed
        if place == TS_PLACE:
            return self.ts[start:end]
        if end <= packed:
            return self._columns[place].take(start, end)
        loose = [row[place] for row in self.loose[max(0, start - packed) : end - packed]]
        return loose if start >= packed else [*self._columns[place].take(start, packed), *loose]

    def batch(self, first: int) -> Batch:
        """Return the rows from number FIRST on, to be read before they change."""
        end = len(self.ts)
        known = {TS_PLACE, *self._columns}

        def column(place: int) -> Sequence[Any]:
            return list(self.values(place, first, end)) if place in known else [None] * (end - first)

        return ColumnBatch(end - first, max(known) + 1, column)

    def entering(self, start: int, end: int) -> Entering:
        """Return the rows from START to before END, all of them loose; `entered` must follow.

        The windows of a track nearly always let in the same rows.
        """
        held = self._entering
        if held is not None and held[0] == start and held[1] == end:
            return held[2]
        rows = Entering(self.loose[start - self.packed : end - self.packed])
        self._entering = start, end, rows
        return rows

    def entered(self) -> None:
        """Forget the rows that entered: they may move."""
        self._entering = None

    @property
    def columns(self) -> Iterable[Column]:
        """Return the columns."""
        return self._columns.values()

    @property
    def bytes(self) -> int:
        """Return the bytes held, but for the dictionary and the loose rows, which tracks share."""
        columns = sum(column.bytes for column in self._columns.values())
        lists = (self, self._columns, self.ts, self.loose, self.broken)
        return columns + sum(map(sys.getsizeof, lists))


def cut(rows: Rows, span: Span, t: int) -> tuple[int, int]:
    """Return the half-open range of row numbers that SPAN keeps at T: window, then the latest N."""
    lo, hi = span.window.bounds(t)
    end = bisect_left(rows.ts, hi)
    start = bisect_left(rows.ts, lo, 0, end)
    if span.last is not None and end - start > span.last:
        start = end - span.last
    return start, end
