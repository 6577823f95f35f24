"""The events that a log holds, in the order of arrival; what cannot be read is told row by row.

1. All rows are read by id, as far as SQLite reads them.
2. Where it stops at a damaged page, or gives fewer rows than an index counts, the other ids are read piece
   by piece, a piece that fails in halves, down to single rows: those that an index or a scan from the end
   still names, and all between 1 and the largest of them.
3. A row is given only if its checksum says that it is what was written.
4. Events of sealed blocks (stream.sealed) come among the rows where their ids belong.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any, Final

from stream.codec import column_value, full_decoder
from stream.damage import ALL, ROWS, Finding, Stored, Tell, judged, lost, passing, said
from stream.errors import LogCorruptError
from stream.sealed import sealed_events
from stream.store import meta
from stream.texts import Texts

Event = dict[str, Any]

_PIECE: Final = 1_024  # ids that are tried at once
_TEXTS_HELD: Final = 65_536
_LEAST_BYTES: Final = 32  # of one row, its places in the indexes counted in
# Who still names rows when the table does not: each index holds every id.
_LISTS: Final = (
    "SELECT id FROM event NOT INDEXED ORDER BY id DESC",
    "SELECT id FROM event INDEXED BY position",
    "SELECT id FROM event INDEXED BY stream",
)
_COUNTS: Final = tuple(
    f"SELECT count(*) FROM event INDEXED BY {index}"  # noqa: S608 - our own words
    for index in ("position", "stream")
)


def arrivals(connection: sqlite3.Connection, tell: Tell, rows: int) -> Iterator[list[Event]]:
    """Give the events of a log, ROWS at a time, as dicts of their columns and `attrs`; TELL each lost row."""
    numbered = merge(_tail(connection, tell, rows), _sealed(connection, tell), key=itemgetter(0))
    while batch := [event for _, event in islice(numbered, rows)]:
        yield batch


def _tail(connection: sqlite3.Connection, tell: Tell, rows: int) -> Iterator[tuple[int, Event]]:
    """Give id and event of the rows of the tail."""
    decode = full_decoder()
    for batch in _stored(connection, tell, rows):
        for row in batch:
            fields = judged(row, decode)
            if isinstance(fields, Finding):
                tell(fields)
            else:
                id, _, name, ts_ms, seq, user, _, *rest, _, _ = row
                yield id, _event(name, ts_ms, seq, user, rest, fields)


def _sealed(connection: sqlite3.Connection, tell: Tell) -> Iterator[tuple[int, Event]]:
    """Give id and event of sealed events."""
    decode = full_decoder()
    texts = Texts(connection, _TEXTS_HELD)
    by_user = meta(connection).get("key") == "user_id"
    for ts_ms, seq, user, id, key, name, *rest, payload in sealed_events(connection, tell):
        try:
            who = texts.text(key) if by_user else user
            named = texts.text(name)
        except sqlite3.DatabaseError:
            tell(lost(id, "text", "expected its key and name in the table of texts, found one missing"))
            continue
        yield id, _event(named, ts_ms, seq, who, rest, decode(payload))


def refuse(path: str, found: Finding) -> None:
    """Raise LogCorruptError for what was FOUND in the log at PATH."""
    raise LogCorruptError(
        f"{path}: expected a sound log, found {found.where}: {found.detail}; run `headrace log check` on it,"
        " and `headrace log export` for all that can be read"
    )


def count_events(connection: sqlite3.Connection) -> int | None:
    """Return how many events a log holds as far as it can be counted, None if it can not."""
    tail = next((n for query in _COUNTS if (n := _count(connection, query)) is not None), None)
    sealed = _count(connection, "SELECT ifnull(sum(events), 0) FROM run")
    return None if tail is None or sealed is None else tail + sealed


def _event(name: Any, ts_ms: int, seq: int, user: Any, rest: Sequence[Any], fields: dict[str, Any]) -> Event:
    event_id, known_ms, session_id, page_id, item_id = rest
    return {
        "event_id": column_value(event_id),
        "user_id": column_value(user),
        "session_id": column_value(session_id),
        "event": column_value(name),
        "ts_ms": ts_ms,
        "seq": seq,
        "known_ms": known_ms,
        "page_id": column_value(page_id),
        "item_id": column_value(item_id),
        "attrs": {name: value for name, value in fields.items() if value is not None},
    }


def _stored(connection: sqlite3.Connection, tell: Tell, rows: int) -> Iterator[Sequence[Stored]]:
    """Give the rows of `ROWS` in batches, each once."""
    given = array("q")
    stopped = False
    try:
        cursor = connection.execute(ROWS, ALL)
        while batch := cursor.fetchmany(rows):
            yield list(_fresh(batch, given))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        _let_pass(error)
        stopped = True
    if not stopped and all(_count(connection, query) == len(given) for query in _COUNTS):
        return
    listed = _listed(connection)
    likely = range(1, min(max(listed.union(given), default=0), _most(connection)) + 1)
    missing = sorted(listed.union(likely).difference(given))
    if stopped and not missing:
        tell(Finding("structure", "file", "expected to read it to its end, found a damaged page before it"))
    for start in range(0, len(missing), _PIECE):
        yield _pieces(connection, missing[start : start + _PIECE], listed, tell)


def _fresh(batch: Sequence[Stored], given: array[int]) -> Iterator[Stored]:
    """Give the rows of BATCH behind all GIVEN: a damaged page may lead back to one that was read before."""
    for row in batch:
        if not given or row[0] > given[-1]:
            given.append(row[0])
            yield row


def _pieces(
    connection: sqlite3.Connection,
    ids: Sequence[int],
    listed: Collection[int],
    tell: Tell,
) -> list[Stored]:
    """Return the rows of IDS that can be read; TELL of each that fails, or is LISTED and not there."""
    wanted = set(ids)
    try:
        found = [row for row in connection.execute(ROWS, (ids[0], ids[-1])).fetchall() if row[0] in wanted]
    except (sqlite3.Error, UnicodeDecodeError) as error:
        _let_pass(error)
        if len(ids) == 1:
            tell(lost(ids[0], "structure", f"expected a row that can be read, found: {said(error)}"))
            return []
        half = len(ids) // 2
        return [row for part in (ids[:half], ids[half:]) for row in _pieces(connection, part, listed, tell)]
    for id in sorted(wanted.intersection(listed).difference(row[0] for row in found)):
        tell(lost(id, "structure", "expected the row that an index names, found none"))
    return found


def _listed(connection: sqlite3.Connection) -> set[int]:
    """Return the ids that the table from its end, or one of its indexes, names as far as it can be read."""
    return {id for query in _LISTS for id in _ids(connection, query)}


def _most(connection: sqlite3.Connection) -> int:
    """Return how many rows the file has room for: a larger id is one of damage, or of a log that forgot."""
    pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * size // _LEAST_BYTES)


def _ids(connection: sqlite3.Connection, query: str) -> Iterable[int]:
    try:
        for (id,) in connection.execute(query):
            if isinstance(id, int):
                yield id
    except (sqlite3.Error, UnicodeDecodeError) as error:
        _let_pass(error)


def _count(connection: sqlite3.Connection, query: str) -> int | None:
    try:
        return int(connection.execute(query).fetchone()[0])
    except (sqlite3.Error, UnicodeDecodeError) as error:
        _let_pass(error)
        return None


def _let_pass(error: sqlite3.Error | UnicodeDecodeError) -> None:
    if passing(error):
        raise error
