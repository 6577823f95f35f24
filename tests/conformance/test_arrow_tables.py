"""Tables in and out: the golden cases once more, through Arrow, and the columns that the contract fixes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")

from featuregraph import arrow, reference  # noqa: E402  pyarrow decides whether this file runs
from featuregraph.errors import EventError, RequestError  # noqa: E402
from featuregraph.graph import Graph  # noqa: E402
from featuregraph.testing.conformance import Case, load_cases  # noqa: E402
from featuregraph.testing.exact import near  # noqa: E402
from featuregraph.types import MapType, RecordType  # noqa: E402
from featuregraph.values import json_value, same  # noqa: E402

EVENTS = {"e": {"x": "int64", "p": "decimal(2)", "s": "category"}}


def _fits_a_table(case: Case) -> bool:
    """Tell whether a case says what a table can: canonical columns, typed requests, all asked at the end."""
    if isinstance(case.expected, dict) or case.graphs or case.tables or case.labels or case.strict:
        return False
    if case.graph.get("derived") or isinstance(case.graph.get("key"), list):
        return False
    plain = all(set(event) <= set(arrow.EVENT_COLUMNS) for event in case.events)
    plain = plain and not any(isinstance(event.get("known_ms"), str) for event in case.events)
    asked = all("after" not in query for query in case.queries)
    typed = case.id not in ("07_operators::request_conversion", "06_groups::lookup_candidates")
    return plain and asked and typed


CASES = [
    case for case in load_cases(Path(__file__).parent.parent / "golden" / "vectors") if _fits_a_table(case)
]


def test_enough_cases_fit_a_table() -> None:
    """The filter above does not hide the suite."""
    assert len(CASES) >= 50


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_golden_case_through_tables(case: Case) -> None:
    """Events and queries written to tables, evaluated and read back are the case's values, in its types."""
    graph = Graph.from_json(case.graph)
    queries = arrow.write_queries(graph, case.queries)
    for name, type in (("as_known", pa.bool_()), ("history_start_ms", pa.int64())):
        if any(name in query for query in case.queries):
            queries = queries.append_column(name, pa.array([q.get(name) for q in case.queries], type))
    known = len(queries.column_names)
    table = reference.evaluate(graph, arrow.write_events(case.events), queries)
    assert table.column_names[:known] == queries.column_names
    columns = iter(table.columns[known:])
    for name, node in graph.features.items():
        expected = [row[name] for row in case.expected]
        if isinstance(node.type, RecordType):
            for item, type in node.type.items:
                found = [[json_value(type, v) for v in row] for row in next(columns).to_pylist()]
                assert same(found, [row[item] for row in expected])
            continue
        rows = [dict(row) if isinstance(node.type, MapType) else row for row in next(columns).to_pylist()]
        found = [json_value(node.type, row, per_candidate=node.per_candidate) for row in rows]
        assert (
            near(found, expected, case.tolerance[name]) if name in case.tolerance else same(found, expected)
        )


def _graph(features: dict[str, Any]) -> Graph:
    return Graph.from_json({"format": 1, "graph": "g", "events": EVENTS, "features": features})


def test_types_of_result_columns() -> None:
    """Decimals are decimal128(19, scale), text strings, maps maps, vectors fixed lists, times int64."""
    rows = {"events": ["e"]}
    graph = _graph(
        {
            "dec": {"agg": "sum", "stream": rows, "x": {"field": "p"}},
            "map": {"agg": "sum", "stream": {**rows, "by": {"field": "s"}}, "x": {"field": "p"}},
            "now": {"now": True},
            "per": {"candidate": "c", "type": "vector(2)"},
            "seq": {
                "agg": "sequence",
                "n": 2,
                "items": {"s": {"field": "s"}, "p": {"field": "p"}},
                "stream": rows,
            },
            "top": {"agg": "topk", "k": 2, "x": {"field": "s"}, "stream": rows},
            "vec": {"request": "q", "type": "vector(2)"},
        }
    )
    queries = pa.table({"user_id": ["u"], "ts_ms": [9], "q": [[0.5, 1.0]], "c": [[[1, 2], [3, 4], None]]})
    event = {"event": "e", "user_id": "u", "ts_ms": 1, "attrs": {"p": "1.5", "s": "a"}}
    table = reference.evaluate(graph, arrow.write_events([event]), queries)
    cents, vector = pa.decimal128(19, 2), pa.list_(pa.float32(), 2)
    assert {name: table.schema.field(name).type for name in table.column_names[4:]} == {
        "dec": cents,
        "map": pa.map_(pa.string(), cents),
        "now": pa.int64(),
        "per": pa.list_(vector),
        "seq.p": pa.list_(cents),
        "seq.s": pa.list_(pa.string()),
        "top": pa.list_(pa.string()),
        "vec": vector,
    }
    assert table.column("per").to_pylist() == [[[1.0, 2.0], [3.0, 4.0], None]]
    assert table.column("vec").to_pylist() == [[0.5, 1.0]]


