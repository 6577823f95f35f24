"""The events of all sealed blocks in the order of arrival; what cannot be read is told block by block.

1. The table `block` names the blocks, and `run`, apart from it, says which of them there must be.
2. A block is opened when the first of its ids is due; a heap gives the events of all open blocks by id. As
   many are open as overlap: about one per event name.
3. A block is given only if its checksums say that it is what was written, and if it holds what both tables
   say that it holds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple

from stream.blocks.runs import ID, TS, Event
from stream.damage import Finding, Tell, damaged_block, said
from stream.errors import BlockError
from stream.shelf import Shelf

_BOUNDS: Final = "SELECT last_id, first_ms, last_ms, owner_key, owner_name FROM block WHERE id = ?"


class _Listed(NamedTuple):
    """What the tables say of a block."""

    first_id: int
    id: int
    events: int


def sealed_events(connection: sqlite3.Connection, tell: Tell) -> Iterator[Event]:
    """Give the sealed events of a log by arrival; TELL of each block that cannot be read."""
    shelf = Shelf(connection.execute, by_user=False)
    waiting = sorted(_listed(connection, tell), reverse=True)
    open_events: list[tuple[int, int, Event]] = []
    while waiting or open_events:
        while waiting and (not open_events or waiting[-1].first_id <= open_events[0][0]):
            for event in _opened(connection, shelf, waiting.pop(), tell):
                heappush(open_events, (event[ID], len(open_events), event))
        if open_events:
            yield heappop(open_events)[-1]


def _listed(connection: sqlite3.Connection, tell: Tell) -> list[_Listed]:
    """Return the blocks that both tables name, as far as they can be read."""
    named: dict[int, int] = {}
    try:
        named = dict(connection.execute("SELECT block, sum(events) FROM run GROUP BY block"))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        tell(Finding("structure", "file", f"expected a list of blocks, found: {said(error)}"))
    found = []
    blocks = _blocks(connection, named)
    for first, id, events in blocks:
        if type(first) is int and type(events) is int:
            found.append(_Listed(first, id, events))
        else:
            tell(damaged_block(id, named.get(id, 0), "expected its first id and its size, found others"))
    for id in named.keys() - {id for _, id, _ in blocks}:
        tell(damaged_block(id, named[id], "expected the block that its runs name, found none"))
    return found


def _blocks(connection: sqlite3.Connection, named: dict[int, int]) -> list[tuple[Any, int, Any]]:
    query = "SELECT first_id, id, events FROM block"
    try:
        return connection.execute(query).fetchall()
    except (sqlite3.Error, UnicodeDecodeError):
        return [row for id in named for row in _one(connection, f"{query} WHERE id = ?", id)]


def _one(connection: sqlite3.Connection, query: str, id: int) -> list[Any]:
    try:
        return connection.execute(query, (id,)).fetchall()
    except (sqlite3.Error, UnicodeDecodeError):
        return []


def _opened(connection: sqlite3.Connection, shelf: Shelf, listed: _Listed, tell: Tell) -> list[Event]:
    """Return the events of a block, none if it is damaged."""
    events: list[Event] = []
    try:
        block = shelf.load(listed.id)
        block.check()
        events = block.rows()
        wrong = _wrong(connection, listed, events)
    except (BlockError, sqlite3.Error) as error:
        told = str(error) if isinstance(error, BlockError) else said(error)
        wrong = told.removeprefix(f"block {listed.id}: ")
    if wrong:
        tell(damaged_block(listed.id, listed.events, wrong))
        return []
    return events


def _wrong(connection: sqlite3.Connection, listed: _Listed, events: list[Event]) -> str | None:
    """Return what a block has other than the tables say, None if nothing."""
    from stream.blocks.events import runs_of

    runs = runs_of(events)
    found = {
        (key, name, first, last - first, events[first][TS], events[last - 1][TS])
        for key, name, first, last in runs
    }
    query = "SELECT key, name, start, events, first_ms, last_ms FROM run WHERE block = ?"
    if found != set(connection.execute(query, (listed.id,))):
        return "expected the runs that the file names, found others"
    if not events or len(events) != listed.events or min(event[ID] for event in events) != listed.first_id:
        return f"expected {listed.events} events from id {listed.first_id} on, found others"
    owner = runs[0][:2] if len(runs) == 1 else (None, None)
    times = [event[TS] for event in events]
    bounds = max(event[ID] for event in events), min(times), max(times), *owner
    if bounds != connection.execute(_BOUNDS, (listed.id,)).fetchone():
        return "expected the ids, times and owner that the file names, found others"
    return None
