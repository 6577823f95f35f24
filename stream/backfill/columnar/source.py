"""Recorded events as columns: a field by its name and type, of flat Arrow tables or of rows in memory.

A field is read from the column of its name if there is one, else from attrs; the names of SEMANTICS 1.1 are
always columns (2.1). What is not of the type is null, and said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from featuregraph.arrays.column import Column, Mask, column
from featuregraph.errors import EventError
from featuregraph.types import Type
from stream.backfill.columnar.arrow import always_of, column_of
from stream.backfill.columnar.nested import concatenated
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


class Flat:
    """Flat events (stream.backfill.intake): tables one after the other, each with types of its own."""

    def __init__(self, tables: Sequence[pa.Table]) -> None:
        self._tables = tables

    @property
    def count(self) -> int:
        """Return how many events there are."""
        return sum(int(table.num_rows) for table in self._tables)

    def read(self, name: str, type: Type) -> Read:
        """Return the field NAME of each event as TYPE."""
        pieces, bads = [], []
        for table in self._tables:
            if name in table.column_names:
                found, bad = column_of(table.column(name), type)
            else:
                found, bad = _nothing(type, table.num_rows), None
            pieces.append(found)
            bads.append(bad)
        if not pieces:
            return Read(_nothing(type, 0))
        spoilt = None
        if any(bad is not None and bad.any() for bad in bads):
            spoilt = np.concatenate(
                [np.zeros(len(p), np.bool_) if b is None else b for p, b in zip(pieces, bads, strict=True)]
            )
        return Read(concatenated(pieces), spoilt)

    def is_sound(self, name: str, type: Type) -> bool:
        """Tell whether the Arrow types of NAME say that no value is of another type than TYPE."""
        return all(
            always_of(table.schema.field(name).type, type)
            for table in self._tables
            if name in table.column_names
        )


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
    return column(type, [None]).spread(count)
