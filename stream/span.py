"""One window that moves forward over the rows of a track, with the states of its aggregates."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from featuregraph.layout import Span
from featuregraph.types import INT64_MAX, INT64_MIN
from stream.batch import EventRow
from stream.cells import CellKernel, Move, Running
from stream.rows import KeptRows, cut
from stream.snapshot import Position

NEVER = INT64_MAX + 1  # later than any query
_AT_ONCE = 1024  # rows that are made of columns for a state that is built
_MARKS = 2
_BYTES_A_ROW = 64  # of a mark, for each row that entered since the one before
_ZERO: Mapping[int, bytes] = MappingProxyType({})


class Mark(NamedTuple):
    """What states without an end were, as they had taken all rows before number `at`."""

    at: int
    rows: int  # how many
    states: Mapping[int, bytes]  # by cell

    @property
    def bytes(self) -> int:
        """Return the bytes of all states."""
        return sum(map(len, self.states.values()))


class RunningSpan:
    """One window that moves forward over its track: rows enter at the end and leave at the start.

    1. The states hold exactly rows[start:end], as if folded in order.
    2. `start` and `end` only grow, but for rows that arrive late before `end`: states that commute take them
       at once, others are built anew.
    3. Before `wake`, and with no row inserted, an advance changes nothing. A row that comes and goes between
       two queries never enters.
    4. A window without an end whose states do not commute marks them now and then: built anew, they go on
       from the latest mark before the late row. The rows since the last mark but one are needed for that.
    """

    __slots__ = (
        "_last",
        "_least_marked",
        "_leaves",
        "_running",
        "commutes",
        "dirty",
        "end",
        "enters",
        "hi",
        "kernels",
        "lo",
        "marks",
        "marks_states",
        "pushes",
        "reads_all",
        "rows",
        "span",
        "start",
        "states",
        "touched",
        "wake",
    )

    def __init__(
        self,
        span: Span,
        rows: KeptRows,
        kernels: Mapping[int, CellKernel],
        states: list[Any],
        least_marked: int,
        *,
        reads_all: bool = False,
    ) -> None:
        """Open the window on ROWS for the cells of KERNELS, by number; STATES is shared by all of the key.

        least_marked: after how many rows to mark states.
        reads_all: something else reads all rows of the window at each query.
        """
        self.span = span
        self.hi = span.window.hi
        self.lo = span.window.lo
        self._last = span.last
        self.rows = rows
        self.kernels = kernels
        self.states = states
        self._least_marked = least_marked
        self.reads_all = reads_all
        self.marks: list[Mark] = []  # the latest two, in order
        self._running: dict[int, Running] = {}
        self.start = self.end = 0
        self.dirty = True
        self.commutes = False
        self.marks_states = False  # rows never leave, and their order matters
        self.wake = INT64_MIN
        self.touched = False

    def advance(self, t: int) -> bool:
        """Bring the window to T, which never goes back; tell whether its rows are others than before."""
        if self.dirty:
            self._rebuild(t)
        changed, self.touched = self.touched, False
        ts, lo = self.rows.ts, self.lo
        start, end, n = self.start, self.end, len(ts)
        if end < n and ts[end] < t + self.hi:
            # Nearly always all rows are visible by now.
            until = n if ts[-1] < t + self.hi else bisect_left(ts, t + self.hi, end)
            if lo is not None and ts[end] < t + lo:
                changed = self._pass_by(bisect_left(ts, t + lo, end, until)) or changed
                start = end = self.end
            self.end = until
            if end < until:
                self._let_in(end, until)
                end = until
                changed = True
        if lo is not None and start < end and ts[start] < t + lo:
            start = bisect_left(ts, t + lo, start, end)
        if self._last is not None and end - start > self._last:
            start = end - self._last
        if start > self.start:
            self.let_go(start)
            changed = True
        wake = ts[end] - self.hi + 1 if end < n else NEVER
        if lo is not None and start < end and ts[start] - lo < wake:
            wake = ts[start] - lo + 1
        self.wake = wake
        return changed

    def let_go(self, start: int) -> None:
        """Let the rows before START leave."""
        for leave in self._leaves:
            leave(self.rows, self.start, start)
        self.start = start

    def _pass_by(self, first: int) -> bool:
        """Go on to the row FIRST: those before it left, or enter and leave at once; tell whether any left."""
        left = self.start < self.end
        if left:
            self.let_go(self.end)
        self.start = self.end = first
        return left

    def _let_in(self, start: int, end: int) -> None:
        """Push the rows from START to before END."""
        rows = self.rows
        first = start - rows.packed
        if first < 0:
            for enter in self.enters:
                enter(rows, start, end)
        elif end - start == 1:
            row = rows.loose[first]
            for push in self.pushes:
                push(row)
        else:
            batch = rows.entering(start, end)
            for enter in self.enters:
                enter(batch, start, end)

    def _rebuild(self, t: int) -> None:
        self._running = {}
        if self.marks:
            mark = self.marks[-1]
            self.start, self.end = mark.at - mark.rows, bisect_left(self.rows.ts, t + self.hi)
            self._run(self.kernels, mark.at, mark.states)
        else:
            self.start, end = cut(self.rows, self.span, t)
            self.end = max(self.start, end - self._least_marked) if self.span.is_endless else end
            self._run(self.kernels, self.start)
            self._mark_before(end)
        self.dirty, self.touched = False, True

    def serve(
        self, rows: KeptRows, kernels: Mapping[int, CellKernel], t: int, *, reads_all: bool = False
    ) -> None:
        """Run the cells of KERNELS over ROWS, which hold those of before, from now on.

        The window stands at T, where it was brought. States of cells that ran already go on.
        """
        self._running = {n: r for n, r in self._running.items() if kernels.get(n) is self.kernels[n]}
        added = {n: kernel for n, kernel in kernels.items() if n not in self._running}
        if rows is not self.rows:
            self.start, self.end = cut(rows, self.span, t)
        if rows is not self.rows or added:
            self.marks = []
        self.rows, self.kernels, self.reads_all = rows, kernels, reads_all
        self._run(added, self.start)

    def _run(
        self, kernels: Mapping[int, CellKernel], first: int, marked: Mapping[int, bytes] = _ZERO
    ) -> None:
        """Run KERNELS too, over the rows of the window from FIRST on, from where they were MARKED."""
        forgets = not self.span.is_endless
        added = {
            number: kernel.running(forgets=forgets, data=marked.get(number, b""))
            for number, kernel in kernels.items()
        }
        for number, running in added.items():
            self.states[number] = running.readable(self)
            if running.enter is not None:
                self._enter(running.enter, first, self.end)
        self._running |= added
        every = self._running.values()
        self.pushes = [one.push for one in every if one.push is not None]
        self.enters = [one.enter for one in every if one.enter is not None]
        self._leaves = [one.leave for one in every if one.leave is not None]
        self.commutes = all(one.commutes for one in every)
        self.marks_states = self.lo is None and self._last is None and not self.commutes
        if self.commutes:
            self.marks = []  # late rows are taken as they come, and marks would not know of them

    def _enter(self, enter: Move, start: int, end: int) -> None:
        """Let the rows from START to before END enter one state, some at a time."""
        for one in range(start, end, _AT_ONCE):
            enter(self.rows, one, min(one + _AT_ONCE, end))

    def _mark_before(self, end: int) -> None:
        """Keep what the states are, so that the rows from here to END, which now enter, may be late ones."""
        if self.start < self.end < end and not self.commutes:
            self.marks = [self._mark()]
        for enter in self.enters:
            self._enter(enter, self.end, end)
        self.end = end

    def mark(self) -> None:
        """Keep what the states are now, if enough rows entered since they were kept last.

        States that took many bytes wait for more rows, so that a row's share of the work has a bound.
        """
        since, held = (self.marks[-1].at, self.marks[-1].bytes) if self.marks else (0, 0)
        if self.end - since >= max(self._least_marked, held // _BYTES_A_ROW):
            self.marks = [*self.marks[-1:], self._mark()]

    def _mark(self) -> Mark:
        states = {n: one.encode() for n, one in self._running.items() if one.encode is not None}
        return Mark(self.end, self.end - self.start, states)

    @property
    def is_lost(self) -> bool:
        """Tell whether the states must be built anew from rows that may be gone."""
        return self.dirty and self.span.is_endless and not self.marks

    @property
    def needs(self) -> int:
        """Return the number of the first row that may be read again; those before may go."""
        if not self.span.is_endless:
            return self.start
        if self.reads_all or self.dirty:
            return 0
        if self.commutes:
            return self.end
        return self.marks[0].at if len(self.marks) == _MARKS else 0

    def saved(self) -> tuple[Position, int, Mapping[int, bytes]] | None:
        """Return from where another window like this may go on: a position, the rows up to it, the states.

        Of a window without an end that is its earliest mark, so that late rows are repaired there too; of the
        latest N the earliest row. None where all rows are needed.
        """
        rows = self.rows
        if self.span.is_endless:
            mark = self.marks[0] if self.marks else self._mark()
            position = rows.position(mark.at - 1) if mark.at > 0 else rows.floor
            return None if position is None or self.reads_all else (position, mark.rows, mark.states)
        # With fewer than N rows, one that comes late belongs among them, however late.
        full = self.end - self.start == self._last
        return (rows.position(self.start), 0, _ZERO) if full else None

    def resume(self, t: int, position: Position, rows: int, states: Mapping[int, bytes]) -> None:
        """Stand at T, from STATES that had taken ROWS rows up to that at POSITION.

        Raises:
            ValueError: there is no such row, or a state is none.
        """
        at = self.rows.after(position)
        if not at or self.rows.position(at - 1) != position:
            raise ValueError(f"expected a row at {position}, found none; read the events")
        self.start, self.end = at - rows, max(at, bisect_left(self.rows.ts, t + self.hi))
        self._run(self.kernels, at, states)
        if any((one.encode is None) != (n not in states) for n, one in self._running.items()):
            raise ValueError("expected a state per aggregate, found one too few; read the events")
        self.marks = [] if self.commutes else [Mark(at, rows, states)]
        self.dirty, self.touched = False, True

    def inserted(self, at: int, row: EventRow) -> None:
        """Take note that ROW was inserted at number AT, before others."""
        if self.marks and at < self.marks[-1].at:
            self.marks = [mark for mark in self.marks if mark.at <= at]
        if self.dirty or at >= self.end:
            return
        if at < self.start:
            self.start += 1
            self.end += 1
        elif self.commutes:
            self._take(row)
            self.end += 1
        else:
            self.dirty = True

    def take_gone(self, row: EventRow) -> bool:
        """Take a row that belongs among those that were dropped; tell whether that was possible."""
        if not self.span.is_endless:
            return True  # it left long ago
        if self.commutes:
            self._take(row)
            self.start -= 1
        return self.commutes

    def _take(self, row: EventRow) -> None:
        for push in self.pushes:
            push(row)
        self.touched = True

    def trimmed(self, count: int) -> None:
        """Take note that the COUNT earliest rows are gone."""
        self.start -= count
        self.end -= count
        self.marks = [mark._replace(at=mark.at - count) for mark in self.marks]