def test_a_typed_column_goes_before_attrs_even_where_it_is_null() -> None:
    """SEMANTICS 2.1: once the table has the column, attrs is not read for that field."""
    graph = _graph({"s": {"agg": "sum", "stream": {"events": ["e"]}, "x": {"field": "x"}}})
    attrs = pa.array([[("x", "5")], [("x", "7")]], pa.map_(pa.string(), pa.string()))
    columns = {"user_id": ["u", "u"], "event": ["e", "e"], "ts_ms": [1, 2], "attrs": attrs}
    queries = pa.table({"user_id": ["u"], "ts_ms": [9]})
    assert reference.evaluate(graph, pa.table(columns), queries).column("s").to_pylist() == [12]
    typed = pa.table({**columns, "x": pa.array([3, None], pa.int64())})
    assert reference.evaluate(graph, typed, queries).column("s").to_pylist() == [3]


def test_times_may_be_arrow_timestamps() -> None:
    """A timestamp column counts as its milliseconds, whatever its unit."""
    graph = _graph({"n": {"agg": "since_last", "stream": {"events": ["e"]}}})
    ts = pa.array([1_000_000], pa.int64()).cast(pa.timestamp("us", "UTC"))
    events = pa.table({"user_id": [7], "event": ["e"], "ts_ms": ts})
    table = reference.evaluate(graph, events, pa.table({"user_id": ["7"], "ts_ms": [1005]}))
    assert table.column("n").to_pylist() == [5]


def test_as_known_is_the_tables_word_and_else_the_callers() -> None:
    """SEMANTICS 3.5: a row's own as_known counts; where it is null the argument does."""
    graph = _graph({"n": {"agg": "count", "stream": {"events": ["e"]}}})
    event = {"event": "e", "user_id": "u", "ts_ms": 1, "known_ms": 50}
    queries = pa.table({"user_id": ["u"] * 3, "ts_ms": [9] * 3, "as_known": [True, False, None]})
    for as_known, expected in ((False, [0, 1, 1]), (True, [0, 1, 0])):
        table = reference.evaluate(graph, arrow.write_events([event]), queries, as_known=as_known)
        assert table.column("n").to_pylist() == expected


def test_missing_columns_are_named() -> None:
    """A table without its key or time says which column is missing."""
    graph = _graph({"n": {"agg": "count", "stream": {"events": ["e"]}}})
    with pytest.raises(RequestError, match="no user_id in the queries"):
        arrow.read_queries(graph, pa.table({"ts_ms": [1]}))
    with pytest.raises(EventError, match="no ts_ms in the events"):
        arrow.read_events(pa.table({"event": ["e"]}))


def test_values_that_fit_no_column_are_refused() -> None:
    """What is written keeps its type or is an error of ours, not of Arrow."""
    graph = _graph({"r": {"request": "r", "type": "int64"}})
    with pytest.raises(RequestError, match="expected a value of its type"):
        arrow.write_queries(graph, [{"key": "u", "t": 1, "request": {"r": "x"}}])
    with pytest.raises(EventError, match="expected int64 times"):
        arrow.write_events([{"event": "e", "ts_ms": "soon"}])
