"""The windows of one track that end at the same time: a row enters all of them at once.

What a row costs is then what its states cost, not what it takes to look at each window. A front goes on
window by window (`RunningSpan.advance`) where that is not so: a window was touched by a late row or has to be
built anew, keeps the latest N rows, or rows come and go between two queries.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from featuregraph.refresh import ANY
from stream.rows import KeptRows
from stream.span import NEVER, RunningSpan

Numbered = tuple[int, RunningSpan]


class Front:
    """Windows by their numbers, all of one track and one end.

    `advance` does to each what its own `advance` would do.
    """

    __slots__ = ("_hi", "_is_plain", "_nearest", "_windows")

    def __init__(self, windows: Sequence[Numbered]) -> None:
        lows = [span.lo for _, span in windows if span.lo is not None]
        self._windows = windows
        self._hi = windows[0][1].hi
        self._nearest = max(lows, default=None)  # of the narrowest window
        self._is_plain = all(span.span.last is None for _, span in windows)

    def advance(self, t: int, moved: list[int], age: int) -> int:
        """Bring all windows to T, which never goes back; return when one of them moves again.

        In MOVED the number of each window whose rows are others than before is given this AGE.
        """
        first = self._windows[0][1]
        end, rows, ts = first.end, first.rows, first.rows.ts
        count, until = len(ts), t + self._hi
        enters = end < count and ts[end] < until
        passes = enters and self._nearest is not None and ts[end] < t + self._nearest
        if passes or not self._is_abreast(end):
            return self._one_by_one(t, moved, age)
        if enters:
            start, end = end, count if ts[-1] < until else bisect_left(ts, until, end)
            self._let_in(rows, start, end)
            moved[ANY] = age
        wake = ts[end] - self._hi + 1 if end < count else NEVER
        for number, span in self._windows:
            lo, start = span.lo, span.start
            if lo is not None and start < end:
                leaves = ts[start] - lo + 1
                if leaves <= t:
                    span.let_go(bisect_left(ts, t + lo, start, end))
                    moved[number] = moved[ANY] = age
                    leaves = ts[span.start] - lo + 1 if span.start < end else NEVER
                wake = min(wake, leaves)
            if enters:
                moved[number] = age
                if span.marks_states:
                    span.mark()
        return wake

    def _is_abreast(self, end: int) -> bool:
        """Tell whether all windows hold the rows up to END, and their states too."""
        for _, span in self._windows:
            if span.end != end or span.dirty or span.touched:
                return False
        return self._is_plain

    def _let_in(self, rows: KeptRows, start: int, end: int) -> None:
        """Let the ROWS from START to before END into all windows."""
        if end - start == 1 and start >= rows.packed:
            row = rows.loose[start - rows.packed]
            for _, span in self._windows:
                span.end = end
                for push in span.pushes:
                    push(row)
            return
        entering = rows if start < rows.packed else rows.entering(start, end)
        for _, span in self._windows:
            span.end = end
            for enter in span.enters:
                enter(entering, start, end)

    def _one_by_one(self, t: int, moved: list[int], age: int) -> int:
        wake = NEVER
        for number, span in self._windows:
            if span.advance(t):
                moved[number] = moved[ANY] = age
                if span.marks_states:
                    span.mark()
            wake = min(wake, span.wake)
        return wake


def fronts(windows: Iterable[Numbered]) -> list[Front]:
    """Return the WINDOWS of one track by their ends; who keeps the latest N rows goes alone."""
    found: dict[tuple[int, int | None], list[Numbered]] = {}
    for number, span in windows:
        alone = None if span.span.last is None else number
        found.setdefault((span.hi, alone), []).append((number, span))
    return list(map(Front, found.values()))
