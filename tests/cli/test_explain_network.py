"""A plan as a networkx graph answers which features hang on which events."""

from typing import Any

import pytest

import featuregraph as fg
from featuregraph.explain import network

nx = pytest.importorskip("networkx", reason="networkx comes with the extra replay")


class View(fg.Event, name="view"):
    """A look at an item."""

    item = fg.category()


class Buy(fg.Event, name="buy"):
    """An item bought."""

    price = fg.decimal(2)


@pytest.fixture
def found() -> Any:
    """Return the graph of three features, one of them over both events."""
    features = {
        "views": fg.rows(View).over("7d").count(),
        "spend": fg.rows(Buy).over("7d").sum(Buy.price),
        "idle": fg.rows(View, Buy).since_last(),
    }
    return network(fg.Graph("shop", features).compile())


def test_features_of_an_event_are_its_descendants(found: Any) -> None:
    """Every feature that reads an event is reached from it, and no other."""
    reached = nx.descendants(found, ("event", "buy"))
    assert {name for layer, name in reached if layer == "feature"} == {"spend", "idle"}


def test_a_path_goes_through_the_layers(found: Any) -> None:
    """From an event to a feature lie its scan, rows, a window and an aggregate."""
    path = nx.shortest_path(found, ("event", "view"), ("feature", "views"))
    layers = [found.nodes[node]["layer"] for node in path]
    assert layers == ["event", "scan", "rows", "rows", "aggregate", "feature"]
    assert nx.is_directed_acyclic_graph(found)


def test_nodes_tell_their_facts(found: Any) -> None:
    """What the page tells of a part is an attribute of its node."""
    assert found.nodes["event", "view"]["facts"]["item"] == "category"
    assert found.graph["graph"] == "shop"
