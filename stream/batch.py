"""Rows in total order on their way to who folds or keeps them: as they were made, or as their columns.

    pieces of sealed blocks --columns--+
    rows of the tail --rows------------+--joined--> one batch --a filter, a time--> tracks --joined--> order

Nothing is made before somebody asks for it, and then once for all: columns of rows, rows of columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import chain, compress, islice, pairwise
from operator import eq, itemgetter
from typing import Any

from featuregraph.layout import TS_PLACE
from featuregraph.scalar import OVERFLOW
from stream.snapshot import Position

EventRow = tuple[Any, ...]  # (ts_ms, seq, tie, slot 0, ...)
SEQ_PLACE, TIE_PLACE = 1, 2  # in a row, after its time


class Batch(ABC):
    """COUNT rows in total order."""

    __slots__ = ("_columns", "count")

    def __init__(self, count: int) -> None:
        self.count = count
        self._columns: dict[int, Sequence[Any]] = {}

    @property
    def ts(self) -> Sequence[int]:
        """Return the times."""
        return self.column(TS_PLACE)

    def column(self, place: int) -> Sequence[Any]:
        """Return what stands at PLACE of the rows; not to be changed."""
        column = self._columns.get(place)
        if column is None:
            column = self._columns[place] = self._column(place)
        return column

    def values(self, place: int, start: int, end: int) -> Sequence[Any]:
        """Return what stands at PLACE of the rows from START to before END."""
        column = self._columns.get(place)
        if column is None and 2 * (end - start) < self.count:
            return [row[place] for row in self.cut(start, end)]
        return self.column(place)[start:end]

    @abstractmethod
    def _column(self, place: int) -> Sequence[Any]:
        """Make a column."""

    @property
    @abstractmethod
    def all(self) -> list[EventRow]:
        """Return the rows; not to be changed."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Return how many values a row has; at least one stands there."""

    @abstractmethod
    def cut(self, start: int, end: int) -> list[EventRow]:
        """Return the rows from START to before END."""

    @abstractmethod
    def since(self, first: int) -> Batch:
        """Return the rows from number FIRST on."""

    @abstractmethod
    def picked(self, flags: Sequence[bool]) -> Batch:
        """Return the rows whose flag is set."""

    def passing(self, place: int) -> tuple[Batch, list[int]]:
        """Return the rows whose filter's value at PLACE holds, and the times of those where it overflows."""
        verdicts = self.column(place)
        broken = [verdict is OVERFLOW for verdict in verdicts]
        return self.picked([verdict is True for verdict in verdicts]), list(compress(self.ts, broken))

    def position(self, at: int) -> Position:
        """Return what orders the row AT."""
        return self.ts[at], self.column(SEQ_PLACE)[at], self.column(TIE_PLACE)[at]


class RowBatch(Batch):
    """Rows as they were made."""

    __slots__ = ("_all",)

    def __init__(self, rows: list[EventRow]) -> None:
        super().__init__(len(rows))
        self._all = rows

    @property
    def all(self) -> list[EventRow]:
        """Return the rows."""
        return self._all

    @property
    def width(self) -> int:
        """Return how many values a row has."""
        return len(self._all[0])

    def _column(self, place: int) -> Sequence[Any]:
        return [row[place] for row in self._all]

    def cut(self, start: int, end: int) -> list[EventRow]:
        """Return the rows from START to before END."""
        return self._all[start:end]

    def since(self, first: int) -> Batch:
        """Return the rows from number FIRST on."""
        return RowBatch(self._all[first:]) if first else self

    def picked(self, flags: Sequence[bool]) -> Batch:
        """Return the rows whose flag is set."""
        return RowBatch(list(compress(self._all, flags)))


class ColumnBatch(Batch):
    """Columns, WIDTH of them, each of which MAKE gives by its place."""

    __slots__ = ("_all", "_make", "_width")

    def __init__(self, count: int, width: int, make: Callable[[int], Sequence[Any]]) -> None:
        super().__init__(count)
        self._width = width
        self._make = make
        self._all: list[EventRow] | None = None

    def _column(self, place: int) -> Sequence[Any]:
        return self._make(place)

    @property
    def width(self) -> int:
        """Return how many values a row has."""
        return self._width

    @property
    def all(self) -> list[EventRow]:
        """Return the rows."""
        if self._all is None:
            self._all = self._cut(0, self.count)
        return self._all

    def cut(self, start: int, end: int) -> list[EventRow]:
        """Return the rows from START to before END."""
        is_most = 2 * (end - start) >= self.count  # then others are likely to ask for them too
        return self.all[start:end] if is_most or self._all is not None else self._cut(start, end)

    def _cut(self, start: int, end: int) -> list[EventRow]:
        return list(zip(*(self.column(place)[start:end] for place in range(self.width)), strict=True))

    def since(self, first: int) -> Batch:
        """Return the rows from number FIRST on."""
        if not first:
            return self
        return ColumnBatch(self.count - first, self.width, lambda place: self.column(place)[first:])

    def picked(self, flags: Sequence[bool]) -> Batch:
        """Return the rows whose flag is set."""
        count = sum(flags)
        return ColumnBatch(count, self.width, lambda place: list(compress(self.column(place), flags)))


def chained(batches: Sequence[Batch]) -> Batch:
    """Return the rows of BATCHES, of one event, which follow each other nearly always."""
    some = [batch for batch in batches if batch.count]
    if any(before.position(-1) > after.position(0) for before, after in pairwise(some)):
        return merged(some)
    return _end_to_end(some)


def interleaved(batches: Sequence[Batch]) -> Batch:
    """Return the rows of BATCHES in one total order, as columns where some are: for who keeps columns."""
    some = [batch for batch in batches if batch.count]
    whole = _end_to_end(some)
    if len(some) < 2:
        return whole
    pick = itemgetter(*_in_order(whole))
    return ColumnBatch(whole.count, whole.width, lambda place: pick(whole.column(place)))


def merged(batches: Sequence[Batch]) -> Batch:
    """Return the rows of BATCHES in one total order, as rows: for who folds them."""
    if len(batches) == 1:
        return batches[0]
    # Rows are sorted, not columns: they are runs in order already, and moving a row moves all that it has.
    return RowBatch(sorted(chain.from_iterable(batch.all for batch in batches)))


def _end_to_end(batches: Sequence[Batch]) -> Batch:
    """Return the rows of BATCHES, none of them empty, one after the other."""
    if len(batches) < 2:
        return batches[0] if batches else RowBatch([])
    return ColumnBatch(
        sum(batch.count for batch in batches),
        min(batch.width for batch in batches),
        lambda place: list(chain.from_iterable(batch.column(place) for batch in batches)),
    )


def _in_order(batch: Batch) -> list[int]:
    """Return the numbers of the rows of BATCH, which need not be in order, in total order."""
    ts = batch.ts
    order = sorted(range(batch.count), key=ts.__getitem__)
    times = itemgetter(*order)(ts)
    if any(map(eq, times, islice(times, 1, None))):  # few are at one time, but they go by their positions
        equal = {time for time, later in pairwise(times) if time == later}
        order.sort(key=lambda at: (ts[at], batch.position(at) if ts[at] in equal else ()))
    return order
