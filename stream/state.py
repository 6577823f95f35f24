"""What the engine keeps for one key: rows per track, and for running windows a state per aggregate."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featuregraph.layout import FIRST_SLOT, Layout, Span
from featuregraph.scalar import OVERFLOW
from featuregraph.types import INT64_MAX
from stream.cells import CellKernel, Readable, Running
from stream.decode import Decoder, EventRow, Stored, Unparsable
from stream.event import Row
from stream.pace import Pace
from stream.rows import TrackRows, cut

_ROW_BYTES, _SLOT_BYTES, _PLACE_BYTES, _STATE_BYTES = 140, 40, 16, 64  # measured on CPython 3.11, averages


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of one event come in: decoded once, then taken by tracks.

    `takers` gives (number, place of the filter's value) of each track.
    """

    decoder: Decoder
    takers: tuple[tuple[int, int | None], ...]


class Binding:
    """A layout with its compiled functions; shared by all keys."""

    def __init__(self, layout: Layout, key: str, unparsable: Unparsable) -> None:
        self.layout = layout
        filtered = [layout.tracks[layout.spans[cell.span].track].where is not None for cell in layout.cells]
        self.kernels = [
            CellKernel(cell, layout.places, filtered=f)
            for cell, f in zip(layout.cells, filtered, strict=True)
        ]
        self.by_span: list[list[int]] = [[] for _ in layout.spans]
        for number, cell in enumerate(layout.cells):
            self.by_span[cell.span].append(number)
        # The rows of a track may go once every state has taken them.
        self.keeps_rows = [False] * len(layout.tracks)
        for span, numbers in zip(layout.spans, self.by_span, strict=True):
            if (
                span.window.over is not None
                or span.last is not None
                or any(self.kernels[n].scanned for n in numbers)
            ):
                self.keeps_rows[span.track] = True
        self.readings = {
            scan.event: Reading(Decoder(scan, key, unparsable), self._takers(scan.event))
            for scan in layout.scans
        }

    def _takers(self, event: str) -> tuple[tuple[int, int | None], ...]:
        places = self.layout.places
        return tuple(
            (number, None if track.where is None else places[track.where])
            for number, track in enumerate(self.layout.tracks)
            if event in track.events
        )


# The decoder's columns, and perhaps more, of the rows of its event in total order.
Fetch = Callable[..., Sequence[Stored]]


class KeyRows:
    """The rows of every track of one key: what a scan gives, and what the cache keeps."""

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.tracks = [TrackRows(track) for track in binding.layout.tracks]

    def load(self, fetch: Fetch, t: int) -> None:
        """Take all rows that a query from T on can see.

        Each event is fetched and decoded once, for the widest reach; a narrower track takes the end only.
        """
        for reading in self.binding.readings.values():
            rows = list(map(reading.decoder.row, fetch(reading.decoder)))
            times = [row[0] for row in rows]
            for number, place in reading.takers:
                track = self.tracks[number]
                reach = track.track.reach
                first = 0 if reach is None else bisect_left(times, t - reach)
                track.extend(rows[first:] if first else rows, place)
        for track in self.tracks:
            track.settle()

    def fold(self, numbers: Sequence[int], t: int, q: Mapping[str, Any]) -> list[Readable]:
        """Return the states of the cells NUMBERS at T, folded from the rows; equal spans are cut once."""
        cuts: dict[int, tuple[Sequence[Any], bool]] = {}
        states: list[Readable] = []
        for number in numbers:
            at = self.binding.layout.cells[number].span
            if at not in cuts:
                cuts[at] = self._cut(self.binding.layout.spans[at], t)
            rows, broken = cuts[at]
            kernel = self.binding.kernels[number]
            states.append(kernel.broken if broken else kernel.fold(rows, t, q))
        return states

    def _cut(self, span: Span, t: int) -> tuple[Sequence[Any], bool]:
        rows = self.tracks[span.track]
        start, end = cut(rows, span, t)
        return rows.rows[start:end], rows.is_broken(*span.window.bounds(t))


