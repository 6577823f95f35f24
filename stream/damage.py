"""What is wrong with a log, and how one of its rows is judged: by its texts, its checksum and its fields."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from featuregraph.shown import shown
from featuregraph.types import INT64_MAX, INT64_MIN
from stream.codec import Fields, checksum

_SELECT: Final = (
    "SELECT event.id, k.value, n.value, ts_ms, seq, u.value, user, event_id, known_ms, session_id,"
    " page_id, item_id, payload, crc"
)
_TEXTS: Final = (
    "LEFT JOIN text k ON k.id = key LEFT JOIN text n ON n.id = name LEFT JOIN text u ON u.id = user"
)
# What `judged` takes, of rows of the tail; and of those with an id from one to another, by arrival.
TAIL: Final = f"{_SELECT} FROM event {_TEXTS}"
_RUNS: Final = f"{_SELECT}, key, name FROM event {_TEXTS}"
ROWS: Final = f"{_SELECT} FROM event NOT INDEXED {_TEXTS} WHERE event.id BETWEEN ? AND ? ORDER BY event.id"
# Result codes of SQLite that say nothing of the file: busy, locked, memory, interrupted, full, cannot open.
_PASSING: Final = frozenset({5, 6, 7, 9, 13, 14})
ALL: Final = (INT64_MIN, INT64_MAX)  # the bounds of any id

Stored = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a log."""

    what: str  # structure, text, checksum, payload, block, known
    where: str
    detail: str
    row: int | None = None  # the id of the row, the first one where `where` names several
    events: int | None = None  # how many are lost; None: nobody knows


Tell = Callable[[Finding], object]


def judged(row: Stored, decode: Callable[[bytes], Fields]) -> Fields | Finding:
    """Return the fields of a row of `ROWS`, or what is wrong with it."""
    id, key, name, ts_ms, seq, user, user_number, *rest, crc = row
    if key is None or name is None or (user is None and user_number):
        return lost(id, "text", "expected its key, name and user in the table of texts, found one missing")
    if crc is None or _checksum(key, name, ts_ms, seq, user, *rest) != crc:
        return lost(
            id,
            "checksum",
            f"expected the bytes that were written of event {name!r:.60} at {ts_ms}, found others",
        )
    try:
        return decode(rest[-1])
    except (ValueError, RecursionError) as error:
        return lost(id, "payload", f"expected fields as JSON, found: {error}")


def damaged_runs(execute: Callable[[str], Iterable[Stored]]) -> dict[tuple[Any, Any], int]:
    """Return the runs (key and name, by number) of the tail that hold a row which is not as it was written.

    With the id of one such row; what is sealed has checksums of its own.
    """
    judged_rows = ((run, judged(row, _unread)) for *row, key, name in execute(_RUNS) for run in [(key, name)])
    return {run: found.row or 0 for run, found in judged_rows if isinstance(found, Finding)}


def _unread(_: bytes) -> Fields:
    return {}


def lost(id: int, what: str, detail: str) -> Finding:
    """Return the finding of one row."""
    return Finding(what, f"row {id}", detail, id, 1)


def damaged_block(id: int, events: int, detail: str) -> Finding:
    """Return the finding of one block."""
    return Finding("block", f"block {shown(id)}", f"{detail}; it holds {events} events", events=events)


def passing(error: sqlite3.Error | UnicodeDecodeError) -> bool:
    """Tell whether ERROR says nothing of the file."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING


def said(error: sqlite3.Error | UnicodeDecodeError) -> str:
    """Return what ERROR says, on one line: where the file is damaged it may quote bytes that are no text."""
    return "bytes that are no text" if isinstance(error, UnicodeDecodeError) else " ".join(str(error).split())


def joined(findings: Iterable[Finding]) -> list[Finding]:
    """Return FINDINGS with those of neighbouring rows that say the same as one."""
    found: list[Finding] = []
    last = None  # row of the finding before
    for one in findings:
        before = found[-1] if found else None
        if (
            before is not None
            and last is not None
            and one.row == last + 1
            and (one.what, one.detail) == (before.what, before.detail)
        ):
            found[-1] = replace(
                before,
                where=f"rows {before.row} to {one.row}",
                events=(before.events or 0) + (one.events or 0),
            )
        else:
            found.append(one)
        last = one.row
    return found


def _checksum(*parts: object) -> int | None:
    """Return the checksum of a row, None if its parts are of kinds that no row has."""
    try:
        return checksum(*parts)
    except (TypeError, ValueError):
        return None
