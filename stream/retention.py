"""How far back a log keeps events: by a time, or by the bytes of its file.

What goes is gone as if it had never been, with its hashes: duplicates are known as far back as events are.
The history of the log begins later then, so that values which reach further say so (SEMANTICS 3.5).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from stream import snapshots
from stream.blocks.runs import NAME, TS
from stream.forget import UNUSED
from stream.sealer import Sealer
from stream.store import add_meta, meta, set_meta, transaction

_FILLED: Final = 0.9  # of the bytes allowed, after a trim: the next one is not due at once
_OLD: Final = "SELECT id FROM block WHERE first_ms < ?"
_SIZES: Final = "SELECT last_ms, length(data) FROM block ORDER BY last_ms"


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return how many bytes of the file hold something."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def before_what(used: int, most: int, blocks: Iterable[tuple[int, int]]) -> int | None:
    """Return the time before which events go so that what is USED fits into MOST bytes; None: nothing goes.

    BLOCKS: (last ts_ms, bytes) of each, in the order of time. Rows, indexes and hashes are taken to be spread
    as the blocks are.
    """
    if used <= most:
        return None
    sizes = list(blocks)
    total = sum(size for _, size in sizes)
    freed, before = 0, None
    for last_ms, size in sizes:
        if freed * used >= (used - _FILLED * most) * total:
            break
        freed += size
        before = last_ms + 1
    return before


def bound(connection: sqlite3.Connection, most: int) -> int | None:
    """Return the time before which events go so that the file fits into MOST bytes; None: it does."""
    return before_what(used_bytes(connection), most, connection.execute(_SIZES).fetchall())


def trim(
    connection: sqlite3.Connection,
    before: int,
    keep: Collection[str],
    marks: Mapping[str, int | None],
    sealer: Sealer,
) -> int:
    """Delete the events before BEFORE, but those with a name of KEEP; return how many went.

    Those kept apart, which nobody ever saw, go whatever their name, and are not counted.
    marks: the largest ids ever given.
    """
    kept = {number for number, name in connection.execute("SELECT id, value FROM text") if name in keep}

    def gone(event: Any) -> bool:
        return event[TS] < before and event[NAME] not in kept

    with transaction(connection):
        blocks = [id for (id,) in connection.execute(_OLD, (before,)).fetchall()]
        events = sealer.take_out(blocks, gone) if blocks else 0
        names = ", ".join(map(str, sorted(kept)))
        where = f"ts_ms < ? AND name NOT IN ({names})"
        events += connection.execute(f"DELETE FROM event WHERE {where}", (before,)).rowcount  # noqa: S608 - numbers
        connection.execute("DELETE FROM quarantine WHERE ts_ms < ?", (before,))
        if events:
            connection.execute(UNUSED)
            start = meta(connection).get("history_start_ms")
            later = max(before, start) if isinstance(start, int) else before
            set_meta(connection, **marks, history_start_ms=later)
            add_meta(connection, generation=1, trimmed=events)
            snapshots.drop(connection)
    return events
