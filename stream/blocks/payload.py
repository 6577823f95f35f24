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
from itertools import pairwise
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
_encode = msgspec.json.Encoder().encode
_MISSING: Final = object()


def split(events: Sequence[int], rows: Sequence[Fields], payloads: list[bytes]) -> tuple[Columns, Note]:
    """Return the columns of ROWS, each of the event with that number in EVENTS, and their note.

    PAYLOADS: the rows as they are stored.
    """
    orders = _orders(events, rows)
    names = list(dict.fromkeys(name for order in orders.values() for name in order))
    few = _LEAST_VALUES * len(names) > sum(map(len, rows))
    if not orders or few or 2 * len(names) + _OTHERS > MOST_COLUMNS or list(map(_encode, rows)) != payloads:
        return {WHOLE: [payload.decode() for payload in payloads]}, []
    places = {name: place for place, name in enumerate(names)}
    columns: Columns = {}
    for name in names:
        values = [row.get(name, _MISSING) for row in rows]
        if _MISSING in values:
            values, left_out = _filled(name, events, orders, values)
            if any(left_out):
                columns[f"?{name}"] = left_out
        columns[f".{name}"] = values
    return columns, [(event, [places[name] for name in order]) for event, order in orders.items()]


def _filled(
    name: str, events: Sequence[int], orders: Mapping[int, list[str]], values: list[Any]
) -> tuple[list[Any], list[bool]]:
    """Return VALUES with nulls where NAME is left out, and where its own events leave it out."""
    with_it = {event for event, order in orders.items() if name in order}
    left_out = [value is _MISSING and event in with_it for value, event in zip(values, events, strict=True)]
    return [None if value is _MISSING else value for value in values], left_out


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
    names = [name[1:] for name in block.names if name.startswith(".")]
    values = {name: block.column(f".{name}").cut(first, last).values() for name in names}
    left_out = {
        name: block.column(f"?{name}").cut(first, last).values() for name in names if block.has(f"?{name}")
    }
    found: list[bytes] = [b""] * (last - first)
    for event, places in block.note:
        once = len(set(places)) == len(places)
        if places and not (once and 0 <= min(places) <= max(places) < len(names)):
            raise BlockError("expected fields that are columns, found others")
        order = [names[place] for place in places]
        rows = [place for place, number in enumerate(events) if number == event]
        partly = [name for name in order if name in left_out]
        for place in rows:
            row = {name: values[name][place] for name in order}
            for name in partly:
                if left_out[name][place]:
                    del row[name]
            found[place] = _encode(row)
    return found
