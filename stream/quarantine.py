"""Events too far ahead of the clock (SEMANTICS 1.5): kept apart for people to look at, in a bounded table."""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

from stream.codec import column_value, full_decoder, raw_bytes
from stream.event import RAW_COLUMNS, Draft
from stream.limits import Limits
from stream.store import add_meta


class Quarantined(NamedTuple):
    """One event kept apart."""

    at_ms: int  # the clock when it arrived
    key: str
    event: dict[str, Any]  # as it may be appended again


def keep(connection: sqlite3.Connection, draft: Draft, at_ms: int, limits: Limits) -> None:
    """Keep DRAFT apart; the oldest go, and are counted, where the bounds ask for it."""
    event = {
        "event": draft.name,
        **{name: getattr(draft, name) for name in ("ts_ms", "seq", "user_id", "event_id", "known_ms")},
        **{name: column_value(getattr(draft, name)) for name in RAW_COLUMNS},
    }
    known = {name: value for name, value in event.items() if value is not None}
    connection.execute(
        "INSERT INTO quarantine (at_ms, key, ts_ms, event_id, event) VALUES (?, ?, ?, ?, ?)",
        (at_ms, draft.key, draft.ts_ms, draft.event_id, raw_bytes(known, draft.payload)),
    )
    held = connection.execute("SELECT id, length(event) FROM quarantine ORDER BY id DESC").fetchall()
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
    found = connection.execute("SELECT at_ms, key, event FROM quarantine ORDER BY id")
    return [Quarantined(at_ms, key, decode(event)) for at_ms, key, event in found]
