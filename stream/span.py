"""One window that moves forward over the rows of a track, with the states of its aggregates."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from featuregraph.layout import Span
from featuregraph.types import INT64_MAX, INT64_MIN
from stream.cells import CellKernel, Running
from stream.decode import EventRow
from stream.rows import TrackRows, cut

NEVER = INT64_MAX + 1  # later than any query


class RunningSpan:
    """One window that moves forward over its track: rows enter at the end and leave at the start.

    1. The states hold exactly rows[start:end], as if folded in order.
    2. `start` and `end` only grow, but for rows that arrive late before `end`: states that commute take them
       at once, others are built anew.
    3. Before `wake`, and with no row inserted, an advance changes nothing.
    """

    __slots__ = (
        "_hi",
        "_last",
        "_lo",
        "_pops",
        "_pushes",
        "_running",
        "_touched",
        "commutes",
        "dirty",
        "end",
        "kernels",
        "rows",
        "span",
        "start",
        "states",
        "wake",
    )

    def __init__(
        self,
        span: Span,
        rows: TrackRows,
        kernels: Mapping[int, CellKernel],
        states: list[Any],
    ) -> None:
        """Open the window on ROWS for the cells of KERNELS, by number; STATES is shared by all of the key."""
        self.span = span
        self._hi = span.window.hi
        self._lo = span.window.lo
        self._last = span.last
        self.rows = rows
        self.kernels = kernels
        self.states = states
        self._running: dict[int, Running] = {}
        self.start = self.end = 0
        self.dirty = True
        self.commutes = False
        self.wake = INT64_MIN
        self._touched = False

    def advance(self, t: int) -> bool:
        """Bring the window to T, which never goes back; tell whether its rows are others than before."""
        if self.dirty:
            self._rebuild(t)
        changed, self._touched = self._touched, False
        ts, rows = self.rows.ts, self.rows.rows
        start, end, n = self.start, self.end, len(ts)
        if end < n and ts[end] < t + self._hi:
            until = bisect_left(ts, t + self._hi, end)
            for push in self._pushes:
                for row in rows[end:until]:
                    push(row)
            self.end = end = until
            changed = True
        leave = start
        if self._lo is not None and start < end and ts[start] < t + self._lo:
            leave = bisect_left(ts, t + self._lo, start, end)
        if self._last is not None and end - leave > self._last:
            leave = end - self._last
        if leave > start:
            for pop in self._pops:
                for row in rows[start:leave]:
                    pop(row)
            self.start = leave
            changed = True
        self.wake = ts[end] - self._hi + 1 if end < n else NEVER
        if self._lo is not None and leave < end:
            self.wake = min(self.wake, ts[leave] - self._lo + 1)
        return changed

    def _rebuild(self, t: int) -> None:
        self.start, self.end = cut(self.rows, self.span, t)
        self._running = {}
        self._run(self.kernels)
        self.dirty, self._touched = False, True

    def serve(self, rows: TrackRows, kernels: Mapping[int, CellKernel], t: int) -> None:
        """Run the cells of KERNELS over ROWS, which hold those of before, from now on.

        The window stands at T, where it was brought. States of cells that ran already go on.
        """
        if rows is not self.rows:
            self.start, self.end = cut(rows, self.span, t)
        self._running = {n: r for n, r in self._running.items() if kernels.get(n) is self.kernels[n]}
        self.rows, self.kernels = rows, kernels
        self._run({n: kernel for n, kernel in kernels.items() if n not in self._running})

    def _run(self, kernels: Mapping[int, CellKernel]) -> None:
        """Run KERNELS too, over the rows in the window."""
        forgets = self._lo is not None or self._last is not None
        added = {number: kernel.running(forgets=forgets) for number, kernel in kernels.items()}
        rows = self.rows.rows[self.start : self.end]
        for number, running in added.items():
            self.states[number] = running.readable(self)
            if running.push is not None:
                for row in rows:
                    running.push(row)
        self._running |= added
        every = self._running.values()
        self._pushes = [one.push for one in every if one.push is not None]
        self._pops = [one.pop for one in every if one.pop is not None]
        self.commutes = all(one.commutes for one in every)

    def inserted(self, at: int) -> None:
        """Take note that a row was inserted at number AT, before others."""
        if self.dirty or at >= self.end:
            return
        if at < self.start:
            self.start += 1
            self.end += 1
        elif self.commutes:
            self._take(self.rows.rows[at])
            self.end += 1
        else:
            self.dirty = True

    def take_gone(self, row: EventRow) -> None:
        """Take a row that belongs among those that were dropped; only where all states commute."""
        self._take(row)
        self.start -= 1

    def _take(self, row: EventRow) -> None:
        for push in self._pushes:
            push(row)
        self._touched = True

    def trimmed(self, count: int) -> None:
        """Take note that the COUNT earliest rows are gone."""
        self.start -= count
        self.end -= count
