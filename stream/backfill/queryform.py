"""The columns of queries, checked before any work and alike for every executor: what is wrong is named.

key columns        text or integers; null sees no event
ts_ms              int64 ms or a timestamp, in every row
as_known           true, false or null
history_start_ms   int64 ms, a timestamp or null
candidates         lists; those of one length for all count as any others
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from featuregraph import RequestError
from featuregraph.convert import BAD, converter
from featuregraph.shown import shown
from featuregraph.types import IDENTIFIER, TIMESTAMP

if TYPE_CHECKING:
    import pyarrow as pa

    from featuregraph import Graph

_identifier, _time = converter(IDENTIFIER), converter(TIMESTAMP)


def checked(table: pa.Table, graphs: Sequence[Graph], where: str) -> pa.Table:
    """Return TABLE, its candidates as plain lists.

    Args:
        table: the queries.
        graphs: who are asked.
        where: what messages call the queries.

    Raises:
        RequestError: a column is missing or stands there twice, or a value of one is none of its kind.
    """
    keys = dict.fromkeys(column for graph in graphs for column in graph.key_columns)
    names = {*keys, "ts_ms", "as_known", "history_start_ms"}
    names |= {name for graph in graphs for name in (*graph.requests, *graph.candidates)}
    _check_once(table, names, where)
    for name in (*keys, "ts_ms"):
        if name not in table.column_names:
            needed = " and ".join((*keys, "ts_ms"))
            raise RequestError(
                f"{where}: expected the columns {needed}, found no {name} in the queries; add it"
            )
    for name in keys:
        _check(table, name, where, _is_key, _not_a_key, "a key as a text or an int64; correct it")
    _check(table, "ts_ms", where, _is_time, _no_time, "t as int64 ms; give the time that is asked for")
    _check(table, "as_known", where, _is_flag, _not_a_flag, "true or false; convert it")
    _check(table, "history_start_ms", where, _is_start, _not_a_time, "int64 ms; convert it")
    for name in sorted({name for graph in graphs for name in graph.candidates}):
        table = _as_lists(table, name, where)
    return table


def _check_once(table: pa.Table, names: set[str], where: str) -> None:
    twice = [name for name, n in Counter(table.column_names).items() if n > 1 and name in names]
    if twice:
        raise RequestError(
            f"{where}, column {twice[0]}: expected one column of a name, found two; take one out"
        )


def _check(
    table: pa.Table,
    name: str,
    where: str,
    is_sound: Callable[[Any], bool],
    is_wrong: Callable[[object], bool],
    expected: str,
) -> None:
    """Raise RequestError for the first value of the column NAME that IS_WRONG, unless all of it IS_SOUND."""
    if name not in table.column_names or is_sound(table.column(name)):
        return  # only the key and ts_ms must be there
    what, _, step = expected.partition("; ")
    for row, value in _values(table.column(name)):
        if is_wrong(value):
            raise RequestError(
                f"{where}, query {row}, column {name}: expected {what}, found {shown(value)}; {step}"
            )


def _values(column: pa.ChunkedArray) -> Iterator[tuple[int, object]]:
    row = 0
    for chunk in column.chunks:
        for value in chunk.to_pylist():
            row += 1
            yield row, value


def _is_key(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    type = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    texts = pa.types.is_string(type) or pa.types.is_large_string(type)
    return bool(texts or pa.types.is_signed_integer(type) or pa.types.is_null(type))


def _not_a_key(value: object) -> bool:
    return _identifier(value) is BAD


def _is_time(column: pa.ChunkedArray) -> bool:
    return _is_start(column) and not column.null_count


def _is_start(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    type = column.type
    return bool(pa.types.is_signed_integer(type) or pa.types.is_timestamp(type) or pa.types.is_null(type))


def _no_time(value: object) -> bool:
    return value is None or _not_a_time(value)


def _not_a_time(value: object) -> bool:
    return value is not None and (isinstance(value, float | str) or _time(value) is BAD)


def _is_flag(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_boolean(column.type) or pa.types.is_null(column.type))


def _not_a_flag(value: object) -> bool:
    return value is not None and not isinstance(value, bool)


def _as_lists(table: pa.Table, name: str, where: str) -> pa.Table:
    import pyarrow as pa

    if name not in table.column_names:
        return table
    place, column = table.column_names.index(name), table.column(name)
    type = column.type
    if pa.types.is_fixed_size_list(type):
        return table.set_column(place, name, column.cast(pa.list_(type.value_type)))
    if not (pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_null(type)):
        row, value = next(((row, value) for row, value in _values(column) if value is not None), (1, None))
        if value is not None:
            raise RequestError(
                f"{where}, query {row}, column {name}: expected a list with one value for each candidate,"
                f" found {shown(value)}; give a list"
            )
    return table
