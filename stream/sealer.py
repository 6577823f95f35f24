"""How rows become sealed blocks, and how events leave blocks: each a transaction of the log file.

    seal      rows of the tail -> blocks, with `run` and `known`; the rows go
    join      blocks -> fewer ones, or better sorted ones
    take out  events and their hashes go; what is left of their block is written anew

What is sealed was held against its checksum: damage stays in the tail, where a check finds it.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any, Final

from featuregraph.shown import shown
from stream.blocks.runs import EVENT_ID, ID, KEY, PAYLOAD, TS, Event
from stream.blocks.sealing import Held, RunName, Sealing, as_joined, shared_out, to_join, to_seal
from stream.codec import Fields, full_decoder
from stream.damage import TAIL, Finding, judged
from stream.errors import BlockError
from stream.shelf import Shelf
from stream.store import meta, set_meta

Written = tuple[Event, Fields]  # an event, and what is stored of it decoded

_RUN: Final = f"{TAIL} WHERE key = ? AND name = ?"
_COUNTS: Final = "SELECT key, name, count(*) FROM event GROUP BY key, name"
_NEW_BLOCK: Final = (
    "INSERT INTO block (events, first_id, last_id, first_ms, last_ms, owner_key, owner_name, joined, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_NEW_RUN: Final = (
    "INSERT INTO run (key, name, block, start, events, first_ms, last_ms) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_SMALL: Final = (
    "SELECT id, owner_key, owner_name, joined, events FROM block INDEXED BY block_size"
    " WHERE owner_key IS NULL OR 2 * events <= ? ORDER BY last_ms"
)
_HASH_BYTES: Final = 4
_SALT_BYTES: Final = 16


def salt_of(connection: sqlite3.Connection) -> bytes | None:
    """Return what the hashes of a log are salted with, None before the first; BlockError for what is none."""
    salt = meta(connection).get("salt")
    if salt is None:
        return None
    with suppress(ValueError):
        if len(found := bytes.fromhex(str(salt))) == _SALT_BYTES:
            return found
    raise BlockError(f"expected the salt of hashes, {_SALT_BYTES} bytes in hexadecimal, found {shown(salt)}")


def hashed(salt: bytes, key: int, event_id: str) -> int:
    """Return the hash of an event's id under a key."""
    text = f"{key}\x1f{event_id}".encode()
    digest = blake2b(text, digest_size=_HASH_BYTES, key=salt).digest()
    return int.from_bytes(digest, "little", signed=True)  # as SQLite packs it into as many bytes


