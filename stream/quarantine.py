"""Events too far ahead of the clock (SEMANTICS 1.5): kept apart for people to look at, in a bounded table."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from stream.codec import Fields, full_decoder
from stream.event import Draft
from stream.limits import Limits
from stream.store import add_meta


class Quarantined(NamedTuple):
    """One event kept apart."""

    at_ms: int  # the clock when it arrived
    key: str
    name: str
    ts_ms: int
    event_id: str | None
    fields: Fields


def keep(connection: sqlite3.Connection, draft: Draft, at_ms: int, limits: Limits) -> None:
    """Keep DRAFT apart; the oldest go, and are counted, where the bounds ask for it."""
    connection.execute(
        "INSERT INTO quarantine (at_ms, key, name, ts_ms, event_id, payload) VALUES (?, ?, ?, ?, ?, ?)",
        (at_ms, draft.key, draft.name, draft.ts_ms, draft.event_id, draft.payload),
    )
    held = connection.execute("SELECT id, length(payload) FROM quarantine ORDER BY id DESC").fetchall()
    total = 0
    for place, (id, size) in enumerate(held):
        total += size
        if place >= limits.max_quarantined or total > limits.max_quarantined_bytes:
            evicted = connection.execute("DELETE FROM quarantine WHERE id <= ?", (id,)).rowcount
            add_meta(connection, quarantine_evicted=evicted)
            break


def listed(connection: sqlite3.Connection) -> list[Quarantined]:
    """Return the events kept apart, in the order of arrival."""
    decode = full_decoder()
    query = "SELECT at_ms, key, name, ts_ms, event_id, payload FROM quarantine ORDER BY id"
    return [Quarantined._make((*about, decode(payload))) for *about, payload in connection.execute(query)]