class RunningSpan:
    """One window that moves forward over its track: rows enter at the end and leave at the start.

    1. The states hold exactly rows[start:end], folded in order.
    2. `start` and `end` only grow, but for rows that arrive late before `end`: then the window is dirty, and
       built anew.
    """

    __slots__ = (
        "_bounds",
        "_forgets",
        "_last",
        "_pops",
        "_pushes",
        "dirty",
        "end",
        "kernels",
        "numbers",
        "rows",
        "span",
        "start",
        "states",
    )

    def __init__(
        self,
        span: Span,
        rows: TrackRows,
        numbers: Sequence[int],
        kernels: Sequence[CellKernel],
        states: list[Any],
    ) -> None:
        self.span = span
        self._bounds = span.window.bounds
        self._forgets = span.window.over is not None
        self._last = span.last
        self.rows = rows
        self.numbers = [n for n in numbers if not kernels[n].scanned]
        self.kernels = kernels
        self.states = states  # by cell number, shared by all spans of the key
        self.start = self.end = 0
        self.dirty = True

    def advance(self, t: int) -> None:
        """Bring the window to T, which never goes back."""
        if self.dirty:
            self._rebuild(t)
            return
        ts = self.rows.ts
        lo, hi = self._bounds(t)
        start, end, n = self.start, self.end, len(ts)
        if end < n and ts[end] < hi:
            until = bisect_left(ts, hi, end)
            entering = self.rows.rows[end:until]
            for push in self._pushes:
                for row in entering:
                    push(row)
            self.end = end = until
        leave = start
        if self._forgets and start < end and ts[start] < lo:
            leave = bisect_left(ts, lo, start, end)
        if self._last is not None and end - leave > self._last:
            leave = end - self._last
        if leave > start:
            leaving = self.rows.rows[start:leave]
            for pop in self._pops:
                for row in leaving:
                    pop(row)
            self.start = leave

    def _rebuild(self, t: int) -> None:
        self.start, self.end = cut(self.rows, self.span, t)
        forgets = self._forgets or self._last is not None
        running: list[Running] = [self.kernels[n].running(forgets=forgets) for n in self.numbers]
        for number, state in zip(self.numbers, running, strict=True):
            self.states[number] = state.readable(self)
        self._pushes = [s.push for s in running if s.push is not None]
        self._pops = [s.pop for s in running if s.pop is not None]
        rows = self.rows.rows[self.start : self.end]
        for push in self._pushes:
            for row in rows:
                push(row)
        self.dirty = False

    def inserted(self, at: int) -> None:
        """Take note that a row was inserted at number AT."""
        if self.dirty or at >= self.end:
            return
        if at < self.start:
            self.start += 1
            self.end += 1
        else:
            self.dirty = True

    def trimmed(self, count: int) -> None:
        """Take note that the COUNT earliest rows are gone."""
        self.start -= count
        self.end -= count


