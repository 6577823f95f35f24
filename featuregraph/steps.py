"""What computes a set of aggregates, step by step: the plan that the passes of the optimiser rewrite.

    Read     retrieve rows of some events, as far back as REACH, and decode them
    Filter   test the rows of its reads
    Range    of the rows that pass, those of a window, the latest N of them
    Compute  one aggregate of such a range

Every computation has a chain of its own at first; the passes (featuregraph.passes) make chains share steps. A
step names those before it by their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from featuregraph.ir import OF_THE_QUERY, Node, Op, toposort
from featuregraph.windows import Window

Demand = tuple[Node, bool]  # an aggregate, and its graph's include_now


class Read(NamedTuple):
    """Rows of EVENTS from REACH ms back, None for the whole history.

    Where there are WHERES, a row that fails all of them is dropped; one that fails all of EARLY, which stand
    on columns alone, is dropped before it is decoded.
    """

    events: tuple[str, ...]
    reach: int | None
    wheres: tuple[Node, ...] = ()
    early: tuple[Node, ...] = ()


class Filter(NamedTuple):
    """The rows of READS for which WHERE holds, None for all of them."""

    reads: tuple[int, ...]
    where: Node | None


class Range(NamedTuple):
    """The rows of a filter inside a window, the latest LAST of them."""

    filter: int
    window: Window
    last: int | None


class Compute(NamedTuple):
    """An aggregate of a range; if it WAITS, of the latest N of it that pass its filter at the query."""

    range: int
    agg: Node
    waits: bool


@dataclass(frozen=True, slots=True)
class Steps:
    """All steps of one plan at one stage.

    CARRIED gives the values that rows carry, each with the events whose rows do; None: every attribute.
    ORDERED: the rows of a filter stand in order, so that a range is cut by its bounds.
    """

    reads: tuple[Read, ...]
    filters: tuple[Filter, ...]
    ranges: tuple[Range, ...]
    computes: tuple[Compute, ...]
    carried: Mapping[Node, tuple[str, ...]] | None = None
    ordered: bool = False

    def demand(self, compute: Compute) -> Demand:
        """Return what COMPUTE computes."""
        return compute.agg, self.ranges[compute.range].window.include_now

    def reads_of(self, compute: Compute) -> tuple[Read, ...]:
        """Return the reads that COMPUTE stands on."""
        return tuple(self.reads[i] for i in self.filters[self.ranges[compute.range].filter].reads)


def written(demands: Iterable[Demand]) -> Steps:
    """Return the steps in which each of DEMANDS is computed by itself, as if there were no other."""
    reads, filters, ranges, computes = [], [], [], []
    for place, (agg, include_now) in enumerate(demands):
        window = Window(agg["over"], agg["offset"], include_now)
        reads.append(Read(agg["events"], reach_of(window)))
        filters.append(Filter((place,), agg.role("where")))
        ranges.append(Range(place, window, agg["last"]))
        computes.append(Compute(place, agg, waits=False))
    return Steps(tuple(reads), tuple(filters), tuple(ranges), tuple(computes))


def reach_of(window: Window) -> int | None:
    """Return how far back from t WINDOW begins, None for a lifetime."""
    return None if window.over is None else window.over + window.offset


def widest(reaches: Iterable[int | None]) -> int | None:
    """Return the reach that holds all REACHES, of which there is one at least."""
    found = tuple(reaches)
    return None if None in found else max(r for r in found if r is not None)


# ---------------------------------------------------------------- what a row alone decides


def is_static(node: Node) -> bool:
    """Tell whether NODE's value depends on its row alone, so that it can be computed once."""
    return not any(inner.op in OF_THE_QUERY for inner in toposort([node]))


def static_parts(node: Node) -> list[Node]:
    """Return the largest parts of NODE that depend on the row alone."""
    if is_static(node):
        return [] if node.op is Op.LIT else [node]
    return [part for arg in node.args for part in static_parts(arg)]


def row_parts(agg: Node) -> list[Node]:
    """Return the nodes that have a place in the rows for AGG to read."""
    where = agg.role("where")
    # A filter has a slot even if it is a literal.
    filter = where if where is not None and is_static(where) else None
    return [part for arg in agg.args for part in ([arg] if arg is filter else static_parts(arg))]
