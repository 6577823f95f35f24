"""Random graphs over random logs: every executor gives what the reference gives, values and errors alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregraph import Graph
from featuregraph.errors import FeatureGraphError
from featuregraph.ir import Op, toposort
from featuregraph.reference.rows import is_partial
from featuregraph.testing.conformance import Executor
from featuregraph.testing.executors import ReferenceExecutor
from featuregraph.testing.graphs import random_graph
from featuregraph.testing.logs import Workload, random_workload
from featuregraph.testing.values import World
from featuregraph.values import json_value, same
from stream.testing import EXECUTORS, ColumnarExecutor

pytestmark = pytest.mark.device

Json = Any
SEEDS = st.integers(0, 2**48)
REFERENCE = ReferenceExecutor()
SYSTEMS: Sequence[Executor] = [*EXECUTORS, ColumnarExecutor()]


def random_case(
    rng: Random, *, plain: bool = False, tables: bool = False, labels: bool = False
) -> tuple[Graph, Workload]:
    """Return a graph and a workload for it; decayed_sum has a tolerance and is left to the histories."""
    world = World.any(rng)
    while True:
        graph = Graph.from_json(random_graph(rng, world, tables=tables, labels=labels))
        aggregates = [node["agg"] for node in toposort(graph.features.values()) if node.op is Op.AGG]
        if "decayed_sum" not in aggregates:
            return graph, random_workload(rng, world, [graph], plain=plain)


def outcome(executor: Executor, graph: Graph, work: Workload, *, strict: bool = False) -> Any:
    """Return the values as JSON with the partial features of each query, or the error."""
    try:
        answers = executor.run(
            [graph], work.arrivals, work.queries, strict=strict, tables=work.tables, end=work.end
        )
    except FeatureGraphError as error:
        return error.kind, getattr(error, "feature", None)
    nodes = graph.features
    return [
        [
            {
                n: json_value(nodes[n].type, v, per_candidate=nodes[n].per_candidate)
                for n, v in a.values.items()
            },
            list(a.partial),
        ]
        for a in answers
    ]


def answerable(graph: Graph, work: Workload) -> Workload:
    """Return WORK without the queries that the reference refuses: they would hide those after them."""
    asked = [
        q for q in work.queries if isinstance(outcome(REFERENCE, graph, replace(work, queries=[q])), list)
    ]
    return replace(work, queries=asked)


@pytest.mark.parametrize("executor", SYSTEMS, ids=lambda executor: executor.name)
@settings(max_examples=40)
@given(seed=SEEDS, strict=st.sampled_from([False, False, False, True]))
def test_every_executor_equals_the_reference(executor: Executor, seed: int, strict: bool) -> None:
    """Values, partial features and the first error are the reference's, bit for bit."""
    graph, work = random_case(Random(seed))
    if not strict and seed % 4:
        work = answerable(graph, work)
    assert same(outcome(REFERENCE, graph, work, strict=strict), outcome(executor, graph, work, strict=strict))


@pytest.mark.parametrize("executor", SYSTEMS, ids=lambda executor: executor.name)
@settings(max_examples=25)
@given(seed=SEEDS, strict=st.sampled_from([False, False, False, True]))
def test_tables_are_looked_up_as_the_reference_does(executor: Executor, seed: int, strict: bool) -> None:
    """As of the row's time and of t, by keys of every type, in versions that replace each other."""
    graph, work = random_case(Random(seed), tables=True)
    if not strict and seed % 4:
        work = answerable(graph, work)
    assert same(outcome(REFERENCE, graph, work, strict=strict), outcome(executor, graph, work, strict=strict))


@settings(max_examples=60)
@given(seed=SEEDS, strict=st.sampled_from([False, False, False, True]))
def test_history_tells_labels_as_the_reference_does(seed: int, strict: bool) -> None:
    """What lies ahead of t, up to the end and past it, under keys of several columns, with tables beside."""
    graph, work = random_case(Random(seed), tables=seed % 2 == 0, labels=True)
    if not strict and seed % 4:
        work = answerable(graph, work)
    columns = ColumnarExecutor()
    assert same(outcome(REFERENCE, graph, work, strict=strict), outcome(columns, graph, work, strict=strict))


