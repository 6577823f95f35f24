"""What the engine keeps for one key: rows per track, and for running windows a state per aggregate."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from featuregraph.layout import FIRST_SLOT, Span
from featuregraph.scalar import OVERFLOW
from featuregraph.types import INT64_MAX, INT64_MIN
from stream.answers import Answers, Asked
from stream.binding import Binding, Reading, same_rows
from stream.cells import Readable
from stream.decode import ID, EventRow, Stored
from stream.event import Row
from stream.migration import between
from stream.rows import TrackRows, cut
from stream.snapshot import SavedCell, Snapshot, fitted, places_of
from stream.span import NEVER, RunningSpan

_ROW_BYTES, _SLOT_BYTES, _PLACE_BYTES, _STATE_BYTES = 140, 40, 16, 64  # measured on CPython 3.11, averages
_ANSWER_BYTES = 64

# The decoder's columns, and perhaps more, of the rows of its event in total order; since=: from when on.
Fetch = Callable[..., Sequence[Stored]]
_EVER: Mapping[int, int] = MappingProxyType({})


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
    return list(filter(None, map(reading.decoder.row, fetch(reading.decoder))))


def _read_until(reading: Reading, fetch: Fetch, since: int, last_id: int) -> list[EventRow]:
    """Return the rows of one event from the time SINCE on that had arrived up to the one of LAST_ID."""
    stored = (one for one in fetch(reading.decoder, since=since) if one[ID] <= last_id)
    return list(filter(None, map(reading.decoder.row, stored)))


def _filled(
    binding: Binding,
    numbers: Container[int],
    read: Iterable[tuple[str, list[EventRow]]],
    t: int,
    since: Mapping[int, int] = _EVER,
) -> dict[int, TrackRows]:
    """Return the tracks NUMBERS with the rows READ of their events that a query from T on can see.

    Each event is read and decoded once, for the widest reach; a narrower track takes the end only. SINCE
    gives from when on a track is to hold rows though it reaches further back.
    """
    tracks = {n: TrackRows(track) for n, track in binding.layout.tracks.items() if n in numbers}
    for event, rows in read:
        times = [row[0] for row in rows]
        for number, place in binding.readings[event].takers:
            if number in tracks:
                track = tracks[number]
                reach = track.track.reach
                begin = since.get(number) if reach is None else t - reach
                first = 0 if begin is None else bisect_left(times, begin)
                track.extend(rows[first:] if first else rows, place)
    for number, track in tracks.items():
        track.settle()
        if number in since:
            track.floor = (since[number], INT64_MIN, "")  # rows before are taken, or left
    return tracks


class KeyCache(KeyRows):
    """The rows of one key, kept from query to query (cached mode)."""

    def __init__(self, binding: Binding, t: int) -> None:
        super().__init__(binding)
        self.t = t  # the latest query: rows that only earlier ones need may be gone
        self.stale = False
        self.unweighed = INT64_MAX  # rows pushed since `bytes` was last asked for
        self.unsaved = 0  # rows loaded or pushed since the states were saved

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
        self.unsaved += 1
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
        self.unsaved = max((len(rows.rows) for rows in self.tracks.values()), default=0)

    def saved(self) -> tuple[SavedCell, ...]:
        """Return what a restart may go on from; nothing where it has to read all rows."""
        self._bring(self.t)
        return tuple(cell for number in self.tracks for cell in self._saved(number))

    def _saved(self, number: int) -> list[SavedCell]:
        """Return the cells of one track; none where rows that are not held are needed after all."""
        rows, layout = self.tracks[number], self.binding.layout
        if rows.track.reach is not None or rows.broken:
            return []
        found = []
        for place, running in self._by_track[number]:
            if running.span.window.over is not None:
                continue
            saved = running.saved()
            if saved is None:
                return []
            position, taken, states = saved
            for cell in self.binding.by_span[place]:
                agg = layout.cells[cell].agg
                now, places = running.span.window.include_now, places_of(agg, layout)
                found.append(SavedCell(agg.id, now, position, taken, places, states.get(cell, b"")))
        return found

    def resume(self, snapshot: Snapshot, fetch: Fetch) -> None:
        """Become what was saved, with the rows that had arrived then; those since are still to be pushed.

        Raises:
            ValueError: it is of none of these aggregates, or does not fit the rows of the log.
        """
        binding, layout, known = self.binding, self.binding.layout, snapshot.by_agg()
        cells = {
            number: saved
            for number, cell in layout.cells.items()
            if (saved := known.get((cell.agg.id, layout.spans[cell.span].window.include_now))) is not None
        }
        since = {n: ms for n in layout.tracks if (ms := self._since(n, cells)) is not None}
        if not since:
            raise ValueError("expected states of these aggregates, found none; read the events")
        read = (
            (event, _read_until(reading, fetch, self._begin(reading, since), snapshot.last_id))
            for event, reading in binding.readings.items()
        )
        self.tracks = _filled(binding, layout.tracks, read, self.t, since)
        self._open(binding)
        for place, running in self._spans.items():
            if running.span.is_endless and running.span.track in since:
                mine = {n: cells[n] for n in binding.by_span[place]}
                one = next(iter(mine.values()))
                states = {
                    n: fitted(cell, binding.kernels[n].aggregate, places_of(layout.cells[n].agg, layout))
                    for n, cell in mine.items()
                    if cell.state
                }
                running.resume(self.t, one.position, one.rows, states)

    def _since(self, track: int, cells: Mapping[int, SavedCell]) -> int | None:
        """Return from when on TRACK needs rows beside the saved CELLS; None: from the first on."""
        binding, layout = self.binding, self.binding.layout
        if layout.tracks[track].reach is not None:
            return None
        times = []
        for number in binding.by_track[track]:
            lo = layout.spans[number].window.lo
            if lo is not None:
                times.append(self.t + lo)
                continue
            saved = [cells.get(n) for n in binding.by_span[number]]
            ends = {(cell.position, cell.rows) for cell in saved if cell is not None}
            if number in binding.reads_all or None in saved or len(ends) != 1:
                return None
            ((position, _),) = ends
            times.append(position[0])
        return min(times)

    def _begin(self, reading: Reading, since: Mapping[int, int]) -> int:
        """Return from when on the rows of one event are needed."""
        layout = self.binding.layout
        begins = []
        for number, _ in reading.takers:
            reach = layout.tracks[number].reach
            begins.append(since.get(number, INT64_MIN) if reach is None else self.t - reach)
        return max(min(begins), INT64_MIN)

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
                least, reads_all = binding.pace.least_marked, number in binding.reads_all
                self._spans[number] = RunningSpan(
                    span, rows, running, self._states, least, reads_all=reads_all
                )
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
            running.mark()
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
