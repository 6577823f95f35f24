"""Labels whose look-ahead reaches past the end of what is known: null, and counted (SEMANTICS 9.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from featuregraph import Graph
from featuregraph.ir import ahead_of


def unknown(graph: Graph, times: Callable[[], Sequence[int]], end: int | None) -> dict[str, int]:
    """Return of how many queries at TIMES each label of GRAPH looks past END, the last ms known."""
    found = {}
    for name in graph.labels:
        ahead = ahead_of(graph.features[name])
        assert ahead is not None
        last = ahead if graph.include_now else ahead - 1  # the last ms of the window, from t
        found[name] = sum(end is None or t + last > end for t in times())
    return found
