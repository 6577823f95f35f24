"""The queries of a run: whose they are, and from when to when they ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featuregraph import Plan, RequestError
from featuregraph.convert import BAD, converter
from featuregraph.types import IDENTIFIER, INT64_MAX, INT64_MIN
from stream import tabular

if TYPE_CHECKING:
    import pyarrow as pa

_identifier = converter(IDENTIFIER)


@dataclass(frozen=True, slots=True)
class Asked:
    """The queries of a run.

    Args:
        table: as they were given, in their order.
        keys: the columns of the key, as text.
        times: the first and the last t, None if there is no query.
        known: whether some query may ask as known (SEMANTICS 3.5).
    """

    table: pa.Table
    keys: Sequence[pa.Array]
    times: tuple[int, int] | None
    known: bool


def asked_of(plans: Sequence[Plan], queries: Any, *, as_known: bool) -> Asked:
    """Return the queries of a file, a table or rows.

    Raises:
        BackfillError: they cannot be read.
        RequestError: a column is missing, or a key is neither a text nor an int64.
    """
    from featuregraph.arrow import read_queries

    key = plans[0].graph.key_columns
    candidates = {name for plan in plans for name in plan.graph.candidates}
    table = tabular.read_queries(queries, key[0], candidates)
    for plan in plans:
        read_queries(plan.graph, table.slice(0, 0))  # says which column is missing
    return Asked(
        table,
        [_keys(table.column(name)) for name in key],
        _times(table.column("ts_ms")),
        as_known or "as_known" in table.column_names,
    )


def _keys(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # more text than one array holds
        whole = pa.concat_arrays([chunk.cast(pa.large_string()) for chunk in whole.chunks])
    if pa.types.is_string(whole.type) or pa.types.is_large_string(whole.type):
        return whole
    if pa.types.is_signed_integer(whole.type):
        return whole.cast(pa.string())
    return pa.array([_text(raw, place) for place, raw in enumerate(whole.to_pylist())], pa.string())


def _text(raw: object, place: int) -> str | None:
    found = _identifier(raw)
    if found is BAD:
        raise RequestError(
            f"query {place + 1}: expected a key as a text or an int64, found {raw!r:.60}; correct it"
        )
    text: str | None = found
    return text


def _times(column: pa.ChunkedArray) -> tuple[int, int] | None:
    """Return the first and the last time in COLUMN; all times there are, where it does not tell."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(column):
        return None
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", column.type.tz)).cast(pa.int64())
    if not pa.types.is_integer(column.type) or column.null_count:
        return INT64_MIN, INT64_MAX
    ends = pc.min_max(column).as_py()
    return ends["min"], ends["max"]
