"""quantile: the value of the nearest rank."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from featuregraph.aggregates.quantile import Quantile
from featuregraph.arrays.column import Array, Column
from featuregraph.ir import Node
from stream.backfill.columnar.coding import sortable
from stream.backfill.columnar.expansion import chunks, expanded
from stream.backfill.columnar.kernels.wavelet import ranked
from stream.backfill.columnar.order import group_starts
from stream.backfill.columnar.rows import Ranges, Rows
from stream.backfill.columnar.turns import are_wide


def quantile(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return sorted[ceil(q * n) - 1] of the x, null of none."""
    x = agg.role("x")
    assert x is not None
    column = rows.column(x)
    counts = rows.known_in(x, ranges)
    rank = _rank(Quantile(x.scalar, agg["q"]), counts)
    by_value = rows.once(("by rank", x), lambda: ByRank(sortable(x.scalar, column, rows.orders), column))
    if are_wide(ranges.lo, ranges.hi, len(rows)):
        found = by_value.of_wide(ranges, rank)
    else:
        found = by_value.of(ranges, rank, counts)
    known = counts > 0
    values = column.values[found] if len(column) else np.zeros(len(ranges), column.values.dtype)
    return Column(np.where(known, values, values.dtype.type(0)), known, column.words)


def _rank(config: Quantile, counts: Array) -> Array:
    distinct, places = np.unique(counts, return_inverse=True)
    ranks = np.array([max(0, config.rank(n)) for n in distinct.tolist()], np.int64)
    return ranks[places]


class ByRank:
    """The rows with an x, by their values: ASCENDING ascends as these do."""

    def __init__(self, ascending: Array, column: Column) -> None:
        known = np.arange(len(column)) if column.known is None else np.flatnonzero(column.known)
        self._with_x = known
        self._order = known[np.argsort(ascending[known], kind="stable")]
        self._ascending = ascending
        self._count = len(column)

    @cached_property
    def _places(self) -> Array:
        """Return where each row stands in the order, -1 without an x: that is its rank."""
        places = np.full(self._count, -1)
        places[self._order] = np.arange(len(self._order))
        return places

    def of(self, ranges: Ranges, rank: Array, counts: Array) -> Array:
        """Return the row of each RANK among the COUNTS with an x in RANGES, 0 of none: row by row."""
        found = np.zeros(len(ranges), np.int64)
        order = self._order
        for part in chunks(ranges.lo, ranges.hi):
            numbers, chosen = expanded(ranges.lo[part], ranges.hi[part])
            places = self._places[chosen]
            with_x = places >= 0
            packed = (numbers[with_x] * len(order)) + places[with_x]
            packed.sort()
            begin = np.cumsum(counts[part]) - counts[part]
            full = counts[part] > 0
            at = packed[(begin + rank[part])[full]]
            found[part][full] = order[at % len(order)] if len(at) else 0
        return found

    @cached_property
    def _coded(self) -> tuple[Array, Array]:
        """Return (number of the value of each row with an x, ascending as values; a row of each)."""
        starts = group_starts([self._ascending[self._order]])
        numbers = np.empty(self._count, np.int64)
        numbers[self._order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(self._order)))
        return numbers[self._with_x], self._order[starts]

    def of_wide(self, ranges: Ranges, rank: Array) -> Array:
        """Return a row of the value of each RANK in RANGES, any of none: bit by bit of the values."""
        codes, row_of = self._coded
        if not len(codes):
            return np.zeros(len(ranges), np.int64)
        lo, hi = (np.searchsorted(self._with_x, edge) for edge in (ranges.lo, ranges.hi))
        return row_of[np.minimum(ranked(codes, lo, hi, rank), len(row_of) - 1)]
