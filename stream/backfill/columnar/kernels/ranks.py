"""quantile: the value of the nearest rank."""

from __future__ import annotations

import numpy as np

from featuregraph.aggregates.quantile import Quantile
from featuregraph.arrays.column import Array, Column
from featuregraph.ir import Node
from stream.backfill.columnar.coding import sortable
from stream.backfill.columnar.expansion import chunks, expanded
from stream.backfill.columnar.rows import Ranges, Rows


def quantile(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return sorted[ceil(q * n) - 1] of the x, null of none."""
    x = agg.role("x")
    assert x is not None
    column = rows.column(x)
    # Rows with an x by their values: the place of each is its rank.
    order = rows.once(("order", x), lambda: _order(sortable(x.scalar, column, rows.orders), column))
    places = rows.once(("places", x), lambda: _places(order, len(rows)))
    counts = rows.known_in(x, ranges)
    rank = _rank(Quantile(x.scalar, agg["q"]), counts)
    found = np.zeros(len(ranges), np.int64)
    for part in chunks(ranges.lo, ranges.hi):
        numbers, chosen = expanded(ranges.lo[part], ranges.hi[part])
        ranked = places[chosen]
        with_x = ranked >= 0
        packed = (numbers[with_x] * len(order)) + ranked[with_x]
        packed.sort()
        begin = np.cumsum(counts[part]) - counts[part]
        full = counts[part] > 0
        at = packed[(begin + rank[part])[full]]
        found[part][full] = order[at % len(order)] if len(at) else 0
    known = counts > 0
    values = column.values[found] if len(column) else np.zeros(len(ranges), column.values.dtype)
    return Column(np.where(known, values, values.dtype.type(0)), known, column.words)


def _rank(config: Quantile, counts: Array) -> Array:
    distinct, places = np.unique(counts, return_inverse=True)
    ranks = np.array([max(0, config.rank(n)) for n in distinct.tolist()], np.int64)
    return ranks[places]


def _order(ascending: Array, column: Column) -> Array:
    known = np.arange(len(column)) if column.known is None else np.flatnonzero(column.known)
    return known[np.argsort(ascending[known], kind="stable")]


def _places(order: Array, count: int) -> Array:
    places = np.full(count, -1)
    places[order] = np.arange(len(order))
    return places
