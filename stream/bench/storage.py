"""Logs that a feature is read from row by row: AutoFeature's, and the Decoded Log it is compared with.

json       a row per event, its attributes one JSON text; what is read is decoded each time
decoded    a row per event with a column per attribute of any event; decoded once, when it is written

Both have an index on (event, time), and are SQLite files in WAL mode.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any, Protocol

import msgspec

from stream.bench.system import Event

Row = tuple[Any, ...]  # (ts_ms, place, value, ...): the place is the number of arrival
_RETRIEVE = "SELECT ts, place, {} FROM event WHERE name = ? AND ts >= ? AND ts < ? ORDER BY ts, place"
_STATEMENTS = 1024  # prepared ones that are kept: one per feature and more


class Storage(Protocol):
    """A log that gives the rows of one event in a range of time."""

    def append(self, events: Sequence[Event], first: int) -> None:
        """Keep EVENTS, the first of which has the place FIRST."""

    def retrieve(self, event: str, lo: int, hi: int) -> list[Row]:
        """Return the rows of EVENT with LO <= ts_ms < HI as they are stored, in order."""

    def decode(self, event: str, rows: Sequence[Row]) -> list[Row]:
        """Return ROWS with the values of the attributes that are used of EVENT."""

    def stored(self, events: Sequence[Event], first: int) -> list[Row]:
        """Return EVENTS as retrieve would: what a process that has just written them need not read."""

    @property
    def bytes(self) -> int:
        """Return the size of the file."""

    def close(self) -> None:
        """Close the file."""


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to the database at PATH."""
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=_STATEMENTS)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def inserting(table: str, columns: int) -> str:
    """Return the statement that inserts a row of COLUMNS into TABLE."""
    return f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"  # noqa: S608 - a name of ours


def file_bytes(connection: sqlite3.Connection) -> int:
    """Return the size of CONNECTION's file with all that was written in it."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(page)


class JsonLog:
    """Rows with JSON, of which only USED attributes are decoded."""

    def __init__(self, path: Path, used: Mapping[str, Sequence[str]]) -> None:
        self._connection = connect(path)
        self._connection.execute("CREATE TABLE event (place INTEGER PRIMARY KEY, name, ts, payload)")
        self._connection.execute("CREATE INDEX by_name ON event (name, ts)")
        self._encode = msgspec.json.Encoder().encode
        self.decoders = _decoders(used)

    def narrowed(self, used: Mapping[str, Sequence[str]]) -> JsonLog:
        """Return the same log for whom only these attributes are USED."""
        found = copy(self)
        found.decoders = _decoders(used)
        return found

    def append(self, events: Sequence[Event], first: int) -> None:
        """Insert a row per event in one transaction."""
        rows = [
            (place, event["event"], event["ts_ms"], self._encode(event["attrs"]))
            for place, event in enumerate(events, first)
        ]
        with transaction(self._connection):
            self._connection.executemany(inserting("event", 4), rows)

    def retrieve(self, event: str, lo: int, hi: int) -> list[Row]:
        """Read places, times and texts."""
        return self._connection.execute(_RETRIEVE.format("payload"), (event, lo, hi)).fetchall()

    def stored(self, events: Sequence[Event], first: int) -> list[Row]:
        """Encode the attributes."""
        return [(e["ts_ms"], place, self._encode(e["attrs"])) for place, e in enumerate(events, first)]

    def decode(self, event: str, rows: Sequence[Row]) -> list[Row]:
        """Decode the used attributes only, by types: the fastest way known here."""
        decode, names = self.decoders[event]
        if not names:
            return [row[:2] for row in rows]
        return [(ts, place, *msgspec.structs.astuple(decode(text))) for ts, place, text in rows]

    @property
    def bytes(self) -> int:
        """Return the size of the file."""
        return file_bytes(self._connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _decoders(used: Mapping[str, Sequence[str]]) -> dict[str, tuple[Any, Sequence[str]]]:
    """Return by event the function that decodes its used attributes only, and their names."""
    found = {}
    for event, names in used.items():
        shape = msgspec.defstruct("Used", [(name, Any, None) for name in names], gc=False)
        found[event] = msgspec.json.Decoder(shape).decode, names
    return found


class DecodedLog:
    """Rows with a column per attribute of any event; most of them are null."""

    def __init__(self, path: Path, used: Mapping[str, Sequence[str]], attributes: Sequence[str]) -> None:
        self._attributes = tuple(attributes)
        self._used = used
        self._connection = connect(path)
        columns = ", ".join(("place INTEGER PRIMARY KEY", "name", "ts", *self._attributes))
        self._connection.execute(f"CREATE TABLE event ({columns})")
        self._connection.execute("CREATE INDEX by_name ON event (name, ts)")
        self._insert = inserting("event", 3 + len(self._attributes))

    def append(self, events: Sequence[Event], first: int) -> None:
        """Insert a row per event in one transaction."""
        rows = [
            (place, event["event"], event["ts_ms"], *map(event["attrs"].get, self._attributes))
            for place, event in enumerate(events, first)
        ]
        with transaction(self._connection):
            self._connection.executemany(self._insert, rows)

    def retrieve(self, event: str, lo: int, hi: int) -> list[Row]:
        """Read the used columns."""
        asked = _RETRIEVE.format(", ".join(self._used[event]) or "NULL")
        return self._connection.execute(asked, (event, lo, hi)).fetchall()

    def stored(self, events: Sequence[Event], first: int) -> list[Row]:
        """Take the used attributes."""
        return [
            (e["ts_ms"], place, *map(e["attrs"].get, self._used[e["event"]]))
            for place, e in enumerate(events, first)
        ]

    def decode(self, event: str, rows: Sequence[Row]) -> list[Row]:
        """Return ROWS: they were decoded when they were written."""
        return list(rows)

    @property
    def bytes(self) -> int:
        """Return the size of the file."""
        return file_bytes(self._connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write what is done meanwhile as one transaction, or not at all."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def used(features: Iterable[Any]) -> dict[str, tuple[str, ...]]:
    """Return the attributes that FEATURES use, by event."""
    found: dict[str, dict[str, None]] = {}
    for feature in features:
        for event in feature.events:
            names = found.setdefault(event, {})
            if feature.attribute is not None:
                names[feature.attribute] = None
    return {event: tuple(names) for event, names in found.items()}
