"""The rows of a table that came as Arrow: as columns for who computes in columns, as rows for the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, overload

from featuregraph import TableError
from featuregraph.shown import shown
from featuregraph.types import TIMESTAMP, Type
from stream.entries import Raw

if TYPE_CHECKING:
    import pyarrow as pa

    from featuregraph.arrays.column import Array, Column
    from featuregraph.tables import TableSchema
    from stream.backfill.columnar.source import Read


class TableRows(Sequence[Raw]):
    """TABLE in the order of its file; rows are made when somebody asks for one."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._read: dict[tuple[str, Type], Read] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return TableRows, (self._table,)

    @cached_property
    def _rows(self) -> Sequence[Raw]:
        from featuregraph.arrow import read_rows

        return read_rows(self._table)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @overload
    def __getitem__(self, place: int) -> Raw: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Raw]: ...
    def __getitem__(self, place: int | slice) -> Raw | Sequence[Raw]:
        return self._rows[place]

    def read(self, name: str, type: Type) -> Read:
        """Return the column NAME as TYPE, and which rows are not of it; read once."""
        from stream.backfill.columnar.source import Flat

        if (name, type) not in self._read:
            self._read[name, type] = Flat([self._table]).read(name, type)
        return self._read[name, type]


def counted(schema: TableSchema, rows: TableRows) -> tuple[int, Counter[str]]:
    """Return how many of ROWS are dropped, and the values that are not of their type by column.

    As `stream.entries.entries_of` counts them.

    Raises:
        TableError: a second row of a static key.
    """
    import numpy as np

    from featuregraph.arrays.column import both

    reads = {"key": rows.read("key", schema.key)}
    if schema.changing:
        reads["ts_ms"] = rows.read("ts_ms", TIMESTAMP)
    known = None
    for read in reads.values():
        known = both(known, read.column.known)
    kept = np.ones(len(rows), np.bool_) if known is None else known
    bad = {name: read.bad for name, read in reads.items()}
    for name, type in schema.fields:
        found = rows.read(name, type).bad
        bad[name] = None if found is None else found & kept
    if not schema.changing:
        _check_once(schema, reads["key"].column, np.flatnonzero(kept))
    counts = {name: int(np.sum(mask)) for name, mask in bad.items() if mask is not None}
    return len(rows) - int(kept.sum()), Counter({name: n for name, n in counts.items() if n})


def _check_once(schema: TableSchema, key: Column, rows: Array) -> None:
    """Raise TableError for the first of ROWS whose KEY an earlier one has."""
    from featuregraph.arrays.column import listed
    from stream.backfill.columnar.partition import Partition

    found = Partition(schema.key, key.take(rows))
    if len(again := found.again[0]):
        (value,) = listed(key.take(rows[again.min() :][:1]))
        raise TableError(
            f"table {schema.name!r}: expected one row per key, found a second one of {shown(value)}; "
            "take it out, or declare the table as changing"
        )
