"""What the engine keeps for one key: rows per track, and for running windows a state per aggregate."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

from featuregraph.layout import FIRST_SLOT, Span
from featuregraph.scalar import OVERFLOW
from featuregraph.types import INT64_MAX, INT64_MIN
from stream.answers import Answers, Asked
from stream.binding import Binding, Reading, same_rows
from stream.blocks.runs import Found
from stream.cells import Readable
from stream.decode import Decoder, EventRow
from stream.event import Row
from stream.migration import between
from stream.rows import TrackRows, cut
from stream.span import NEVER, RunningSpan

_ROW_BYTES, _SLOT_BYTES, _PLACE_BYTES, _STATE_BYTES = 140, 40, 16, 64  # measured on CPython 3.11, averages
_ANSWER_BYTES = 64

# What the log has of the decoder's event.
Fetch = Callable[[Decoder], Found]


class KeyRows:
    """The rows of every track of one key: what a scan gives, and what the cache keeps."""

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.tracks: dict[int, TrackRows] = {}  # by number

    def load(self, fetch: Fetch, t: int) -> None:
        """Take all rows that a query from T on can see."""
        binding = self.binding
        read = ((event, _read(reading, fetch)) for event, reading in binding.readings.items())
        self.tracks = _filled(binding, binding.layout.tracks, read, t)

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


def _read(reading: Reading, fetch: Fetch) -> list[EventRow]:
    """Return the rows of one event, in total order."""
    return reading.decoder.load(fetch(reading.decoder))


def _filled(
    binding: Binding, numbers: Container[int], read: Iterable[tuple[str, list[EventRow]]], t: int
) -> dict[int, TrackRows]:
    """Return the tracks NUMBERS with the rows READ of their events that a query from T on can see.

    Each event is read and decoded once, for the widest reach; a narrower track takes the end only.
    """
    tracks = {n: TrackRows(track) for n, track in binding.layout.tracks.items() if n in numbers}
    for event, rows in read:
        times = [row[0] for row in rows]
        for number, place in binding.readings[event].takers:
            if number in tracks:
                track = tracks[number]
                reach = track.track.reach
                first = 0 if reach is None else bisect_left(times, t - reach)
                track.extend(rows[first:] if first else rows, place)
    for track in tracks.values():
        track.settle()
    return tracks


class KeyCache(KeyRows):
    """The rows of one key, kept from query to query (cached mode)."""

    def __init__(self, binding: Binding, t: int) -> None:
        super().__init__(binding)
        self.t = t  # the latest query: rows that only earlier ones need may be gone
        self.stale = False
        self.unweighed = INT64_MAX  # rows pushed since `bytes` was last asked for

    def move(self, binding: Binding, fetch: Fetch) -> None:
        """Serve BINDING from now on, and keep what still means the same.

        All that must be read is read first: a failure changes nothing.
        """
        dropped = {number for number, rows in self.tracks.items() if rows.floor is not None}
        step = between(self.binding, binding, dropped)
        read = {event: _read(binding.readings[event], fetch) for event in step.events}
        filled = _filled(binding, step.tracks, read.items(), self.t)
        held, self.tracks = self.tracks, {}
        for number, track in binding.layout.tracks.items():
            rows = filled.get(number)
            if rows is None:
                rows = held[number]
                rows.track = track
                if not read.keys().isdisjoint(track.events):
                    rows.widen(row for event in track.events for row in read.get(event, ()))
            self.tracks[number] = rows
        self.binding = binding
        self.unweighed = INT64_MAX

    def push(self, row: Row) -> None:
        """Take one more event, early or late."""
        self.unweighed += 1
        reading = self.binding.readings.get(row.name)
        if reading is None:
            return
        made = reading.decoder.row(reading.decoder.of_row(row))
        if made is None:
            return
        for number, place in reading.takers:
            if place is None or made[place] is True:
                self._insert(number, made)
            elif made[place] is OVERFLOW:
                self.tracks[number].break_at(row.ts_ms)

    def _insert(self, number: int, row: EventRow) -> None:
        self.tracks[number].insert(row)

    def answer(self, asked: Asked, t: int, q: Mapping[str, Any]) -> dict[str, Any]:
        """Return the public values of the plan ASKED at T, which is not before an earlier query's.

        Raises:
            FeatureOverflowError: a value lies outside its type.
        """
        self.t = t
        for number in self.tracks:
            self._trim_past(number, t)
        return asked.plan.publish(asked.plan.read(self.fold(asked.numbers, t, q), t, q))

    def _trim_past(self, number: int, t: int) -> None:
        """Drop rows of a track that no query from T on can see, once they are most of the rows."""
        rows = self.tracks[number]
        reach = rows.track.reach
        if reach is None:
            return
        rows.forget_broken(t - reach)
        if rows.ts and rows.ts[0] < t - reach:
            gone = bisect_left(rows.ts, t - reach)
            if gone > self.binding.pace.least_trim and 2 * gone > len(rows.ts):
                self._trim(number, gone)

    def _trim(self, number: int, count: int) -> None:
        self.tracks[number].trim(count)

    @property
    def bytes(self) -> int:
        """Return an estimate of the memory held.

        Rows are shared between tracks, so that the longest list stands for an event's.
        """
        layout = self.binding.layout
        width = max((len(scan.slots) for scan in layout.scans.values()), default=0)
        longest: dict[str, int] = {}
        for rows in self.tracks.values():
            for event in rows.track.events:
                longest[event] = max(longest.get(event, 0), len(rows.rows) // len(rows.track.events))
        lists = sum(len(rows.rows) for rows in self.tracks.values()) * _PLACE_BYTES
        return lists + sum(longest.values()) * (_ROW_BYTES + _SLOT_BYTES * width)


class KeyState(KeyCache):
    """The rows of one key with the running windows over them (incremental mode)."""

    def __init__(self, binding: Binding, t: int) -> None:
        super().__init__(binding, t)
        self._states: list[Any] = []  # by cell
        self._spans: dict[int, RunningSpan] = {}
        self._by_track: dict[int, list[tuple[int, RunningSpan]]] = {}
        self._wakes: dict[int, int] = {}  # by track: from when on a span of it may move
        self._age = 0  # how often spans were brought on
        self._moved: list[int] = []  # by span: at which age its rows changed last
        self._answers: dict[str, Answers] = {}  # by plan

    def load(self, fetch: Fetch, t: int) -> None:
        """Take all rows that a query from T on can see."""
        super().load(fetch, t)
        self._open(self.binding)

    def move(self, binding: Binding, fetch: Fetch) -> None:
        """Serve BINDING from now on; states of cells that it runs as before go on."""
        self._bring(self.t)
        before = self.binding
        super().move(binding, fetch)
        self._open(before)

    def _open(self, before: Binding) -> None:
        """Run all windows of the binding over the tracks; those that ran under the one BEFORE go on."""
        binding, layout, held = self.binding, self.binding.layout, self._spans
        self._states += [None] * (1 + max(layout.cells, default=-1) - len(self._states))
        for number in range(len(self._states)):
            if before.kernels.get(number) is not binding.kernels.get(number):
                self._states[number] = None
        self._spans = {}
        for number, span in layout.spans.items():
            rows = self.tracks[span.track]
            kernels = {n: binding.kernels[n] for n in binding.by_span[number]}
            running = {n: kernel for n, kernel in kernels.items() if not kernel.scanned}
            old = held.get(number)
            if old is not None and old.span == span and same_rows(before.layout, layout, span.track):
                old.serve(rows, running, self.t, reads_all=number in binding.reads_all)
                self._spans[number] = old
            else:
                reads_all = number in binding.reads_all
                self._spans[number] = RunningSpan(span, rows, running, self._states, reads_all=reads_all)
        self._by_track = {
            track: [(number, self._spans[number]) for number in numbers]
            for track, numbers in binding.by_track.items()
        }
        self._wakes = dict.fromkeys(layout.tracks, INT64_MIN)
        self._moved = [self._age] * (1 + max(layout.spans, default=-1))
        self._answers = {}

    def _insert(self, number: int, row: EventRow) -> None:
        rows, spans = self.tracks[number], self._by_track[number]
        self._wakes[number] = INT64_MIN
        if rows.floor is not None and row[:FIRST_SLOT] < rows.floor:
            self._insert_gone(number, row)
            return
        at = rows.insert(row)
        if at + 1 < len(rows.rows):
            for _, running in spans:
                running.inserted(at)
            if rows.floor is not None and any(running.is_lost for _, running in spans):
                self.stale = True  # the window must be folded anew, and its rows are gone

    def _insert_gone(self, number: int, row: EventRow) -> None:
        """Take a row that belongs among those that were dropped; where order matters, the log has them."""
        if not all(running.take_gone(row) for _, running in self._by_track[number]):
            self.stale = True

    def answer(self, asked: Asked, t: int, q: Mapping[str, Any]) -> dict[str, Any]:
        """Return the public values of the plan ASKED at T, which is not before an earlier query's.

        Raises:
            FeatureOverflowError: a value lies outside its type.
        """
        self.t = t
        self._bring(t)
        if any(rows.broken for rows in self.tracks.values()):
            return self._answer_broken(asked, t, q)
        answers = self._answers.get(asked.plan.id)
        if answers is None:
            answers = self._answers[asked.plan.id] = Answers(asked)
        return answers.at(self._age, self._moved, self._states, self._fold_one, t, q)

    def _bring(self, t: int) -> None:
        """Bring all spans to T."""
        self._age += 1
        for number, wake in self._wakes.items():
            if t >= wake:
                self._wakes[number] = self._move(number, t)

    def _fold_one(self, number: int, t: int, q: Mapping[str, Any]) -> Readable:
        return self.fold([number], t, q)[0]

    def _move(self, number: int, t: int) -> int:
        """Bring the spans of a track to T; return when one of them moves again."""
        wake = NEVER
        for place, running in self._by_track[number]:
            if running.advance(t):
                self._moved[place] = self._age
            wake = min(wake, running.wake)
            running.mark(self.binding.pace.least_marked)
        if len(self.tracks[number].rows) > self.binding.pace.least_trim:
            self._trim_past(number, t)
            self._trim_unread(number, t)
        return wake

    def _answer_broken(self, asked: Asked, t: int, q: Mapping[str, Any]) -> dict[str, Any]:
        """Answer while rows are held whose filter overflows: no window that admits one has a value."""
        for number in self.tracks:
            self._trim_past(number, t)
        states = [self._state_or_broken(number, t, q) for number in asked.numbers]
        return asked.plan.publish(asked.plan.read(states, t, q))

    def _state_or_broken(self, number: int, t: int, q: Mapping[str, Any]) -> Readable:
        kernel, span = self.binding.kernels[number], self._spans[self.binding.layout.cells[number].span]
        if span.rows.is_broken(*span.span.window.bounds(t)):
            return kernel.broken
        return self._fold_one(number, t, q) if kernel.scanned else self._states[number]

    def _trim_unread(self, number: int, t: int) -> None:
        """Drop rows of a track that no window reads from T on: they left, or states have taken them."""
        rows = self.tracks[number]
        gone = min(running.needs for _, running in self._by_track[number])
        if gone > self.binding.pace.least_trim and 4 * gone > len(rows.rows):
            latest, reach = rows.rows[gone - 1], rows.track.reach
            if reach is None or latest[0] >= t - reach:
                rows.floor = latest[:FIRST_SLOT]
            self._trim(number, gone)

    def _trim(self, number: int, count: int) -> None:
        super()._trim(number, count)
        for _, running in self._by_track[number]:
            running.trimmed(count)

    @property
    def bytes(self) -> int:
        """Return an estimate of the memory held."""
        held = sum(int(state.size) for state in self._states if state is not None)
        answered = sum(answers.size for answers in self._answers.values())
        return super().bytes + held * _STATE_BYTES + answered * _ANSWER_BYTES
