"""The golden cases and what it means that an executor passes one.

A case is one entry of a file of golden vectors (GRAPH_JSON.md tells their form). `check_executor` runs it
through an `Executor` and raises AssertionError where a value, a partial list or an error differs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from featuregraph.answer import Answered
from featuregraph.errors import CompileError, FeatureGraphError
from featuregraph.graph import Graph
from featuregraph.testing.exact import near
from featuregraph.values import json_value, same

Json = Any
Tables = Mapping[str, Sequence[Mapping[str, Json]]]
NO_TABLES: Tables = {}


class Executor(Protocol):
    """Anything that computes the features of a graph."""

    @property
    def name(self) -> str:
        """Return what the executor is called in test ids."""
        ...

    @property
    def serves(self) -> bool:
        """Tell whether it is a device: one plan without labels, under one column (SEMANTICS 9.2, 11.3)."""
        ...

    def run(
        self,
        graphs: Sequence[Graph],
        arrivals: Sequence[Mapping[str, Json]],
        queries: Sequence[Mapping[str, Json]],
        *,
        strict: bool = False,
        tables: Tables = NO_TABLES,
        end: int | None = None,
    ) -> Sequence[Answered]:
        """Return one answer per query; of several graphs, its values are named GRAPH.FEATURE.

        Args:
            graphs: the features asked for.
            arrivals: in order: events, {"clock": MS}, {"forget": {"before" | "key" | "event_id": VALUE}},
                {"table": NAME, "rows": [ROW, ...]}.
            queries: {"key", "t"} and perhaps "request", "as_known", "history_start_ms", "after"; "after": N
                asks when only the first N entries have arrived. A query changes nothing.
            strict: refuse events and rows of tables with unparsable fields.
            tables: their rows by name, known from the beginning.
            end: the last ms that counts as known, where it is given.

        Raises:
            FeatureGraphError: of the kind that the case expects.
        """
        ...


@dataclass(frozen=True, slots=True)
class Case:
    """One golden case; `id` is FILE::NAME."""

    id: str
    clause: str
    graph: Json
    events: Sequence[Json]
    queries: Sequence[Json]
    expected: Json
    strict: bool = False
    tolerance: Mapping[str, float] = field(default_factory=dict)
    partial: Sequence[Sequence[str]] | None = None
    labels: Sequence[str] | None = None
    graphs: Json = None  # in place of `graph`
    tables: Tables = field(default_factory=dict)
    end: int | None = None


def load_cases(folder: Path) -> list[Case]:
    """Return all cases of the files NN_topic.json in FOLDER, by file and place."""
    cases = []
    for path in sorted(folder.glob("*.json")):
        for entry in json.loads(path.read_text(encoding="utf-8")):
            rest = {key: value for key, value in entry.items() if key not in ("name", "graph")}
            cases.append(Case(id=f"{path.stem}::{entry['name']}", graph=entry.get("graph"), **rest))
    return cases


def check_executor(executor: Executor, case: Case) -> None:
    """Run CASE through EXECUTOR; raise AssertionError with what differs.

    A device must refuse what only history can tell, by name, and answer what is left of the case.
    """
    try:
        graphs = [Graph.from_json(form) for form in case.graphs or [case.graph]]
    except FeatureGraphError as error:
        _check_error(case, error)
        return
    found = [name for graph in graphs for name in _named(graphs, graph, graph.labels)]
    _require(found == list(case.labels or found), f"{case.id}: expected labels {case.labels}, found {found}")
    if executor.serves and not _is_served(graphs):
        _check_refused(executor, case, graphs)
        graphs = _served(graphs)
        if not graphs:
            return
        case = _case_of(case, graphs[0])
    _check_answers(executor, case, graphs)


def _check_answers(executor: Executor, case: Case, graphs: Sequence[Graph]) -> None:
    expected = case.expected
    try:
        answers = _run(executor, case, graphs)
    except FeatureGraphError as error:
        _check_error(case, error)
        return
    _require(not isinstance(expected, dict), f"{case.id}: expected the error {expected}, found answers")
    _require(
        len(answers) == len(expected), f"{case.id}: expected {len(expected)} answers, found {len(answers)}"
    )
    for place, (answer, row) in enumerate(zip(answers, expected, strict=True)):
        _check_values(case, graphs, place, answer, row)
        if case.partial is not None:
            told, partial = list(answer.partial), list(case.partial[place])
            _require(told == partial, f"{case.id}: query {place}: expected partial {partial}, found {told}")


def _run(executor: Executor, case: Case, graphs: Sequence[Graph]) -> Sequence[Answered]:
    return executor.run(
        graphs, case.events, case.queries, strict=case.strict, tables=case.tables, end=case.end
    )


def _named(graphs: Sequence[Graph], graph: Graph, names: Iterable[str]) -> list[str]:
    """Return NAMES of features of GRAPH as answers name them."""
    return [f"{graph.name}.{name}" if len(graphs) > 1 else name for name in names]


# ---------------------------------------------------------------- what a device is for


def _is_served(graphs: Sequence[Graph]) -> bool:
    return len(graphs) == 1 and isinstance(graphs[0].key, str) and not graphs[0].labels


def _check_refused(executor: Executor, case: Case, graphs: Sequence[Graph]) -> None:
    """Raise AssertionError unless EXECUTOR refuses GRAPHS as they are, with the names of a graph's labels."""
    try:
        _run(executor, case, graphs)
    except CompileError as error:
        labels = graphs[0].labels if len(graphs) == 1 and isinstance(graphs[0].key, str) else ()
        told = str(error)
        _require(all(name in told for name in labels), f"{case.id}: expected the names {labels}: {error}")
    else:
        raise AssertionError(f"{case.id}: expected that a device refuses it, found answers")


