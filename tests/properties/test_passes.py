"""Every pass keeps the rows that each computation takes; what is legal after it is legal in the end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregraph import CompileError, Graph, RequestError
from featuregraph.ir import Node, Op, toposort
from featuregraph.layout import lay_out
from featuregraph.passes import PASSES, optimised
from featuregraph.reference.answers import read_query
from featuregraph.reference.events import Log, Row
from featuregraph.reference.exact import OutOfRangeError
from featuregraph.reference.expressions import Query, evaluate
from featuregraph.reference.rows import KEPT, verdicts
from featuregraph.spec import STEPS, check_steps
from featuregraph.steps import Compute, Demand, Steps, written
from featuregraph.testing.graphs import random_graph
from featuregraph.testing.logs import random_workload
from featuregraph.testing.values import World

pytestmark = pytest.mark.device

SEEDS = st.integers(0, 2**48)
Taken = list[int] | str  # places of rows, or "overflow"


def verdict(where: Node | None, query: Query, row: Row) -> Any:
    """Return whether WHERE keeps ROW, "overflow" where it has no value."""
    if where is None:
        return True
    try:
        return evaluate(where, query, row) is True
    except OutOfRangeError:
        return "overflow"


def is_dropped(wheres: Sequence[Node], query: Query, row: Row) -> bool:
    """Tell whether ROW fails all of WHERES, of which there are some."""
    return bool(wheres) and not any(verdict(where, query, row) for where in wheres)


def taken(steps: Steps, compute: Compute, query: Query) -> Taken:
    """Return the rows of QUERY that COMPUTE takes, step by step as STEPS say."""
    span = steps.ranges[compute.range]
    filter = steps.filters[span.filter]
    rows = []
    for place, row in enumerate(query.rows):
        read = next((r for i in filter.reads if row.event in (r := steps.reads[i]).events), None)
        if read is None or (read.reach is not None and row.ts_ms < query.t - read.reach):
            continue
        if any(
            tests and not any(verdict(w, query, row) for w in tests) for tests in (read.early, read.wheres)
        ):
            continue
        if kept := verdict(filter.where, query, row):
            rows.append((place, row, kept))
    lo, hi = span.window.bounds(query.t)
    rows = [one for one in rows if lo <= one[1].ts_ms < hi]
    if compute.waits:
        assert not any(kept == "overflow" for _, _, kept in rows)
        waited = [(place, row, verdict(compute.agg.role("where"), query, row)) for place, row, _ in rows]
        rows = [one for one in waited if one[2]]
    if any(kept == "overflow" for _, _, kept in rows):
        return "overflow"
    last = compute.agg["last"] if compute.waits else span.last
    return [place for place, _, _ in (rows if last is None else rows[-last:])]


def expected(demand: Demand, query: Query) -> Taken:
    """Return the rows of QUERY that the reference takes for DEMAND."""
    agg, include_now = demand
    where = agg.role("where")
    try:
        found = verdicts(
            agg,
            query.rows,
            query.t,
            include_now=include_now,
            where=lambda row: where is None or evaluate(where, query, row) is True,
        )
    except OutOfRangeError:
        return "overflow"
    places = {id(row): place for place, row in enumerate(query.rows)}
    return [places[id(row)] for row, clause in found if clause == KEPT]


def random_demands(rng: Random) -> tuple[list[Demand], list[Query]]:
    """Return what the features of a random graph ask for, one after the other, and queries."""
    world = World.any(rng)
    graph = Graph.from_json(random_graph(rng, world, features=10, depth=2, key="user_id"))
    work = random_workload(rng, world, [graph], events=25, queries=3, plain=True)
    log = Log(graph.key, graph.events)
    for entry in work.arrivals:
        log.arrive(entry)
    queries = []
    for asked in work.queries:
        with suppress(RequestError):  # a random one may ask for what nobody declared
            queries.append(read_query(graph, log, asked))
    demands = [
        (node, rng.random() < 0.5)
        for feature in graph.features.values()
        for node in toposort([feature])
        if node.op is Op.AGG
    ]
    return demands, queries


def stages(demands: Sequence[Demand]) -> list[Steps]:
    """Return the steps of DEMANDS as written and after each pass."""
    found = [written(demands)]
    for one in PASSES:
        found.append(one.run(found[-1]))
    return found


@settings(max_examples=150)
@given(SEEDS)
def test_every_pass_keeps_the_rows_of_every_computation(seed: int) -> None:
    """At each stage a computation takes the rows that the reference takes, or overflows as it does."""
    demands, queries = random_demands(Random(seed))
    for number, steps in enumerate(stages(demands)):
        check_steps(steps, [one.name for one in PASSES[:number]])
        assert {steps.demand(compute) for compute in steps.computes} == set(demands)
        for query in queries:
            for compute in steps.computes:
                want = expected(steps.demand(compute), query)
                assert taken(steps, compute, query) == want, (PASSES[number - 1].name, compute)


@settings(max_examples=150)
@given(SEEDS)
def test_a_layout_is_where_the_passes_lead(seed: int) -> None:
    """Scans, tracks, spans and cells are the reads, filters, ranges and computations after the last pass."""
    demands, _ = random_demands(Random(seed))
    steps, layout = optimised(written(demands)), lay_out(demands)
    assert {(s.event, s.reach, s.wheres, s.early) for s in layout.scans.values()} == {
        (read.events[0], read.reach, read.wheres, read.early) for read in steps.reads
    }
    events = [tuple(sorted(e for i in f.reads for e in steps.reads[i].events)) for f in steps.filters]
    assert [(t.events, t.where) for t in layout.tracks.values()] == [
        (names, f.where) for names, f in zip(events, steps.filters, strict=True)
    ]
    assert [(s.track, s.window, s.last) for s in layout.spans.values()] == list(steps.ranges)
    assert [(c.span, c.agg) for c in layout.cells.values()] == [(c.range, c.agg) for c in steps.computes]


def test_every_pass_has_laws() -> None:
    """The laws of steps are told by the names of the passes, in their order."""
    assert list(STEPS) == ["", *(one.name for one in PASSES)]
    assert len({one.law for one in PASSES}) == len(PASSES)


def test_no_demand_no_steps() -> None:
    """A graph without streams needs no step at any stage."""
    assert stages([])[-1] == Steps((), (), (), (), {}, ordered=True)


def spoilt(steps: Steps) -> dict[str, Steps]:
    """Return STEPS with one fault each, by the stage whose laws must find it."""
    first, *rest = steps.reads
    return {
        "partition": replace(steps, reads=(first._replace(events=(*first.events, "x")), *rest)),
        "fusion": replace(steps, reads=(first, *rest, first)),
        "branch postponed": replace(steps, filters=(*steps.filters, steps.filters[0])),
        "hierarchical filter": replace(steps, ranges=(*steps.ranges, steps.ranges[0])),
        "common sub-expressions": replace(steps, computes=(*steps.computes, steps.computes[0])),
        "dead attributes": replace(steps, carried={}),
        "where before decode": replace(steps, reads=(first._replace(early=(steps.computes[0].agg,)), *rest)),
        "": replace(steps, reads=tuple(read._replace(reach=0) for read in steps.reads)),
    }


@pytest.mark.parametrize("stage", STEPS)
def test_a_fault_of_a_pass_is_found(stage: str) -> None:
    """The checker refuses steps that break the laws of a stage."""
    field = {"agg": "sum", "x": {"field": "n"}, "stream": {"events": ["e"], "over": "5ms"}}
    form = {"format": 1, "graph": "g", "events": {"e": {"n": "int64"}}, "features": {"f": field}}
    steps = optimised(written(Graph.from_json(form).compile().demands))
    check_steps(steps, STEPS)
    with pytest.raises(CompileError, match="a fault of a pass"):
        check_steps(spoilt(steps)[stage], [stage] if stage else [])
