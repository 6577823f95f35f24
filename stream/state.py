"""What the engine keeps for one key: rows per track, and for running windows a state per aggregate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import thread_time_ns
from types import MappingProxyType
from typing import Any

from featuregraph.aggregates.weight import weigh
from featuregraph.layout import FIRST_SLOT, TS_PLACE
from featuregraph.refresh import ANY
from featuregraph.scalar import OVERFLOW
from featuregraph.types import INT64_MAX, INT64_MIN
from stream.answers import LOGGED, Answers, Asked
from stream.binding import Binding, Reading, same_rows
from stream.blocks.runs import Found
from stream.cells import Readable
from stream.choice import STATES, Choice, Costs
from stream.columns import Dictionary
from stream.decode import Decoder, EventRow
from stream.event import Row
from stream.migration import between
from stream.rows import Batch, KeptRows, Rows, ScannedRows, cut
from stream.sizing import CELL_BYTES, SPAN_BYTES, Sizes
from stream.snapshot import SavedCell, Snapshot, fitted, places_of
from stream.span import NEVER, RunningSpan

# What the log has of the decoder's event; of a time since when.
Fetch = Callable[[Decoder], Found]
FetchSince = Callable[[Decoder, int], Found]
Scan = Callable[[], "KeyRows"]
Serve = Callable[[Choice], Binding]
_INTERVALS = 8  # of which the mean is taken
_TRIES = 4
_EVER: Mapping[int, int] = MappingProxyType({})


class KeyRows:
    """The rows of every track of one key: what a scan gives, and what the cache keeps."""

    tracks: Mapping[int, ScannedRows | KeptRows]  # by number

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.tracks = {}

    def load(self, fetch: Fetch, t: int) -> None:
        """Take all rows that a query from T on can see."""
        binding = self.binding
        read = ((event, read_rows(reading, fetch)) for event, reading in binding.readings.items())
        tracks = {number: self._rows(number) for number in binding.layout.tracks}
        fill(binding, tracks, read, t)
        self.tracks = tracks

    def _rows(self, number: int) -> ScannedRows | KeptRows:
        """Return room for the rows of the track NUMBER."""
        return ScannedRows(self.binding.layout.tracks[number])

    def fold(self, numbers: Sequence[int], t: int, q: Mapping[str, Any]) -> list[Readable]:
        """Return the states of the cells NUMBERS at T, folded from the rows; equal spans are cut once."""
        layout = self.binding.layout
        cuts: dict[int, tuple[int, int, bool]] = {}
        states: list[Readable] = []
        for number in numbers:
            at = layout.cells[number].span
            span = layout.spans[at]
            rows = self.tracks[span.track]
            if at not in cuts:
                cuts[at] = *cut(rows, span, t), rows.is_broken(*span.window.bounds(t))
            start, end, broken = cuts[at]
            kernel = self.binding.kernels[number]
            states.append(kernel.broken if broken else kernel.fold(rows, start, end, t, q))
        return states


def read_rows(reading: Reading, fetch: Fetch) -> list[EventRow]:
    """Return the rows of one event, in total order; take note of what they cost."""
    decoder = reading.decoder
    began = thread_time_ns()
    rows = decoder.load(fetch(decoder))
    decoder.took(len(rows), thread_time_ns() - began)
    return rows


def fill(
    binding: Binding,
    tracks: Mapping[int, ScannedRows | KeptRows],
    read: Iterable[tuple[str, list[EventRow]]],
    t: int,
    since: Mapping[int, int] = _EVER,
) -> None:
    """Fill TRACKS with the rows READ of their events that a query from T on can see.

    Each event is read and decoded once, for the widest reach; a narrower track takes the end only. SINCE
    gives from when on a track is to hold rows though it reaches further back.
    """
    for event, rows in read:
        batch = Batch(rows)
        for number, place in binding.readings[event].takers:
            if number in tracks:
                track = tracks[number]
                reach = track.track.reach
                begin = since.get(number) if reach is None else t - reach
                first = 0 if begin is None else bisect_left(batch.ts, begin)
                track.extend(batch, first, place)
    for track in tracks.values():
        track.settle()


class KeyCache(KeyRows, ABC):
    """The rows of one key, kept from query to query."""

    tracks: Mapping[int, KeptRows]

    choice = STATES

    def __init__(self, binding: Binding, t: int) -> None:
        super().__init__(binding)
        self._dictionary = Dictionary()
        self.t = t  # the latest query: rows that only earlier ones need may be gone
        self.stale = False
        self.unweighed = INT64_MAX  # rows pushed since `bytes` was last asked for
        self._loose = 0  # rows pushed since all were put into columns
        self._came: set[str] = set()  # events of which rows came since the last query
        self.unsaved = 0  # rows loaded or pushed since the states were saved

    def move(self, binding: Binding, fetch: Fetch) -> None:
        """Serve BINDING from now on, and keep what still means the same.

        All that must be read is read first: a failure changes nothing.
        """
        before, held = self.binding, self.tracks
        dropped = {number for number, rows in held.items() if rows.floor is not None}
        step = between(before, binding, dropped)
        read = {event: read_rows(binding.readings[event], fetch) for event in step.events}
        self.binding = binding
        self._came.clear()  # all tracks are looked at next
        filled = {number: self._rows(number) for number in step.tracks}
        fill(binding, filled, read.items(), self.t)
        self.tracks = {number: filled.get(number) or held[number] for number in binding.layout.tracks}
        for number, rows in self.tracks.items():
            rows.serve(binding.layout.tracks[number], binding.kept[number])
        self.unweighed = INT64_MAX

    def _rows(self, number: int) -> KeptRows:
        """Return room for the rows of the track NUMBER."""
        binding = self.binding
        return KeptRows(
            binding.layout.tracks[number],
            binding.kept[number],
            self._dictionary,
            has_ties=binding.has_ties,
        )

    def push(self, rows: Sequence[Row]) -> None:
        """Take more events, each early or late."""
        self.unweighed += len(rows)
        self.unsaved += len(rows)
        self._loose += len(rows)
        if self.stale:
            return
        readings, tracks, came, late = self.binding.readings, self.tracks, self._came, self._insert
        for row in rows:
            reading = readings.get(row.name)
            made = reading.decoder.row(reading.decoder.of_row(row)) if reading is not None else None
            if reading is None or made is None:
                continue
            came.add(row.name)
            for number, place in reading.takers:
                if place is None or made[place] is True:
                    rows_of, time = tracks[number], made[TS_PLACE]
                    if rows_of.ts and time > rows_of.ts[-1]:  # nearly always, and no window has passed it
                        rows_of.ts.append(time)
                        rows_of.loose.append(made)
                    else:
                        late(number, made)
                elif made[place] is OVERFLOW:
                    tracks[number].break_at(row.ts_ms)

    def _insert(self, number: int, row: EventRow) -> None:
        """Take a row that is not the last of its track."""
        self.tracks[number].insert(row)

    @abstractmethod
    def answer(self, asked: Asked, t: int, q: Mapping[str, Any], source: Any) -> dict[str, Any]:
        """Return the public values of the plan ASKED at T, which is not before an earlier query's.

        SOURCE reads from the log what is not kept.

        Raises:
            FeatureOverflowError: a value lies outside its type.
        """

    def _trim_past(self, number: int, t: int) -> None:
        """Drop rows of a track that no query from T on can see, once they are most of the rows."""
        rows = self.tracks[number]
        reach = rows.track.reach
        if reach is None:
            return
        if rows.broken:
            rows.forget_broken(t - reach)
        if rows.ts and rows.ts[0] < t - reach:
            gone = bisect_left(rows.ts, t - reach)
            if gone > self.binding.pace.least_trim and 2 * gone > len(rows.ts):
                self._trim(number, gone)

    def _trim(self, number: int, count: int) -> None:
        self.tracks[number].trim(count)

    @property
    def bytes(self) -> int:
        """Return about how many bytes of memory are held."""
        rows = sum(rows.bytes for rows in self.tracks.values())
        return rows + self.shared_bytes

    def fit(self, room: int) -> bool:
        """Keep less, so that it takes ROOM bytes at most; return False if it can not."""
        return False

    def reconsider(self, room: int) -> None:
        """Choose anew how much to keep, in ROOM bytes; the next query moves over."""

    def _put_away(self) -> None:
        """Put rows into columns, once they may be many: those of all tracks, which share them."""
        if self._loose > self.binding.pace.most_loose:
            self._loose = 0
            for rows in self.tracks.values():
                rows.put_away()

    def tidy(self, *, now: bool = False) -> None:
        """Forget values that no row holds any more, once they may be many, or NOW."""
        self._put_away()
        if now or self._dictionary.is_due:
            self._dictionary.sweep(column for rows in self.tracks.values() for column in rows.columns)

    @property
    def shared_bytes(self) -> int:
        """Return about how many bytes is held that tracks share: texts, and rows as they came."""
        return self._dictionary.bytes + weigh(
            {id(row): row for rows in self.tracks.values() for row in rows.loose}.values()
        )


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
        self.states: list[Any] = []  # by cell
        self.spans: dict[int, RunningSpan] = {}
        self._by_track: dict[int, list[tuple[int, RunningSpan]]] = {}
        self._filtered: list[Rows] = []  # those whose filter may overflow
        self._wakes: dict[int, int] = {}  # by track: from when on a span of it may move
        self._wake = INT64_MIN  # the least of these
        self._trims: dict[int, int] = {}  # by track: with more rows than these, some may be trimmed
        self._age = 0  # how often spans were brought on
        self._moved: list[int] = []  # by span, LOGGED and ANY: at which age its rows changed last
        self._answers: dict[str, Answers] = {}  # by plan
        self.interval_ms = 0.0  # between queries, the latest few counting most
        self._scan: Scan = lambda: KeyRows(binding)  # of the latest query
        self._scanned: KeyRows | None = None

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
        since = {n: ms for n in layout.tracks if (ms := self._since(n, cells)) is not None}
        if not since:
            raise ValueError("expected states of these aggregates, found none; read the events")
        read = (
            (event, reading.decoder.load(fetch(reading.decoder, self._begin(reading, since))))
            for event, reading in binding.readings.items()
        )
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
        self._filtered = [rows for rows in self.tracks.values() if rows.track.where is not None]
        self._wakes = dict.fromkeys(layout.tracks, INT64_MIN)
        self._trims = dict.fromkeys(layout.tracks, binding.pace.least_trim)
        self._wake = INT64_MIN
        self._moved = [self._age] * (1 + max(layout.spans, default=-1) - min(LOGGED, ANY))
        self._answers = {}

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

    def answer(self, asked: Asked, t: int, q: Mapping[str, Any], source: Scan) -> dict[str, Any]:
        """Return the public values of the plan ASKED at T, which is not before an earlier query's.

        SOURCE gives the rows of what is read from the log.

        Raises:
            FeatureOverflowError: a value lies outside its type.
        """
        self.interval_ms += (t - self.t - self.interval_ms) / _INTERVALS
        self.t = t
        self._scan, self._scanned = source, None
        self._bring(t)
        self._put_away()
        if any(rows.broken for rows in self._filtered):
            return self._answer_broken(asked, t, q)
        answers = self._answers.get(asked.plan.id)
        if answers is None:
            answers = self._answers[asked.plan.id] = Answers(asked)
        return answers.at(self._age, self._moved, self.states, self._fold_one, t, q)

    def _bring(self, t: int) -> None:
        """Bring all spans to T."""
        self._age += 1
        self._moved[LOGGED] = self._age
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
        if self._scanned is None:
            self._scanned = self._scan()
        return self._scanned.fold([~number], t, q)[0]

    def _move(self, number: int, t: int) -> int:
        """Bring the spans of a track to T; return when one of them moves again."""
        wake = NEVER
        for place, running in self._by_track[number]:
            if running.advance(t):
                self._moved[place] = self._moved[ANY] = self._age
                if running.marks_states:
                    running.mark()
            wake = min(wake, running.wake)
        rows = self.tracks[number]
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
        if self._serve is not None and self.choice != STATES:
            self.choice = self.costs(self._serve(STATES)).chosen(room)

    def fit(self, room: int) -> bool:
        """Keep less, so that it takes ROOM bytes at most; return False if it can not."""
        if self._serve is None:
            return False
        target = room
        for _ in range(_TRIES):
            self.choice = self.choice.narrowed(self.costs(self._serve(STATES)).chosen(target, kept_only=True))
            binding = self._serve(self.choice)
            dropped = {number for number, rows in self.tracks.items() if rows.floor is not None}
            if between(self.binding, binding, dropped).events:
                self._shed()  # rows that states have taken are folded from now on
                return True
            self.move(binding, _nothing)
            self.tidy(now=True)
            excess = self.bytes - room
            if excess <= 0:
                return True
            target -= excess + excess // 4
        return False

    def _shed(self) -> None:
        """Keep nothing but the choice; the next query begins anew with it."""
        self.tracks, self.spans, self.states, self._by_track, self._filtered = {}, {}, [], {}, []
        self._wakes, self._moved, self._answers = {}, [self._age], {}
        self._dictionary = Dictionary()
        self.stale = True


def _nothing(_: Decoder) -> Found:
    raise AssertionError("what is kept becomes less, so that nothing is read")
