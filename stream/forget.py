"""Taking events out of the file for good (SEMANTICS 8.1).

Steps: 1. rows, ids kept apart and texts that nothing refers to any more are deleted in one transaction
(their bytes are overwritten: `secure_delete`), which is synced; 2. free pages are given back; 3. the
write-ahead log, which still holds the old pages, is copied into the file and cut to nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

from featuregraph.convert import converter
from featuregraph.errors import EventError
from featuregraph.shown import shown
from featuregraph.types import IDENTIFIER, TIMESTAMP
from stream import snapshots
from stream.ledger import Ledger
from stream.store import add_meta, set_meta, synced, transaction

_UNUSED: Final = (
    "DELETE FROM text WHERE id NOT IN"
    " (SELECT key FROM event UNION SELECT user FROM event UNION SELECT name FROM event)"
)
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
    ledger: Ledger,
) -> int:
    """Delete the events that WHAT = VALUE means, and the answers made of them; return how many events went.

    marks: the largest ids ever given.
    """
    answers = ledger.about(what, value)
    with synced(connection), transaction(connection):
        events, apart = (connection.execute(query, (value,)).rowcount for query in _DELETE[what])
        if events:
            connection.execute(_UNUSED)
            set_meta(connection, **marks)
            add_meta(connection, generation=1)
            snapshots.drop(connection)
        ledger.forget(what, value, answers, events=events)
    return events + apart


def wipe(connection: sqlite3.Connection) -> bool:
    """Give free pages back and empty the write-ahead log; False if a reader kept it from being emptied."""
    connection.executescript("PRAGMA incremental_vacuum")  # execute() would stop after its first page
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy
