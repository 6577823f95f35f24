"""What a log served, in its file: kept in bounds, read back, forgotten with the events that it was made of.

1. A record is written in one transaction, as durably as an event is.
2. At most `Limits.max_served` records and `max_served_bytes` bytes, those of plans counted in, are held: the
   oldest go first, and are counted. A record larger than `max_served_each` is left out, and counted: an
   answer never fails for its size.
3. The plan of a graph is kept once, as long as a record of it is.
4. What a key was served goes with the key (SEMANTICS 8.1). Other answers go with an event that they may have
   seen: they may spell it out, and nobody could compute them again.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any, Final

from featuregraph import FeatureVector, Plan
from featuregraph.errors import CompileError
from featuregraph.types import INT64_MAX
from stream.codec import checksum
from stream.event import Row
from stream.limits import Limits
from stream.reader import Reader
from stream.served import Asked, Seen, Shape, reach_of
from stream.store import add_meta, set_meta, transaction
from stream.texts import last_number

COLUMNS: Final = "id, graph, key, at_ms, seen_id, seen_ts_ms, seen_seq, seen_known_ms, body, crc"
_INSERT: Final = f"INSERT INTO served ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own words
_SIZE: Final = "length(body) + length(CAST(key AS BLOB))"
_GRAPHS: Final = (
    f"SELECT served_graph.id, graph_id, length(plan), count(*), sum({_SIZE}) FROM served_graph"  # noqa: S608
    " JOIN served ON graph = served_graph.id GROUP BY served_graph.id"
)
_OLDEST: Final = f"SELECT id, graph, {_SIZE} FROM served ORDER BY id LIMIT 1"  # noqa: S608 - our own words
_UNUSED: Final = "DELETE FROM served_graph WHERE id NOT IN (SELECT graph FROM served)"
_MOST_SHAPES: Final = 64

_ts = itemgetter(0)


@dataclass(slots=True)
class _Graph:
    """What is kept of one graph."""

    number: int
    plan_bytes: int
    records: int = 0


@dataclass(slots=True)
class _Held:
    """What the ledger holds, as far as its bounds are concerned."""

    last_id: int
    records: int
    bytes: int  # of records and plans
    graphs: dict[str, _Graph]  # by id


class Ledger:
    """The writing half; the caller sees to it that one thread at a time uses it."""

    def __init__(self, connection: sqlite3.Connection, reader: Reader, limits: Limits) -> None:
        self._connection = connection
        self._reader = reader
        self._limits = limits
        self._shapes: dict[str, Shape] = {}
        self.drop()

    def drop(self) -> None:
        """Empty the memory: what was undone, or forgotten, may stand in it."""
        self._held: _Held | None = None
        self.newest: Row | None = None  # the row that arrived last, where its writer told of it

    # ---------------------------------------------------------------- keeping

    def shape(self, plan: Plan) -> Shape:
        """Return what answers of PLAN look like."""
        if plan.id not in self._shapes:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            self._shapes[plan.id] = Shape(plan.graph)
        return self._shapes[plan.id]

    def keep(
        self, plan: Plan, asked: Asked, vector: FeatureVector, *, seen_id: int, held_from_ms: int | None
    ) -> None:
        """Keep that VECTOR answered ASKED when the rows up to SEEN_ID were known."""
        body = self.shape(plan).encode(asked, held_from_ms, vector)
        try:
            held = self._totals()
            graph = held.graphs.get(plan.id)
            stored = b"" if graph else plan.to_bytes()
            size = len(body) + len(asked.key.encode())
            if size > self._limits.max_served_each or size + len(stored) > self._limits.max_served_bytes:
                with transaction(self._connection):
                    add_meta(self._connection, served_too_large=1)
                return
            seen = self._mark(seen_id)
            with transaction(self._connection):
                if graph is None:
                    graph = held.graphs[plan.id] = self._add_graph(plan.id, stored)
                    held.bytes += len(stored)
                held.last_id += 1
                row = (held.last_id, graph.number, asked.key, vector.at_ms, *seen, body)
                self._connection.execute(_INSERT, (*row, checksum(*row)))
                held.records += 1
                held.bytes += size
                graph.records += 1
                self._evict(held)
        except BaseException:
            self.drop()
            raise

    def _totals(self) -> _Held:
        if self._held is None:
            execute = self._connection.execute
            graphs, size = {}, 0
            for number, graph_id, plan_bytes, records, bytes_ in execute(_GRAPHS):
                graphs[graph_id] = _Graph(number, plan_bytes, records)
                size += plan_bytes + bytes_
            last = last_number(execute, "served", "last_served")
            self._held = _Held(last, sum(g.records for g in graphs.values()), size, graphs)
        return self._held

    def _mark(self, id: int) -> Seen:
        """Return where row ID stands, the newest that has arrived."""
        if self.newest is None or self.newest.id != id:
            found = self._reader.rows_after(id - 1, None)
            if not found or found[0].id != id:  # it was forgotten, or there never was any
                return Seen(id)
            self.newest = found[0]
        return Seen(id, self.newest.ts_ms, self.newest.seq, self.newest.known_ms)

    def _add_graph(self, graph_id: str, plan: bytes) -> _Graph:
        number = self._connection.execute(
            "INSERT INTO served_graph (graph_id, plan, crc) VALUES (?, ?, ?)",
            (graph_id, plan, checksum(graph_id, plan)),
        ).lastrowid
        assert number is not None
        return _Graph(number, len(plan))

    def _evict(self, held: _Held) -> None:
        """Drop the oldest records until the others fit."""
        dropped = 0
        while held.records and (
            held.records > self._limits.max_served or held.bytes > self._limits.max_served_bytes
        ):
            id, number, size = self._connection.execute(_OLDEST).fetchone()
            self._connection.execute("DELETE FROM served WHERE id = ?", (id,))
            dropped += 1
            held.records -= 1
            held.bytes -= size
            self._let_go(held, number)
        add_meta(self._connection, served_dropped=dropped)

    def _let_go(self, held: _Held, number: int) -> None:
        """Count one record less of the graph NUMBER, and drop its plan with the last one."""
        for graph_id, graph in list(held.graphs.items()):
            if graph.number == number:
                graph.records -= 1
                if not graph.records:
                    self._connection.execute("DELETE FROM served_graph WHERE id = ?", (number,))
                    held.bytes -= graph.plan_bytes
                    del held.graphs[graph_id]

    # ---------------------------------------------------------------- forgetting

    def about(self, what: str, value: int | str) -> list[int]:
        """Return the records that go with the events that WHAT = VALUE means; these must still be there."""
        execute = self._connection.execute
        if what == "key":
            return [id for (id,) in execute("SELECT id FROM served WHERE key = ?", (value,))]
        reaches = {number: _reach(plan) for number, plan in execute("SELECT id, plan FROM served_graph")}
        going: dict[str, Sequence[tuple[Any, ...]]] = {}
        found = []
        for id, graph, key, at_ms, seen_id in execute("SELECT id, graph, key, at_ms, seen_id FROM served"):
            if key not in going:
                going[key] = self._going(key, what, value)
            if _may_have_seen(reaches.get(graph, _EVERYTHING), going[key], at_ms, seen_id):
                found.append(id)
        return found

    def forget(self, what: str, value: int | str, ids: Sequence[int], *, events: int) -> None:
        """Delete the records IDS, and what others tell of the EVENTS that were removed; in a transaction."""
        execute = self._connection.execute
        set_meta(self._connection, last_served=last_number(execute, "served", "last_served"))
        self._connection.executemany("DELETE FROM served WHERE id = ?", ((id,) for id in ids))
        add_meta(self._connection, served_forgotten=len(ids))
        if ids:
            execute(_UNUSED)
        if events:
            self._unmark(what, value)
        self.drop()

    def _going(self, key: str, what: str, value: int | str) -> list[tuple[Any, ...]]:
        """Return (ts_ms, seq, id, name, ...) of the events of KEY that will go, in order of time."""
        scan = partial(self._reader.scan, key, None, None)
        if what == "before":
            assert isinstance(value, int)
            return scan(value, ("ts_ms", "seq", "id", "name"))
        rows = scan(None, ("ts_ms", "seq", "id", "name", "event_id"))
        return [row for row in rows if row[-1] == value]

    def _unmark(self, what: str, value: int | str) -> None:
        """Take the times of removed events out of the marks of what is left.

        Whose event a mark stands for is not kept, so that by key or event_id all marks go.
        """
        query = f"SELECT {COLUMNS} FROM served WHERE seen_ts_ms < ?"  # noqa: S608 - our own words
        before = value if what == "before" else INT64_MAX
        for row in self._connection.execute(query, (before,)).fetchall():
            unmarked = (*row[:5], None, None, None, row[8])
            self._connection.execute(
                "UPDATE served SET seen_ts_ms = NULL, seen_seq = NULL, seen_known_ms = NULL, crc = ?"
                " WHERE id = ?",
                (checksum(*unmarked), row[0]),
            )


@dataclass(frozen=True, slots=True)
class _Reach:
    """Which events a graph can see at all."""

    ms: int | None  # back from a query's time; None: all
    events: Collection[str] | None  # by name; None: all


_EVERYTHING: Final = _Reach(None, None)


def _reach(stored: bytes) -> _Reach:
    try:
        plan = Plan.from_bytes(stored)
    except (CompileError, TypeError):  # of another version, or damaged
        return _EVERYTHING
    return _Reach(reach_of(plan), plan.graph.events)


def _may_have_seen(reach: _Reach, going: Sequence[tuple[Any, ...]], at_ms: int, seen_id: int) -> bool:
    """Tell whether an answer at AT_MS that knew the rows up to SEEN_ID may stand on a row of GOING."""
    begin = 0 if reach.ms is None else bisect_left(going, at_ms - reach.ms, key=_ts)
    end = bisect_right(going, at_ms, key=_ts)
    return any(
        id <= seen_id and (reach.events is None or name in reach.events)
        for _, _, id, name, *_ in going[begin:end]
    )
