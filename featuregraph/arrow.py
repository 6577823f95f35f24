"""Arrow tables in and out: events, queries and results in the columns that ARCHITECTURE and GRAPH_JSON name.

Events and queries become the dicts that executors take (GRAPH_JSON, golden form); answers become typed
columns. pyarrow is imported inside the functions: whoever has no tables needs none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from featuregraph.errors import EventError, RequestError
from featuregraph.types import AnyType, ListType, MapType, RecordType

if TYPE_CHECKING:
    import pyarrow as pa

    from featuregraph.graph import Graph

Row = dict[str, Any]

_TEXT_COLUMNS = ("event_id", "user_id", "session_id", "event", "page_id", "item_id")
EVENT_COLUMNS = (
    "event_id",
    "user_id",
    "session_id",
    "event",
    "ts_ms",
    "seq",
    "known_ms",
    "page_id",
    "item_id",
    "attrs",
)


def arrow_type(type: AnyType, *, per_candidate: bool = False) -> pa.DataType:
    """Return the Arrow type of values of TYPE; a list of it where there is one value per candidate."""
    import pyarrow as pa

    if per_candidate:
        return pa.list_(arrow_type(type))
    match type:
        case ListType(item):
            return pa.list_(arrow_type(item))
        case MapType(key, value):
            return pa.map_(arrow_type(key), arrow_type(value))
        case RecordType(items):
            return pa.struct([pa.field(name, pa.list_(arrow_type(item))) for name, item in items])
    if type.kind == "decimal":
        return pa.decimal128(19, type.scale)
    if type.kind == "vector":
        return pa.list_(pa.float32(), type.param)
    if type.is_text:
        return pa.string()
    return {"float64": pa.float64(), "boolean": pa.bool_()}.get(type.kind, pa.int64())


# ---------------------------------------------------------------- events


def read_events(table: pa.Table) -> list[Row]:
    """Return the rows of an events table as event dicts, in their order.

    Columns: those of SEMANTICS 1.1, attrs as map<string, string> (or a struct), and typed columns of fields.
    A typed column that the table has is read before attrs in every row, even where it is null (2.1).

    Raises:
        EventError: the table lacks event or ts_ms, or its attrs are no map.
    """
    if missing := [name for name in ("event", "ts_ms") if name not in table.column_names]:
        raise EventError(f"expected the columns event and ts_ms, found no {missing[0]} in the events; add it")
    columns = {name: _values(table.column(name)) for name in table.column_names}
    if "attrs" in columns:
        columns["attrs"] = [_attrs(value) for value in columns["attrs"]]
    return _rows(columns, table.num_rows)


def write_events(events: Iterable[Mapping[str, object]]) -> pa.Table:
    """Return event dicts as a table of the canonical columns; what stands beside them goes into attrs."""
    import pyarrow as pa

    columns: dict[str, list[object]] = {name: [] for name in EVENT_COLUMNS}
    for event in events:
        attrs = dict(event.get("attrs") or {})  # type: ignore[call-overload]
        attrs |= {name: value for name, value in event.items() if name not in columns}
        for name, values in columns.items():
            values.append(_text(event.get(name)) if name in _TEXT_COLUMNS else event.get(name))
        columns["attrs"][-1] = [(name, _text(value)) for name, value in attrs.items() if value is not None]
    schema = pa.schema([(name, _event_type(name)) for name in columns])
    try:
        return pa.table(columns, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise EventError(
            f"expected int64 times and seq in the events, found {error}; convert them"
        ) from error


def _event_type(name: str) -> pa.DataType:
    import pyarrow as pa

    if name == "attrs":
        return pa.map_(pa.string(), pa.string())
    return pa.string() if name in _TEXT_COLUMNS else pa.int64()


def read_rows(table: pa.Table) -> list[Row]:
    """Return the rows of any table as dicts by column, in their order."""
    return _rows({name: _values(table.column(name)) for name in table.column_names}, table.num_rows)


def _attrs(value: Any) -> dict[str, Any]:
    if value is None or isinstance(value, dict):
        return value or {}
    if isinstance(value, list):
        return dict(value)
    raise EventError(f"expected attrs as map<string, string>, found {value!r:.60} in the events; convert it")


def _text(value: object) -> str | None:
    """Return the text of a value as JSON would write it, None for null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


