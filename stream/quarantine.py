"""Events too far ahead of the clock (SEMANTICS 1.5): kept apart for people to look at, in a bounded table."""

from __future__ import annotations

import sqlite3
from typing import Any, Final, NamedTuple

from stream.codec import column_value, full_decoder, raw_bytes
from stream.event import RAW_COLUMNS, Draft
from stream.limits import Limits
from stream.store import add_meta

_INSERT: Final = "INSERT INTO quarantine (at_ms, key, ts_ms, event_id, event) VALUES (?, ?, ?, ?, ?)"
_HELD: Final = "SELECT count(*), coalesce(sum(length(event)), 0) FROM quarantine"
_OLDEST: Final = "SELECT id, length(event) FROM quarantine ORDER BY id LIMIT 1"


class Quarantined(NamedTuple):
    """One event kept apart."""

    at_ms: int  # the clock when it arrived
    key: str
    event: dict[str, Any]  # as it may be appended again


class Quarantine:
    """The writing half: an event comes in, and the oldest go where the bounds ask for it."""

    def __init__(self, connection: sqlite3.Connection, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits
        self._held = self._bytes = 0
        self._counted = False

    def drop(self) -> None:
        """Count anew: what was undone, or forgotten, may have been counted."""
        self._counted = False

    def keep(self, draft: Draft, at_ms: int) -> None:
        """Keep DRAFT apart; the oldest go, and are counted, where the bounds ask for it."""
        event = {
            "event": draft.name,
            **{name: getattr(draft, name) for name in ("ts_ms", "seq", "user_id", "event_id", "known_ms")},
            **{name: column_value(getattr(draft, name)) for name in RAW_COLUMNS},
        }
        known = {name: value for name, value in event.items() if value is not None}
        data = raw_bytes(known, draft.payload)
        if not self._counted:
            self._held, self._bytes = self._connection.execute(_HELD).fetchone()
            self._counted = True
        self._connection.execute(_INSERT, (at_ms, draft.key, draft.ts_ms, draft.event_id, data))
        self._held += 1
        self._bytes += len(data)
        self._evict()

    def _evict(self) -> None:
        evicted = 0
        limits = self._limits
        while self._held > limits.max_quarantined or self._bytes > limits.max_quarantined_bytes:
            id, size = self._connection.execute(_OLDEST).fetchone()
            self._connection.execute("DELETE FROM quarantine WHERE id = ?", (id,))
            self._held -= 1
            self._bytes -= size
            evicted += 1
        add_meta(self._connection, quarantine_evicted=evicted)


def listed(connection: sqlite3.Connection) -> list[Quarantined]:
    """Return the events kept apart, in the order of arrival."""
    decode = full_decoder()
    found = connection.execute("SELECT at_ms, key, event FROM quarantine ORDER BY id")
    return [Quarantined(at_ms, key, decode(event)) for at_ms, key, event in found]
