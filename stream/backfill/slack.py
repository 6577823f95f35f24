"""The one published tolerance: decayed_sum may be off by 1e-12 of the sum of its absolute terms (4.2)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from featuregraph import Expr, Graph, build
from featuregraph.ir import Node, Op

_TOLERANCE = 1e-12  # of the sum of the absolute terms
# Below the least normal double a double has fewer digits than the tolerance asks for: there its size stands.
_LEAST = sys.float_info.min


def scaled(size: Any) -> Any:
    """Return how far off a decayed sum may be whose absolute terms add up to SIZE, in its shape."""
    if isinstance(size, list):
        return [scaled(one) for one in size]
    if isinstance(size, dict):
        return {key: scaled(one) for key, one in size.items()}
    return None if size is None else max(abs(size), _LEAST) * _TOLERANCE


def magnitudes(graph: Graph) -> Graph | None:
    """Return GRAPH's features that are decayed sums, each over the absolute values of its terms, if any.

    Their values are the sizes that the tolerance speaks of. A feature that goes on computing with a decayed
    sum is not among them: what becomes of the tolerance there depends on what it computes.
    """
    sizes = {name: size for name, node in graph.features.items() if (size := _magnitude(node)) is not None}
    if not sizes:
        return None
    schemas = frozenset(graph.schemas.values()) | frozenset(graph.tables.values())
    exprs = {name: Expr(node, schemas) for name, node in sizes.items()}
    return Graph(graph.name, exprs, key=graph.key, include_now=graph.include_now)


def asked_of(graph: Graph, query: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return QUERY without the names that GRAPH, a part of the graph that it is for, does not read."""
    given = query.get("request")
    if not isinstance(given, Mapping):
        return query
    names = {*graph.requests, *graph.candidates}
    return {**query, "request": {name: value for name, value in given.items() if name in names}}


def _magnitude(node: Node) -> Node | None:
    """Return a decayed sum, or a group or a default of one, over absolute terms; None for anything else."""
    if _is_decayed(node):
        x = node.role("x")
        assert x is not None
        args = [
            build.scalar(Op.ABS, [arg]) if role == "x" else arg
            for role, arg in zip(node["roles"], node.args, strict=True)
        ]
        return Node(Op.AGG, node.type, args, **dict(node.attrs))
    if node.op not in (Op.LOOKUP, Op.FILL) or (node.op is Op.FILL and node.args[1].op is not Op.LIT):
        return None
    first = _magnitude(node.args[0])
    return None if first is None else Node(node.op, node.type, (first, node.args[1]), **dict(node.attrs))


def _is_decayed(node: Node) -> bool:
    return node.op is Op.AGG and bool(node["agg"] == "decayed_sum")
