"""How a bundle's features were spread in training: what a device counts by, and a gate compares.

A feature's bins are cut at quantiles of its training values, so that each had about as many, and one more is
for values that are missing. A number is in bin i when i of the edges are at or below it. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from math import isnan, nan
from typing import Annotated, Final, Literal

import numpy as np
from msgspec import Meta, Struct

from deploy import canonical
from deploy.errors import BundleError
from deploy.limits import MAX_BINS
from featuregraph.graph import Graph
from featuregraph.shown import bounded, nearest
from featuregraph.types import Type

FORMAT: Final = 1
MAX_FEATURES: Final = 512  # as many as a report tells of
MAX_EDGES: Final = 30  # a report has room for 32 bins
QUANTILES: Final = 10

Count = Annotated[int, Meta(ge=0, le=1 << 53)]


class Cut(Struct, frozen=True, forbid_unknown_fields=True):
    """One feature: edges that rise, and how many training values each bin had, the missing ones last."""

    edges: Annotated[tuple[float, ...], Meta(max_length=MAX_EDGES)]
    counts: Annotated[tuple[Count, ...], Meta(max_length=MAX_EDGES + 2)]

    def __post_init__(self) -> None:
        if any(not low < high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise BundleError("bins: expected edges that rise, found others; cut them again")
        if len(self.counts) != len(self.edges) + 2:
            raise BundleError(
                f"bins: expected {len(self.edges) + 2} counts of {len(self.edges)} edges, found"
                f" {len(self.counts)}; cut them again"
            )

    def place(self, value: object) -> int:
        """Return the bin of VALUE, a number or None."""
        number = nan if value is None else float(value)  # type: ignore[arg-type]
        return len(self.edges) + 1 if isnan(number) else bisect_right(self.edges, number)


class Bins(Struct, frozen=True, forbid_unknown_fields=True):
    """The bins of a bundle's features."""

    features: Annotated[dict[str, Cut], Meta(max_length=MAX_FEATURES)]
    format: Literal[1] = FORMAT

    @property
    def trained(self) -> dict[str, tuple[int, ...]]:
        """Return the counts of training by feature, as a gate takes them."""
        return {name: cut.counts for name, cut in self.features.items()}

    def to_json(self) -> bytes:
        """Return the canonical JSON."""
        return canonical.encode(self)

    @staticmethod
    def from_json(content: bytes) -> Bins:
        """Return the bins in CONTENT; raise BundleError if they are none."""
        return canonical.decode(content, Bins, "bins", MAX_BINS, BundleError, "cut them again")


def shared(bins: Bins | None, other: Bins | None) -> dict[str, tuple[int, ...]]:
    """Return the counts of BINS of the features that OTHER counts by the same edges."""
    beside = {} if other is None else other.features
    mine = {} if bins is None else bins.features
    return {name: c.counts for name, c in mine.items() if name in beside and beside[name].edges == c.edges}


def cut(values: np.ndarray, quantiles: int = QUANTILES) -> Cut:
    """Return the bins of VALUES, float64, NaN where one is missing.

    Many equal values make one edge, so that there may be fewer bins than QUANTILES.
    """
    known = values[~np.isnan(values)]
    shares = np.arange(1, quantiles) / quantiles
    edges = np.unique(np.quantile(known, shares, method="higher")) if len(known) else np.empty(0)
    edges = edges[np.isfinite(edges)]
    places = np.searchsorted(edges, known, side="right")
    counts = np.bincount(places, minlength=len(edges) + 1).tolist()
    return Cut(tuple(edges.tolist()), (*counts, len(values) - len(known)))


def differences(bins: Bins, graph: Graph) -> Iterator[str]:
    """Yield where BINS are not of features of GRAPH that are numbers."""
    for name in bins.features:
        node = graph.features.get(name)
        if node is None:
            yield bounded(
                f"feature {name!r}: expected it in the graph, found none; {nearest(name, graph.features)}"
            )
        elif not is_number(node.type):
            yield bounded(f"feature {name!r}: expected a number, found {node.type}; leave it out")


def numbers(graph: Graph) -> list[str]:
    """Return the features of GRAPH that are numbers, in the order of their names."""
    return sorted(name for name, node in graph.features.items() if is_number(node.type))


def is_number(kind: object) -> bool:
    """Tell whether a feature of type KIND has bins."""
    return isinstance(kind, Type) and (kind.is_number or kind.kind == "bool")


def counted(cuts: Mapping[str, Cut]) -> dict[str, list[int]]:
    """Return counts of zero by the bins of CUTS."""
    return {name: [0] * len(each.counts) for name, each in cuts.items()}
