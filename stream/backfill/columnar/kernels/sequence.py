"""sequence: the latest rows of a range as aligned lists, perhaps only the latest of each value."""

from __future__ import annotations

import numpy as np

from featuregraph.arrays.column import Array
from featuregraph.ir import Node
from featuregraph.steps import is_static
from stream.backfill.columnar.expansion import expanded
from stream.backfill.columnar.masks import any_of
from stream.backfill.columnar.nested import Nested, offsets_of, runs_of
from stream.backfill.columnar.rows import Ranges, Rows, seen_from


def sequence(agg: Node, rows: Rows, ranges: Ranges) -> Nested:
    """Return {item: list} of the n latest rows, oldest first."""
    by = agg.role("distinct")
    if by is None:
        lo = np.maximum(ranges.lo, ranges.hi - agg["n"])
        counts = ranges.hi - lo
        if all(_stands(rows, item) for _, item in agg.items):
            parts = {name: runs_of(rows.column(item), lo, ranges.hi) for name, item in agg.items}
            return Nested(offsets_of(counts), parts)
        numbers, chosen = expanded(lo, ranges.hi)
    else:
        numbers, chosen = _latest_of_each(rows, by, ranges, agg["n"])
        counts = np.bincount(numbers, minlength=len(ranges))
    seen = seen_from(rows, chosen, ranges.query[numbers], ranges.asked, longest=agg["n"])
    parts = {name: seen.column(item) for name, item in agg.items}
    found = Nested(offsets_of(counts), parts)
    for part in parts.values():
        if part.over is not None:
            found = found.but_over(any_of(part.over, numbers, len(ranges)))
    return found.but_over(rows.any_over(by, ranges))


def _stands(rows: Rows, item: Node) -> bool:
    """Tell whether ITEM is a value of the row alone, and never overflows."""
    return is_static(item) and rows.column(item).over is None


def _latest_of_each(rows: Rows, by: Node, ranges: Ranges, most: int) -> tuple[Array, Array]:
    """Return (number of the range, row) of the MOST latest rows that are the latest of their value."""
    pieces = []
    for part, numbers, chosen in rows.partition(by).latest(ranges.lo, ranges.hi):
        # How many rows of the range follow, this one counted.
        ends = np.searchsorted(numbers, numbers, side="right")
        kept = ends - np.arange(len(numbers)) <= most
        pieces.append((numbers[kept] + part.start, chosen[kept]))
    numbers, chosen = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return numbers, chosen
