"""The decoded rows of some events of one key, kept from query to query (mode cached): AutoFeature's cache.

The unit is the event: all that anybody reads of its rows in its widest window, once. Events that are not
admitted are read from the log at each query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from featuregraph.types import INT64_MAX
from stream.admission import Item, readmit
from stream.answers import Asked
from stream.binding import Binding
from stream.cost import rows_gain
from stream.event import Row
from stream.key_cache import KeyCache, Read
from stream.key_rows import Fetch

_INTERVALS = 8  # of which the mean is taken
_TRIES = 8


class EventRows(KeyCache):
    """The rows of one key by event: it has no tracks but those that a query builds."""

    def __init__(self, binding: Binding, t: int) -> None:
        super().__init__(binding, t)
        self._admitted: frozenset[str] | None = None  # None: all
        self._sizes: dict[str, tuple[int, int]] = {}  # of events when they were kept last: rows, bytes
        self._interval_ms = 0.0

    def load(self, fetch: Fetch, t: int) -> None:
        """Read nothing: what a query reads is kept."""

    def move(self, binding: Binding, fetch: Fetch) -> None:
        """Serve BINDING from now on; rows stay that it would read again."""
        self.binding = binding
        self.held.serve(binding.readings)
        self.unweighed = INT64_MAX

    def push(self, rows: Sequence[Row]) -> None:
        """Take more events, each early or late."""
        self.unweighed += len(rows)
        self._loose += len(rows)
        self.held.push(self.binding.readings, rows)

    def answer(self, asked: Asked, t: int, q: Mapping[str, Any], read: Read) -> dict[str, Any]:
        """Return the public values of the plan ASKED at T, which is not before an earlier query's.

        READ gives the rows of an event, read from the log: of what is not kept.

        Raises:
            FeatureOverflowError: a value lies outside its type.
        """
        self._interval_ms += (t - self.t - self._interval_ms) / _INTERVALS
        self.t = t
        self._put_away()
        self.held.trim(t, self.binding.pace.least_trim)
        wanted = self.binding.readings if self._admitted is None else self._admitted
        layout = self.binding.layout
        tracks = {layout.spans[layout.cells[number].span].track for number in asked.numbers}
        reaches = {number: layout.tracks[number].reach for number in tracks}
        found = self._built(self.binding, reaches, wanted, read, t)
        return asked.plan.publish(asked.plan.read(found.fold(asked.numbers, t, q), t, q))

    # ---- how much is kept

    def _items(self) -> list[Item[str]]:
        held = self.held.sizes()
        shared = self.shared_bytes / max(1, sum(size for _, size in held.values()))
        self._sizes |= {event: (count, int(size * (1 + shared))) for event, (count, size) in held.items()}
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
            held = self.held.events
            items = [item for item in self._items() if item.name in held]
            self._admitted = readmit(items, target, held)
            self.held.only(self._admitted)
            self.tidy(now=True)
            excess = self.bytes - room
            if excess <= 0:
                return True
            target -= excess + excess // 4
        self._admitted = frozenset()
        self.held.only(())
        self.tidy(now=True)
        return self.bytes <= room

    def reconsider(self, room: int) -> None:
        """Choose anew which events to keep, in ROOM bytes; the next query keeps them."""
        if self._admitted is not None:
            self._admitted = readmit(self._items(), room, self.held.events)
