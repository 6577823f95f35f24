"""The decoded rows of one event as NumPy arrays in order of time, and what functions make of ranges of them.

Sums of doubles are NumPy's own, so that a mean agrees with the exact one to some 1e-12 only; all else is
equal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.bench.storage import Row

TS, PLACE = 0, 1  # the first two columns
_FIRST_ROOM = 64
_DTYPES: Mapping[type, Any] = {int: np.int64, float: np.float64}

Part = tuple["Columns", int, int, int]  # of these columns the one of this number, from one row to another
Function = Callable[[Sequence[Part], int], Any]  # the parts, and how many values at most


class Columns:
    """Rows that come at the end and go at the front."""

    def __init__(self, rows: Sequence[Row]) -> None:
        """Take ROWS, at least one: it decides the types."""
        kinds = [np.int64, np.int64, *(_DTYPES.get(type(value), object) for value in rows[0][2:])]
        self._start, self._end = 0, 0
        self.arrays: list[NDArray[Any]] = [np.empty(max(_FIRST_ROOM, len(rows)), kind) for kind in kinds]
        self.row_bytes = sum(_bytes(value) for value in rows[0])
        self.append(rows)

    def __len__(self) -> int:
        return self._end - self._start

    def append(self, rows: Sequence[Row]) -> None:
        """Take ROWS, which are later than all before."""
        if self._end + len(rows) > len(self.arrays[0]):
            self._make_room(len(rows))
        start, self._end = self._end, self._end + len(rows)
        if len(rows) == 1:
            for array, value in zip(self.arrays, rows[0], strict=True):
                array[start] = value
            return
        for array, values in zip(self.arrays, zip(*rows, strict=True), strict=True):
            array[start : self._end] = values

    def _make_room(self, more: int) -> None:
        room = max(_FIRST_ROOM, 2 * (len(self) + more))
        for number, old in enumerate(self.arrays):
            new = np.empty(room, old.dtype)
            new[: len(self)] = old[self._start : self._end]
            self.arrays[number] = new
        self._start, self._end = 0, len(self)

    def trim(self, lo: int) -> None:
        """Drop the rows before the time LO."""
        if self._start < self._end and self.arrays[TS][self._start] < lo:
            self._start += int(self.arrays[TS][self._start : self._end].searchsorted(lo))

    def places(self, edges: NDArray[np.int64]) -> list[int]:
        """Return where in the arrays the first row at or after each of EDGES is."""
        found = self.arrays[TS][self._start : self._end].searchsorted(edges) + self._start
        return found.tolist()  # type: ignore[no-any-return]

    @property
    def bytes(self) -> int:
        """Return the bytes of the rows held."""
        return len(self) * self.row_bytes


def _bytes(value: Any) -> int:
    return 8 if isinstance(value, int | float) else 8 + sys.getsizeof(value)


def _count(parts: Sequence[Part], last: int) -> int:
    return sum(end - start for _, _, start, end in parts)


def _mean(parts: Sequence[Part], last: int) -> float | None:
    total, count = 0, 0
    for columns, number, start, end in parts:
        if end > start:
            total += np.add.reduce(columns.arrays[number][start:end])
            count += end - start
    return float(total) / count if count else None


def _extreme(reduce: Callable[[NDArray[Any]], Any], choose: Callable[[list[Any]], Any]) -> Function:
    def function(parts: Sequence[Part], last: int) -> Any:
        found = [reduce(c.arrays[number][start:end]) for c, number, start, end in parts if end > start]
        return choose(found).item() if found else None

    return function


def _concat(parts: Sequence[Part], last: int) -> list[Any]:
    if len(parts) == 1:
        ((columns, number, start, end),) = parts
        return columns.arrays[number][max(start, end - last) : end].tolist()  # type: ignore[no-any-return]
    rows: list[tuple[int, Any]] = []
    for columns, number, start, end in parts:
        latest = slice(max(start, end - last), end)
        at = columns.arrays[PLACE][latest].tolist()
        rows += zip(at, columns.arrays[number][latest].tolist(), strict=True)
    rows.sort()
    return [value for _, value in rows[-last:]]


FUNCTIONS: Mapping[str, Function] = {
    "count": _count,
    "mean": _mean,
    "min": _extreme(np.minimum.reduce, min),
    "max": _extreme(np.maximum.reduce, max),
    "concat": _concat,
}
