"""The k most frequent values of wide ranges: one sweep over the rows, which enter and leave.

Values stand in a heap for each number of occurrences, by their latest rows. What has moved on stays in its
heap until it comes to the top: there are as many entries as rows that entered and left, and no more.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import heappop, heappush

import numpy as np

from featuregraph.arrays.column import Array


class Leaders:
    """How often each value occurs among rows that entered and did not leave; CODES are the values by row."""

    def __init__(self, codes: list[int]) -> None:
        self._codes = codes
        self._counts: dict[int, int] = {}
        self._latest: dict[int, int] = {}
        self._heaps: dict[
            int, list[int]
        ] = {}  # by number of occurrences: rows, negative, some no longer true
        self._held: dict[int, int] = {}  # how many values occur so often
        self._numbers: list[int] = []  # of occurrences that some value has, ascending

    def enter(self, row: int) -> None:
        """Take the row after all that entered; below 0 a code stands for no value."""
        code = self._codes[row]
        if code >= 0:
            self._latest[code] = row
            self._move(code, +1)

    def leave(self, row: int) -> None:
        """Forget the earliest row that did not leave yet."""
        code = self._codes[row]
        if code >= 0:
            self._move(code, -1)

    def _move(self, code: int, step: int) -> None:
        old = self._counts.get(code, 0)
        new = self._counts[code] = old + step
        if old:
            self._held[old] -= 1
            if not self._held[old]:
                del self._held[old], self._heaps[old], self._numbers[bisect_left(self._numbers, old)]
        if new:
            if new not in self._held:
                self._held[new], self._heaps[new] = 0, []
                insort(self._numbers, new)
            self._held[new] += 1
            heappush(self._heaps[new], -self._latest[code])

    def first(self, most: int) -> list[int]:
        """Return the latest rows of the MOST frequent values, of equally frequent ones the latest first."""
        found: list[int] = []
        for number in reversed(self._numbers):
            heap, taken = self._heaps[number], len(found)
            while heap and len(found) < most:
                row = -heappop(heap)
                code = self._codes[row]
                if self._counts[code] == number and self._latest[code] == row:
                    found.append(row)
            for row in found[taken:]:
                heappush(heap, -row)
            if len(found) == most:
                break
        return found


def leading(codes: Array, lo: Array, hi: Array, most: int) -> tuple[Array, Array]:
    """Return how many of the MOST frequent values each range has, and their latest rows, range by range.

    The ranges LO to HI begin and end in turn. CODES: the value of each row as a number, -1 for none.
    """
    every = codes.tolist()
    leaders, start, end = Leaders(every), 0, 0
    counts, rows = [], []
    for begin, behind in zip(lo.tolist(), hi.tolist(), strict=True):
        if begin >= end:  # nothing of what entered is left
            leaders, start, end = Leaders(every), begin, begin
        for row in range(end, behind):
            leaders.enter(row)
        for row in range(start, begin):
            leaders.leave(row)
        start, end = begin, max(end, behind)
        found = leaders.first(most)
        counts.append(len(found))
        rows += found
    return np.array(counts, np.int64), np.array(rows, np.int64)
