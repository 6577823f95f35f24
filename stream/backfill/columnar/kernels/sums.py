"""sum and mean: exact, rounded once."""

from __future__ import annotations

import numpy as np

from featuregraph.arrays.column import Column
from featuregraph.ir import Node
from stream.backfill.columnar.exact import Sums, as_float, as_int64, quotients, running
from stream.backfill.columnar.rows import Ranges, Rows


def total(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return the sum; of doubles, rounded once to nearest even."""
    sums = sums_of(agg, rows, ranges)
    x = agg.role("x")
    assert x is not None
    return as_float(sums) if x.scalar.kind == "float64" else as_int64(sums)


def mean(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return the exact rational mean, rounded once; null of no x."""
    x = agg.role("x")
    assert x is not None
    counts = rows.known_in(x, ranges)
    found = quotients(sums_of(agg, rows, ranges), np.maximum(counts, 1), 10**x.scalar.scale)
    known = counts > 0
    return Column(found.values, known if found.known is None else known & found.known, None, found.over)


def sums_of(agg: Node, rows: Rows, ranges: Ranges) -> Sums:
    """Return the exact sums of x; its running sums are shared by all windows."""
    x = agg.role("x")
    assert x is not None
    column = rows.column(x)
    sums = rows.once(("sum", x), lambda: running(column.values, column.known, rows.longest))
    return sums.between(ranges.lo, ranges.hi)
