"""Ranges that begin and end in turn, as windows do: what they see of a row, they see one after the other.

Where both ends ascend, the ranges that a row counts for are neighbours. What all ranges hold follows from the
first and the last of them, row by row, and no range's rows are spelled out: rows and answers are the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from featuregraph.arrays.column import Array
from stream.backfill.columnar.expansion import CHUNK, chunks, expanded
from stream.backfill.columnar.order import is_ascending

# Rows of ranges, in all and for each row and range there is, from which on they are not spelled out.
LEAST, WIDE = CHUNK, 4


@dataclass(frozen=True)
class Turns:
    """The ranges LO to before HI, both ascending, of COUNT rows."""

    lo: Array
    hi: Array
    count: int

    @cached_property
    def begun(self) -> Array:
        """Return how many ranges begin at or before each row; at last, how many there are."""
        return _upto(self.lo, self.count)

    @cached_property
    def ended(self) -> Array:
        """Return how many ranges end at or before each row; at last, how many there are."""
        return _upto(self.hi, self.count)

    def counted(self, first: Array, behind: Array) -> Array:
        """Return for how many rows each range is from FIRST to before BEHIND: one added, and taken away."""
        chosen = np.flatnonzero(first < behind)
        steps = np.bincount(first[chosen], minlength=len(self.lo) + 1)
        steps -= np.bincount(behind[chosen], minlength=len(self.lo) + 1)
        total: Array = np.cumsum(steps[: len(self.lo)])
        return total

    def listed(self, rows: Array, first: Array, behind: Array) -> Iterator[tuple[slice, Array, Array]]:
        """Give, for some ranges at a time, (number of the range among these, row) by range and row.

        Each of ROWS belongs to the ranges FIRST to before BEHIND.
        """
        counts = self.counted(first, behind)
        ends = np.cumsum(counts)
        bits = self.count.bit_length()
        # A look at all rows for as many answers, so that the rows cost no more than the answers.
        for part in chunks(ends - counts, ends, max(CHUNK, len(rows))):
            begin, end = np.maximum(first, part.start), np.minimum(behind, part.stop)
            chosen = np.flatnonzero(begin < end)
            which, numbers = expanded(begin[chosen], end[chosen])
            packed = ((numbers - part.start) << bits) | rows[chosen][which]
            packed.sort()
            yield part, packed >> bits, packed & ((1 << bits) - 1)


def _upto(edges: Array, rows: int) -> Array:
    """Return how many of the ascending EDGES are at most each of the numbers 0 to ROWS."""
    runs = np.diff(edges, prepend=0, append=rows + 1)
    return np.repeat(np.arange(len(runs), dtype=np.int32), runs)


def in_turn(lo: Array, hi: Array, count: int) -> Turns | None:
    """Return the ranges LO to HI of COUNT rows as such; None where they do not begin and end in turn."""
    return Turns(lo, hi, count) if is_ascending(lo) and is_ascending(hi) else None


def are_wide(lo: Array, hi: Array, count: int) -> bool:
    """Tell whether the ranges LO to HI hold many times as many rows as there are, COUNT, and ranges."""
    return int((hi - lo).sum()) > LEAST + WIDE * (count + len(lo))


def wide_turns(lo: Array, hi: Array, count: int) -> Turns | None:
    """Return the ranges LO to HI where they are wide and in turn, else None."""
    return in_turn(lo, hi, count) if are_wide(lo, hi, count) else None
