"""The items that can be offered, and what is said of them, as of a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from featuregraph.arrays.column import Array, Column, both
from featuregraph.types import INT64_MIN, TIMESTAMP, Type
from stream.backfill.columnar.arrow import column_of
from stream.backfill.columnar.order import group_starts, sorted_order
from stream.errors import BackfillError
from stream.tabular import read_queries, read_table


@dataclass(frozen=True, slots=True)
class Listed:
    """A catalogue as it was given; item and fields in their types, a row each."""

    where: str
    item: Column
    since: Array  # ms; INT64_MIN: always
    fields: Mapping[str, Column]
    dropped: int  # rows without an item, or without a needed time


def listed(source: Any, item: str, types: Mapping[str, Type]) -> Listed:
    """Return the catalogue SOURCE: the column ITEM, ts_ms if it changes, and those of TYPES that it has.

    Raises:
        BackfillError: it cannot be read, or lacks the item.
    """
    is_path = isinstance(source, str | Path)
    where = str(source) if is_path else "the catalogue"
    table = read_table(source) if is_path else read_queries(source, (item,), where=where)
    if item not in table.column_names:
        have = ", ".join(table.column_names[:8])
        raise BackfillError(f"{where}: expected the column {item} of a catalogue, found {have}; add it")
    found = {
        name: _read(table.column(name), type, where, name)
        for name, type in types.items()
        if name in table.column_names
    }
    since, known = np.full(table.num_rows, INT64_MIN), found[item].known
    if "ts_ms" in table.column_names:
        times = _read(table.column("ts_ms"), TIMESTAMP, where, "ts_ms")
        since, known = times.values, both(known, times.known)
    kept = np.arange(table.num_rows) if known is None else np.flatnonzero(known)
    fields = {name: column.take(kept) for name, column in found.items()}
    return Listed(where, fields.pop(item), since[kept], fields, table.num_rows - len(kept))


def _read(column: pa.ChunkedArray, type: Type, where: str, name: str) -> Column:
    found, bad = column_of(column, type)
    if bad is not None:
        row = int(np.flatnonzero(bad)[0])
        raise BackfillError(
            f"{where}, row {row + 1}, column {name}: expected {type}, found {column[row].as_py()!r:.60};"
            " correct it"
        )
    return found


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A catalogue with its items as codes, by (item, since); of two rows at one time the later one stands."""

    item: Array
    since: Array
    fields: Mapping[str, Column]

    def rows(self, items: Array, before: Array) -> Array:
        """Return the row of each of ITEMS that holds before the time of the same place, -1 if none does."""
        times = np.unique(self.since)
        width = len(times) + 1
        ranks = self.item * width + np.searchsorted(times, self.since)
        wanted = items * width + np.searchsorted(times, before, "left")
        found = np.searchsorted(ranks, wanted, "left") - 1
        there = np.flatnonzero(found >= 0)
        found[there[self.item[found[there]] != items[there]]] = -1
        return found

    def first(self) -> tuple[Array, Array]:
        """Return each item once and from when on it is there, in the order of time, then of the rows."""
        starts = group_starts([self.item]) if len(self.item) else np.zeros(0, np.int64)
        order = np.argsort(self.since[starts], kind="stable")
        return self.since[starts][order], self.item[starts][order]


def catalogue(given: Listed, items: Array, text_of: Callable[[int], str]) -> Catalogue:
    """Return GIVEN whose rows have the codes ITEMS.

    Raises:
        BackfillError: a catalogue without times has two rows of one item, which TEXT_OF tells.
    """
    order = sorted_order([items, given.since], len(items))
    item, since = items[order], given.since[order]
    last = np.ones(len(item), np.bool_)
    last[:-1] = (item[1:] != item[:-1]) | (since[1:] != since[:-1])
    if not last.all() and bool((since == INT64_MIN).all()):
        twice = text_of(int(item[np.flatnonzero(~last)[0]]))
        raise BackfillError(
            f"{given.where}: expected one row per item, found a second one of {twice!r:.60};"
            " take it out, or add ts_ms from when on each holds"
        )
    kept = order[last]
    fields = {name: column.take(kept) for name, column in given.fields.items()}
    return Catalogue(items[kept], given.since[kept], fields)
