"""What the engine keeps for one key: rows per track, and for running windows a state per aggregate."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from featuregraph.layout import FIRST_SLOT, Span
from featuregraph.scalar import OVERFLOW
from featuregraph.types import INT64_MAX, INT64_MIN
from stream.answers import Answers, Asked
from stream.binding import Binding
from stream.blocks.runs import Found
from stream.cells import Readable
from stream.decode import Decoder, EventRow
from stream.event import Row
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
        self.tracks = [TrackRows(track) for track in binding.layout.tracks]

    def load(self, fetch: Fetch, t: int) -> None:
        """Take all rows that a query from T on can see.

        Each event is fetched and decoded once, for the widest reach; a narrower track takes the end only.
        """
        for reading in self.binding.readings.values():
            rows = reading.decoder.load(fetch(reading.decoder))
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


class KeyCache(KeyRows):
    """The rows of one key, kept from query to query (cached mode)."""

    def __init__(self, binding: Binding, t: int) -> None:
        super().__init__(binding)
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
        for number in range(len(self.tracks)):
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
        width = max((len(scan.slots) for scan in layout.scans), default=0)
        longest: dict[str, int] = {}
        for rows in self.tracks:
            for event in rows.track.events:
                longest[event] = max(longest.get(event, 0), len(rows.rows) // len(rows.track.events))
        lists = sum(len(rows.rows) for rows in self.tracks) * _PLACE_BYTES
        return lists + sum(longest.values()) * (_ROW_BYTES + _SLOT_BYTES * width)


class KeyState(KeyCache):
    """The rows of one key with the running windows over them (incremental mode)."""

    def __init__(self, binding: Binding, t: int) -> None:
        super().__init__(binding, t)
        layout = binding.layout
        self._states: list[Any] = [None] * len(layout.cells)
        self._spans = [
            RunningSpan(span, self.tracks[span.track], binding.by_span[i], binding.kernels, self._states)
            for i, span in enumerate(layout.spans)
        ]
        self._by_track: list[list[tuple[int, RunningSpan]]] = [[] for _ in layout.tracks]
        for number, running in enumerate(self._spans):
            self._by_track[running.span.track].append((number, running))
        self._wakes = [INT64_MIN] * len(layout.tracks)  # by track: from when on a span of it may move
        self._age = 0  # queries so far
        self._moved = [0] * len(layout.spans)  # by span: at which age its rows changed last
        self._answers: dict[str, Answers] = {}  # by plan

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
            if rows.floor is not None and any(running.dirty for _, running in spans):
                self.stale = True  # the window must be folded anew, and its rows are gone

    def _insert_gone(self, number: int, row: EventRow) -> None:
        """Take a row that belongs among those that were dropped; where order matters, the log has them."""
        spans = self._by_track[number]
        if all(running.commutes for _, running in spans):
            for _, running in spans:
                running.take_gone(row)
        else:
            self.stale = True

    def answer(self, asked: Asked, t: int, q: Mapping[str, Any]) -> dict[str, Any]:
        """Return the public values of the plan ASKED at T, which is not before an earlier query's.

        Raises:
            FeatureOverflowError: a value lies outside its type.
        """
        self.t = t
        self._age += 1
        for number, wake in enumerate(self._wakes):
            if t >= wake:
                self._wakes[number] = self._move(number, t)
        if any(rows.broken for rows in self.tracks):
            return self._answer_broken(asked, t, q)
        answers = self._answers.get(asked.plan.id)
        if answers is None:
            answers = self._answers[asked.plan.id] = Answers(asked)
        return answers.at(self._age, self._moved, self._states, self._fold_one, t, q)

    def _fold_one(self, number: int, t: int, q: Mapping[str, Any]) -> Readable:
        return self.fold([number], t, q)[0]

    def _move(self, number: int, t: int) -> int:
        """Bring the spans of a track to T; return when one of them moves again."""
        wake = NEVER
        for place, running in self._by_track[number]:
            if running.advance(t):
                self._moved[place] = self._age
            wake = min(wake, running.wake)
        if len(self.tracks[number].rows) > self.binding.pace.least_trim:
            self._trim_past(number, t)
            self._trim_entered(number)
        return wake

    def _answer_broken(self, asked: Asked, t: int, q: Mapping[str, Any]) -> dict[str, Any]:
        """Answer while rows are held whose filter overflows: no window that admits one has a value."""
        for number in range(len(self.tracks)):
            self._trim_past(number, t)
        states = [self._state_or_broken(number, t, q) for number in asked.numbers]
        return asked.plan.publish(asked.plan.read(states, t, q))

    def _state_or_broken(self, number: int, t: int, q: Mapping[str, Any]) -> Readable:
        kernel, span = self.binding.kernels[number], self._spans[self.binding.layout.cells[number].span]
        if span.rows.is_broken(*span.span.window.bounds(t)):
            return kernel.broken
        return self._fold_one(number, t, q) if kernel.scanned else self._states[number]

    def _trim_entered(self, number: int) -> None:
        """Drop rows of a track that no window from now on can take in again."""
        if self.binding.keeps_rows[number]:
            return
        rows, spans = self.tracks[number], self._by_track[number]
        entered = min(running.end for _, running in spans)
        if entered > self.binding.pace.least_trim and not any(running.dirty for _, running in spans):
            rows.floor = rows.rows[entered - 1][:FIRST_SLOT]
            self._trim(number, entered)

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
