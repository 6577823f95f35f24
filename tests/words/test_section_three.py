"""The words that users outside this repository rely on, written as the architecture writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.testing.executors import ReferenceExecutor


class Purchase(fg.Event, name="purchase"):
    """Plain class attributes: typed, completed and renamed by any editor."""

    item_id = fg.identifier()
    quantity = fg.int64()
    unit_price = fg.decimal(3)


class View(fg.Event, name="view"):
    """Another event."""

    item_id = fg.identifier()
    category = fg.category()


class Item(fg.Candidate):
    """One value per candidate."""

    category = fg.category()


class Shop:
    """Features by name; an underscore hides a part."""

    _buys = fg.rows(Purchase).where(Purchase.quantity > 0).over("30d")
    buys_30d = _buys.count()
    spend_30d = _buys.sum(Purchase.unit_price * Purchase.quantity)
    ticket = spend_30d / buys_30d
    top_cats = fg.rows(View).over("7d").topk(View.category, 3)
    affinity = fg.rows(View).over("7d").group_by(View.category).count().lookup(Item.category)
    history = fg.rows(Purchase, View).sequence(
        50, {"item": Purchase.item_id.hash(50_000), "age": fg.age()}, distinct=Purchase.item_id
    )
    idle = fg.rows(Purchase, View).since_last().fill(0)
    views = fg.rows(View).over(["1h", "7d"]).count()


shop = fg.Graph("shop", Shop, key="user_id")

EVENTS: list[dict[str, Any]] = [
    {"event": "view", "user_id": "u", "ts_ms": 1_000, "item_id": "a", "category": "tea"},
    {
        "event": "purchase",
        "user_id": "u",
        "ts_ms": 2_000,
        "item_id": "a",
        "quantity": 2,
        "unit_price": "1.250",
    },
    {"event": "view", "user_id": "u", "ts_ms": 3_000, "item_id": "b", "category": "mug"},
    {"event": "view", "user_id": "u", "ts_ms": 3_600_500, "item_id": "b", "category": "tea"},
]


def test_the_features_are_the_expressions_without_an_underscore() -> None:
    """Each has its type; a list of windows gives one feature per window."""
    assert {name: str(node.type) for name, node in shop.features.items()} == {
        "affinity": "int64",
        "buys_30d": "int64",
        "history": "record<age: list<int64>, item: list<int64>>",
        "idle": "int64",
        "spend_30d": "decimal(3)",
        "ticket": "float64",
        "top_cats": "list<category>",
        "views_1h": "int64",
        "views_7d": "int64",
    }
    assert (shop.name, shop.key, shop.include_now, shop.requests) == ("shop", "user_id", False, {})
    assert {name: str(type) for name, type in shop.candidates.items()} == {"category": "category"}


def test_the_words_have_values() -> None:
    """The reference evaluates them as they read."""
    query = {"key": "u", "t": 3_601_500, "request": {"category": ["tea", "pot"]}}
    (answer,) = ReferenceExecutor().run([shop], EVENTS, [query])
    item = fg.Graph("item", {"a": fg.lit("a").hash(50_000), "b": fg.lit("b").hash(50_000)})
    (hashes,) = ReferenceExecutor().run([item], [], [{"key": "u", "t": 3_601_500}])
    assert answer.values == {
        "affinity": [2, 0],
        "buys_30d": 1,
        "history": {"age": [3_599_500, 1_000], "item": [hashes.values["a"], hashes.values["b"]]},
        "idle": 1_000,
        "spend_30d": Decimal("2.500"),
        "ticket": 2.5,
        "top_cats": ["tea", "mug"],
        "views_1h": 2,
        "views_7d": 3,
    }


def module_of(names: Mapping[str, object]) -> ModuleType:
    """Return a module that holds NAMES."""
    module = ModuleType("shop")
    vars(module).update(names)
    return module


@pytest.mark.parametrize(
    "namespace", [Shop, vars(Shop), module_of(vars(Shop))], ids=["class", "dict", "module"]
)
def test_any_namespace_will_do(namespace: object) -> None:
    """A class, a mapping and a module are the same graph."""
    assert fg.Graph("shop", namespace) == shop


def test_features_are_inherited() -> None:
    """A subclass of a namespace adds features, and takes one away by another value of its name."""

    class More(Shop):
        buys_30d = None  # type: ignore[assignment]  # a namespace may hold anything
        last_item = fg.rows(View).last(View.item_id)

    assert set(fg.Graph("more", More).features) == set(shop.features) - {"buys_30d"} | {"last_item"}


def test_a_graph_survives_its_forms() -> None:
    """JSON and the plan's bytes give the same graph back."""
    assert fg.Graph.from_json(shop.to_json()) == shop
    assert fg.Graph.from_json(json.loads(shop.to_json())).id == shop.id
    plan = shop.compile()
    assert fg.Plan.from_bytes(plan.to_bytes()).graph == shop
    assert plan.id == shop.id
    assert shop.explain()
    assert not shop.diff(fg.Graph.from_json(shop.to_json()))
