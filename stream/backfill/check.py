"""Verification of recorded queries: every executor against the reference, over the same events."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from featuregraph import FeatureOverflowError, Plan
from featuregraph.answer import Outcome
from featuregraph.convert import converter
from featuregraph.types import TIMESTAMP
from stream import tabular
from stream.backfill.executors import EXECUTORS, Reference, RowExecutor
from stream.backfill.given import read_tables
from stream.backfill.history import Recorded, Rows, batches, identifier, name_of, recorded, size
from stream.backfill.job import READING, Progress
from stream.backfill.rowwise import by_key
from stream.backfill.slack import asked_of, magnitudes, scaled
from stream.query import Query
from stream.verify import Verification


def sampled(
    plan: Plan, events: Any, queries: Any, *, sample: int | None, seed: int = 0, as_known: bool = False
) -> list[Query]:
    """Return SAMPLE of the queries, chosen by SEED, in their order; None: all.

    Where QUERIES is None, an event stands for the query of its key at its time.
    """
    if queries is None:
        found: Sequence[Query] = _at_events(plan, events)
    else:
        from featuregraph.arrow import read_queries

        graph = plan.graph
        table = tabular.read_queries(queries, graph.key_columns, graph.candidates)
        found = read_queries(graph, table, as_known=as_known)
    if sample is None or sample >= len(found):
        return list(found)
    return [found[i] for i in sorted(random.Random(seed).sample(range(len(found)), sample))]


def _at_events(plan: Plan, events: Any) -> list[Query]:
    columns, time_of = plan.graph.key_columns, converter(TIMESTAMP)
    asked: list[Query] = []
    for event in (event for batch in batches(events) for event in batch):
        key = [event.get(column) for column in columns]
        if all(identifier(value) is not None for value in key):
            t = time_of(event.get("ts_ms"))  # a text in CSV
            asked.append({"key": key if len(key) > 1 else key[0], "t": t})
    return [query for query in asked if isinstance(query["t"], int)]


def verify(
    plan: Plan,
    events: Any,
    queries: Sequence[Query],
    *,
    executors: Sequence[RowExecutor] = EXECUTORS,
    tables: Mapping[str, Any] | None = None,
    progress: Progress = lambda what, n, total: None,
) -> tuple[Verification, Recorded]:
    """Return what EXECUTORS give for QUERIES, counted against the reference, and what became of the events.

    Each is compared in what it computes of PLAN: devices know no labels, and no keys of several columns.
    The reference gets the events of the queried keys only: keys never mix (SEMANTICS 1.1).
    TABLES are those of the graph, as replay takes them.

    Raises:
        FeatureGraphError, StreamError: an event or a query is refused, or a file cannot be read; one line.
    """
    found = Verification(plan, queries)
    compared = [
        (one, part) for one in executors if not isinstance(one, Reference) and (part := one.part_of(plan))
    ]
    rows = read_tables([plan.graph], tables)
    chosen = {key for key, _ in by_key(queries) if key is not None}
    total = size(events)
    with recorded(
        batches(events),
        [plan.graph],
        name=name_of(events),
        log=any(one.needs_log for one, _ in compared),
        chosen=chosen,
        tables=rows,
        done=lambda n: progress(READING, n, total),
    ) as known:
        expected = _outcomes(Reference(), plan, found, known, progress)
        for place, outcome in _without_events(plan, known.tables, queries).items():
            found.expect(expected[place], outcome)
        slack = _slack(plan, known, queries)
        served = _served(expected, [part for _, part in compared if part is not plan], known, queries)
        for one, part in sorted(compared, key=lambda pair: pair[0].needs_log):
            if one.needs_log:
                known.rows.clear()
            wanted = expected if part is plan else served
            apart = plan.graph.features.keys() - part.graph.features.keys()
            for place, outcome in _outcomes(one, part, found, known, progress).items():
                found.compare(one.name, place, wanted[place], outcome, slack.get(place, {}), apart=apart)
        return found, replace(known, log=None)


def _served(
    expected: Mapping[int, Outcome], parts: Sequence[Plan], known: Recorded, queries: Sequence[Query]
) -> Mapping[int, Outcome]:
    """Return what the reference says of a device's part of a plan, of which it said EXPECTED.

    Only where a value overflows it may be something else: a label's overflow is none of the part.
    """
    spoilt = [place for place, one in expected.items() if isinstance(one, FeatureOverflowError)]
    if not parts or not spoilt:
        return expected
    asked = [asked_of(parts[0].graph, queries[place]) for place in spoilt]
    again = Reference().outcomes(parts[0], known, asked)
    return {**expected, **{spoilt[place]: outcome for place, outcome in again}}


def _outcomes(
    by: RowExecutor, plan: Plan, found: Verification, known: Recorded, progress: Progress
) -> Mapping[int, Outcome]:
    began = time.monotonic()
    outcomes = {}
    queries = found.queries
    if plan is not found.plan:
        queries = [asked_of(plan.graph, query) for query in queries]
    for place, outcome in by.outcomes(plan, known, queries):
        outcomes[place] = outcome
        progress(by.name, 1, len(found.queries))
    found.tally(by.name).seconds = time.monotonic() - began
    return outcomes


def _slack(plan: Plan, known: Recorded, queries: Sequence[Query]) -> dict[int, dict[str, Any]]:
    """Return how far off decayed sums may be at each query, by feature."""
    graph = magnitudes(plan.graph)
    if graph is None:
        return {}
    sizes = Reference().outcomes(graph.compile(), known, [asked_of(graph, query) for query in queries])
    return {
        place: {name: scaled(value) for name, value in outcome.values.items()}
        for place, outcome in sizes
        if not isinstance(outcome, FeatureOverflowError)
    }


def _without_events(plan: Plan, tables: Rows, queries: Sequence[Query]) -> Mapping[int, Outcome]:
    """Return what the reference says at QUERIES where nothing ever happened."""
    nothing = Recorded(plan.graph.key_columns, None, tables=tables)
    return dict(Reference().outcomes(plan, nothing, queries))
