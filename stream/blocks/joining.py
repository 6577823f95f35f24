"""Blocks as one, column by column: no event is put together on the way.

    blocks --columns joined--> one table --sorted by (key, name, total order)--> pieces --each cut--> blocks

Blocks whose rows of one event leave fields in different orders, or that keep rows as they are, have no common
columns: their events are put together and written anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from stream.blocks import payload, splice
from stream.blocks.block import write
from stream.blocks.column import Array, Column, nothing
from stream.blocks.events import Events, numbers_of
from stream.blocks.ints import Int64s
from stream.blocks.sealing import Sealing, shared_out

_MOST_PACKED = 8  # times that fields are smaller as columns, about

Run = tuple[int, int, int, int]  # (key, name, first, last)


class Piece(NamedTuple):
    """One block that was made of others."""

    data: bytes
    ids: list[int]
    times: list[int]
    runs: list[Run]
    size: int  # of the fields, at most about


def joined(blocks: Sequence[Events], sealing: Sealing) -> list[Piece] | None:
    """Return BLOCKS as one, or as many as bounds ask for; None if they have no common columns."""
    orders = _orders(blocks)
    if orders is None:
        return None
    columns = {name: splice.joined([_column(block, name) for block in blocks]) for name in _names(blocks)}
    order = _order(columns)
    if not (order[1:] > order[:-1]).all():
        columns = {name: splice.ordered(column, order) for name, column in columns.items()}
    runs = _runs(numbers_of(columns["key"]), numbers_of(columns["name"]))
    each = [_MOST_PACKED * block.block.bytes // max(1, block.count) for block in blocks]
    sizes = np.repeat(each, [block.count for block in blocks])[order].tolist()
    pieces = []
    for first, last in shared_out(runs, sizes, sealing):
        mine = [
            (key, name, max(a, first) - first, min(b, last) - first)
            for key, name, a, b in runs
            if a < last and b > first
        ]
        found = _cut(columns, first, last, orders, mine)
        if found is None:
            return None
        ids, times = (numbers_of(columns[name])[first:last].tolist() for name in ("id", "ts_ms"))
        pieces.append(Piece(write(*found), ids, times, mine, sum(sizes[first:last])))
    return pieces


def _orders(blocks: Sequence[Events]) -> dict[int, list[str]] | None:
    """Return the fields of each event in the order that all BLOCKS keep to, None if there is none."""
    plain = {frozenset(filter(_is_plain, block.block.names)) - {"user_id"} for block in blocks}
    if len(plain) > 1 or any(payload.WHOLE in names for names in plain):
        return None
    orders: dict[int, list[str]] = {}
    for block in blocks:
        events = np.unique(block.numbers("name")).tolist()
        for event, names in payload.orders_of(block.block, events).items():
            if orders.setdefault(event, names) != names:
                return None
    return orders


def _is_plain(name: str) -> bool:
    return name[0] not in ".?"


def _names(blocks: Sequence[Events]) -> list[str]:
    return list(dict.fromkeys(name for block in blocks for name in block.block.names))


def _column(events: Events, name: str) -> Column:
    """Return a column of a block; where it has none nothing is there, and nothing left out."""
    if events.block.has(name):
        return events.block.column(name)
    if name[0] == "?":
        return Column(events.count, Array(np.zeros(events.count, np.bool_)))
    return nothing(events.count)


def _order(columns: Mapping[str, Column]) -> Int64s:
    """Return the numbers of the rows in the order of a block."""
    keys = [numbers_of(columns[name]) for name in ("seq", "ts_ms", "name", "key")]
    if "user_id" in columns:
        ties = ["" if user is None else f".{user}" for user in columns["user_id"].values()]
        ranks = {tie: rank for rank, tie in enumerate(sorted(set(ties)))}
        keys.insert(0, np.array([ranks[tie] for tie in ties], np.int64))
    return np.lexsort(keys)


def _runs(keys: Int64s, names: Int64s) -> list[Run]:
    changes = np.flatnonzero((keys[1:] != keys[:-1]) | (names[1:] != names[:-1])) + 1
    bounds = [0, *changes.tolist(), len(keys)]
    return [(int(keys[a]), int(names[a]), a, b) for a, b in pairwise(bounds)]


def _cut(
    columns: Mapping[str, Column], first: int, last: int, orders: Mapping[int, list[str]], runs: Sequence[Run]
) -> tuple[dict[str, Column], payload.Note] | None:
    """Return the columns of the rows from FIRST to before LAST, of RUNS, and their note; None if thin."""
    events = dict.fromkeys(name for _, name, _, _ in runs)
    fields = list(dict.fromkeys(field for event in events for field in orders[event]))
    if payload.is_thin(len(fields), sum((b - a) * len(orders[event]) for _, event, a, b in runs)):
        return None
    found = {name: column.cut(first, last) for name, column in columns.items() if _is_plain(name)}
    if "user_id" in found and found["user_id"].is_null:
        del found["user_id"]
    for field in fields:
        left_out = columns.get(f"?{field}")
        if left_out is not None and any(flags := left_out.cut(first, last).values()):
            found[f"?{field}"] = Column(last - first, Array(np.array(flags, np.bool_)))
        found[f".{field}"] = columns[f".{field}"].cut(first, last)
    places = {field: place for place, field in enumerate(fields)}
    return found, [(event, [places[field] for field in orders[event]]) for event in events]
