"""Each rewrite law keeps every value and every overflow: the reference answers for both sides."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregraph import Graph
from featuregraph.errors import FeatureGraphError
from featuregraph.ir import Node, Op, toposort
from featuregraph.reference import answer
from featuregraph.rules import ALL, CHOICE, FOLD, LOGIC, STREAMS, Rules, rewrite
from featuregraph.testing.graphs import random_graph
from featuregraph.testing.logs import Workload, random_workload
from featuregraph.testing.values import World
from featuregraph.values import json_value, same

pytestmark = pytest.mark.device

SEEDS = st.integers(0, 2**48)
SETS: Mapping[str, Rules] = {"all": ALL, "fold": FOLD, "logic": LOGIC, "choice": CHOICE, "streams": STREAMS}


def with_features(graph: Graph, features: Mapping[str, Node]) -> Graph:
    """Return GRAPH with other nodes for its features; requests and candidates stay as they are."""
    changed = copy.copy(graph)
    changed.features = dict(features)
    return changed


def outcomes(graph: Graph, work: Workload) -> list[Any]:
    """Return, per query, the values as JSON or the error that it gives."""
    found: list[Any] = []
    for query in work.queries:
        try:
            (one,) = answer(graph, work.arrivals, [query])
        except FeatureGraphError as error:
            found.append((error.kind, getattr(error, "feature", None)))
            continue
        nodes = graph.features
        found.append(
            {
                n: json_value(nodes[n].type, v, per_candidate=nodes[n].per_candidate)
                for n, v in one.values.items()
            }
        )
    return found


@pytest.mark.parametrize("rules", SETS)
@settings(max_examples=120)
@given(SEEDS)
def test_laws_preserve_values(rules: str, seed: int) -> None:
    """Rewritten features have the values, lists over candidates and overflows of the features as written."""
    rng = Random(seed)
    world = World.any(rng)
    graph = Graph.from_json(random_graph(rng, world, depth=4, literals=0.7, key="user_id"))
    work = random_workload(rng, world, [graph], events=12, queries=3, plain=True)
    laws = rewrite(graph.features.values(), SETS[rules])
    changed = with_features(graph, {name: laws[node] for name, node in graph.features.items()})
    assert same(outcomes(graph, work), outcomes(changed, work))


def test_every_law_is_put_to_the_test() -> None:
    """The random graphs above give each law something to do."""
    done: Counter[str] = Counter()

    def counted(law: Any) -> Any:
        def count(node: Node) -> Node | None:
            better: Node | None = law(node)
            done[law.__name__] += better is not None
            return better

        return count

    rules = [(op, counted(law)) for op, law in ALL]
    for seed in range(150):
        rng = Random(seed)
        graph = Graph.from_json(random_graph(rng, World.any(rng), depth=4, literals=0.7))
        rewrite(graph.features.values(), rules)
    assert set(done) == {law.__name__ for _, law in ALL}
    assert min(done.values()) >= 1, done


@settings(max_examples=60)
@given(SEEDS)
def test_rewriting_ends_and_is_done_once(seed: int) -> None:
    """What the laws lead to, they leave alone; types and the lists over candidates stay."""
    rng = Random(seed)
    graph = Graph.from_json(random_graph(rng, World.any(rng), depth=4, literals=0.7))
    for node, better in rewrite(graph.features.values()).items():
        assert (better.type, better.per_candidate) == (node.type, node.per_candidate)
        assert rewrite([better])[better] is better


NUMBER, OTHER = {"request": "a", "type": "int64"}, {"request": "b", "type": "int64"}
TRUE, FALSE, UNKNOWN = ({"lit": value, "type": "boolean"} for value in (True, False, None))
ONE, NULL = ({"lit": value, "type": "int64"} for value in (1, None))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"op": "where", "args": [TRUE, NUMBER, OTHER]}, NUMBER),
        ({"op": "where", "args": [FALSE, NUMBER, OTHER]}, OTHER),
        ({"op": "where", "args": [UNKNOWN, NUMBER, OTHER]}, OTHER),
        ({"op": "fill", "args": [NULL, NUMBER]}, NUMBER),
        ({"op": "fill", "args": [ONE, NUMBER]}, ONE),
        ({"op": "and", "args": [TRUE, UNKNOWN]}, FALSE),
        ({"op": "not", "args": [UNKNOWN]}, TRUE),
        ({"op": "eq", "args": [NULL, NULL]}, FALSE),
        ({"op": "add", "args": [ONE, NULL]}, NULL),
        ({"op": "where", "args": [{"op": "eq", "args": [ONE, ONE]}, NUMBER, OTHER]}, NUMBER),
    ],
)
def test_laws_by_example(written: Any, meant: Any) -> None:
    """What is known already is chosen or computed while compiling, a null condition being false."""
    form = {"format": 1, "graph": "g", "events": {}, "features": {"f": written, "m": meant}}
    nodes = Graph.from_json(form).features
    assert rewrite([nodes["f"]])[nodes["f"]] is nodes["m"]


def test_an_overflow_is_not_folded_away() -> None:
    """What overflows stays as it is: the error belongs to the query that needs it."""
    big = {"lit": 2**63 - 1, "type": "int64"}
    form = {"format": 1, "graph": "g", "events": {}, "features": {"f": {"op": "add", "args": [big, big]}}}
    (node,) = Graph.from_json(form).features.values()
    assert rewrite([node])[node] is node
    assert any(n.op is Op.ADD for n in toposort([node]))