# ---------------------------------------------------------------- queries


def read_queries(graph: Graph, table: pa.Table, *, as_known: bool = False) -> list[Row]:
    """Return the rows of a queries table in golden form (GRAPH_JSON, Query).

    Columns: those of the key, ts_ms, one per request, a list per candidate, and perhaps as_known and
    history_start_ms.
    AS_KNOWN stands where the table's own as_known is null or missing.

    Raises:
        RequestError: the key or ts_ms is missing.
    """
    needed = (*graph.key_columns, "ts_ms")
    if missing := [name for name in needed if name not in table.column_names]:
        raise RequestError(
            f"expected the columns {' and '.join(needed)}, found no {missing[0]} in the queries; add it"
        )
    names = [name for name in (*graph.requests, *graph.candidates) if name in table.column_names]
    given = _rows({name: _values(table.column(name)) for name in names}, table.num_rows)
    columns = [_values(table.column(name)) for name in graph.key_columns]
    keys = columns[0] if len(columns) == 1 else list(map(list, zip(*columns, strict=True)))
    t = _values(table.column("ts_ms"))
    known, history = _option(table, "as_known"), _option(table, "history_start_ms")
    return [
        {
            "key": keys[i],
            "t": t[i],
            "request": given[i],
            "as_known": as_known if known[i] is None else known[i],
            "history_start_ms": history[i],
        }
        for i in range(table.num_rows)
    ]


def write_queries(graph: Graph, queries: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return queries in golden form as a table: the key, ts_ms, requests and candidates in their types."""
    import pyarrow as pa

    columns = {
        name: ([_text(_part(query["key"], place)) for query in queries], pa.string())
        for place, name in enumerate(graph.key_columns)
    }
    columns |= {
        "ts_ms": ([query["t"] for query in queries], pa.int64()),
    }
    for names, per_candidate in ((graph.requests, False), (graph.candidates, True)):
        for name, type in names.items():
            values = [(query.get("request") or {}).get(name) for query in queries]
            columns[name] = values, arrow_type(type, per_candidate=per_candidate)
    arrays = {}
    for name, (values, arrow) in columns.items():
        try:
            arrays[name] = pa.array(values, arrow)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise RequestError(
                f"expected a value of its type as {name}, found {error}; convert it"
            ) from error
    return pa.table(arrays)


def _part(key: Any, place: int) -> object:
    """Return the value of the key column at PLACE; a key of one column is a value itself."""
    return key[place] if isinstance(key, list | tuple) else key


def _option(table: pa.Table, name: str) -> list[Any]:
    return _values(table.column(name)) if name in table.column_names else [None] * table.num_rows


# ---------------------------------------------------------------- results


def write_results(graph: Graph, queries: pa.Table, answers: Iterable[Mapping[str, object]]) -> pa.Table:
    """Return the query columns, then a column per feature; ANSWERS are public values, one mapping per query.

    A sequence becomes one list column per item, named FEATURE.ITEM. A feature may be called like a query
    column: the table then has both, the feature's after the query's.
    """
    import pyarrow as pa

    rows = list(answers)
    for name, node in graph.features.items():
        values = [row[name] for row in rows]
        if isinstance(node.type, RecordType):
            for item, type in node.type.items:
                # A sequence that is not known yet is null in each of its columns (SEMANTICS 9.3).
                column = [None if value is None else value[item] for value in values]  # type: ignore[index]
                queries = queries.append_column(
                    f"{name}.{item}", pa.array(column, pa.list_(arrow_type(type)))
                )
        else:
            type_ = arrow_type(node.type, per_candidate=node.per_candidate)
            queries = queries.append_column(name, pa.array(_entries(node.type, values), type_))
    return queries


def _entries(type: AnyType, values: list[object]) -> list[object]:
    """Return maps as the lists of pairs that Arrow takes, other values as they are."""
    if not isinstance(type, MapType):
        return values
    return [list(value.items()) if isinstance(value, Mapping) else value for value in values]


# ---------------------------------------------------------------- columns


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Return a column as Python values; an Arrow timestamp as the int64 ms that the contract speaks of."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", column.type.tz)).cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def _rows(columns: Mapping[str, list[Any]], count: int) -> list[Row]:
    """Return columns as one dict per row."""
    if not columns:
        return [{} for _ in range(count)]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
