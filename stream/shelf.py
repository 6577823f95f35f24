"""The sealed blocks of a log file, as one connection reads them.

    scan        `run` says which slices of which blocks hold a key's events of one name
    by arrival  `block` says which blocks hold ids of a range; their rows are put in order
    known ids   `known` says at which event a hash stands, and the event what its id is
    positions   blocks that span the time are looked into

A block is read whole and decoded column by column. What does not decode is a BlockError that names the block;
the log says of it that its file is damaged.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from stream.blocks.runs import EVENT_ID, ID, KEY, Run
from stream.errors import BlockError

if TYPE_CHECKING:
    from stream.blocks.events import Events
    from stream.blocks.ints import Int64s

Execute = Callable[..., sqlite3.Cursor]

_RUNS: Final = (
    "SELECT block, start, events, first_ms, last_ms FROM run"
    " WHERE key = ? AND name = ? AND last_ms >= ? AND first_ms <= ? ORDER BY last_ms, block"
)
_LATEST: Final = "SELECT max(last_ms) FROM run WHERE key = ?"
_DATA: Final = "SELECT data FROM block WHERE id = ?"
_ARRIVED: Final = "SELECT id FROM block WHERE last_id >= ? AND first_id <= ? ORDER BY first_id, id"
_AT_ANY_KEY: Final = "SELECT id FROM block WHERE last_ms >= :ts AND first_ms <= :ts"
_AT: Final = "SELECT DISTINCT block FROM run WHERE key = :key AND last_ms >= :ts AND first_ms <= :ts"
_KNOWN: Final = "SELECT event FROM known WHERE hash = ?"
_MOST_SHARED: Final = 4  # shared blocks held: a query asks them for one event after the other
_MOST_PLACES: Final = 32  # blocks whose positions are held, for events that come late


class _Places(NamedTuple):
    """The positions of a block's events."""

    key: Int64s
    ts: Int64s
    seq: Int64s
    user: list[str | None]


class Shelf:
    """Reads of sealed blocks; the caller sees to it that one thread at a time uses it."""

    def __init__(self, execute: Execute, *, by_user: bool) -> None:
        self._execute = execute
        self._by_user = by_user
        self._shared: OrderedDict[int, Events] = OrderedDict()
        self._places: OrderedDict[int, _Places] = OrderedDict()

    def load(self, id: int) -> Events:
        """Return a block's events; raise BlockError if it cannot be read."""
        from stream.blocks.events import Events

        row = self._execute(_DATA, (id,)).fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise BlockError(f"block {id}: expected its bytes, found none")
        try:
            return Events(row[0])
        except BlockError as error:
            raise BlockError(f"block {id}: {error}") from error

    def runs(self, key: int, name: int, lo_ms: int, hi_ms: int) -> list[Run]:
        """Return the pieces with events of a key and name from LO_MS to HI_MS, both included."""
        found = []
        for block, start, count, first_ms, last_ms in self._execute(
            _RUNS, (key, name, lo_ms, hi_ms)
        ).fetchall():
            events = self._load_shared(block, start, count)
            first, last = start, start + count
            if not 0 <= first <= last <= events.count:
                raise BlockError(
                    f"block {block}: expected {count} events from {start} on, found {events.count}"
                )
            if first_ms < lo_ms or last_ms > hi_ms:
                ts = events.numbers("ts_ms")[first:last]
                first, last = (
                    start + int(ts.searchsorted(lo_ms)),
                    start + int(ts.searchsorted(hi_ms, "right")),
                )
            if first < last:
                found.append(Run(events, first, last))
        return found

    def _load_shared(self, id: int, start: int, count: int) -> Events:
        events = self._shared.get(id)
        if events is None:
            events = self.load(id)
            if start or count < events.count:
                self._shared[id] = events
                if len(self._shared) > _MOST_SHARED:
                    self._shared.popitem(last=False)
        return events

    def latest(self, key: int) -> int | None:
        """Return the greatest ts_ms of a key's sealed events."""
        found: int | None = self._execute(_LATEST, (key,)).fetchone()[0]
        return found

    def rows(self, first_id: int, last_id: int) -> list[tuple[Any, ...]]:
        """Return the sealed events with ids from FIRST_ID to LAST_ID, as `stream.blocks.events` has them."""
        found: list[tuple[Any, ...]] = []
        for (block,) in self._execute(_ARRIVED, (first_id, last_id)).fetchall():
            found += arrived(self.load(block), first_id, last_id)
        return found

    # ---------------------------------------------------------------- what is taken

    def last_seq(self, key: int, user: str | None, ts_ms: int) -> int | None:
        """Return the largest seq of a user's sealed events at TS_MS."""
        return max(self._seqs(key, user, ts_ms), default=None)

    def is_taken(self, key: int, user: str | None, ts_ms: int, seq: int) -> bool:
        """Tell whether a sealed event stands at this position."""
        return seq in self._seqs(key, user, ts_ms)

    def _seqs(self, key: int, user: str | None, ts_ms: int) -> Iterator[int]:
        query = _AT if self._by_user else _AT_ANY_KEY
        bound = {"key": key, "ts": ts_ms} if self._by_user else {"ts": ts_ms}
        for (block,) in self._execute(query, bound).fetchall():
            places = self._places_of(block)
            for at in (places.ts == ts_ms).nonzero()[0].tolist():
                if places.key[at] == key if self._by_user else places.user[at] == user:
                    yield int(places.seq[at])

    def _places_of(self, id: int) -> _Places:
        places = self._places.get(id)
        if places is None:
            events = self.load(id)
            users = [] if self._by_user else events.column("user_id").values()
            places = _Places(events.numbers("key"), events.numbers("ts_ms"), events.numbers("seq"), users)
            self._places[id] = places
            if len(self._places) > _MOST_PLACES:
                self._places.popitem(last=False)
        return places

    def is_known(self, key: int, event_id: str, hash: int) -> bool:
        """Tell whether a sealed event of a key has EVENT_ID, which has this HASH."""
        return any(
            row[KEY] == key and row[EVENT_ID] == event_id
            for (event,) in self._execute(_KNOWN, (hash,)).fetchall()
            for row in self.rows(event, event)
        )


def arrived(events: Events, first_id: int, last_id: int) -> Iterable[tuple[Any, ...]]:
    """Return those of EVENTS with ids from FIRST_ID to LAST_ID."""
    ids = events.numbers("id")
    if int(ids.min()) >= first_id and int(ids.max()) <= last_id:
        return events.rows()
    places = ((ids >= first_id) & (ids <= last_id)).nonzero()[0]
    if not len(places):
        return []
    rows = events.rows(int(places[0]), int(places[-1]) + 1)
    return [row for row in rows if first_id <= row[ID] <= last_id]
