"""Recorded events and queries made by chance, and what the reference says of them: for all that replays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any
from unittest import mock

from featuregraph import FeatureGraphError, Graph, Plan, reference
from featuregraph.arrow import read_queries
from featuregraph.ir import Op, toposort
from featuregraph.reference import answers
from featuregraph.testing.graphs import random_graph
from featuregraph.testing.logs import random_workload
from featuregraph.testing.values import World
from stream import tabular
from stream.backfill import output
from stream.backfill.budget import Budget
from stream.errors import BackfillError

if TYPE_CHECKING:
    import pyarrow as pa

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recording:
    """Events in the order of arrival, and queries about them."""

    plan: Plan
    events: list[Event]
    queries: pa.Table


def random_recording(rng: Random, *, key: str | list[str] | None = None) -> Recording:
    """Return a recording whose queries are a table; decayed_sum has a tolerance and is left out."""
    while True:
        world = World.any(rng)
        form = random_graph(rng, world)
        graph = Graph.from_json(form if key is None else {**form, "key": key})
        if any(
            node.op is Op.AGG and node["agg"] == "decayed_sum" for node in toposort(graph.features.values())
        ):
            continue
        work = random_workload(rng, world, [graph], events=60, queries=12)
        events = [entry for entry in work.arrivals if "event" in entry]
        asked = [{name: query.get(name) for name in ("key", "t", "request")} for query in work.queries]
        try:
            table = tabular.read_queries(asked, graph.key_columns, graph.candidates)
        except BackfillError:
            continue  # requests of several types are no table
        return Recording(graph.compile(), events, table)


def expected(recording: Recording, events: Sequence[Event], *, as_known: bool = False) -> pa.Table | str:
    """Return the table that replay must give, or the kind of the error that it must raise."""
    graph = recording.plan.graph
    log = reference.Log(graph.key, graph.events)
    try:
        for event in events:
            log.arrive(event)
        asked = read_queries(graph, recording.queries, as_known=as_known)
        values = [answers.ask(graph, log, query).values for query in asked]
    except FeatureGraphError as error:
        return error.kind
    return output.results([recording.plan], recording.queries, [values])


@contextmanager
def budgeted(given: Budget) -> Iterator[None]:
    """Let runs have the budget GIVEN, however small."""
    with mock.patch("stream.backfill.run.budget_of", return_value=given):
        yield
