"""min and max: over ranges as they are where they are short, by a table of doubling ranges where not."""

from __future__ import annotations

from typing import Any

import numpy as np

from featuregraph.arrays.column import Array, Column
from featuregraph.ir import Node
from featuregraph.types import INT64_MAX, INT64_MIN
from stream.backfill.columnar.rows import Ranges, Rows

# A row costs a range about a sixteenth of what it costs a table of ranges.
_DENSE = 16


def least(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return the smallest x; text by UTF-8 bytes, false before true."""
    return _extreme(agg, rows, ranges, np.minimum)


def greatest(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return the largest x."""
    return _extreme(agg, rows, ranges, np.maximum)


def _extreme(agg: Node, rows: Rows, ranges: Ranges, function: np.ufunc) -> Column:
    x = agg.role("x")
    assert x is not None
    column = rows.column(x)
    ascending = rows.once(("ascending", x, function), lambda: _ascending(rows, column, function))
    inside = rows.known_in(x, ranges) > 0
    found = reduced(function, ascending, ranges.lo, ranges.hi)
    if column.words is not None:
        order = rows.orders.of(column.words)[0]
        values = np.where(inside, found, 0)
        codes = order[values] if len(order) else values
        return Column(codes.astype(np.int32), inside, column.words)
    return Column(found.astype(column.values.dtype), inside)


def _ascending(rows: Rows, column: Column, function: np.ufunc) -> Array:
    """Return numbers that ascend as values do, and never win where there is no value."""
    values: Array = column.values
    if column.words is not None:
        ranks = rows.orders.of(column.words)[1]
        values = ranks[values] if len(ranks) else values.astype(np.int64)
    never: Any = {"f": np.inf, "b": True}.get(values.dtype.kind, INT64_MAX)
    if function is np.maximum:
        never = {"f": -np.inf, "b": False}.get(values.dtype.kind, INT64_MIN)
    return values if column.known is None else np.where(column.known, values, never)


def reduced(function: np.ufunc, values: Array, lo: Array, hi: Array) -> Array:
    """Return FUNCTION, np.minimum or np.maximum, of VALUES from LO to before HI; anything where none are."""
    counts = hi - lo
    result = np.zeros(len(lo), values.dtype)
    full = np.flatnonzero(counts > 0)
    if not len(full):
        return result
    lo, hi, counts = lo[full], hi[full], counts[full]
    if int(counts.sum()) <= _DENSE * (len(values) + len(lo)):
        padded = np.append(values, values[-1:])  # a range may end with the rows
        result[full] = function.reduceat(padded, np.stack((lo, hi), axis=1).ravel())[::2]
    else:
        result[full] = _by_doubling(function, values, lo, hi)
    return result


def _by_doubling(function: np.ufunc, values: Array, lo: Array, hi: Array) -> Array:
    """Return FUNCTION of ranges as that of two ranges of 2**k rows each, which may overlap."""
    levels = np.frexp((hi - lo).astype(np.float64))[1] - 1
    result = np.zeros(len(lo), values.dtype)
    table = values
    for level in range(int(levels.max()) + 1):
        if level:
            half = 1 << (level - 1)
            table = function(table[:-half], table[half:])
        chosen = np.flatnonzero(levels == level)
        result[chosen] = function(table[lo[chosen]], table[hi[chosen] - (1 << level)])
    return result
