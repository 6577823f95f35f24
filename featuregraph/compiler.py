"""From graph to plan: rewrite, collect the aggregates, write the one function that reads their states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from featuregraph import spec
from featuregraph.codegen import Source, tuple_of
from featuregraph.convert import converter, to_public
from featuregraph.graph import Graph
from featuregraph.ir import Node, Op, looks_ahead, toposort
from featuregraph.plan import LIFETIME, NOWHERE, Plan
from featuregraph.rules import ALL, INCLUDE_NOW, rewrite
from featuregraph.types import MapType, Type


def compile_graph(graph: Graph) -> Plan:
    """Return GRAPH's plan."""
    spec.check(graph.features.values(), spec.GRAPH)
    rewritten = rewrite(graph.features.values(), [*ALL, *INCLUDE_NOW] if graph.include_now else ALL)
    features = {name: rewritten[node] for name, node in graph.features.items()}
    spec.check(features.values(), spec.GRAPH)
    aggregates = tuple(n for n in toposort(features.values()) if n.op is Op.AGG)
    # Of the graph as it is written: what is partial must not depend on what a law took away.
    streams = {name: _streams(node) for name, node in graph.features.items()}
    reach = {name: _reach(found) for name, found in streams.items()}
    return Plan(
        graph=graph,
        features=features,
        aggregates=aggregates,
        read=reader(features, aggregates),
        converters=tuple(
            (i, c) for i, node in enumerate(features.values()) if (c := _publisher(node)) is not None
        ),
        given={name: converter(type) for name, type in (graph.requests | graph.candidates).items()},
        reach={name: back for name, back in reach.items() if back is not NOWHERE},
        windowless=frozenset(name for name, found in streams.items() if not found),
        per_candidate=frozenset(name for name, node in features.items() if node.per_candidate),
    )


def reader(features: Mapping[str, Node], aggregates: Sequence[Node]) -> Callable[..., tuple[Any, ...]]:
    """Return read(a, t, q): the values of FEATURES.

    A holds the states of AGGREGATES in their order, T is the query's time, Q its converted request values.
    """
    index = {agg: f"a[{i}]" for i, agg in enumerate(aggregates)}
    source = Source({})
    return source.function("a, t, q", tuple_of(read_into(source, features, index)))


def read_into(source: Source, features: Mapping[str, Node], states: Mapping[Node, str]) -> list[str]:
    """Add to SOURCE what FEATURES need, given the text of each aggregate's state; return their texts.

    The time of the query is `t`, its converted request values are `q`.
    """
    for node in toposort(features.values()):
        if node.op is Op.CANDIDATE:
            source.place(node, f"q[{node['name']!r}]")
        elif node.op is Op.LOOKUP:
            grouped, key = node.args
            (text,) = source.add([key])
            look = "lookups" if key.per_candidate else "lookup"
            source.place(node, source.assign(f"{states[grouped]}.{look}({text}, t)"))
        elif node.op is Op.TOP:
            source.place(node, source.assign(f"{states[node.args[0]]}.top({node['k']}, t)"))
        elif node.op is Op.AGG and _read_whole(node, features):
            source.place(node, source.assign(f"{states[node]}.value(t)"))
    return source.add(list(features.values()))


def _read_whole(agg: Node, features: Mapping[str, Node]) -> bool:
    """Tell whether someone needs AGG's whole value; a grouped one may be looked into only."""
    return not isinstance(agg.type, MapType) or agg in features.values()


def _publisher(node: Node) -> Callable[[Any], Any] | None:
    """Return what makes NODE's value public and owned; None where the value is so already."""
    one = to_public(node.type)
    plain = isinstance(node.type, Type) and node.type.kind not in ("decimal", "vector")
    if node.per_candidate:
        return list if plain else lambda values: [one(v) for v in values]
    return None if plain else one


def _streams(node: Node) -> list[Node]:
    return [inner for inner in toposort([node]) if inner.op is Op.AGG]


def _reach(streams: Sequence[Node]) -> int | None:
    """Return how far back the windows of STREAMS begin; LIFETIME decides, and NOWHERE if none looks back."""
    back = [agg for agg in streams if not looks_ahead(agg)]
    if any(agg["over"] is None for agg in back):
        return LIFETIME
    return max((agg["over"] + agg["offset"] for agg in back), default=NOWHERE)
