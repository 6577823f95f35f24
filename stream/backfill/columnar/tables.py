"""Tables as of a time (SEMANTICS 10), looked up for whole columns of keys.

rows -> those with a key, and a time if it is needed        as columns
     -> sorted by (key, ts_ms); of equal ones the latest in the order of the file
     -> one search for (key, T) finds the row that holds at T
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from featuregraph.arrays import Space
from featuregraph.arrays.column import Array, Column, both
from featuregraph.ir import Node, Op
from featuregraph.types import TIMESTAMP, Type
from stream.backfill.columnar.coding import Coding
from stream.backfill.columnar.nested import concatenated
from stream.backfill.columnar.order import group_starts, sorted_order
from stream.backfill.columnar.values import converted
from stream.backfill.history import Raw, Rows
from stream.backfill.tablerows import TableRows

_CODE_BITS = 31  # a key's code and a time's number are packed in one int64


class Tables:
    """The tables of a run by name, each brought to columns when it is asked first."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._made: dict[tuple[str, Type, bool], _Table] = {}

    def look_up(self, node: Node, key: Column, until: Array) -> Column:
        """Return what NODE says of each KEY as of its UNTIL; of a static table KEY alone decides."""
        name, type, changing = node["table"], node["key"], node["changing"]
        if (name, type, changing) not in self._made:
            self._made[name, type, changing] = _Table(self._rows[name], type, changing=changing)
        table = self._made[name, type, changing]
        if changing:
            rows = table.as_of(key.spread(len(until)), until, include_now=node.get("include_now", False))
        else:
            rows = table.always(key)
        return replace(table.field(node["field"], node.scalar).take(rows), over=key.over)


class _Table:
    """One table: RAWS in the order of the file, with a key of TYPE."""

    def __init__(self, raws: Sequence[Raw], type: Type, *, changing: bool) -> None:
        self._raws = raws
        self._fields: dict[tuple[str, Type], Column] = {}
        key = _read(raws, "key", type)
        since = _read(raws, "ts_ms", TIMESTAMP) if changing else Column(np.zeros(len(raws), np.int64))
        known = both(key.known, since.known)
        rows = np.arange(len(raws)) if known is None else np.flatnonzero(known)
        self._coding = Coding(type, key.take(rows), bits=_CODE_BITS)
        codes, times = self._coding.of(key.take(rows))[0], since.values[rows]
        order = sorted_order([codes, times], len(rows))
        if len(order):  # of equal ones the last
            order = order[np.append(group_starts([codes[order], times[order]])[1:], len(order)) - 1]
        self._order = rows[order]
        self._times = np.unique(times)
        self._packed = self._pack(codes[order], np.searchsorted(self._times, times[order]))

    def _pack(self, codes: Array, times: Array | int) -> Array:
        packed: Array = codes * (len(self._times) + 1) + times
        return packed

    def always(self, key: Column) -> Array:
        """Return the row of each KEY, that of `field` without values for none."""
        return self._found(key, 1)

    def as_of(self, key: Column, until: Array, *, include_now: bool) -> Array:
        """Return the latest row of each KEY before UNTIL, with INCLUDE_NOW at it too."""
        return self._found(key, np.searchsorted(self._times, until, side="right" if include_now else "left"))

    def _found(self, key: Column, visible: Array | int) -> Array:
        """Return the latest row of each KEY whose time is among the first VISIBLE ones."""
        codes, known = self._coding.of(key)
        place = np.searchsorted(self._packed, self._pack(codes, visible)) - 1
        first = np.searchsorted(self._packed, self._pack(codes, 0))
        return np.where(known & (place >= first), place, len(self._order))

    def field(self, name: str, type: Type) -> Column:
        """Return the field NAME by row, and at last a row without values."""
        if (name, type) not in self._fields:
            found = concatenated([_read(self._raws, name, type), converted(type, [None])[0]])
            self._fields[name, type] = found.take(np.append(self._order, len(self._raws)))
        return self._fields[name, type]


def _read(raws: Sequence[Raw], name: str, type: Type) -> Column:
    if isinstance(raws, TableRows):
        return raws.read(name, type).column
    return converted(type, [raw.get(name) for raw in raws])[0]


def space(
    length: int, leaf: Callable[[Node], Column | None], tables: Tables, until: Callable[[], Array]
) -> Space:
    """Return a Space in which what LEAF does not give is looked up, as of what UNTIL gives for each row."""

    def given(node: Node) -> Column | None:
        found = leaf(node)
        if found is None and node.op is Op.TABLE:
            found = tables.look_up(node, made.narrow(node.args[0]), until())
        return found

    made = Space(length, given)
    return made


NO_TABLES = Tables({})
