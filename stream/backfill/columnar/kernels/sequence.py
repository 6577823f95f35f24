"""sequence: the rows of a range that are nearest to t as aligned lists, perhaps only one of each value."""

from __future__ import annotations

import numpy as np

from featuregraph.arrays.column import Array, Column
from featuregraph.ir import Node, looks_ahead
from featuregraph.steps import is_static
from stream.backfill.columnar.expansion import expanded
from stream.backfill.columnar.masks import any_of
from stream.backfill.columnar.nested import Nested, compact_column, offsets_of, runs_of
from stream.backfill.columnar.partition import Partition
from stream.backfill.columnar.rows import Ranges, Rows, seen_from
from stream.backfill.columnar.turns import are_wide


def sequence(agg: Node, rows: Rows, ranges: Ranges) -> Nested:
    """Return {item: list} of the n rows nearest to t, oldest first: the latest, ahead the earliest."""
    by = agg.role("distinct")
    if by is None:
        lo, hi = ranges.lo, ranges.hi
        if looks_ahead(agg):
            hi = np.minimum(hi, lo + agg["n"])
        else:
            lo = np.maximum(lo, hi - agg["n"])
        counts = hi - lo
        if all(_stands(rows, item) for _, item in agg.items):
            parts = {name: runs_of(_waiting(rows, item), lo, hi) for name, item in agg.items}
            return Nested(offsets_of(counts), parts)
        numbers, chosen = expanded(lo, hi)
    else:
        numbers, chosen = _one_of_each(agg, rows, by, ranges)
        counts = np.bincount(numbers, minlength=len(ranges))
    seen = seen_from(rows, chosen, ranges.query[numbers], ranges.asked, longest=agg["n"])
    parts = {name: seen.column(item) for name, item in agg.items}
    found = Nested(offsets_of(counts), parts)
    for part in parts.values():
        if part.over is not None:
            found = found.but_over(any_of(part.over, numbers, len(ranges)))
    return found.but_over(rows.any_over(by, ranges))


def _waiting(rows: Rows, item: Node) -> Column:
    """Return the values of ITEM in as little memory as lists of them may take until they are placed."""
    return rows.once(("waiting", item), lambda: compact_column(rows.column(item)))


def _stands(rows: Rows, item: Node) -> bool:
    """Tell whether ITEM is a value of the row alone, and never overflows."""
    return is_static(item) and rows.column(item).over is None


def _one_of_each(agg: Node, rows: Rows, by: Node, ranges: Ranges) -> tuple[Array, Array]:
    """Return (number of the range, row) of the n nearest of the rows that are the nearest of their value."""
    pieces = []
    partition, ahead = rows.partition(by), looks_ahead(agg)
    if ahead:
        found = partition.earliest(ranges.lo, ranges.hi)
    else:
        wide = are_wide(ranges.lo, ranges.hi, len(rows))
        shown = rows.once(("shown", by, agg["n"]), lambda: _shown(partition, agg["n"])) if wide else None
        found = partition.latest(ranges.lo, ranges.hi, shown)
    for part, numbers, chosen in found:
        # How many rows of the range are as near, this one counted.
        place = np.arange(len(numbers))
        if ahead:
            nearer = place - np.searchsorted(numbers, numbers) + 1
        else:
            nearer = np.searchsorted(numbers, numbers, side="right") - place
        kept = nearer <= agg["n"]
        pieces.append((numbers[kept] + part.start, chosen[kept]))
    numbers, chosen = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return numbers, chosen


def _shown(partition: Partition, most: int) -> Array:
    """Return the last end of a range in which fewer than MOST values follow each row."""
    before, after = partition.before.tolist(), partition.after.tolist()
    shown, end, values = [], 0, 0  # of the rows behind the row, before END
    for row in range(len(before)):
        if end <= row:
            end, values = row + 1, 0
        elif after[row] >= end:
            values -= 1  # the row was the only one of its value
        while end < len(before):
            is_new = before[end] <= row
            if is_new and values + 1 == most:
                break
            values += is_new
            end += 1
        shown.append(end)
    return np.array(shown, np.int64)
