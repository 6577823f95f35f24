"""Every aggregate by its name in GRAPH_JSON, and the one way from a node to its aggregate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from featuregraph.aggregates.algebra import Aggregate
from featuregraph.aggregates.counts import Count
from featuregraph.aggregates.decay import DecayedSum
from featuregraph.aggregates.ends import First, Last, SinceFirst, SinceLast
from featuregraph.aggregates.extremes import Max, Min
from featuregraph.aggregates.grouped import Grouped
from featuregraph.aggregates.quantile import Quantile
from featuregraph.aggregates.sequence import Sequence
from featuregraph.aggregates.spread import Std, Var
from featuregraph.aggregates.sums import Mean, Sum
from featuregraph.aggregates.tables import Distinct, TopK
from featuregraph.ir import Node
from featuregraph.types import Type

CATALOGUE: Mapping[str, type[Aggregate]] = {
    cls.name: cls
    for cls in (
        Count,
        Sum,
        Mean,
        Var,
        Std,
        Min,
        Max,
        First,
        Last,
        Distinct,
        TopK,
        Quantile,
        SinceLast,
        SinceFirst,
        Sequence,
        DecayedSum,
    )
}


def parameters(cls: type[Aggregate]) -> tuple[str, ...]:
    """Return the names of the parameters of an aggregate, x left out."""
    return tuple(field.name for field in fields(cls) if field.init and field.name != "x")


def aggregate(name: str, x: Type | None = None, params: Mapping[str, Any] | None = None) -> Aggregate:
    """Return the aggregate NAME of values of type X; parameters are named and written as in a node."""
    return CATALOGUE[name](x, **(params or {}))


def aggregate_for(node: Node) -> Aggregate | Grouped:
    """Return the aggregate that an AGG node asks for."""
    x, by, distinct = node.role("x"), node.role("by"), node.role("distinct")
    params = {name: node[name] for name in ("k", "q", "n", "half_life") if node.get(name) is not None}
    if node["agg"] == Sequence.name:
        params["distinct"] = distinct.scalar if distinct else None
        params["items"] = tuple((name, item.scalar) for name, item in node.items)
    plain = aggregate(node["agg"], x.scalar if x else None, params)
    return Grouped(plain, by.scalar) if by else plain
