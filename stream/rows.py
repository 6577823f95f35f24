"""The rows of one track of one key, in total order, and the ranges that windows cut out of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

from featuregraph.layout import FIRST_SLOT, Span, Track
from featuregraph.scalar import OVERFLOW
from stream.decode import EventRow
from stream.snapshot import Position


class TrackRows:
    """Rows sorted by (ts, seq, tie), with their times beside them for fast bounds.

    1. `ts[i] == rows[i][0]`; rows ascend strictly by their first three parts: no comparison reads further.
    2. `broken` holds the times of rows whose filter overflows: no window that admits one has a value.
    3. `floor` is the position of the latest row that was dropped though windows hold it, None without one.
    """

    __slots__ = ("broken", "floor", "rows", "track", "ts")

    def __init__(self, track: Track) -> None:
        self.track = track
        self.rows: list[EventRow] = []
        self.ts: list[int] = []
        self.broken: list[int] = []
        self.floor: Position | None = None

    def extend(self, rows: list[EventRow], place: int | None) -> None:
        """Take those ROWS of one event, in total order, whose filter's value at PLACE holds.

        `settle` must follow.
        """
        if place is not None:
            self.broken.extend(row[0] for row in rows if row[place] is OVERFLOW)
            rows = [row for row in rows if row[place] is True]
        self.rows = self.rows + rows if self.rows else rows.copy()

    def settle(self) -> None:
        """Bring the rows of several events into one order."""
        if len(self.track.events) > 1:
            self.rows.sort()
            self.broken.sort()
        self.ts = [row[0] for row in self.rows]

    def widen(self, rows: Iterable[EventRow]) -> None:
        """Put ROWS in the places of those held at the same positions: they have the same values and more."""
        wider = {row[:FIRST_SLOT]: row for row in rows}
        self.rows = [wider.get(row[:FIRST_SLOT], row) for row in self.rows]

    def insert(self, row: EventRow) -> int:
        """Take one more row; return where it stands."""
        if not self.rows or row > self.rows[-1]:
            self.rows.append(row)
            self.ts.append(row[0])
            return len(self.rows) - 1
        at = bisect_right(self.rows, row)
        self.rows.insert(at, row)
        self.ts.insert(at, row[0])
        return at

    def break_at(self, ts: int) -> None:
        """Take note of a row at TS whose filter overflows."""
        insort(self.broken, ts)

    def forget_broken(self, before: int) -> None:
        """Drop the notes of rows earlier than BEFORE."""
        if self.broken and self.broken[0] < before:
            del self.broken[: bisect_left(self.broken, before)]

    def is_broken(self, lo: int, hi: int) -> bool:
        """Tell whether a row whose filter overflows stands in [LO, HI)."""
        return bool(self.broken) and bisect_left(self.broken, hi) > bisect_left(self.broken, lo)

    def trim(self, count: int) -> None:
        """Drop the COUNT earliest rows."""
        del self.rows[:count]
        del self.ts[:count]


def position_of(row: EventRow) -> Position:
    """Return where ROW stands in the total order."""
    position: Position = row[:FIRST_SLOT]
    return position


def cut(rows: TrackRows, span: Span, t: int) -> tuple[int, int]:
    """Return the half-open range of row numbers that SPAN keeps at T: window, then the latest N."""
    lo, hi = span.window.bounds(t)
    end = bisect_left(rows.ts, hi)
    start = bisect_left(rows.ts, lo, 0, end)
    if span.last is not None and end - start > span.last:
        start = end - span.last
    return start, end
