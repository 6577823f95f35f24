"""Recorded queries as columns: from rows in golden form, and from an Arrow table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from featuregraph import Plan
from featuregraph.arrays.column import Array, Column, column
from featuregraph.convert import BAD, converter
from featuregraph.errors import RequestError
from featuregraph.types import IDENTIFIER, INT64, INT64_MAX, INT64_MIN, TIMESTAMP
from stream.backfill.columnar.arrow import column_of
from stream.backfill.columnar.asked import Asked
from stream.backfill.columnar.keys import Keys
from stream.backfill.columnar.nested import Nested, offsets_of
from stream.backfill.columnar.values import converted

if TYPE_CHECKING:
    import pyarrow as pa

    from featuregraph.graph import Graph

_identifier = converter(IDENTIFIER)


# ---------------------------------------------------------------- rows


def of_rows(
    plan: Plan, queries: Sequence[Mapping[str, Any]], keys: Keys
) -> tuple[Asked, RequestError | None]:
    """Return QUERIES in golden form, up to the first one of another form, and the error that says so.

    KEYS are the keys that have events.
    """
    given, refused = [], None
    for place, query in enumerate(queries):
        try:
            given.append(_checked(plan, query, place))
        except RequestError as error:
            refused = error
            break
    names = plan.graph.requests
    requests = {
        name: converted(type, [one["request"].get(name) for one in given])[0] for name, type in names.items()
    }
    asked = Asked(
        key=keys.of(
            [
                column(IDENTIFIER, [one["key"][place] for one in given])
                for place in range(len(plan.graph.key_columns))
            ]
        ),
        t=np.array([one["t"] for one in given], np.int64),
        as_known=np.array([bool(one.get("as_known")) for one in given], np.bool_),
        history=np.array([_start(one.get("history_start_ms")) for one in given], np.int64),
        requests=requests,
        candidates=_candidates_of_rows(plan.graph, given),
    )
    return asked, refused


def _start(history_start_ms: int | None) -> int:
    return INT64_MIN if history_start_ms is None else max(min(history_start_ms, INT64_MAX), INT64_MIN)


def _checked(plan: Plan, query: Mapping[str, Any], place: int) -> dict[str, Any]:
    """Return QUERY with its key as a list of identifiers, once its form is found right."""
    t, where = query.get("t"), f"query {place + 1}"
    if isinstance(t, bool) or not isinstance(t, int) or not INT64_MIN <= t <= INT64_MAX:
        raise RequestError(
            f"{where}: expected t as int64 ms, found {t!r:.60}; give the time that is asked for"
        )
    key = _key_of(plan.graph, query.get("key"), where)
    try:
        plan.bind_request(query.get("request"))
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from error
    return {**query, "key": key, "request": query.get("request") or {}}


def _key_of(graph: Graph, given: Any, where: str) -> list[str | None]:
    """Return the identifiers of a key, one for each column."""
    columns = graph.key_columns
    values = [given] if len(columns) == 1 else given
    if not isinstance(values, list | tuple) or len(values) != len(columns):
        raise RequestError(
            f"{where}: expected a key with a value each of {', '.join(columns)}, found {given!r:.60};"
            " give a list"
        )
    found = [_identifier(value) for value in values]
    if BAD in found:
        raise RequestError(f"{where}: expected a key as a text or an int64, found {given!r:.60}; correct it")
    return found


def _candidates_of_rows(graph: Graph, given: Sequence[Mapping[str, Any]]) -> Nested | None:
    names = graph.candidates
    if not names:
        return None
    lists = {name: [one["request"].get(name) or [] for one in given] for name in names}
    counts = np.array([len(one) for one in next(iter(lists.values()))], np.int64)
    parts = {
        name: converted(type, [item for one in lists[name] for item in one])[0]
        for name, type in names.items()
    }
    return Nested(offsets_of(counts), parts)


# ---------------------------------------------------------------- tables


def of_table(plan: Plan, table: pa.Table, keys: Keys, places: Array, *, as_known: bool) -> Asked:
    """Return the rows of TABLE, which stand at PLACES among all queries; AS_KNOWN where it does not say.

    Raises:
        RequestError: a key or a time is none, or candidate lists are of different lengths; names the row.
    """
    graph = plan.graph
    return Asked(
        key=keys.of([_key_column(table.column(name), places) for name in graph.key_columns]),
        t=_times(table.column("ts_ms"), places),
        as_known=_as_known(table, default=as_known),
        history=_history(table),
        requests={
            name: column_of(table.column(name), type)[0]
            if name in table.column_names
            else converted(type, [None])[0].take(np.zeros(table.num_rows, np.int64))
            for name, type in graph.requests.items()
        },
        candidates=_candidates(graph, table, places),
    )


def _key_column(given: pa.ChunkedArray, places: Array) -> Column:
    import pyarrow as pa

    if not _is_key(given.type, pa) and given.null_count < len(given):
        place = int(np.flatnonzero(given.combine_chunks().is_valid())[0])
        raise RequestError(
            f"query {places[place] + 1}: expected a key as a text or an int64,"
            f" found {given[place].as_py()!r:.60}; correct it"
        )
    return column_of(given, IDENTIFIER)[0]


def _is_key(type: Any, pa: Any) -> bool:
    inner = type.value_type if pa.types.is_dictionary(type) else type
    return bool(
        pa.types.is_integer(inner)
        or pa.types.is_string(inner)
        or pa.types.is_large_string(inner)
        or pa.types.is_null(inner)
    )


def _times(given: pa.ChunkedArray, places: Array) -> Array:
    import pyarrow as pa

    if pa.types.is_integer(given.type) or pa.types.is_timestamp(given.type):
        found, _ = column_of(given, TIMESTAMP)
        if found.known is None or found.known.all():
            return found.values
        place = int(np.flatnonzero(~found.known)[0])
    else:
        place = 0
    if not len(given):
        return np.zeros(0, np.int64)
    shown = given[place].as_py()
    raise RequestError(
        f"query {places[place] + 1}: expected t as int64 ms, found {shown!r:.60};"
        " give the time that is asked for"
    )


def _as_known(table: pa.Table, *, default: bool) -> Array:
    if "as_known" not in table.column_names:
        return np.full(table.num_rows, default)
    given = table.column("as_known").to_pylist()
    return np.array([default if one is None else bool(one) for one in given], np.bool_)


def _history(table: pa.Table) -> Array:
    if "history_start_ms" not in table.column_names:
        return np.full(table.num_rows, INT64_MIN)
    found, _ = column_of(table.column("history_start_ms"), INT64)
    return found.values if found.known is None else np.where(found.known, found.values, INT64_MIN)


def _candidates(graph: Graph, table: pa.Table, places: Array) -> Nested | None:
    if not graph.candidates:
        return None
    given = [name for name in graph.candidates if name in table.column_names]
    lists = {name: _list(table.column(name), name, places) for name in given}
    counts = {name: np.diff(offsets) for name, (offsets, _) in lists.items()}
    whole = next(iter(counts.values()), np.zeros(table.num_rows, np.int64))
    parts = {}
    for name, type in graph.candidates.items():
        length = counts.get(name, np.zeros(table.num_rows, np.int64))
        if (place := np.flatnonzero(length != whole)).size:
            at = int(place[0])
            raise RequestError(
                f"query {places[at] + 1}: expected candidate lists of one length, found {whole[at]} and"
                f" {length[at]} in {name}; give each candidate a value in each list"
            )
        parts[name] = column_of(lists[name][1], type)[0] if name in lists else converted(type, [])[0]
    return Nested(offsets_of(whole), parts)


def _list(given: pa.ChunkedArray, name: str, places: Array) -> tuple[Array, pa.Array]:
    """Return where each row's members begin, null ones empty, and the members."""
    import pyarrow as pa

    array = given.combine_chunks()
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)):
        if array.null_count < len(array):
            at = int(np.flatnonzero(array.is_valid())[0])
            raise RequestError(
                f"query {places[at] + 1}: candidate {name!r}: expected a list with one value each,"
                f" found {array[at].as_py()!r:.60}; give a list"
            )
        return np.zeros(len(array) + 1, np.int64), pa.nulls(0)
    counts = array.value_lengths().fill_null(0).to_numpy()
    return offsets_of(counts), array.flatten()
