"""count and distinct."""

from __future__ import annotations

from featuregraph.arrays.column import Column
from featuregraph.ir import Node
from stream.backfill.columnar.partition import counted_once
from stream.backfill.columnar.rows import Ranges, Rows


def count(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return the number of rows, with x of those whose x is not null."""
    x = agg.role("x")
    return Column(ranges.hi - ranges.lo if x is None else rows.known_in(x, ranges))


def distinct(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return the number of different x."""
    x = agg.role("x")
    assert x is not None
    return Column(counted_once(rows.partition(x), ranges.lo, ranges.hi))
