"""What is read from a log: rows of one key in total order, rows by arrival, and what the log holds.

A scan reads the index `stream` once per event name, and the sealed blocks that have such events, and merges
the runs in memory, which is faster than one statement that sorts whole rows. Every statement sees the last
commit, also that of another process: whoever needs two statements to agree opens a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import compress, repeat
from operator import itemgetter
from typing import Any, Final

from featuregraph.types import INT64_MAX, INT64_MIN
from stream.blocks.runs import Found, Run
from stream.codec import column_value
from stream.damage import damaged_runs
from stream.errors import BlockError
from stream.event import RAW_COLUMNS, Row
from stream.shelf import Shelf
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
        # Runs of the tail with a row that is not as it was written; None: nobody has looked yet.
        self._damaged: dict[tuple[Any, Any], int] | None = None
        self.shelf = Shelf(connection.execute, by_user=self._by_user)

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
        wanted = tuple(columns)
        _select(wanted, by_user=self._by_user, after=False)  # refuses columns that do not order
        lo, hi = _bounds(lo_ms, hi_ms)
        if number is None or lo > hi:
            return []
        runs = []
        for name, text in self._names(number, names):
            known = {"key": key, "user_id": key, "name": text}
            self._require_sound(number, name)
            runs.append(self._tail((number, name, lo, hi, after_id), wanted, known))
            pieces = self.shelf.runs(number, name, lo, hi)
            runs += [self._sealed(piece, wanted, known, after_id) for piece in pieces]
        return self._merged([run for run in runs if run])

    def find(
        self, key: str, name: str, lo_ms: int | None, hi_ms: int | None, columns: Sequence[str]
    ) -> Found:
        """Return what `scan` reads of one name: COLUMNS of the rows of the tail, and the sealed pieces."""
        number, named = self._texts.find(key), self._texts.find(name)
        lo, hi = _bounds(lo_ms, hi_ms)
        if number is None or named is None or lo > hi:
            return Found([])
        known = {"key": key, "user_id": key, "name": name}
        self._require_sound(number, named)
        rows = self._tail((number, named, lo, hi, None), tuple(columns), known)
        return Found(self._merged([rows]), self.shelf.runs(number, named, lo, hi), key)

    def _require_sound(self, key: int, name: int) -> None:
        """Raise BlockError if the tail holds a row of KEY and NAME that is not as it was written.

        All rows that were there when somebody looked first are held against their checksums once.
        """
        if self._damaged is None or (key, name) in self._damaged:  # it may be mended, or forgotten
            self._damaged = damaged_runs(self._execute)
            if (key, name) in self._damaged:
                raise BlockError(
                    f"row {self._damaged[key, name]}: expected the bytes that were written, found others"
                )

    def _tail(
        self, where: tuple[int, int, int, int, int | None], columns: tuple[str, ...], known: dict[str, str]
    ) -> list[Stored]:
        """Return rows of the tail, of (key, name, first and last ts_ms, after what id)."""
        *bounds, after_id = where
        sql = _select(columns, by_user=self._by_user, after=after_id is not None)
        bound = [known[column] for column in columns if _is_bound(column, by_user=self._by_user)]
        return self._execute(sql, (*bound, *bounds, *([] if after_id is None else [after_id]))).fetchall()

    def _sealed(
        self, run: Run, columns: tuple[str, ...], known: dict[str, str], after_id: int | None
    ) -> list[Stored]:
        """Return rows of a piece of a block, as `_tail` does."""
        lists: list[Iterable[Any]] = []
        for column in columns:
            if _is_bound(column, by_user=self._by_user):
                lists.append(repeat(known[column]))
            else:
                lists.append(run.payloads() if column == "payload" else run.column(column))
        if not self._by_user:
            ties = ["" if user is None else f".{user}" for user in run.column("user_id")]
            lists = [run.column("ts_ms"), run.column("seq"), ties, run.column("id"), *lists]
        rows = list(zip(*lists, strict=False))  # what is repeated has no end
        return rows if after_id is None else list(compress(rows, [id > after_id for id in run.column("id")]))

    def _merged(self, runs: list[list[Stored]]) -> list[Stored]:
        if self._by_user:
            if len(runs) < 2:
                return runs[0] if runs else []
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
        """Return the numbers of the event names of KEY, by steps through the indexes."""
        tail = self._steps("SELECT min(name) FROM event WHERE key = :key AND name > :after", key=key)
        sealed = self._steps("SELECT min(name) FROM run WHERE key = :key AND name > :after", key=key)
        return sorted({*tail, *sealed})

    def max_ts(self, key: str) -> int | None:
        """Return the greatest ts_ms of KEY; None if it has no event."""
        number = self._texts.find(key)
        return None if number is None else self.latest(number)

    def latest_of_all(self) -> int | None:
        """Return the greatest ts_ms of all keys; looks at every row of the tail."""
        query = "SELECT max(t) FROM (SELECT max(ts_ms) t FROM event UNION ALL SELECT max(last_ms) FROM block)"
        found: int | None = self._execute(query).fetchone()[0]
        return found

    def latest(self, key: int) -> int | None:
        """Return the greatest ts_ms of the key of this number."""
        if self._by_user:
            found = [self._execute("SELECT max(ts_ms) FROM event WHERE user = ?", (key,)).fetchone()[0]]
        else:
            query = "SELECT max(ts_ms) FROM event WHERE key = ? AND name = ?"
            found = [self._execute(query, (key, name)).fetchone()[0] for name in self.names_of(key)]
        found.append(self.shelf.latest(key))
        return max((ts_ms for ts_ms in found if ts_ms is not None), default=None)

    # ---------------------------------------------------------------- all keys

    def rows_after(self, id: int, limit: int | None) -> list[Row]:
        """Return the rows that arrived after ID, by arrival, LIMIT of them at most."""
        if limit is None:
            return self._arrived(id + 1, INT64_MAX)
        found: list[Row] = []
        last, step = self.last_id(), max(limit, 1)
        while id < last and len(found) < limit:
            found += self._arrived(id + 1, min(id + step, INT64_MAX))
            id, step = id + step, 2 * step  # ids of forgotten events are gaps
        return found[:limit]

    def _arrived(self, first: int, last: int) -> list[Row]:
        """Return the rows with ids from FIRST to LAST, in their order."""
        query = f"SELECT {_STORED} FROM event WHERE id BETWEEN ? AND ? ORDER BY id"  # noqa: S608  # our own words
        found = self._execute(query, (first, last)).fetchall()
        if not all(type(row[0]) is int and type(row[1]) is int for row in found):
            # A scan asks by time, so that SQLite leaves such rows out; here nothing else would find them.
            raise TypeError("expected int64 as ts_ms and seq in the file, found another type")
        for run in {(row[4], row[5]) for row in found}:
            self._require_sound(*run)
        text = self._texts.text
        rows = [(*r[:2], text(r[2]), r[3], text(r[4]), text(r[5]), *r[6:]) for r in found]
        sealed = self.shelf.rows(first, last)
        if sealed:
            for r in sealed:
                key = text(r[4])
                rows.append((*r[:2], key if self._by_user else r[2], r[3], key, text(r[5]), *r[6:]))
            rows.sort(key=itemgetter(3))
        return self.rows_of(rows)

    def keys(self) -> list[str]:
        """Return the keys of the events, sorted."""
        tail = self._steps("SELECT min(key) FROM event WHERE key > :after")
        sealed = self._steps("SELECT min(key) FROM run WHERE key > :after")
        return sorted(str(self._texts.text(number)) for number in {*tail, *sealed})

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
        return last_number(self._execute, "event", "last_id")  # sealing sets the mark

    def generation(self) -> int:
        """Return how often events were removed."""
        row = self._execute("SELECT value FROM meta WHERE name = 'generation'").fetchone()
        return int(row[0]) if row else 0

    def count(self) -> int:
        """Return the number of events; takes time in proportion to it."""
        sealed = self._execute("SELECT ifnull(sum(events), 0) FROM block").fetchone()[0]
        return int(self._execute("SELECT count(*) FROM event").fetchone()[0]) + int(sealed)

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


def _bounds(lo_ms: int | None, hi_ms: int | None) -> tuple[int, int]:
    """Return the first and the last int64 with LO_MS <= ts_ms < HI_MS."""
    lo = INT64_MIN if lo_ms is None else max(lo_ms, INT64_MIN)
    hi = INT64_MAX if hi_ms is None else min(hi_ms - 1, INT64_MAX)
    return (lo, hi) if lo <= hi else (0, -1)
