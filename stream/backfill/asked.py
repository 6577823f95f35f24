"""The queries of a run: from when to when they ask, and whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featuregraph import Plan
from featuregraph.convert import converter
from featuregraph.types import IDENTIFIER, INT64_MAX, INT64_MIN
from stream import tabular
from stream.backfill.queryform import checked

if TYPE_CHECKING:
    import pyarrow as pa

_identifier = converter(IDENTIFIER)


@dataclass(frozen=True, slots=True)
class Asked:
    """The queries of a run.

    Args:
        table: as they were given, in their order.
        times: the first and the last t, None if there is no query.
        known: whether some query may ask as known (SEMANTICS 3.5).
    """

    table: pa.Table
    times: tuple[int, int] | None
    known: bool

    def keys(self, name: str) -> pa.Array:
        """Return the column NAME of the key as text."""
        return _keys(self.table.column(name))

    def ts_ms(self) -> Sequence[int]:
        """Return the time of each query."""
        times: list[int] = _milliseconds(self.table.column("ts_ms")).to_pylist()
        return times


def asked_of(plans: Sequence[Plan], queries: Any, *, as_known: bool) -> Asked:
    """Return the queries of a file, a table or rows.

    Raises:
        BackfillError: they cannot be read.
        RequestError: a column is missing, or holds what is none of its kind.
    """
    graphs = [plan.graph for plan in plans]
    columns = tuple(dict.fromkeys(column for graph in graphs for column in graph.key_columns))
    table = tabular.read_queries(queries, columns, {name for graph in graphs for name in graph.candidates})
    table = checked(table, graphs, str(queries) if isinstance(queries, str | Path) else "the queries")
    return Asked(table, _times(table.column("ts_ms")), as_known or "as_known" in table.column_names)


def _keys(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # more text than one array holds
        whole = pa.concat_arrays([chunk.cast(pa.large_string()) for chunk in whole.chunks])
    if pa.types.is_string(whole.type) or pa.types.is_large_string(whole.type):
        return whole
    if pa.types.is_signed_integer(whole.type):
        return whole.cast(pa.string())
    return pa.array(map(_identifier, whole.to_pylist()), pa.string())


def _milliseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("ms", column.type.tz)).cast(pa.int64())
    return column


def _times(given: pa.ChunkedArray) -> tuple[int, int] | None:
    """Return the first and the last time in GIVEN; all times there are, where it does not tell."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(given):
        return None
    column = _milliseconds(given)
    if not pa.types.is_integer(column.type) or column.null_count:
        return INT64_MIN, INT64_MAX
    ends = pc.min_max(column).as_py()
    return ends["min"], ends["max"]
