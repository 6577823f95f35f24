"""A plan as a networkx graph, for questions that no view of ours answers: who hangs on what."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from featuregraph.explain.description import describe
from featuregraph.explain.drawing import AGGREGATE, EVENT, FEATURE, SCAN, TRACK, draw

if TYPE_CHECKING:
    import networkx as nx

    from featuregraph.plan import Plan

_WORDS = {EVENT: "event", SCAN: "scan", TRACK: "rows", AGGREGATE: "aggregate", FEATURE: "feature"}


def network(plan: Plan) -> nx.DiGraph[Hashable]:
    """Return PLAN as a directed graph from events over scans, rows, windows and aggregates to features.

    Events and features are the nodes ("event", NAME) and ("feature", NAME), as in
    `networkx.descendants(network(plan), ("event", "view"))`; nodes between carry an id in place of the
    name. Each has the attributes `layer`, `label` and `facts`, a dict of what `explain --html` tells of it.

    Raises:
        ModuleNotFoundError: networkx is not installed; it comes with the extra `replay`.
    """
    import networkx as nx

    about = describe(plan)
    names = {f"e{number}": scan.event for number, scan in enumerate(about.scans)}
    names |= {f"f{number}": feature.name for number, feature in enumerate(about.features)}
    drawing = draw(about)
    nodes = {box.id: (_WORDS[box.layer], names.get(box.id, box.id)) for box in drawing.boxes}
    graph: nx.DiGraph[Hashable] = nx.DiGraph(graph=about.graph, id=about.id)
    for box in drawing.boxes:
        graph.add_node(nodes[box.id], layer=_WORDS[box.layer], label=box.label, facts=dict(box.facts))
    graph.add_edges_from((nodes[line.source], nodes[line.target]) for line in drawing.lines)
    return graph
