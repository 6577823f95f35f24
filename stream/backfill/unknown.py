"""Labels whose look-ahead reaches past the end of what is known: null, and counted (SEMANTICS 9.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from featuregraph import Graph
from featuregraph.ir import ahead_of
from featuregraph.types import INT64_MIN

NEVER = INT64_MIN - 1


def latest_known(graph: Graph, end: int | None) -> Mapping[str, int]:
    """Return the last t at which each label of GRAPH is known, NEVER at the least; END: the last ms known."""
    return {name: NEVER if end is None else max(NEVER, end - _last(graph, name)) for name in graph.labels}


def _last(graph: Graph, label: str) -> int:
    """Return the last ms of the window of LABEL, from t."""
    ahead = ahead_of(graph.features[label])
    assert ahead is not None
    return ahead if graph.include_now else ahead - 1


def unknown(graph: Graph, times: Callable[[], Sequence[int]], end: int | None) -> dict[str, int]:
    """Return of how many queries at TIMES each label of GRAPH looks past END, the last ms known."""
    return {name: sum(t > latest for t in times()) for name, latest in latest_known(graph, end).items()}