@settings(max_examples=40)
@given(seed=SEEDS)
def test_labels_change_no_feature(seed: int) -> None:
    """The serving graph gives what the graph with its labels gives, under one id; JSON keeps both."""
    graph, work = random_case(Random(seed), tables=True, labels=True)
    assert Graph.from_json(graph.to_json()) == graph
    plan = graph.compile()
    for query in work.queries:
        t, start = query["t"], query.get("history_start_ms", query["t"])
        told = [
            n for n, f in graph.features.items() if is_partial(f, t, start, include_now=graph.include_now)
        ]
        assert list(plan.partial(t, start)) == told
    if not graph.labels or len(graph.labels) == len(graph.features):
        return
    serving = graph.serving()
    assert serving.id == graph.id
    asked = answerable(graph, work)
    names = {*serving.requests, *serving.candidates}
    queries = [
        q | {"request": {n: v for n, v in (q.get("request") or {}).items() if n in names}}
        for q in asked.queries
    ]
    whole = outcome(REFERENCE, graph, asked)
    served = outcome(REFERENCE, serving, replace(asked, queries=queries))
    if not isinstance(whole, list):  # an event or a row of a table is refused
        assert whole == served
        return
    for (all_values, all_partial), (values, partial) in zip(whole, served, strict=True):
        assert same({name: all_values[name] for name in values}, values)
        assert [name for name in all_partial if name in values] == partial


# ---------------------------------------------------------------- what a value needs: clause 4.1

BIG = 2**63 - 1
VIEWS = [
    {"event": "view", "ts_ms": ts, "user_id": "u", "c": c, "n": n}
    for ts, c, n in [(1, "a", BIG), (2, "a", 1), (3, "b", 4)]
]
STREAM = {"events": ["view"]}
GROUPED = {"agg": "sum", "x": {"field": "n"}, "stream": STREAM | {"by": {"field": "c"}}}
DOUBLED = {"op": "add", "args": [{"field": "n"}, {"field": "n"}]}
WILD_FILTER = {"op": "gt", "args": [DOUBLED, {"lit": 0, "type": "int64"}]}
WILD = {"agg": "sum", "x": {"field": "n"}, "stream": STREAM | {"where": WILD_FILTER, "by": {"field": "c"}}}


def text(value: str | None) -> Json:
    """Return a literal text."""
    return {"lit": value, "type": "string"}


def per_candidate(overflows: Json) -> Json:
    """Return a feature with one value per candidate, each of which needs OVERFLOWS."""
    return {"op": "add", "args": [overflows, {"candidate": "k", "type": "int64"}]}


NEEDS: dict[str, tuple[Json, Any]] = {
    "a lookup of one group needs no other": ({"lookup": GROUPED, "key": text("b")}, 4),
    "a lookup of the group itself needs it": ({"lookup": GROUPED, "key": text("a")}, "overflow"),
    "a lookup of a missing group needs none": ({"lookup": GROUPED, "key": text("z")}, 0),
    "the map needs all groups": (GROUPED, "overflow"),
    "top needs all groups": ({"top": GROUPED, "k": 1}, "overflow"),
    "a filter is needed whatever group is asked": ({"lookup": WILD, "key": text("b")}, "overflow"),
    "a null key needs no row": ({"lookup": WILD, "key": text(None)}, 0),
    "no candidate, no value": (per_candidate({"lookup": GROUPED, "key": text("a")}), []),
    "the latest x needs those before": (
        {"agg": "last", "x": DOUBLED, "stream": STREAM},
        "overflow",
    ),
    "rows before the last N are not needed": (
        {"agg": "last", "x": DOUBLED, "stream": STREAM | {"last": 2}},
        8,
    ),
    "items beyond n are not needed": (
        {"agg": "sequence", "n": 2, "items": {"x": DOUBLED}, "stream": STREAM},
        {"x": [2, 8]},
    ),
    "a branch not taken is not needed": (
        {
            "op": "where",
            "args": [
                {"lit": False, "type": "boolean"},
                {"agg": "sum", "x": {"field": "n"}, "stream": STREAM},
                {"lit": 1, "type": "int64"},
            ],
        },
        1,
    ),
}


