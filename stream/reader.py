"""What is read from a log: rows of one key in total order, rows by arrival, and what the log holds.

A scan reads the index `stream` once per event name and merges the runs in memory, which is faster than one
statement that sorts whole rows. Every statement sees the last commit, also that of another process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from featuregraph.types import INT64_MAX, INT64_MIN
from stream.codec import column_value
from stream.event import RAW_COLUMNS, Row
from stream.texts import Texts, last_number

Stored = tuple[Any, ...]

# Columns that stand in the file as they are; key, name and, as the key, user_id are known before a scan.
_PLAIN: Final = frozenset(Row._fields) - {"key", "name", "user_id"}
_USER: Final = "(SELECT value FROM text WHERE text.id = user)"
# Rows after the mark have the known_ms of the writer's clock, which never falls.
_KNOWN: Final = "SELECT known_ms FROM event WHERE id > ? ORDER BY id DESC LIMIT 1"
_STORED: Final = "ts_ms, seq, user, id, key, name, event_id, known_ms, session_id, page_id, item_id, payload"


class Reader:
    """Reads of one connection; the caller sees to it that one thread at a time uses it."""

    def __init__(self, connection: sqlite3.Connection, texts: Texts, key: str) -> None:
        self._execute = connection.execute
        self._texts = texts
        self._by_user = key == "user_id"

    # ---------------------------------------------------------------- one key, in total order

    def scan(
        self,
        key: str,
        names: Sequence[str] | None,
        lo_ms: int | None,
        hi_ms: int | None,
        columns: Sequence[str],
        after_id: int | None = None,
    ) -> list[Stored]:
        """Return COLUMNS, as stored, of the rows of KEY with a name of NAMES (None: any) in total order.

        Only rows with LO_MS <= ts_ms < HI_MS and id > AFTER_ID (None: no bound). The first two columns must
        be ts_ms and seq.
        """
        number = self._texts.find(key)
        if number is None:
            return []
        sql = _select(tuple(columns), by_user=self._by_user, after=after_id is not None)
        lo, hi = max(_or(lo_ms, INT64_MIN), INT64_MIN), min(_or(hi_ms, INT64_MAX + 1) - 1, INT64_MAX)
        if lo > hi or hi < INT64_MIN:
            return []
        tail = (lo, hi) if after_id is None else (lo, hi, after_id)
        runs = []
        for name, text in self._names(number, names):
            known = {"key": key, "user_id": key, "name": text}
            bound = [known[column] for column in columns if _is_bound(column, by_user=self._by_user)]
            runs.append(self._execute(sql, (*bound, number, name, *tail)).fetchall())
        return self._merged([run for run in runs if run])

    def _merged(self, runs: list[list[Stored]]) -> list[Stored]:
        if self._by_user:
            if len(runs) == 1:
                return runs[0]
            rows = [row for run in runs for row in run]
            rows.sort()  # (ts_ms, seq) is unique in a key: no further column is compared
            return rows
        # Under another key four columns stand before those asked for: ts_ms, seq, user or '', id.
        return [row[4:] for row in sorted(row for run in runs for row in run)]

    def _names(self, key: int, names: Sequence[str] | None) -> Iterable[tuple[int, str]]:
        if names is None:
            return [(number, str(self._texts.text(number))) for number in self.names_of(key)]
        found = {self._texts.find(name): name for name in names}
        return [(number, name) for number, name in found.items() if number is not None]

    def names_of(self, key: int) -> list[int]:
        """Return the numbers of the event names of KEY, by steps through the index."""
        return self._steps("SELECT min(name) FROM event WHERE key = :key AND name > :after", key=key)

    def max_ts(self, key: str) -> int | None:
        """Return the greatest ts_ms of KEY; None if it has no event."""
        number = self._texts.find(key)
        return None if number is None else self.latest(number)

    def latest(self, key: int) -> int | None:
        """Return the greatest ts_ms of the key of this number."""
        if self._by_user:
            found = [self._execute("SELECT max(ts_ms) FROM event WHERE user = ?", (key,)).fetchone()[0]]
        else:
            query = "SELECT max(ts_ms) FROM event WHERE key = ? AND name = ?"
            found = [self._execute(query, (key, name)).fetchone()[0] for name in self.names_of(key)]
        return max((ts_ms for ts_ms in found if ts_ms is not None), default=None)

    # ---------------------------------------------------------------- all keys

    def rows_after(self, id: int, limit: int | None) -> list[Row]:
        """Return the rows that arrived after ID, by arrival, LIMIT of them at most."""
        query = f"SELECT {_STORED} FROM event WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608  # our own words
        found = self._execute(query, (id, -1 if limit is None else limit)).fetchall()
        if not all(type(row[0]) is int and type(row[1]) is int for row in found):
            # A scan asks by time, so that SQLite leaves such rows out; here nothing else would find them.
            raise TypeError("expected int64 as ts_ms and seq in the file, found another type")
        text = {n: self._texts.text(n) for n in {n for row in found for n in (row[2], row[4], row[5])}}
        return self.rows_of((*r[:2], text[r[2]], r[3], text[r[4]], text[r[5]], *r[6:]) for r in found)

    def keys(self) -> list[str]:
        """Return the keys of the events, sorted."""
        numbers = self._steps("SELECT min(key) FROM event WHERE key > :after")
        return sorted(str(self._texts.text(number)) for number in numbers)

    def rows_of(self, stored: Iterable[Stored]) -> list[Row]:
        """Return the Rows of all their columns as stored."""
        # Rare, so that asking once is cheaper than looking at every row.
        odd = self._execute("SELECT 1 FROM meta WHERE name = 'odd_columns'").fetchone()
        return list(map(row_of if odd else Row._make, stored))

    def known_ms(self) -> int | None:
        """Return the largest known_ms that the writer's clock gave, as far as the file tells."""
        about = dict(self._execute("SELECT name, value FROM meta WHERE name IN ('known_ms', 'known_id')"))
        last = self._execute(_KNOWN, (about.get("known_id", 0),)).fetchone()
        given = [ms for ms in (about.get("known_ms"), last and last[0]) if ms is not None]
        return max(given, default=None)

    def last_id(self) -> int:
        """Return the largest id ever given, 0 before the first."""
        return last_number(self._execute, "event", "last_id")

    def generation(self) -> int:
        """Return how often events were removed."""
        row = self._execute("SELECT value FROM meta WHERE name = 'generation'").fetchone()
        return int(row[0]) if row else 0

    def count(self) -> int:
        """Return the number of events; takes time in proportion to it."""
        return int(self._execute("SELECT count(*) FROM event").fetchone()[0])

    def _steps(self, query: str, **bound: int) -> list[int]:
        """Return the values that QUERY gives when each is asked for the next one after it."""
        found: list[int] = []
        after = -1
        while (number := self._execute(query, {**bound, "after": after}).fetchone()[0]) is not None:
            found.append(number)
            after = number
        return found