class KeyCache(KeyRows):
    """The rows of one key, kept from query to query (cached mode)."""

    def __init__(self, binding: Binding, t: int, pace: Pace) -> None:
        super().__init__(binding)
        self._least_trim = pace.least_trim
        self.t = t  # the latest query: rows that only earlier ones need may be gone
        self.stale = False
        self.unweighed = INT64_MAX  # rows pushed since `bytes` was last asked for

    def push(self, row: Row) -> None:
        """Take one more event, early or late."""
        self.unweighed += 1
        reading = self.binding.readings.get(row.name)
        if reading is None:
            return
        made = reading.decoder.row(reading.decoder.of_row(row))
        for number, place in reading.takers:
            if place is None or made[place] is True:
                self._insert(number, made)
            elif made[place] is OVERFLOW:
                self.tracks[number].break_at(row.ts_ms)

    def _insert(self, number: int, row: EventRow) -> None:
        self.tracks[number].insert(row)

    def states(self, numbers: Sequence[int], t: int, q: Mapping[str, Any]) -> list[Readable]:
        """Return the states of the cells NUMBERS at T, which is not before an earlier query's."""
        self.t = t
        self.trim(t)
        return self.fold(numbers, t, q)

    def trim(self, t: int) -> None:
        """Drop rows that no query from T on can see, once they are most of the rows."""
        for number, rows in enumerate(self.tracks):
            if rows.track.reach is None:
                continue
            rows.forget_broken(t - rows.track.reach)
            if rows.ts and rows.ts[0] < t - rows.track.reach:
                gone = bisect_left(rows.ts, t - rows.track.reach)
                if gone > self._least_trim and 2 * gone > len(rows.ts):
                    self._trim(number, gone)

    def _trim(self, number: int, count: int) -> None:
        self.tracks[number].trim(count)

    @property
    def bytes(self) -> int:
        """Return an estimate of the memory held.

        Rows are shared between tracks, so that the longest list stands for an event's.
        """
        layout = self.binding.layout
        width = max((len(scan.slots) for scan in layout.scans), default=0)
        longest: dict[str, int] = {}
        for rows in self.tracks:
            for event in rows.track.events:
                longest[event] = max(longest.get(event, 0), len(rows.rows) // len(rows.track.events))
        lists = sum(len(rows.rows) for rows in self.tracks) * _PLACE_BYTES
        return lists + sum(longest.values()) * (_ROW_BYTES + _SLOT_BYTES * width)


class KeyState(KeyCache):
    """The rows of one key with the running windows over them (incremental mode)."""

    def __init__(self, binding: Binding, t: int, pace: Pace) -> None:
        super().__init__(binding, t, pace)
        layout = binding.layout
        self._states: list[Any] = [None] * len(layout.cells)
        self._spans = [
            RunningSpan(span, self.tracks[span.track], binding.by_span[i], binding.kernels, self._states)
            for i, span in enumerate(layout.spans)
        ]
        self._by_track: list[list[RunningSpan]] = [[] for _ in layout.tracks]
        for running in self._spans:
            self._by_track[running.span.track].append(running)
        self._scanned = [n for n, kernel in enumerate(binding.kernels) if kernel.scanned]

    def _insert(self, number: int, row: EventRow) -> None:
        rows = self.tracks[number]
        if rows.floor is not None and row[:FIRST_SLOT] < rows.floor:
            self.stale = True  # it belongs among rows that are gone: the log has them
            return
        at = rows.insert(row)
        if at + 1 < len(rows.rows):
            for running in self._by_track[number]:
                running.inserted(at)
            if rows.floor is not None and any(running.dirty for running in self._by_track[number]):
                self.stale = True  # the window must be folded anew, and its rows are gone

    def states(self, numbers: Sequence[int], t: int, q: Mapping[str, Any]) -> list[Readable]:
        """Return the states of the cells NUMBERS at T, which is not before an earlier query's."""
        for running in self._spans:
            running.advance(t)
        self.t = t
        self.trim(t)
        found = [self._states[n] for n in numbers]
        broken = any(rows.broken for rows in self.tracks)
        if self._scanned or broken:
            folded = [n for n in numbers if self.binding.kernels[n].scanned]
            again = dict(zip(folded, self.fold(folded, t, q), strict=True))
            if broken:
                again |= {n: self.binding.kernels[n].broken for n in numbers if self._is_broken(n, t)}
            found = [again.get(n, state) for n, state in zip(numbers, found, strict=True)]
        return found

    def _is_broken(self, number: int, t: int) -> bool:
        span = self.binding.layout.spans[self.binding.layout.cells[number].span]
        return self.tracks[span.track].is_broken(*span.window.bounds(t))

    def trim(self, t: int) -> None:
        """Drop rows that no window from T on can take in again."""
        super().trim(t)
        for number, rows in enumerate(self.tracks):
            if not self.binding.keeps_rows[number] and len(rows.rows) > self._least_trim:
                spans = self._by_track[number]
                entered = min(running.end for running in spans)
                if entered > self._least_trim and not any(running.dirty for running in spans):
                    rows.floor = rows.rows[entered - 1][:FIRST_SLOT]
                    self._trim(number, entered)

    def _trim(self, number: int, count: int) -> None:
        super()._trim(number, count)
        for running in self._by_track[number]:
            running.trimmed(count)

    @property
    def bytes(self) -> int:
        """Return an estimate of the memory held."""
        held = sum(int(state.size) for state in self._states if state is not None)
        return super().bytes + held * _STATE_BYTES
