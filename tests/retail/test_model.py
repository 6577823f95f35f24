"""The shipped model belongs to the shipped graph, and the graph to any customer."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any

import pytest

import inference
from featuregraph import Graph, reference
from featuregraph.types import RecordType
from headrace.retail.graph import BUCKETS, retail
from headrace.retail.slice import load

pytestmark = pytest.mark.device

MOST = 2_000_000  # bytes of a package in the wheel
OFFERED = {
    "item_id": ["85123A", "never sold"],
    "list_price": ["2.95", None],
    "sold_7d": [3, None],
    "sold_30d": [9, None],
}


@pytest.fixture(scope="module")
def model() -> inference.Model:
    """Return the packaged model; loading it runs its golden examples."""
    with as_file(files("headrace.retail").joinpath("package")) as folder:
        return inference.load(folder)


def test_the_model_was_trained_on_this_graph(model: inference.Model) -> None:
    """A change of the graph's meaning without a new training is seen here."""
    assert model.graph_id == retail.serving().id == retail.id
    assert model.graph.diff(retail).changed == ()


def test_the_package_is_small() -> None:
    """Model, graph and contract stay within what a wheel may carry."""
    folder = files("headrace.retail").joinpath("package")
    assert sum(len(file.read_bytes()) for file in folder.iterdir()) <= MOST


def test_the_graph_survives_json() -> None:
    """The graph and its JSON are inverse of each other."""
    assert Graph.from_json(retail.to_json()).to_json() == retail.to_json()


@pytest.mark.parametrize("key", ["17850", "nobody"])
def test_nothing_is_null(key: str) -> None:
    """Every feature has a value for a customer with and without history, and for an unknown item."""
    log = load()
    events = [event for event in log.events(slice(0, 2_000)) if event["user_id"] == "17850"]
    query = {"key": key, "t": int(log.ts_ms[-1]), "request": OFFERED}
    (answer,) = reference.answer(retail, events, [query])
    for name, node in retail.features.items():
        value: Any = answer.values[name]
        whole = list(value.values()) if isinstance(node.type, RecordType) else [value]
        assert not any(found is None or (isinstance(found, list) and None in found) for found in whole), name


def test_items_rarely_share_a_row() -> None:
    """Of the slice's items at most one in a hundred falls into a row that another one has."""
    items = load().items.tolist()
    offered = {name: items if name == "item_id" else [None] * len(items) for name in OFFERED}
    rows = reference.value(retail, "item", [], "nobody", 0, offered)
    assert isinstance(rows, list)
    assert all(0 < row < BUCKETS for row in rows)
    assert len(items) - len(set(rows)) <= len(items) / 100
