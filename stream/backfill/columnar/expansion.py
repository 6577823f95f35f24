"""From ranges to the rows inside them, in chunks that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

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


def gathered(source: Array, lo: Array, hi: Array) -> Array:
    """Return SOURCE in the ranges LO to before HI, range by range."""
    counts = hi - lo
    ends = np.cumsum(counts)
    target = np.empty(int(ends[-1]) if len(ends) else 0, source.dtype)
    copy_runs(source, lo, counts, target, ends - counts)
    return target


def copy_runs(source: Array, lo: Array, counts: Array, target: Array, at: Array) -> None:
    """Copy COUNTS values of SOURCE from each LO on to TARGET from each AT on.

    A run is copied at once: runs of the largest length as they are, others in parts of 2**k values.
    """
    most = int(counts.max(initial=0))
    if not most:
        return
    _copy(source, lo, target, at, np.flatnonzero(counts == most), most)
    rest = np.flatnonzero((counts > 0) & (counts < most))
    lo, counts, at = lo[rest], counts[rest], at[rest]
    for bit in range(most.bit_length()):
        length = 1 << bit
        chosen = np.flatnonzero(counts & length)
        if len(chosen):
            _copy(source, lo, target, at, chosen, length)
            lo[chosen] += length
            at[chosen] += length


def _copy(source: Array, lo: Array, target: Array, at: Array, chosen: Array, length: int) -> None:
    if source.dtype.hasobject:
        runs = sliding_window_view(source, length)[lo[chosen]]
        sliding_window_view(target, length, writeable=True)[at[chosen]] = runs
        return
    found = _runs(np.ascontiguousarray(source), length)[lo[chosen]].view(source.dtype)
    _runs(target, length)[at[chosen]] = _runs(found.astype(target.dtype, copy=False), length)[::length]


def _runs(values: Array, length: int) -> Array:
    """Return the run of LENGTH values from each of VALUES on as one item of so many bytes, which overlap.

    NumPy copies an item at once and without the interpreter's lock, which it keeps for rows of windows.
    """
    kind = np.dtype((np.void, length * values.itemsize))
    return np.ndarray((len(values) - length + 1,), kind, buffer=values, strides=(values.itemsize,))


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