@pytest.mark.parametrize("executor", [REFERENCE, *SYSTEMS], ids=lambda executor: executor.name)
@pytest.mark.parametrize("case", NEEDS)
def test_only_what_is_needed_overflows(executor: Executor, case: str) -> None:
    """An overflow is an error if and only if the value needs it."""
    feature, expected = NEEDS[case]
    found = outcome(executor, graph_of({"f": feature}), Workload(VIEWS, [{"key": "u", "t": 9}]))
    assert same(found, ("overflow", "f") if expected == "overflow" else [[{"f": expected}, []]])


@pytest.mark.parametrize("executor", [REFERENCE, *SYSTEMS], ids=lambda executor: executor.name)
@pytest.mark.parametrize("swapped", [False, True])
def test_the_first_feature_that_overflows_is_named(executor: Executor, swapped: bool) -> None:
    """Features are made in the order of their names, those with a value per candidate too."""
    total = {"agg": "sum", "x": {"field": "n"}, "stream": STREAM}
    features = {"a": total, "b": per_candidate(total)} if swapped else {"a": per_candidate(total), "b": total}
    asked = [{"key": "u", "t": 9, "request": {"k": [1]}}]
    assert outcome(executor, graph_of(features), Workload(VIEWS, asked)) == ("overflow", "a")


@pytest.mark.parametrize("executor", [REFERENCE, *SYSTEMS], ids=lambda executor: executor.name)
@pytest.mark.parametrize("far", [True, False])
def test_an_age_beyond_int64_overflows(executor: Executor, far: bool) -> None:
    """age() is checked like every int64, in items, in x and in filters; one ms less still fits."""
    events = [{"event": "view", "ts_ms": -BIG - 1 + (9 if far else 10), "user_id": "u"}]
    old = {"op": "gt", "args": [{"age": True}, {"lit": 0, "type": "int64"}]}
    features = {
        "items": {"agg": "sequence", "n": 1, "items": {"age": {"age": True}}, "stream": STREAM},
        "x": {"agg": "max", "x": {"age": True}, "stream": STREAM},
        "filter": {"agg": "count", "stream": STREAM | {"where": old}},
        "since": {"agg": "since_last", "stream": STREAM},
    }
    fitting = {"items": {"age": [BIG]}, "x": BIG, "filter": 1, "since": BIG}
    for name, feature in features.items():
        found = outcome(executor, graph_of({name: feature}), Workload(events, [{"key": "u", "t": 9}]))
        assert same(found, ("overflow", name) if far else [[{name: fitting[name]}, []]])


def graph_of(features: Json) -> Graph:
    """Return the graph of FEATURES over views."""
    events = {"view": {"c": "string", "n": "int64"}}
    return Graph.from_json({"format": 1, "graph": "g", "events": events, "features": features})


# ---------------------------------------------------------------- the order of arrival: clause 1.4


def at_the_end(queries: Sequence[Any]) -> list[Any]:
    """Return QUERIES, each asked when everything has arrived."""
    return [{name: value for name, value in query.items() if name != "after"} for query in queries]


@pytest.mark.parametrize("executor", [REFERENCE, *SYSTEMS], ids=lambda executor: executor.name)
@settings(max_examples=25)
@given(seed=SEEDS)
def test_the_order_of_arrival_changes_nothing(executor: Executor, seed: int) -> None:
    """Events with their own position and id give the same values in the end, whatever order they came in."""
    rng = Random(seed)
    graph, work = random_case(rng, plain=True)
    queries = at_the_end(work.queries)
    shuffled = rng.sample(work.arrivals, len(work.arrivals))
    first = outcome(executor, graph, Workload(work.arrivals, queries))
    # Queries in between move states forward; they must leave no trace.
    asked = [q | {"after": n} for q in queries[:1] for n in range(0, len(shuffled), 3)]
    asked.sort(key=lambda q: int(q["after"]))
    second = outcome(executor, graph, Workload(shuffled, [*asked, *queries]))
    if isinstance(second, list):
        assert same(first, second[len(asked) :])
    else:
        assert isinstance(first, tuple) or second[0] == "overflow"