def row_of(stored: Iterable[Any]) -> Row:
    """Return the Row of its columns as stored."""
    row = Row._make(stored)
    ids: dict[str, Any] = {name: column_value(getattr(row, name)) for name in RAW_COLUMNS}
    return row._replace(**ids)


def _is_bound(column: str, *, by_user: bool) -> bool:
    return column not in _PLAIN and (by_user or column != "user_id")


@lru_cache(maxsize=256)
def _select(columns: tuple[str, ...], *, by_user: bool, after: bool) -> str:
    """Return the statement of one run; its text is the key of SQLite's statement cache."""
    if columns[:2] != ("ts_ms", "seq") or not set(columns) <= set(Row._fields):
        raise ValueError(
            f"expected ts_ms, seq and more columns of {', '.join(Row._fields)}, found {', '.join(columns)}"
        )
    wanted = [
        "?" if _is_bound(column, by_user=by_user) else _USER if column == "user_id" else column
        for column in columns
    ]
    if not by_user:
        wanted = ["ts_ms", "seq", f"ifnull('.' || {_USER}, '')", "id", *wanted]
    more = " AND id > ?" if after else ""
    where = f"key = ? AND name = ? AND ts_ms BETWEEN ? AND ?{more}"
    return f"SELECT {', '.join(wanted)} FROM event WHERE {where} ORDER BY ts_ms, seq"  # noqa: S608  # our own words


def _or(bound: int | None, default: int) -> int:
    return default if bound is None else bound
