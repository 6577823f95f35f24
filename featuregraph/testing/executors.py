"""The executors of this package for the conformance suite; other packages register theirs beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featuregraph import reference
from featuregraph.graph import Graph
from featuregraph.testing.conformance import NO_TABLES, Tables


@dataclass(frozen=True, slots=True)
class ReferenceExecutor:
    """The brute-force evaluator: what it gives defines what the others must give."""

    name: str = "reference"
    serves: bool = False

    def run(
        self,
        graphs: Sequence[Graph],
        arrivals: Sequence[Mapping[str, Any]],
        queries: Sequence[Mapping[str, Any]],
        *,
        strict: bool = False,
        tables: Tables = NO_TABLES,
        end: int | None = None,
    ) -> Sequence[reference.Answer]:
        """Return one answer per query."""
        if len(graphs) > 1:
            return reference.together(graphs, arrivals, queries, strict=strict, tables=tables, end=end)
        return reference.answer(graphs[0], arrivals, queries, strict=strict, tables=tables, end=end)
