"""From ranges to the rows inside them, in chunks that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from featuregraph.arrays.column import Array

CHUNK = 1 << 16  # rows of ranges that are spelled out at once


def expanded(lo: Array, hi: Array) -> tuple[Array, Array]:
    """Return (number of the range, row) of each row in the ranges LO to before HI, range by range."""
    return np.repeat(np.arange(len(lo)), hi - lo), rows_in(lo, hi)


def rows_in(lo: Array, hi: Array) -> Array:
    """Return the rows in the ranges LO to before HI, range by range."""
    counts = hi - lo
    ends = np.cumsum(counts)
    rows = np.repeat(lo - (ends - counts), counts)
    rows += np.arange(len(rows))
    return rows


def chunks(lo: Array, hi: Array, size: int = CHUNK) -> Iterator[slice]:
    """Give slices of the ranges LO to HI, of at most SIZE rows together or of one range; one of no ranges."""
    ends = np.cumsum(hi - lo)
    if not len(lo):
        yield slice(0, 0)
    start, taken = 0, 0
    while start < len(lo):
        end = max(start + 1, int(np.searchsorted(ends, taken + size, side="right")))
        yield slice(start, end)
        start, taken = end, int(ends[end - 1])
