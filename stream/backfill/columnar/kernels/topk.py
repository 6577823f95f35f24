"""topk: the most frequent values, listed with their numbers of rows where they are few, else by a sweep."""

from __future__ import annotations

from featuregraph.arrays.column import Column
from featuregraph.ir import Node
from featuregraph.types import INT64
from stream.backfill.columnar.kernels.groups import Groups
from stream.backfill.columnar.kernels.leaders import leading
from stream.backfill.columnar.nested import Nested, offsets_of
from stream.backfill.columnar.partition import counted_once
from stream.backfill.columnar.rows import Ranges, Rows
from stream.backfill.columnar.turns import wide_turns

LISTED = 64  # values of ranges, for each row and range there is, up to which they are listed


def topk(agg: Node, rows: Rows, ranges: Ranges) -> Nested:
    """Return the k most frequent x: the groups by x with the most rows."""
    x = agg.role("x")
    assert x is not None
    if wide_turns(ranges.lo, ranges.hi, len(rows)) is not None:
        values = counted_once(rows.partition(x), ranges.lo, ranges.hi).sum()
        if values > LISTED * (len(rows) + len(ranges)):
            return _swept(x, rows, ranges, agg["k"])
    return Groups(x, rows, ranges, _rows_of, INT64).top(agg["k"])


def _swept(x: Node, rows: Rows, ranges: Ranges, most: int) -> Nested:
    counts, chosen = leading(rows.partition(x).codes, ranges.lo, ranges.hi, most)
    return Nested(offsets_of(counts), {"item": rows.column(x).take(chosen)})


def _rows_of(rows: Rows, ranges: Ranges) -> Column:
    return Column(ranges.hi - ranges.lo)
