"""first, last, since_first and since_last: the two ends of a range."""

from __future__ import annotations

import numpy as np

from featuregraph.arrays.column import Array, Column
from featuregraph.ir import Node, looks_ahead
from stream.backfill.columnar.ages import ages
from stream.backfill.columnar.rows import Ranges, Rows


def last(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return x of the latest row that has one."""
    return _at(agg, rows, *_latest(agg, rows, ranges))


def first(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return x of the earliest row that has one."""
    return _at(agg, rows, *_earliest(agg, rows, ranges))


def since_last(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return the ms between the latest row and the query."""
    return _since(agg, rows, ranges, ranges.hi - 1)


def since_first(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return the ms between the earliest row and the query."""
    return _since(agg, rows, ranges, ranges.lo)


def _since(agg: Node, rows: Rows, ranges: Ranges, at: Array) -> Column:
    inside = ranges.hi > ranges.lo
    if not len(rows):
        return Column(np.zeros(len(at), np.int64), inside)
    ts = rows.ts[np.where(inside, at, 0)]
    found = ages(ts, ranges.t) if looks_ahead(agg) else ages(ranges.t, ts)
    over = None if found.over is None else found.over & inside
    return Column(found.values, inside if over is None else inside & ~over, None, over)


def _latest(agg: Node, rows: Rows, ranges: Ranges) -> tuple[Array, Array]:
    """Return the row of each range, and which ranges have one."""
    x = agg.role("x")
    assert x is not None
    known = rows.column(x).known
    if known is None:
        return ranges.hi - 1, ranges.hi > ranges.lo
    # The latest row with an x up to each row.
    upto = rows.once(("latest", x), lambda: np.maximum.accumulate(np.where(known, np.arange(len(rows)), -1)))
    at = upto[ranges.hi - 1] if len(rows) else ranges.hi - 1
    return at, (at >= ranges.lo) & (ranges.hi > ranges.lo)


def _earliest(agg: Node, rows: Rows, ranges: Ranges) -> tuple[Array, Array]:
    x = agg.role("x")
    assert x is not None
    known = rows.column(x).known
    if known is None:
        return ranges.lo, ranges.hi > ranges.lo
    count = len(rows)

    def make() -> Array:
        places = np.where(known, np.arange(count), count)
        return np.append(np.minimum.accumulate(places[::-1])[::-1], count)

    at = rows.once(("earliest", x), make)[ranges.lo]
    return at, at < ranges.hi


def _at(agg: Node, rows: Rows, at: Array, found: Array) -> Column:
    x = agg.role("x")
    assert x is not None
    values = rows.column(x)
    if not len(values):
        return Column(np.zeros(len(at), values.values.dtype), found, values.words)
    return Column(values.values[np.where(found, at, 0)], found, values.words)
