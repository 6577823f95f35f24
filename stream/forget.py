"""Taking events out of the file for good (SEMANTICS 8.1).

Steps: 1. rows, sealed events with their hashes, ids kept apart and texts that nothing refers to any more are
deleted in one transaction (their bytes are overwritten: `secure_delete`), which is synced; blocks that held
other events too are written anew in it; 2. free pages are given back; 3. the write-ahead log, which still
holds the old pages, is copied into the file and cut to nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from featuregraph.convert import converter
from featuregraph.errors import EventError
from featuregraph.shown import shown
from featuregraph.types import IDENTIFIER, TIMESTAMP
from stream import snapshots
from stream.blocks.runs import EVENT_ID, KEY, TS
from stream.ledger import Ledger
from stream.sealer import Sealer
from stream.store import add_meta, give_back, set_meta, synced, transaction

UNUSED: Final = (
    "DELETE FROM text WHERE id NOT IN"
    " (SELECT key FROM event UNION SELECT user FROM event UNION SELECT name FROM event"
    " UNION SELECT key FROM run UNION SELECT name FROM run)"
)
_BLOCKS: Final = {
    "before": "SELECT id FROM block WHERE first_ms < ?",
    "key": "SELECT DISTINCT block FROM run JOIN text ON text.id = key WHERE value = ?",
    "event_id": "SELECT id FROM block WHERE ? IS NOT NULL",
}
_DELETE: Final = {
    "before": ("DELETE FROM event WHERE ts_ms < ?", "DELETE FROM quarantine WHERE ts_ms < ?"),
    "key": (
        "DELETE FROM event WHERE key = (SELECT id FROM text WHERE value = ?)",
        "DELETE FROM quarantine WHERE key = ?",
    ),
    "event_id": ("DELETE FROM event WHERE event_id = ?", "DELETE FROM quarantine WHERE event_id = ?"),
}


def asked(**options: int | str | None) -> tuple[str, int | str]:
    """Return the one of before, key and event_id that is given, and its value; raise EventError otherwise."""
    given = {name: value for name, value in options.items() if value is not None}
    if len(given) != 1:
        raise EventError(
            f"expected one of before, key, event_id to forget by, found {', '.join(given) or 'none'};"
            " give exactly one"
        )
    ((what, value),) = given.items()
    kind, form, said = (TIMESTAMP, int, "ms") if what == "before" else (IDENTIFIER, str, "text")
    found = converter(kind)(value)
    if not isinstance(found, form):
        raise EventError(f"expected {what} as {said}, found {shown(value)}; correct it")
    return what, found


def forget(
    connection: sqlite3.Connection,
    what: str,
    value: int | str,
    marks: Mapping[str, int | None],
    sealer: Sealer,
    ledger: Ledger,
) -> int:
    """Delete the events that WHAT = VALUE means, and the answers made of them; return how many events went.

    marks: the largest ids ever given.
    """
    answers = ledger.about(what, value)
    with synced(connection), transaction(connection):
        blocks = [id for (id,) in connection.execute(_BLOCKS[what], (value,)).fetchall()]
        events = sealer.take_out(blocks, _gone(connection, what, value)) if blocks else 0
        rows, apart = (connection.execute(query, (value,)).rowcount for query in _DELETE[what])
        events += rows
        if events:
            connection.execute(UNUSED)
            set_meta(connection, **marks)
            add_meta(connection, generation=1)
            snapshots.drop(connection)
        ledger.forget(what, value, answers, events=events)
    return events + apart


def _gone(connection: sqlite3.Connection, what: str, value: Any) -> Callable[[Sequence[Any]], bool]:
    """Return which sealed events WHAT = VALUE means."""
    if what == "before":
        return lambda event: bool(event[TS] < value)
    if what == "event_id":
        return lambda event: bool(event[EVENT_ID] == value)
    (number,) = connection.execute("SELECT id FROM text WHERE value = ?", (value,)).fetchone()
    return lambda event: bool(event[KEY] == number)


def wipe(connection: sqlite3.Connection) -> bool:
    """Give free pages back and empty the write-ahead log; False if a reader kept it from being emptied."""
    give_back(connection)
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy
