"""Rows by value: where the rows of a value stand, and which row of it comes before and after each.

Rows of different keys need no telling apart: a range lies within one key, so that a row of another key is
before every range that a row follows, or after it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask
from featuregraph.types import Type
from stream.backfill.columnar.coding import Coding
from stream.backfill.columnar.expansion import chunks, expanded

_INT64_BITS = 63


class Partition:
    """The rows that have a value in COLUMN, sorted by (value, row).

    rows: their numbers, in that order; place: where in it each row stands, -1 without a value.
    before, after: the row of the same value before and after each row; -1 and the number of rows for none.
    """

    def __init__(self, type: Type, column: Column) -> None:
        count = len(column)
        self._bits = max(1, count.bit_length())
        self.coding = Coding(type, column, bits=_INT64_BITS - self._bits)
        codes, valid = self.coding.of(column)
        numbers = np.arange(count) if valid.all() else np.flatnonzero(valid)
        packed = (codes[numbers] << self._bits) | numbers
        packed.sort()
        self._packed = packed
        self.rows: Array = packed & ((1 << self._bits) - 1)
        self.place = np.full(count, -1)
        self.place[self.rows] = np.arange(len(self.rows))
        alike = (packed[1:] >> self._bits) == (packed[:-1] >> self._bits)
        # A row without a value is neither the first nor the last of it in any range.
        self.before = np.full(count, count)
        self.after = np.full(count, -1)
        self.before[self.rows] = -1
        self.after[self.rows] = count
        self.before[self.rows[1:][alike]] = self.rows[:-1][alike]
        self.after[self.rows[:-1][alike]] = self.rows[1:][alike]

    def latest(self, lo: Array, hi: Array) -> Iterator[tuple[slice, Array, Array]]:
        """Give, in chunks, the latest row of each value in the ranges LO to HI.

        Each time the slice of the ranges, and (number of the range in it, row) by range and row.
        """
        for part in chunks(lo, hi):
            ranges, rows = expanded(lo[part], hi[part])
            last = self.after[rows] >= np.repeat(hi[part], hi[part] - lo[part])
            yield part, ranges[last], rows[last]

    def within(self, rows: Array, lo: Array) -> tuple[Array, Array]:
        """Return the places from the first row of the value of ROWS that is not before LO, to behind ROWS."""
        places = self.place[rows]
        codes = self._packed[places] >> self._bits
        return np.searchsorted(self._packed, (codes << self._bits) | lo), places + 1

    def of_value(self, column: Column, lo: Array, hi: Array) -> tuple[Array, Array]:
        """Return the places of the rows with the value of COLUMN in the ranges LO to HI."""
        codes, found = self.coding.of(column)
        first = np.searchsorted(self._packed, (codes << self._bits) | lo)
        behind = np.searchsorted(self._packed, (codes << self._bits) | hi)
        return first, np.where(found, behind, first)


def counted_once(partition: Partition, lo: Array, hi: Array) -> Array:
    """Return how many values the ranges LO to HI hold: the rows that none of their value comes before."""
    found = np.zeros(len(lo), np.int64)
    for part in chunks(lo, hi):
        counts = hi[part] - lo[part]
        _, rows = expanded(lo[part], hi[part])
        first: Mask = partition.before[rows] < np.repeat(lo[part], counts)
        ends = np.cumsum(counts)
        running = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(first, out=running[1:])
        found[part] = running[ends] - running[ends - counts]
    return found
