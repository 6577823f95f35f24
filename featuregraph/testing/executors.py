"""The executors of this package for the conformance suite; other packages register theirs beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featuregraph import reference
from featuregraph.graph import Graph


@dataclass(frozen=True, slots=True)
class ReferenceExecutor:
    """The brute-force evaluator: what it gives defines what the others must give."""

    name: str = "reference"

    def run(
        self,
        graph: Graph,
        arrivals: Sequence[Mapping[str, Any]],
        queries: Sequence[Mapping[str, Any]],
        *,
        strict: bool = False,
    ) -> Sequence[reference.Answer]:
        """Return one answer per query."""
        return reference.answer(graph, arrivals, queries, strict=strict)