def _served(graphs: Sequence[Graph]) -> list[Graph]:
    """Return what a device computes of GRAPHS; nothing where they have another key or labels only."""
    (graph, *others) = graphs
    if others or not isinstance(graph.key, str) or len(graph.labels) == len(graph.features):
        return []
    return [graph.serving()]


def _case_of(case: Case, graph: Graph) -> Case:
    """Return CASE with the features and the requests of GRAPH only."""
    asked = {*graph.requests, *graph.candidates}
    queries = [
        {**query, "request": {n: v for n, v in (query.get("request") or {}).items() if n in asked}}
        for query in case.queries
    ]
    rows = case.expected
    if not isinstance(rows, dict):
        rows = [{name: row[name] for name in graph.features} for row in rows]
    return replace(case, queries=queries, expected=rows, end=None)


def _check_error(case: Case, error: FeatureGraphError) -> None:
    """Raise AssertionError unless ERROR has the kind, and the feature, that the case expects."""
    expected = case.expected if isinstance(case.expected, dict) else {"error": None}
    found = {"error": error.kind, "feature": getattr(error, "feature", None)}
    if any(found[name] != value for name, value in expected.items()):
        raise AssertionError(f"{case.id}: expected {expected}, found {found}: {error}") from error


def _check_values(
    case: Case, graphs: Sequence[Graph], place: int, answer: Answered, row: Mapping[str, Json]
) -> None:
    where = f"{case.id}: query {place}"
    nodes = {
        name: node
        for graph in graphs
        for name, node in zip(_named(graphs, graph, graph.features), graph.features.values(), strict=True)
    }
    _require(sorted(answer.values) == sorted(row), f"{where}: expected features {sorted(row)}")
    _require(list(answer.values) == list(nodes), f"{where}: expected the order {list(nodes)}")
    for name, expected in row.items():
        node = nodes[name]
        value = json_value(node.type, answer.values[name], per_candidate=node.per_candidate)
        tolerance = case.tolerance.get(name)
        equal = same(value, expected) if tolerance is None else near(value, expected, tolerance)
        _require(equal, f"{where}: {name!r} ({node.type}): expected {expected!r}, found {value!r}")


def _require(condition: object, message: str) -> None:
    """Raise AssertionError unless CONDITION holds, also where asserts are compiled away."""
    if not condition:
        raise AssertionError(message)
