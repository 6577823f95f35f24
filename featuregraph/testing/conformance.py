"""The golden cases and what it means that an executor passes one.

A case is one entry of a file of golden vectors (GRAPH_JSON.md tells their form). `check_executor` runs it
through an `Executor` and raises AssertionError where a value, a partial list or an error differs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from featuregraph.answer import Answered
from featuregraph.errors import FeatureGraphError
from featuregraph.graph import Graph
from featuregraph.testing.exact import near
from featuregraph.values import json_value, same

Json = Any


class Executor(Protocol):
    """Anything that computes the features of a graph."""

    @property
    def name(self) -> str:
        """Return what the executor is called in test ids."""
        ...

    def run(
        self,
        graph: Graph,
        arrivals: Sequence[Mapping[str, Json]],
        queries: Sequence[Mapping[str, Json]],
        *,
        strict: bool = False,
    ) -> Sequence[Answered]:
        """Return one answer per query.

        Args:
            graph: the features asked for.
            arrivals: in order: events, {"clock": MS}, {"forget": {"before" | "key" | "event_id": VALUE}}.
            queries: {"key", "t"} and perhaps "request", "as_known", "history_start_ms", "after"; "after": N
                asks when only the first N entries have arrived. A query changes nothing.
            strict: refuse events with unparsable fields.

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
    # Forms that no executor builds yet: a case that has them cannot pass (SEMANTICS_MORE).
    graphs: Json = None
    tables: Json = None
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
    """Run CASE through EXECUTOR; raise AssertionError with what differs."""
    expected = case.expected
    try:
        graph = _graph(case)
        answers = executor.run(graph, case.events, case.queries, strict=case.strict)
    except FeatureGraphError as error:
        _check_error(case, error)
        return
    _require(not isinstance(expected, dict), f"{case.id}: expected the error {expected}, found answers")
    _require(
        len(answers) == len(expected), f"{case.id}: expected {len(expected)} answers, found {len(answers)}"
    )
    for place, (answer, row) in enumerate(zip(answers, expected, strict=True)):
        _check_values(case, graph, place, answer, row)
        if case.partial is not None:
            found, partial = list(answer.partial), list(case.partial[place])
            _require(found == partial, f"{case.id}: query {place}: expected partial {partial}, found {found}")


def _graph(case: Case) -> Graph:
    _require(case.graphs is None, f"{case.id}: expected one graph, found several; not built yet")
    graph = Graph.from_json(case.graph)
    _require(case.tables is None, f"{case.id}: expected no tables, found some; not built yet")
    _require(case.labels is None, f"{case.id}: expected no labels, found {case.labels}; not built yet")
    return graph


def _check_error(case: Case, error: FeatureGraphError) -> None:
    """Raise AssertionError unless ERROR has the kind, and the feature, that the case expects."""
    expected = case.expected if isinstance(case.expected, dict) else {"error": None}
    found = {"error": error.kind, "feature": getattr(error, "feature", None)}
    if any(found[name] != value for name, value in expected.items()):
        raise AssertionError(f"{case.id}: expected {expected}, found {found}: {error}") from error


def _check_values(case: Case, graph: Graph, place: int, answer: Answered, row: Mapping[str, Json]) -> None:
    where = f"{case.id}: query {place}"
    found = list(answer.values)
    _require(found == sorted(row), f"{where}: expected features {sorted(row)}, found {found}")
    for name, expected in row.items():
        node = graph.features[name]
        value = json_value(node.type, answer.values[name], per_candidate=node.per_candidate)
        tolerance = case.tolerance.get(name)
        equal = same(value, expected) if tolerance is None else near(value, expected, tolerance)
        _require(equal, f"{where}: {name!r} ({node.type}): expected {expected!r}, found {value!r}")


def _require(condition: object, message: str) -> None:
    """Raise AssertionError unless CONDITION holds, also where asserts are compiled away."""
    if not condition:
        raise AssertionError(message)
