"""Rows by value: where the rows of a value stand, and which row of it comes before and after each.

Rows of different keys need no telling apart: a range lies within one key, so that a row of another key is
before every range that a row follows, or after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask
from featuregraph.types import Type
from stream.backfill.columnar.coding import Coding
from stream.backfill.columnar.expansion import chunks, expanded
from stream.backfill.columnar.turns import Turns, in_turn, wide_turns

_INT64_BITS = 63


class Partition:
    """The rows that have a value in COLUMN, sorted by (value, row).

    rows: their numbers, in that order. count: how many rows there are with and without a value.
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
        self.count = count

    @cached_property
    def _alike(self) -> Mask:
        """Return where in `rows` a row has the value of the one before it; the first never has."""
        alike = np.zeros(len(self.rows), np.bool_)
        codes = self._packed >> self._bits
        np.equal(codes[1:], codes[:-1], out=alike[1:])
        return alike

    @cached_property
    def codes(self) -> Array:
        """Return a number for the value of each row, -1 without a value."""
        codes = np.full(self.count, -1)
        codes[self.rows] = self._packed >> self._bits
        return codes

    @cached_property
    def place(self) -> Array:
        """Return where in `rows` each row stands, -1 without a value."""
        place = np.full(self.count, -1)
        place[self.rows] = np.arange(len(self.rows))
        return place

    @cached_property
    def before(self) -> Array:
        """Return the row of the same value before each row, -1 for none; the number of rows without a value.

        A row without a value is the first of it in no range.
        """
        before = np.full(self.count, self.count)
        previous = np.empty_like(self.rows)
        previous[:1] = -1
        previous[1:] = self.rows[:-1]
        before[self.rows] = np.where(self._alike, previous, -1)
        return before

    @cached_property
    def again(self) -> tuple[Array, Array]:
        """Return (row, row of the same value before it) where there is one."""
        rows = np.flatnonzero((self.before >= 0) & (self.before < self.count))
        return rows, self.before[rows]

    @cached_property
    def _running(self) -> Array | None:
        """Return how many rows have a value before each row, and of all; None if all have one."""
        if len(self.rows) == self.count:
            return None
        found = np.zeros(self.count + 1, np.int64)
        np.cumsum(self.before < self.count, out=found[1:])
        return found

    def valued(self, lo: Array, hi: Array) -> Array:
        """Return how many rows with a value the ranges LO to HI hold."""
        running = self._running
        return hi - lo if running is None else running[hi] - running[lo]

    @cached_property
    def after(self) -> Array:
        """Return the row of the same value after each row, the number of rows for none; -1 for no value."""
        after = np.full(self.count, -1)
        following = np.full_like(self.rows, self.count)
        following[:-1] = np.where(self._alike[1:], self.rows[1:], self.count)
        after[self.rows] = following
        return after

    def latest(
        self, lo: Array, hi: Array, until: Array | None = None
    ) -> Iterator[tuple[slice, Array, Array]]:
        """Give, in chunks, the latest row of each value in the ranges LO to HI.

        Each time the slice of the ranges, and (number of the range in it, row) by range and row. UNTIL:
        rows that nobody asks for in ranges that end later may be left out there.
        """
        if (turns := wide_turns(lo, hi, self.count)) is not None:
            rows = np.sort(self.rows)
            shown = self.after[rows] if until is None else np.minimum(self.after, until)[rows]
            yield from turns.listed(
                rows, turns.ended[rows], np.minimum(turns.begun[rows], turns.ended[shown])
            )
            return
        for part in chunks(lo, hi):
            ranges, rows = expanded(lo[part], hi[part])
            last = self.after[rows] >= np.repeat(hi[part], hi[part] - lo[part])
            yield part, ranges[last], rows[last]

    def earliest(self, lo: Array, hi: Array) -> Iterator[tuple[slice, Array, Array]]:
        """Give, as `latest` does, the earliest row of each value in the ranges LO to HI."""
        if (turns := wide_turns(lo, hi, self.count)) is not None:
            rows = np.sort(self.rows)
            begun = np.append(turns.begun, 0)[self.before[rows]]  # no row before: from the first range on
            yield from turns.listed(rows, np.maximum(begun, turns.ended[rows]), turns.begun[rows])
            return
        for part in chunks(lo, hi):
            ranges, rows = expanded(lo[part], hi[part])
            first = self.before[rows] < np.repeat(lo[part], hi[part] - lo[part])
            yield part, ranges[first], rows[first]

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
    """Return how many values the ranges LO to HI hold."""
    if (turns := in_turn(lo, hi, partition.count)) is not None:
        return _counted_in_turn(partition, turns)
    order = np.lexsort((hi, lo))  # ranges of one group begin and end in turn, too
    if (turns := in_turn(lo[order], hi[order], partition.count)) is None:
        return _counted_one_by_one(partition, lo, hi)
    found = np.empty(len(lo), np.int64)
    found[order] = _counted_in_turn(partition, turns)
    return found


def _counted_in_turn(partition: Partition, turns: Turns) -> Array:
    """Count the rows that have a value, but those whose value an earlier row of the range has.

    It has for the ranges with hi > row and lo <= before.
    """
    row, before = partition.again
    repeated = turns.counted(turns.ended[row], turns.begun[before])
    return partition.valued(turns.lo, turns.hi) - repeated


def _counted_one_by_one(partition: Partition, lo: Array, hi: Array) -> Array:
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
