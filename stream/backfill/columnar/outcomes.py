"""Values by feature as the answers of queries, one by one: for those who compare executors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from featuregraph import FeatureOverflowError, Plan
from featuregraph.answer import Outcome
from featuregraph.reference import Answer
from stream.backfill.columnar.nested import Values
from stream.backfill.columnar.values import internal


def outcomes(
    plan: Plan, found: Mapping[str, Values], queries: Sequence[Mapping[str, Any]]
) -> Iterator[Outcome]:
    """Give the outcome of each of QUERIES, in golden form, of which FOUND are the values."""
    columns = [
        internal(node.type, found[name], per_candidate=node.per_candidate)
        for name, node in plan.features.items()
    ]
    rows: Iterator[tuple[Any, ...]] = zip(*columns, strict=True) if columns else iter([()] * len(queries))
    for query, row in zip(queries, rows, strict=True):
        start = query.get("history_start_ms") if query.get("as_known") else None
        try:
            yield Answer(plan.publish(row), plan.partial(query["t"], start))
        except FeatureOverflowError as error:
            yield error
