"""One key with the running windows over its rows, and a state per aggregate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from featuregraph.layout import FIRST_SLOT
from featuregraph.refresh import ANY
from featuregraph.types import INT64_MIN
from stream.answers import Answers, Asked, first_logged
from stream.batch import Batch, EventRow
from stream.binding import Binding, Reading, same_rows
from stream.blocks.runs import Found
from stream.cells import Readable
from stream.choice import STATES, Choice, Costs
from stream.columns import Dictionary
from stream.decode import Decoder
from stream.event import Row
from stream.front import Front, Numbered, fronts
from stream.held_events import HeldEvents
from stream.key_cache import KeyCache, Read
from stream.key_rows import Fetch, FetchSince, KeyRows, fill
from stream.migration import between
from stream.on_log import OnLog
from stream.rows import Rows
from stream.since import event_since, tracks_since
from stream.sizing import CELL_BYTES, SPAN_BYTES, Sizes
from stream.snapshot import SavedCell, Snapshot, fitted, places_of
from stream.span import NEVER, RunningSpan

Serve = Callable[[Choice], Binding]
_INTERVALS = 8  # of which the mean is taken
_TRIES = 4
_RESTS = 4


class KeyState(KeyCache):
    """The rows of one key with the running windows over them (incremental mode)."""

    def __init__(self, binding: Binding, t: int, choice: Choice = STATES, serve: Serve | None = None) -> None:
        """Keep nothing yet of a key that is kept in the ways of CHOICE.

        serve: gives the binding of another choice; None where the choice is to stay.
        """
        super().__init__(binding, t)
        self.choice = choice  # from the next query on
        self._serve = serve
        self._sizes = Sizes()
        self._room = -1  # in which it was made to fit last
        self._rests = 0  # how often what is kept stays as it is, since a change did not fit
        self._margin = 0  # bytes of it that a choice leaves, since with less the latest one did not fit
        self.states: list[Any] = []  # by cell
        self.spans: dict[int, RunningSpan] = {}
        self._by_track: dict[int, list[Numbered]] = {}
        self._fronts: dict[int, list[Front]] = {}  # by track
        self._filtered: list[Rows] = []  # those whose filter may overflow
        self._wakes: dict[int, int] = {}  # by track: from when on a span of it may move
        self._wake = INT64_MIN  # the least of these
        self._trims: dict[int, int] = {}  # by track: with more rows than these, some may be trimmed
        self._age = 0  # how often spans were brought on
        self._moved: list[int] = []  # at which age its rows changed last, by span, kept or on the log; of ANY
        self._answers: dict[str, Answers] = {}  # by plan
        self.interval_ms = 0.0  # between queries, the latest few counting most
        self._asking: tuple[Asked, Read] | None = None  # of the latest query
        self._on_log: OnLog | None = None

    def load(self, fetch: Fetch, t: int) -> None:
        """Take all rows that a query from T on can see."""
        super().load(fetch, t)
        self._open(self.binding)
        self.unsaved = max((len(rows.ts) for rows in self.tracks.values()), default=0)

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

    def resume(self, snapshot: Snapshot, fetch: FetchSince) -> None:
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
        since = tracks_since(binding, self.t, cells)
        if not since:
            raise ValueError("expected states of these aggregates, found none; read the events")

        def read_since(reading: Reading) -> Batch:
            decoder = reading.decoder
            return decoder.load_columns(fetch(decoder, event_since(binding, self.t, reading, since)))

        read = ((event, read_since(reading)) for event, reading in binding.readings.items())
        tracks = {number: self._rows(number) for number in layout.tracks}
        fill(binding, tracks, read, self.t, since)
        for number, ms in since.items():
            tracks[number].floor = (ms, INT64_MIN, "")  # rows before are taken, or left
        self.tracks = tracks
        self._open(binding)
        for place, running in self.spans.items():
            if running.span.is_endless and running.span.track in since:
                mine = {n: cells[n] for n in binding.by_span[place]}
                one = next(iter(mine.values()))
                states = {
                    n: fitted(cell, binding.kernels[n].aggregate, places_of(layout.cells[n].agg, layout))
                    for n, cell in mine.items()
                    if cell.state
                }
                running.resume(self.t, one.position, one.rows, states)

    def move(self, binding: Binding, fetch: Fetch) -> None:
        """Serve BINDING from now on; states of cells that it runs as before go on."""
        self._bring(self.t)
        before = self.binding
        super().move(binding, fetch)
        self.held.serve({} if binding.log is None else binding.log.readings)
        self._open(before)

    def _open(self, before: Binding) -> None:
        """Run all windows of the binding over the tracks; those that ran under the one BEFORE go on."""
        binding, layout, held = self.binding, self.binding.layout, self.spans
        self.states += [None] * (1 + max(layout.cells, default=-1) - len(self.states))
        for number in range(len(self.states)):
            if before.kernels.get(number) is not binding.kernels.get(number):
                self.states[number] = None
        self.spans = {}
        for number, span in layout.spans.items():
            rows = self.tracks[span.track]
            kernels = {n: binding.kernels[n] for n in binding.by_span[number]}
            running = {n: kernel for n, kernel in kernels.items() if not kernel.scanned}
            old = held.get(number)
            if old is not None and old.span == span and same_rows(before.layout, layout, span.track):
                old.serve(rows, running, self.t, reads_all=number in binding.reads_all)
                self.spans[number] = old
            else:
                least, reads_all = binding.pace.least_marked, number in binding.reads_all
                self.spans[number] = RunningSpan(span, rows, running, self.states, least, reads_all=reads_all)
        self._by_track = {
            track: [(number, self.spans[number]) for number in numbers]
            for track, numbers in binding.by_track.items()
        }
        self._fronts = {track: fronts(windows) for track, windows in self._by_track.items()}
        self._filtered = [rows for rows in self.tracks.values() if rows.track.where is not None]
        self._wakes = dict.fromkeys(layout.tracks, INT64_MIN)
        self._trims = dict.fromkeys(layout.tracks, binding.pace.least_trim)
        self._wake = INT64_MIN
        logged = 0 if binding.log is None else first_logged(binding.log.layout)
        self._moved = [self._age] * (first_logged(layout) + logged - ANY)
        self._on_log = None if binding.log is None else OnLog(binding.log)
        self._answers = {}

    def push(self, rows: Sequence[Row]) -> None:
        """Take more events, each early or late."""
        super().push(rows)
        if self._on_log is not None and self.binding.log is not None and not self.stale:
            self._on_log.push(rows)
            self.held.push(self.binding.log.readings, rows)

    def _insert(self, number: int, row: EventRow) -> None:
        rows, spans = self.tracks[number], self._by_track[number]
        if rows.floor is not None and row[:FIRST_SLOT] < rows.floor:
            self._insert_gone(number, row)
            return
        at = rows.insert(row)
        if at + 1 < len(rows.ts):
            for _, running in spans:
                running.inserted(at, row)
            if rows.floor is not None and any(running.is_lost for _, running in spans):
                self.stale = True  # the window must be folded anew, and its rows are gone

    def _insert_gone(self, number: int, row: EventRow) -> None:
        """Take a row that belongs among those that were dropped; where order matters, the log has them."""
        if not all(running.take_gone(row) for _, running in self._by_track[number]):
            self.stale = True

    def answer(self, asked: Asked, t: int, q: Mapping[str, Any], read: Read) -> dict[str, Any]:
        """Return the public values of the plan ASKED at T, which is not before an earlier query's.

        READ gives the rows of an event, read from the log: of what is not kept.

        Raises:
            FeatureOverflowError: a value lies outside its type.
        """
        self.interval_ms += (t - self.t - self.interval_ms) / _INTERVALS
        self.t = t
        self._asking = asked, read
        self._bring(t)
        self._put_away()
        for rows in self._filtered:
            if rows.broken:
                return self._answer_broken(asked, t, q)
        answers = self._answers.get(asked.plan.id)
        if answers is None:
            answers = self._answers[asked.plan.id] = Answers(asked)
        return answers.at(self._age, self._moved, self.states, self._fold_one, t, q)

    def _bring(self, t: int) -> None:
        """Bring all spans to T."""
        self._age += 1
        if self._on_log is not None:
            first = first_logged(self.binding.layout)
            for number in self._on_log.due(t):
                self._moved[first + number] = self._moved[ANY] = self._age
        if t < self._wake and not self._came:
            return
        for event in self._came:
            self._wakes |= dict.fromkeys(self.binding.readings[event].tracks, INT64_MIN)
        self._came.clear()
        for number, wake in self._wakes.items():
            if t >= wake:
                self._wakes[number] = self._move(number, t)
        self._wake = min(self._wakes.values(), default=NEVER)

    def _fold_one(self, number: int, t: int, q: Mapping[str, Any]) -> Readable:
        if number >= 0:
            return self.fold([number], t, q)[0]
        assert self._on_log is not None, "something is on the log"
        assert self._asking is not None, "a query asks"
        return self._on_log.fold(~number, self._asking[0], t, q, self._build)

    def _build(self, reaches: Mapping[int, int | None]) -> KeyRows:
        """Return tracks of what is on the log, each as far back as it REACHES."""
        assert self._asking is not None, "a query asks"
        assert self.binding.log is not None, "something is on the log"
        self.held.only(self.choice.held)
        self.held.trim(self.t, self.binding.pace.least_trim)
        return self._built(self.binding.log, reaches, self.choice.held, self._asking[1], self.t)

    def _move(self, number: int, t: int) -> int:
        """Bring the spans of a track to T; return when one of them moves again."""
        wake = NEVER
        for front in self._fronts[number]:
            wake = min(wake, front.advance(t, self._moved, self._age))
        rows = self.tracks[number]
        rows.entered()
        held = len(rows.ts)
        if held > self._trims[number]:
            self._trim_past(number, t)
            self._trim_unread(number, t)
            # With a row left to trim, it is looked for again when a good part more have come.
            pace = self.binding.pace.least_trim
            self._trims[number] = len(rows.ts) + pace // 2
        return wake

    def _answer_broken(self, asked: Asked, t: int, q: Mapping[str, Any]) -> dict[str, Any]:
        """Answer while rows are held whose filter overflows: no window that admits one has a value."""
        for number in self.tracks:
            self._trim_past(number, t)
        states = [self._state_or_broken(number, t, q) for number in asked.numbers]
        return asked.plan.publish(asked.plan.read(states, t, q))

    def _state_or_broken(self, number: int, t: int, q: Mapping[str, Any]) -> Readable:
        if number < 0:
            return self._fold_one(number, t, q)
        kernel, span = self.binding.kernels[number], self.spans[self.binding.layout.cells[number].span]
        if span.rows.is_broken(*span.span.window.bounds(t)):
            return kernel.broken
        return self._fold_one(number, t, q) if kernel.scanned else self.states[number]

    def _trim_unread(self, number: int, t: int) -> None:
        """Drop rows of a track that no window reads from T on: they left, or states have taken them."""
        rows = self.tracks[number]
        gone = min(running.needs for _, running in self._by_track[number])
        if gone > self.binding.pace.least_trim and 4 * gone > len(rows.ts):
            latest, reach = rows.position(gone - 1), rows.track.reach
            if reach is None or latest[0] >= t - reach:
                rows.floor = latest
            self._trim(number, gone)

    def _trim(self, number: int, count: int) -> None:
        super()._trim(number, count)
        for _, running in self._by_track[number]:
            running.trimmed(count)

    @property
    def bytes(self) -> int:
        """Return about how many bytes of memory are held."""
        states = sum(int(state.weight) for state in self.states if state is not None)
        answers = sum(answers.weight for answers in self._answers.values())
        marks = sum(mark.bytes for running in self.spans.values() for mark in running.marks)
        around = sum(SPAN_BYTES + CELL_BYTES * len(running.kernels) for running in self.spans.values())
        return super().bytes + states + answers + marks + around

    # ---- how nodes are kept

    def costs(self, full: Binding) -> Costs:
        """Return what is known of the nodes of FULL, the binding that keeps all as states."""
        return self._sizes.costs(full, self)

    def reconsider(self, room: int) -> None:
        """Choose anew how nodes are kept, in ROOM bytes; the next query moves over."""
        if room <= self._room and self._rests > 0:
            self._rests -= 1
        elif self._serve is not None and self.choice != STATES:
            self._margin -= self._margin // _TRIES  # what did not fit is tried again, ever more rarely
            self.choice = self.costs(self._serve(STATES)).chosen(room - self._margin)

    def fit(self, room: int) -> bool:
        """Keep less, so that it takes ROOM bytes at most; return False if it can not."""
        if self._serve is None:
            return False
        self._take_margin(room)
        target = room - self._margin
        for _ in range(_TRIES):
            self.choice = self.choice.narrowed(self.costs(self._serve(STATES)).chosen(target, kept_only=True))
            binding = self._serve(self.choice)
            dropped = {number for number, rows in self.tracks.items() if rows.floor is not None}
            if between(self.binding, binding, dropped).events:
                self._shed()  # rows that states have taken are folded from now on
                return True
            self.move(binding, _nothing)
            self.held.only(self.choice.held)
            self.tidy(now=True)
            excess = self.bytes - room
            if excess <= 0:
                return True
            target -= excess + excess // 4
        self.choice = Choice(logged=frozenset(self._serve(STATES).layout.index))
        self.move(self._serve(self.choice), _nothing)
        self.held.only(())
        self.tidy(now=True)
        return self.bytes <= room

    def _take_margin(self, room: int) -> None:
        """Leave more of ROOM than before, if what was chosen in it takes more than was thought."""
        excess = self.bytes - room
        again = room == self._room
        self._room = room
        self._rests = _RESTS if again else 0
        self._margin = min(room // 2, self._margin + excess + excess // 4) if again else 0

    def _shed(self) -> None:
        """Keep nothing but the choice; the next query begins anew with it."""
        self.tracks, self.spans, self.states, self._filtered = {}, {}, [], []
        self._by_track, self._fronts = {}, {}
        self._wakes, self._moved, self._answers, self._on_log = {}, [self._age], {}, None
        self._dictionary = Dictionary()
        self.held = HeldEvents(self._dictionary, has_ties=self.binding.has_ties)
        self.stale = True


def _nothing(_: Decoder) -> Found:
    raise AssertionError("what is kept becomes less, so that nothing is read")
