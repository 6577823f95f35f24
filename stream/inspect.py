"""What a log holds, in numbers, and whether it is sound."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stream.arrivals import arrivals
from stream.blocks.runs import EVENT_ID, ID, KEY
from stream.damage import Finding, passing, said
from stream.errors import BlockError
from stream.retelling import retold
from stream.schema import FORMAT
from stream.sealer import hashed, salt_of
from stream.shelf import Shelf
from stream.store import UNPARSABLE, meta

# What opening the file anew should not have to count: totals since the log was made.
COUNTERS: Final = (
    "duplicate",
    "quarantined",
    "quarantine_evicted",
    "late",
    "keyless",
    "handed_over",
    "refused",
    "inbox_damaged",
    "trimmed",
    "served_dropped",
    "served_forgotten",
    "served_too_large",
)
_BY_NAME: Final = (
    "SELECT value, sum(n) FROM (SELECT name, 1 n FROM event UNION ALL SELECT name, events FROM run)"
    " JOIN text ON text.id = name GROUP BY name ORDER BY value"
)
_TIMES: Final = (
    "SELECT min(a), max(b) FROM (SELECT min(ts_ms) a, max(ts_ms) b FROM event"
    " UNION ALL SELECT min(first_ms), max(last_ms) FROM block)"
)
_SEALED: Final = "SELECT count(*), ifnull(sum(events), 0), ifnull(sum(length(data)), 0) FROM block"
_MAX_FINDINGS: Final = 100
_ROWS: Final = 8_192  # judged at once


@dataclass(frozen=True, slots=True)
class LogStats:
    """One log in numbers."""

    path: str
    format: int
    key: str
    history_start_ms: int | None  # None: all history
    events: int
    sealed: int  # of them in blocks; the others are rows
    blocks: int
    block_bytes: int
    column_bytes: dict[str, int]  # of them, by the form of columns, most first
    by_name: dict[str, int]
    keys: int
    first_ts_ms: int | None
    last_ts_ms: int | None
    file_bytes: int
    wal_bytes: int
    free_bytes: int  # in the file, to be used again
    held_apart: int  # events in quarantine now
    served: int  # answers kept
    served_bytes: int
    counters: dict[str, int]  # totals since the log was made
    unparsable: dict[str, int]  # values that no type can be, by field


def stats(connection: sqlite3.Connection, path: str) -> LogStats:
    """Count what the log holds; takes time in proportion to it."""
    about = meta(connection)
    by_name = dict(connection.execute(_BY_NAME).fetchall())
    first, last = connection.execute(_TIMES).fetchone()
    blocks, sealed, block_bytes = connection.execute(_SEALED).fetchone()
    page_bytes = _one(connection, "PRAGMA page_size")
    history_start_ms = about.get("history_start_ms")
    return LogStats(
        path=path,
        format=FORMAT,
        key=str(about["key"]),
        history_start_ms=history_start_ms if isinstance(history_start_ms, int) else None,
        events=sum(by_name.values()),
        sealed=sealed,
        blocks=blocks,
        block_bytes=block_bytes,
        column_bytes=_column_bytes(connection) if blocks else {},
        by_name=by_name,
        keys=_one(connection, "SELECT count(*) FROM (SELECT key FROM event UNION SELECT key FROM run)"),
        first_ts_ms=first,
        last_ts_ms=last,
        file_bytes=_size(path),
        wal_bytes=_size(f"{path}-wal"),
        free_bytes=_one(connection, "PRAGMA freelist_count") * page_bytes,
        held_apart=_one(connection, "SELECT count(*) FROM quarantine"),
        served=_one(connection, "SELECT count(*) FROM served"),
        served_bytes=_one(connection, "SELECT ifnull(sum(length(body)), 0) FROM served"),
        counters={name: int(about.get(name) or 0) for name in COUNTERS},
        unparsable={
            name[len(UNPARSABLE) :]: int(n or 0)
            for name, n in sorted(about.items())
            if name.startswith(UNPARSABLE)
        },
    )


def _column_bytes(connection: sqlite3.Connection) -> dict[str, int]:
    from stream.blocks.block import Block

    found: Counter[str] = Counter()
    for (data,) in connection.execute("SELECT data FROM block"):
        block = Block(data)
        for kind, size in block.sizes():
            found[kind] += size
        found["headers"] += block.header_bytes
    return dict(found.most_common())


def check(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Find what is wrong: in the structure by SQLite's own check, then in each row by its checksum."""
    try:
        for (line,) in connection.execute(f"PRAGMA integrity_check({_MAX_FINDINGS})"):
            if line != "ok":
                yield Finding("structure", "file", " ".join(str(line).split()))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if passing(error):
            raise
        yield Finding("structure", "file", said(error))
    found: list[Finding] = []
    for _ in arrivals(connection, found.append, _ROWS):  # the events are not asked for
        yield from found
        found.clear()
    yield from found
    found.clear()
    yield from _unknown(connection)
    for _ in retold(connection, found.append):
        pass
    yield from found


def _unknown(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Find the blocks with events whose ids the file does not know: copies would be taken once more."""
    shelf, ask = Shelf(connection.execute, by_user=False), "SELECT 1 FROM known WHERE hash = ? AND event = ?"
    try:
        salt = salt_of(connection) or b""
        for (block,) in connection.execute("SELECT id FROM block ORDER BY id").fetchall():
            with suppress(BlockError):  # it is told already
                rows = [row for row in shelf.load(block).rows() if row[EVENT_ID] is not None]
                hashes = ((hashed(salt, row[KEY], row[EVENT_ID]), row[ID]) for row in rows)
                lost = sum(connection.execute(ask, one).fetchone() is None for one in hashes)
                if lost:
                    detail = f"expected the ids of its events among those known, found {lost} missing"
                    yield Finding("known", f"block {block}", detail, events=0)
    except BlockError as error:
        yield Finding("known", "file", str(error))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if passing(error):
            raise
        yield Finding("structure", "file", f"expected the ids of sealed events, found: {said(error)}")


def _one(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0