class Sealer:
    """The half of a log that writes blocks; the caller sees to it that one thread at a time uses it."""

    def __init__(
        self, connection: sqlite3.Connection, shelf: Shelf, *, by_user: bool, sealing: Sealing
    ) -> None:
        self._connection = connection
        self._shelf = shelf
        self._by_user = by_user
        self._sealing = sealing
        self._tail: Counter[RunName] | None = None  # None: to be counted
        self._held = 0
        self._damaged: set[int] = set()  # blocks that cannot be joined
        self._salt: bytes | None = None
        self.last_ms: int | None = None  # the greatest ts_ms of a sealed event
        self.drop()

    def drop(self) -> None:
        """Count anew: what was undone, or forgotten, may have been counted."""
        self._tail = None
        self.last_ms = self._connection.execute("SELECT max(last_ms) FROM block").fetchone()[0]

    def added(self, key: int, name: int) -> None:
        """Take note of a new row of the tail."""
        if self._tail is not None:
            self._tail[key, name] += 1
            self._held += 1

    def is_due(self) -> bool:
        """Tell whether there is something to seal."""
        if self._tail is None:
            self._tail = Counter({(key, name): n for key, name, n in self._connection.execute(_COUNTS)})
            self._held = self._tail.total()
        return self._held > self._sealing.most_tail

    def hash(self, key: int, event_id: str) -> int:
        """Return the hash of an event's id under a key; nobody can choose ids that meet."""
        if self._salt is None:
            self._salt = salt_of(self._connection) or os.urandom(_SALT_BYTES)
        return hashed(self._salt, key, event_id)

    # ---------------------------------------------------------------- inside a transaction

    def seal(self) -> None:
        """Seal what is due."""
        assert self._tail is not None
        chosen = to_seal(self._tail, self._sealing)
        decode = full_decoder()
        events: list[Written] = []
        for key, name in chosen:
            for row in self._connection.execute(_RUN, (key, name)).fetchall():
                fields = judged(row, decode)
                if not isinstance(fields, Finding):
                    events.append((self._event(row, key, name), fields))
            self._held -= self._tail.pop((key, name))
        ids = [(event[ID],) for event, _ in events]
        self._connection.executemany("DELETE FROM event WHERE id = ?", ids)
        if events:
            self._write(events, joined=0)
            self._remember(event for event, _ in events)

    def _event(self, row: Sequence[Any], key: int, name: int) -> Event:
        """Return a row of the tail as `stream.blocks.events` has it."""
        id, _, _, ts_ms, seq, user, _, event_id, known_ms, session_id, page_id, item_id, payload, _ = row
        who = None if self._by_user else user
        return (ts_ms, seq, who, id, key, name, event_id, known_ms, session_id, page_id, item_id, payload)

    def to_join(self) -> list[Held]:
        """Return the blocks that are worth joining now."""
        found = self._connection.execute(_SMALL, (self._sealing.most_events,)).fetchall()
        held = [
            Held(id, None if key is None else (key, name), joined, events)
            for id, key, name, joined, events in found
            if id not in self._damaged
        ]
        return to_join(held, self._sealing)

    def join(self, blocks: Sequence[Held]) -> None:
        """Join BLOCKS; where one of them is damaged they stay as they are."""
        from stream.blocks.joining import joined

        written: list[Written] = []
        try:
            loaded = [self._shelf.load(block.id) for block in blocks]
            pieces = joined(loaded, self._sealing)
            if pieces is None:
                written = [one for events in loaded for one in events.decoded()]
        except BlockError:
            self._damaged.update(block.id for block in blocks)
            return
        self._remove([block.id for block in blocks])
        times = 1 + blocks[0].joined
        if pieces is None:
            self._write(written, joined=times)
            return
        for piece in pieces:
            kept = self._times(times, len(piece.runs), piece.size)
            self._insert(piece.data, piece.ids, piece.times, piece.runs, joined=kept)

    def take_out(self, blocks: Iterable[int], gone: Callable[[Event], bool]) -> int:
        """Remove the events of BLOCKS that are GONE; return how many."""
        removed = 0
        for id in blocks:
            rows = self._shelf.load(id).rows()
            leaving = [row for row in rows if gone(row)]
            if leaving:
                removed += len(leaving)
                self._forget(leaving)
                self._remove([id])
                self._write(decoded(row for row in rows if not gone(row)), joined=0)
        return removed

    def _write(self, written: list[Written], *, joined: int) -> None:
        from stream.blocks.events import order, runs_of, write_events

        written.sort(key=lambda one: order(one[0]))
        events = [event for event, _ in written]
        sizes = [len(event[PAYLOAD]) for event in events]
        for first, last in shared_out(runs_of(events), sizes, self._sealing):
            piece = events[first:last]
            data = write_events(piece, [fields for _, fields in written[first:last]])
            ids, times = [event[ID] for event in piece], [event[TS] for event in piece]
            runs = runs_of(piece)
            kept = self._times(joined, len(runs), sum(sizes[first:last]))
            self._insert(data, ids, times, runs, joined=kept)

    def _times(self, joined: int, runs: int, size: int) -> int:
        """Return `joined` of a block of so many RUNS, whose fields have SIZE bytes."""
        return as_joined(joined, size, self._sealing) if runs == 1 else joined

    def _insert(
        self,
        data: bytes,
        ids: Sequence[int],
        times: Sequence[int],
        runs: Sequence[tuple[int, int, int, int]],
        *,
        joined: int,
    ) -> None:
        """Put a block into the file; RUNS: (key, name, first, last) of its events."""
        owner = runs[0][:2] if len(runs) == 1 else (None, None)
        values = (len(ids), min(ids), max(ids), min(times), max(times), *owner, joined, data)
        block = self._connection.execute(_NEW_BLOCK, values).lastrowid
        self._connection.executemany(
            _NEW_RUN,
            [(key, name, block, a, b - a, times[a], times[b - 1]) for key, name, a, b in runs],
        )
        self.last_ms = max(*times, times[0] if self.last_ms is None else self.last_ms)

    def _remove(self, blocks: Sequence[int]) -> None:
        for id in blocks:
            self._connection.execute("DELETE FROM run WHERE block = ?", (id,))
            self._connection.execute("DELETE FROM block WHERE id = ?", (id,))

    def _remember(self, events: Iterable[Event]) -> None:
        hashes = self._hashes(events)
        if hashes:
            set_meta(self._connection, salt=self._salt.hex() if self._salt else None)
            self._connection.executemany("INSERT OR IGNORE INTO known VALUES (?, ?)", sorted(hashes))

    def _forget(self, events: Iterable[Event]) -> None:
        self._connection.executemany("DELETE FROM known WHERE hash = ? AND event = ?", self._hashes(events))

    def _hashes(self, events: Iterable[Event]) -> list[tuple[int, int]]:
        return [
            (self.hash(event[KEY], event[EVENT_ID]), event[ID])
            for event in events
            if event[EVENT_ID] is not None
        ]


def decoded(events: Iterable[Event]) -> list[Written]:
    """Return EVENTS with what is stored of each decoded."""
    decode = full_decoder()
    return [(event, decode(event[PAYLOAD])) for event in events]
