"""An aggregate by group: as a map, of one group, the groups with the largest values; and topk.

A group is a range of the rows by value (Rows.by_value): its aggregate is that of any range there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask
from featuregraph.ir import Node
from featuregraph.types import Type
from stream.backfill.columnar.coding import sortable
from stream.backfill.columnar.masks import any_of, either, spoilt
from stream.backfill.columnar.nested import Nested, joined, offsets_of
from stream.backfill.columnar.rows import Ranges, Rows

OfRanges = Callable[[Rows, Ranges], Column]


class Groups:
    """The groups of RANGES by the value of BY; VALUES gives the aggregate of ranges, of type TYPE."""

    def __init__(self, by: Node, rows: Rows, ranges: Ranges, values: OfRanges, type: Type) -> None:
        self._by = by
        self._rows = rows
        self._ranges = ranges
        self._values = values
        self._type = type
        self._partition = rows.partition(by)

    @property
    def over(self) -> Mask | None:
        """Return which ranges hold a row that might belong to any group; None if none does."""
        return self._rows.any_over(self._by, self._ranges)

    def map(self) -> Nested:
        """Return {group: value}, groups ascending."""
        return self._nested(self._map)

    def top(self, most: int) -> Nested:
        """Return the MOST groups with the largest values, no null ones, of equal ones the latest first."""
        return self._nested(lambda numbers, chosen, ranges: self._top(numbers, chosen, ranges, most))

    def lookup(self, key: Column) -> Column:
        """Return the value of the group KEY of each range, the aggregate's empty value for null."""
        lo, hi = self._partition.of_value(key, self._ranges.lo, self._ranges.hi)
        found = self._values(self._rows.by_value(self._by), self._ranges.within(lo, hi))
        over = self.over
        if over is not None and key.known is not None:
            over = over & key.known
        return spoilt(found, either(over, key.over))

    def _nested(self, make: Callable[[Array, Array, Ranges], Nested]) -> Nested:
        """Return what MAKE makes of (number of the range, latest row) of each group in some ranges."""
        pieces = [
            make(numbers, chosen, self._ranges.part(part))
            for part, numbers, chosen in self._partition.latest(self._ranges.lo, self._ranges.hi)
        ]
        found = joined(pieces)
        assert isinstance(found, Nested)
        return found.but_over(self.over)

    def _map(self, numbers: Array, chosen: Array, ranges: Ranges) -> Nested:
        keys = self._rows.column(self._by).take(chosen)
        order = np.lexsort((sortable(self._by.scalar, keys, self._rows.orders), numbers))
        numbers, chosen = numbers[order], chosen[order]
        values = self._of(numbers, chosen, ranges)
        over = None if values.over is None else any_of(values.over, numbers, len(ranges))
        offsets = offsets_of(np.bincount(numbers, minlength=len(ranges)))
        return Nested(offsets, {"key": keys.take(order), "value": values}, over)

    def _top(self, numbers: Array, chosen: Array, ranges: Ranges, most: int) -> Nested:
        values = self._of(numbers, chosen, ranges)
        over = None if values.over is None else any_of(values.over, numbers, len(ranges))
        if values.known is not None:
            kept = np.flatnonzero(values.known)
            numbers, chosen, values = numbers[kept], chosen[kept], values.take(kept)
        # Descending; ~ turns the order of int64 around without leaving it.
        order = np.lexsort((~chosen, ~sortable(self._type, values, self._rows.orders), numbers))
        numbers, chosen = numbers[order], chosen[order]
        counts = np.bincount(numbers, minlength=len(ranges))
        first = np.arange(len(numbers)) - offsets_of(counts)[:-1][numbers] < most
        keys = self._rows.column(self._by).take(chosen[first])
        return Nested(offsets_of(np.minimum(counts, most)), {"item": keys}, over)

    def _of(self, numbers: Array, chosen: Array, ranges: Ranges) -> Column:
        """Return the aggregate of the groups whose latest rows are CHOSEN, in the ranges of the NUMBERS."""
        lo, hi = self._partition.within(chosen, ranges.lo[numbers])
        return self._values(self._rows.by_value(self._by), ranges.of(numbers, lo, hi))
