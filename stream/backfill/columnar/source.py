"""Recorded events as columns: a field by its name and type, of an Arrow table or of rows in memory.

A field is read from the column of its name if there is one, else from attrs; the names of SEMANTICS 1.1 are
always columns (2.1). What is not of the type is null, and said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask, column
from featuregraph.errors import EventError
from featuregraph.types import Type
from stream.backfill.columnar.arrow import column_of, scattered
from stream.backfill.columnar.values import converted
from stream.event import COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Read:
    """A column as it was read; bad: rows whose value is not of the type, None if there are none."""

    column: Column
    bad: Mask | None = None


class Source(Protocol):
    """Events in the order of arrival."""

    @property
    def count(self) -> int:
        """Return how many events there are."""
        ...

    def read(self, name: str, type: Type) -> Read:
        """Return the field NAME of each event as TYPE."""
        ...


class Table:
    """Events of an Arrow table."""

    def __init__(self, table: pa.Table) -> None:
        for name in ("event", "ts_ms"):
            if name not in table.column_names:
                raise EventError(
                    f"expected the columns event and ts_ms, found no {name} in the events; add it"
                )
        self._table = table

    @property
    def count(self) -> int:
        """Return how many events there are."""
        return int(self._table.num_rows)

    def read(self, name: str, type: Type) -> Read:
        """Return the field NAME of each event as TYPE."""
        if name in self._table.column_names:
            return Read(*column_of(self._table.column(name), type))
        if name in COLUMNS or self._attrs is None:
            return Read(_nothing(type, self.count))
        if isinstance(self._attrs, Mapping):
            found = self._attrs.get(name)
            return Read(_nothing(type, self.count)) if found is None else Read(*column_of(found, type))
        rows, values = self._attrs.of(name)
        found, bad = column_of(values, type)
        spread, spread_bad = scattered(found, bad, rows, self.count)
        return Read(spread, spread_bad)

    @cached_property
    def _attrs(self) -> Mapping[str, Any] | MapColumn | None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if "attrs" not in self._table.column_names:
            return None
        attrs = self._table.column("attrs")
        if pa.types.is_struct(attrs.type):
            return {field.name: pc.struct_field(attrs, [i]) for i, field in enumerate(attrs.type)}
        if pa.types.is_map(attrs.type):
            return MapColumn(attrs)
        if pa.types.is_null(attrs.type):
            return None
        raise EventError(
            f"expected attrs as map<string, string>, found {attrs.type} in the events; convert it"
        )


class MapColumn:
    """attrs as map<string, string>: the entries of one name at a time."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        import pyarrow as pa

        whole = column.combine_chunks()
        offsets = whole.offsets.to_numpy()
        counts = np.diff(offsets)
        if whole.null_count:
            counts = np.where(whole.is_valid().to_numpy(zero_copy_only=False), counts, 0)
        self._rows = np.repeat(np.arange(len(counts)), counts)
        self._places = np.arange(len(self._rows)) + np.repeat(
            offsets[:-1] - (np.cumsum(counts) - counts), counts
        )
        keys = whole.keys.dictionary_encode() if not pa.types.is_dictionary(whole.keys.type) else whole.keys
        self._items = whole.items
        self._codes = keys.indices.to_numpy(zero_copy_only=False)[self._places]
        self._numbers: dict[str, int] = {name: i for i, name in enumerate(keys.dictionary.to_pylist())}

    def of(self, name: str) -> tuple[Array, pa.Array]:
        """Return the rows that have an entry of NAME, and its values there; a later entry goes before."""
        import pyarrow as pa

        number = self._numbers.get(name)
        chosen = np.flatnonzero(self._codes == number) if number is not None else np.zeros(0, np.int64)
        return self._rows[chosen], self._items.take(pa.array(self._places[chosen]))


class Raws:
    """Events as rows in memory, as JSON has them: values of any class, each converted by itself."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._rows = rows
        for row in rows:
            if not isinstance(row.get("attrs") or {}, Mapping):
                raise EventError(
                    f"expected attrs as names with values, found {row['attrs']!r:.60}"
                    f" in event {row.get('event')!r:.60}; pass a dict"
                )

    @property
    def count(self) -> int:
        """Return how many events there are."""
        return len(self._rows)

    def read(self, name: str, type: Type) -> Read:
        """Return the field NAME of each event as TYPE."""
        if name in COLUMNS:
            raws: list[Any] = [row.get(name) for row in self._rows]
        else:
            raws = [row[name] if name in row else (row.get("attrs") or {}).get(name) for row in self._rows]
        return Read(*converted(type, raws))


def _nothing(type: Type, count: int) -> Column:
    return column(type, [None]).take(np.zeros(count, np.int64))
