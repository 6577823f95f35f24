"""What every way to keep one key has in common: rows by track, which come, move over, and go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from featuregraph.aggregates.weight import weigh
from featuregraph.layout import TS_PLACE
from featuregraph.scalar import OVERFLOW
from featuregraph.steps import widest
from featuregraph.types import INT64_MAX, INT64_MIN
from stream.answers import Asked
from stream.batch import Batch, EventRow
from stream.binding import Binding, Reading
from stream.choice import STATES
from stream.columns import Dictionary
from stream.event import Row
from stream.held_events import HELD_BYTES, HeldEvents
from stream.key_rows import Fetch, KeyRows, fill, read_rows
from stream.migration import between
from stream.rows import KeptRows, ScannedRows

Read = Callable[[Reading, int | None], Batch]  # since when; None: as far as anybody reaches


class KeyCache(KeyRows, ABC):
    """The rows of one key, kept from query to query."""

    tracks: Mapping[int, KeptRows]
    keeps = True

    choice = STATES

    def __init__(self, binding: Binding, t: int) -> None:
        super().__init__(binding)
        self._dictionary = Dictionary()
        self.held = HeldEvents(self._dictionary, has_ties=binding.has_ties)
        self.t = t  # the latest query: rows that only earlier ones need may be gone
        self.stale = False
        self.unweighed = INT64_MAX  # rows pushed since `bytes` was last asked for
        self._loose = 0  # rows pushed since all were put into columns
        self._came: set[str] = set()  # events of which rows came since the last query
        self.unsaved = 0  # rows loaded or pushed since the states were saved
        self._taken: Mapping[int, KeptRows] | None = None  # the tracks that `_takes` appends to
        self._takes: Mapping[str, Callable[[Row], bool | None]] = {}  # by event
        self._latest = INT64_MIN  # no row that is held, or was dropped, is later

    @property
    def _kept_rows(self) -> Iterable[KeptRows]:
        """Return all rows that are held, which share a dictionary."""
        return chain(self.tracks.values(), self.held.rows)

    def _built(
        self,
        binding: Binding,
        reaches: Mapping[int, int | None],
        wanted: Container[str],
        read: Read,
        t: int,
    ) -> KeyRows:
        """Return tracks of BINDING, each as far back from T as it REACHES, of rows that are held or READ.

        Of the events that are WANTED the rows are held from now on.
        """
        layout, found = binding.layout, KeyRows(binding)
        found.tracks = {number: ScannedRows(layout.tracks[number]) for number in reaches}
        far: dict[str, list[int | None]] = {}
        for number, reach in reaches.items():
            for event in layout.tracks[number].events:
                far.setdefault(event, []).append(reach)
        begins = {event: None if (ms := widest(far[event])) is None else t - ms for event in sorted(far)}
        fill(binding, found.tracks, self._rows_since(binding, begins, wanted, read), t)
        return found

    def _rows_since(
        self, binding: Binding, begins: Mapping[str, int | None], wanted: Container[str], read: Read
    ) -> Iterator[tuple[str, Batch]]:
        for event, begin in begins.items():
            rows = self.held.since(event, begin)
            if rows is None and event in wanted:
                whole = read(binding.readings[event], None)
                self.held.keep(binding.readings[event], whole)
                self.unweighed = INT64_MAX
                rows = self.held.since(event, begin)
            yield event, read(binding.readings[event], begin) if rows is None else rows

    def move(self, binding: Binding, fetch: Fetch) -> None:
        """Serve BINDING from now on, and keep what still means the same.

        All that must be read is read first: a failure changes nothing.
        """
        before, held = self.binding, self.tracks
        dropped = {number for number, rows in held.items() if rows.floor is not None}
        step = between(before, binding, dropped)
        read = {event: read_rows(binding.readings[event], fetch, to_keep=True) for event in step.events}
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
        if self._taken is not self.tracks:
            self._open_takes()
        takes, came = self._takes, self._came
        for row in rows:
            name, time = row.name, row.ts_ms
            take = takes.get(name)
            if take is None:
                continue
            if time > self._latest:  # nearly always
                self._latest = time
                kept = take(row)
            else:
                kept = self._push_late(self.binding.readings[name], row)
            if kept:
                came.add(name)

    def _open_takes(self) -> None:
        """Make what takes the events that are later than all before, for the tracks as they are now."""
        self._taken, tracks = self.tracks, self.tracks
        ends = [rows.ts[-1] for rows in tracks.values() if rows.ts]
        # A row before a floor belongs among those that were dropped, however few are held.
        floors = [rows.floor[0] for rows in tracks.values() if rows.floor is not None]
        self._latest = max([*ends, *floors], default=INT64_MIN - 1)
        appends = {n: (rows.ts.append, rows.loose.append, rows.break_at) for n, rows in tracks.items()}
        self._takes = {
            event: reading.taking(*chain.from_iterable(appends[n] for n in reading.tracks))
            for event, reading in self.binding.readings.items()
        }

    def _push_late(self, reading: Reading, row: Row) -> bool:
        """Take an event that may not be the last of its tracks; tell whether it was kept."""
        made = reading.decoder.arrived(row)
        if made is None:
            return False
        for number, place in reading.takers:
            if place is None or made[place] is True:
                rows_of, time = self.tracks[number], made[TS_PLACE]
                if rows_of.ts and time > rows_of.ts[-1]:  # no window has passed it
                    rows_of.ts.append(time)
                    rows_of.loose.append(made)
                else:
                    self._insert(number, made)
            elif made[place] is OVERFLOW:
                self.tracks[number].break_at(row.ts_ms)
        return True

    def _insert(self, number: int, row: EventRow) -> None:
        """Take a row that is not the last of its track."""
        self.tracks[number].insert(row)

    @abstractmethod
    def answer(self, asked: Asked, t: int, q: Mapping[str, Any], read: Read) -> dict[str, Any]:
        """Return the public values of the plan ASKED at T, which is not before an earlier query's.

        READ gives the rows of an event, read from the log: of what is not kept.

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
        events = HELD_BYTES * len(self.held.events)
        return sum(rows.bytes for rows in self._kept_rows) + events + self.shared_bytes

    def fit(self, room: int) -> bool:
        """Keep less, so that it takes ROOM bytes at most; return False if it can not."""
        return False

    def reconsider(self, room: int) -> None:
        """Choose anew how much to keep, in ROOM bytes; the next query moves over."""

    def _put_away(self) -> None:
        """Put rows into columns, once they may be many: those of all tracks, which share them."""
        if self._loose > self.binding.pace.most_loose:
            self._loose = 0
            for rows in self._kept_rows:
                rows.put_away()

    def tidy(self, *, now: bool = False) -> None:
        """Forget values that no row holds any more, once they may be many, or NOW."""
        self._put_away()
        if now or self._dictionary.is_due:
            self._dictionary.sweep(column for rows in self._kept_rows for column in rows.columns)

    @property
    def shared_bytes(self) -> int:
        """Return about how many bytes is held that tracks share: texts, and rows as they came."""
        return self._dictionary.bytes + weigh(
            {id(row): row for rows in self._kept_rows for row in rows.loose}.values()
        )
