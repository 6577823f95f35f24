"""Reading back what a log served: record by record, around damage.

A record is given only if its checksum and its plan's say that it is what was written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

from featuregraph import Plan
from featuregraph.errors import FeatureGraphError
from featuregraph.types import INT64_MIN
from stream.codec import checksum
from stream.damage import Finding, Tell, passing, said
from stream.ledger import COLUMNS
from stream.served import Seen, Served, Shape

_ONE: Final = f"SELECT {COLUMNS} FROM served WHERE id = ?"  # noqa: S608 - our own words
_MANY: Final = f"SELECT {COLUMNS} FROM served WHERE id > ? ORDER BY id LIMIT 64"  # noqa: S608 - our own words
_IDS: Final = "SELECT id FROM served WHERE id > ? ORDER BY id LIMIT 64"


class Plans:
    """The plans of the records of one connection, each read once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[int, tuple[Plan, Shape] | str] = {}

    def of(self, number: int) -> tuple[Plan, Shape] | str:
        """Return the plan of a number with the shape of its answers, or what is wrong with it."""
        if number not in self._known:
            self._known[number] = self._read(number)
        return self._known[number]

    @property
    def by_id(self) -> dict[str, Plan]:
        """Return the plans read so far, by the id of their graph."""
        return {known[0].id: known[0] for known in self._known.values() if not isinstance(known, str)}

    def _read(self, number: int) -> tuple[Plan, Shape] | str:
        row = self._connection.execute(
            "SELECT graph_id, plan, crc FROM served_graph WHERE id = ?", (number,)
        ).fetchone()
        if row is None:
            return "found none"
        graph_id, stored, crc = row
        try:
            if checksum(graph_id, stored) != crc:
                return "found other bytes than were written"
            plan = Plan.from_bytes(stored)
        except (FeatureGraphError, TypeError, ValueError) as error:
            return f"found one that cannot be read: {error}"
        return plan, Shape(plan.graph)


def retold(connection: sqlite3.Connection, tell: Tell, plans: Plans | None = None) -> Iterator[Served]:
    """Give the records of a log in the order of serving; TELL of each that is damaged."""
    plans = plans or Plans(connection)
    before, last = None, INT64_MIN
    while last != before:
        before = last
        for row in _page(connection, last, tell):
            if row[0] <= last:  # a damaged page may lead back to one that was read before
                continue
            last = row[0]
            found = _judged(row, plans) if row[1:] else None
            if isinstance(found, Finding):
                tell(found)
            elif found is not None:
                yield found


def _page(connection: sqlite3.Connection, after: int, tell: Tell) -> list[Sequence[Any]]:
    """Return the rows after the record AFTER, only the id of those that cannot be read; TELL of these."""
    try:
        return connection.execute(_MANY, (after,)).fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if passing(error):
            raise
    try:
        ids = connection.execute(_IDS, (after,)).fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if passing(error):
            raise
        tell(Finding("served", "records", f"expected to read them to the end, found: {said(error)}"))
        return []
    return [_single(connection, id, tell) for (id,) in ids]


def _single(connection: sqlite3.Connection, id: int, tell: Tell) -> Sequence[Any]:
    try:
        found: Sequence[Any] = connection.execute(_ONE, (id,)).fetchone() or (id,)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if passing(error):
            raise
        tell(lost(id, f"expected a record that can be read, found: {said(error)}"))
        return (id,)
    return found


def _judged(row: Sequence[Any], plans: Plans) -> Served | Finding:
    id, number, key, at_ms, *seen, body, crc = row
    try:
        if checksum(*row[:-1]) != crc:
            return lost(id, "expected the bytes that were written, found others")
    except (TypeError, ValueError):
        return lost(id, "expected the bytes that were written, found other kinds")
    plan = plans.of(number)
    if isinstance(plan, str):
        return lost(id, f"expected the plan of its graph, {plan}")
    try:
        return plan[1].decode(id, key, at_ms, Seen(*seen), body)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        return lost(id, f"expected values of its graph, found: {error}")


def lost(id: int, detail: str) -> Finding:
    """Return the finding of one record."""
    return Finding("served", f"record {id}", detail, events=1)
