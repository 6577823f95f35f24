"""Stored fields, a JSON object a row, as a column per field and back to the same bytes.

1. The fields of an event stand in one order, in which each of its rows leaves some out. The orders are the
   note of a block: (number of the event, its fields by number).
2. `.x` holds the values of the field x, null where it is left out; `?x` tells where it is left out, if it is
   anywhere: JSON's null is another thing.
3. Rows that do not fit (their orders contradict each other, they are not as we write them, or columns would
   hold next to nothing) stay as they are, in the one column `payload`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import compress, groupby, pairwise
from typing import Any, Final

import msgspec

from stream.blocks.block import MOST_COLUMNS, Block
from stream.codec import Fields
from stream.errors import BlockError

WHOLE: Final = "payload"
Note = list[tuple[int, list[int]]]
Columns = dict[str, list[Any]]

_OTHERS: Final = 24  # columns that are no fields
_LEAST_VALUES: Final = 4  # that a column holds on the average: a header's entry costs as much
encode: Final = msgspec.json.Encoder().encode
_MISSING: Final = object()
_NEVER: Final[list[Any]] = []  # left out


def split(events: Sequence[int], rows: Sequence[Fields], payloads: list[bytes]) -> tuple[Columns, Note]:
    """Return the columns of ROWS, each of the event with that number in EVENTS, and their note.

    PAYLOADS: the rows as they are stored.
    """
    orders = _orders(events, rows)
    names = list(dict.fromkeys(name for order in orders.values() for name in order))
    if not orders or is_thin(len(names), sum(map(len, rows))) or list(map(encode, rows)) != payloads:
        return {WHOLE: [payload.decode() for payload in payloads]}, []
    places = {name: place for place, name in enumerate(names)}
    found, partly = _columns(names, events, orders, rows)
    columns: Columns = {}
    for name, values in found.items():
        if name in partly:
            columns[f"?{name}"] = [value is _MISSING for value in values]
            columns[f".{name}"] = [None if value is _MISSING else value for value in values]
        else:
            columns[f".{name}"] = values
    return columns, [(event, [places[name] for name in order]) for event, order in orders.items()]


def is_thin(fields: int, values: int) -> bool:
    """Tell whether FIELDS are too many for columns, or have too few VALUES in all."""
    return _LEAST_VALUES * fields > values or 2 * fields + _OTHERS > MOST_COLUMNS


def _columns(
    names: Iterable[str], events: Sequence[int], orders: Mapping[int, list[str]], rows: Sequence[Fields]
) -> tuple[Columns, set[str]]:
    """Return the values of NAMES, null where an event has no such field, and which of them a row leaves out.

    Event by event: a block of many events has many columns, each with values in few rows.
    """
    columns: Columns = {name: [None] * len(rows) for name in names}
    partly: set[str] = set()
    for event, first, last in _runs(events):
        here, order = rows[first:last], orders[event]
        if all(len(row) == len(order) for row in here):  # in one order, then: each row has all of them
            for name, values in zip(order, zip(*map(dict.values, here), strict=True), strict=True):
                columns[name][first:last] = values
            continue
        for name in order:
            some = [row.get(name, _MISSING) for row in here]
            columns[name][first:last] = some
            if _MISSING in some:
                partly.add(name)
    return columns, partly


def _orders(events: Sequence[int], rows: Iterable[Mapping[str, Any]]) -> dict[int, list[str]]:
    """Return an order of the fields of each event that all its rows keep to, nothing if there is none."""
    shapes: dict[int, dict[tuple[str, ...], None]] = {}
    for event, row in zip(events, rows, strict=True):
        shapes.setdefault(event, {})[tuple(row)] = None
    try:
        return {event: _order(list(found)) for event, found in shapes.items()}
    except CycleError:
        return {}


def _order(shapes: list[tuple[str, ...]]) -> list[str]:
    if len(shapes) == 1:
        return list(shapes[0])
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for shape in shapes:
        for name in shape:
            sorter.add(name)
        for before, name in pairwise(shape):
            sorter.add(name, before)
    return list(sorter.static_order())


def joined(block: Block, events: Sequence[int], first: int, last: int) -> list[bytes]:
    """Return the stored fields of the rows from FIRST to before LAST; EVENTS are the numbers of theirs."""
    if block.has(WHOLE):
        return [text.encode() for text in block.column(WHOLE).cut(first, last).values()]
    return list(map(encode, fields_of(block, events, first, last)))


def orders_of(block: Block, events: Iterable[int]) -> dict[int, list[str]]:
    """Return the order of the fields of each event; raise BlockError if one of EVENTS has none."""
    names = [name[1:] for name in block.names if name.startswith(".")]
    orders: dict[int, list[str]] = {}
    for event, places in block.note:
        once = len(set(places)) == len(places)
        if places and not (once and 0 <= min(places) <= max(places) < len(names)):
            raise BlockError("expected fields that are columns, found others")
        orders[event] = [names[place] for place in places]
    if unknown := set(events) - set(orders):
        raise BlockError(f"expected the fields of each event, found none of {unknown.pop()!r:.60}")
    return orders


def fields_of(block: Block, events: Sequence[int], first: int, last: int) -> list[Fields]:
    """Return the fields of the same rows, of a block that has them as columns."""
    orders = orders_of(block, events)

    def read(names: Iterable[str]) -> Columns:
        return {name: block.column(name).cut(first, last).values() for name in names if block.has(name)}

    needed = dict.fromkeys(name for event in set(events) for name in orders[event])
    values, left_out = read(f".{name}" for name in needed), read(f"?{name}" for name in needed)
    found: list[Fields] = []
    for event, start, end in _runs(events):
        order = orders[event]
        if not order:
            found += [{} for _ in range(start, end)]
            continue
        columns = (values[f".{name}"][start:end] for name in order)
        here: list[Fields] = [dict(zip(order, row, strict=True)) for row in zip(*columns, strict=True)]
        for name in order:
            for row in compress(here, left_out.get(f"?{name}", _NEVER)[start:end]):
                del row[name]
        found += here
    return found


def _runs(events: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return the runs of EVENTS as (event, first, last)."""
    runs = []
    first = 0
    for event, run in groupby(events):
        last = first + sum(1 for _ in run)
        runs.append((event, first, last))
        first = last
    return runs
