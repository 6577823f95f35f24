"""The decoded rows of some events of one key, kept from query to query (mode cached): AutoFeature's cache.

    kept, or retrieved and decoded --per event--> batches --filter, merge--> tracks --fold--> values

The unit is the event: all that anybody reads of its rows in its widest window, once. Events that are not
admitted are read from the log at each query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from featuregraph.layout import FIRST_SLOT, Track
from featuregraph.types import INT64_MAX
from stream.admission import Item, readmit
from stream.answers import Asked
from stream.binding import Binding, Reading
from stream.cost import rows_gain
from stream.decode import EventRow
from stream.event import Row
from stream.key_cache import KeyCache
from stream.key_rows import Fetch, KeyRows, fill
from stream.rows import Batch, KeptRows, ScannedRows

Read = Callable[[Reading], list[EventRow]]
_INTERVALS = 8  # of which the mean is taken
_TRIES = 8
_EVENT_BYTES = 450  # of the objects around the rows of an event, measured on CPython 3.11


class EventRows(KeyCache):
    """The rows of one key by event; `tracks` are one per event, numbered in the order of their names."""

    def __init__(self, binding: Binding, t: int) -> None:
        super().__init__(binding, t)
        self._admitted: frozenset[str] | None = None  # None: all
        self._kept: dict[str, KeptRows] = {}
        self._sizes: dict[str, tuple[int, int]] = {}  # of events when they were kept last: rows, bytes
        self._interval_ms = 0.0

    def load(self, fetch: Fetch, t: int) -> None:
        """Read nothing: what a query reads is kept."""

    def move(self, binding: Binding, fetch: Fetch) -> None:
        """Serve BINDING from now on; rows stay that it decodes as before."""
        before, self.binding = self.binding.readings, binding
        same = {e for e, r in binding.readings.items() if e in before and before[e].decoder is r.decoder}
        self._keep({event: rows for event, rows in self._kept.items() if event in same})
        self.unweighed = INT64_MAX

    def _keep(self, kept: Mapping[str, KeptRows]) -> None:
        self._kept = dict(kept)
        self.tracks = dict(enumerate(self._kept.values()))

    def push(self, rows: Sequence[Row]) -> None:
        """Take more events, each early or late."""
        self.unweighed += len(rows)
        self._loose += len(rows)
        for row in rows:
            held = self._kept.get(row.name)
            if held is not None:
                decoder = self.binding.readings[row.name].decoder
                made = decoder.arrived(row)
                if made is not None:
                    held.insert(made)

    def answer(self, asked: Asked, t: int, q: Mapping[str, Any], read: Read) -> dict[str, Any]:
        """Return the public values of the plan ASKED at T, which is not before an earlier query's.

        READ gives the rows of an event, read from the log.

        Raises:
            FeatureOverflowError: a value lies outside its type.
        """
        self._interval_ms += (t - self.t - self._interval_ms) / _INTERVALS
        self.t = t
        self._put_away()
        for number in self.tracks:
            self._trim_past(number, t)
        found = KeyRows(self.binding)
        layout = self.binding.layout
        asking = {layout.spans[layout.cells[number].span].track for number in asked.numbers}
        found.tracks = {number: ScannedRows(layout.tracks[number]) for number in asking}
        events = {event for number in asking for event in layout.tracks[number].events}
        fill(self.binding, found.tracks, self._batches(sorted(events), read), t)
        self.tracks = dict(enumerate(self._kept.values()))
        return asked.plan.publish(asked.plan.read(found.fold(asked.numbers, t, q), t, q))

    def _batches(self, events: Sequence[str], read: Read) -> Iterator[tuple[str, list[EventRow]]]:
        for event in events:
            held = self._kept.get(event)
            if held is not None:
                yield event, list(held.between(0, len(held.ts)))
                continue
            reading = self.binding.readings[event]
            rows = read(reading)
            if self._admitted is None or event in self._admitted:
                self._kept[event] = self._columns(reading, rows)
                self.unweighed = INT64_MAX
            yield event, rows

    def _columns(self, reading: Reading, rows: list[EventRow]) -> KeptRows:
        """Return the ROWS of one event in columns."""
        scan = reading.decoder.scan
        slots = {FIRST_SLOT + i: node for i, node in enumerate(scan.slots) if node is not None}
        track = Track((scan.event,), None, scan.reach)
        kept = KeptRows(track, slots, self._dictionary, has_ties=self.binding.has_ties)
        kept.extend(Batch(rows), 0, None)
        kept.settle()
        return kept

    # ---- how much is kept

    @property
    def bytes(self) -> int:
        """Return about how many bytes of memory are held."""
        return super().bytes + _EVENT_BYTES * len(self._kept)

    def _items(self) -> list[Item[str]]:
        shared = self.shared_bytes / max(1, sum(rows.bytes for rows in self._kept.values()))
        for event, rows in self._kept.items():
            self._sizes[event] = len(rows.ts), int(rows.bytes * (1 + shared))
        items = []
        for event, (count, size) in self._sizes.items():
            if event in self.binding.readings:
                decoder = self.binding.readings[event].decoder
                gain = rows_gain(count, decoder.reach, self._interval_ms, decoder.row_ns)
                items.append(Item(event, gain, size))
        return items

    def fit(self, room: int) -> bool:
        """Keep less, so that it takes ROOM bytes at most; return False if it can not."""
        target = room
        for _ in range(_TRIES):
            held = frozenset(self._kept)
            items = [item for item in self._items() if item.name in held]
            self._admitted = readmit(items, target, held)
            self._keep({event: rows for event, rows in self._kept.items() if event in self._admitted})
            self.tidy(now=True)
            excess = self.bytes - room
            if excess <= 0:
                return True
            target -= excess + excess // 4
        self._admitted = frozenset()
        self._keep({})
        self.tidy(now=True)
        return self.bytes <= room

    def reconsider(self, room: int) -> None:
        """Choose anew which events to keep, in ROOM bytes; the next query keeps them."""
        if self._admitted is not None:
            self._admitted = readmit(self._items(), room, frozenset(self._kept))
