"""The public words as a user types them: mypy --strict and pyright must accept this file as it is.

It also runs: `test_api.py` executes it, so that what type checks is what works.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_type

import featuregraph as fg


class Purchase(fg.Event, name="purchase"):
    """An event declared as a class."""

    item_id = fg.identifier()
    quantity = fg.int64()
    unit_price = fg.decimal(3)
    weight = fg.float64()
    gift = fg.boolean()
    paid_at = fg.timestamp()


class View(fg.Event, name="view"):
    """Another event, which shares a field with the first."""

    item_id = fg.identifier()
    category = fg.category()


class Context(fg.Request):
    """What comes with a query."""

    query = fg.string()
    embedding = fg.vector(4)


class Item(fg.Candidate):
    """What comes with each candidate."""

    category = fg.category()


Click = fg.Event.of("click", {"item_id": fg.identifier(), "count": "int64"})

assert_type(Purchase.quantity, fg.Field)
assert_type(Click["count"], fg.Field)
assert_type(fg.request("price", "decimal(2)"), fg.Expr)
assert_type(fg.candidate("age_days", fg.int64()), fg.Expr)

rows = fg.rows(Purchase)
assert_type(rows.where(Purchase.quantity > 0).over("30d").offset("1h"), fg.Rows)
assert_type(rows.over(["1h", "7d"]).count() / 2, fg.Expr)
assert_type(rows.over(["1h", "7d"]).group_by(Purchase.item_id).count().lookup("7"), fg.Expr)
assert_type(rows.last(5), fg.LastRows)
assert_type(rows.last(5).sum(Purchase.quantity), fg.Expr)
assert_type(rows.last(Purchase.unit_price), fg.Expr)
assert_type(rows.group_by(Purchase.item_id), fg.GroupedRows)
assert_type(rows.group_by(Purchase.item_id).count(), fg.GroupedExpr)
assert_type(rows.group_by(Purchase.item_id).count().top(3), fg.Expr)
assert_type(fg.rows(View).group_by(View.category).count().lookup(Item.category), fg.Expr)
assert_type(Purchase.unit_price * Purchase.quantity, fg.Expr)
assert_type(2 * Purchase.quantity - 1, fg.Expr)
assert_type(-Purchase.weight, fg.Expr)
assert_type((Purchase.quantity > 0) & ~Purchase.gift | Purchase.weight.is_null(), fg.Expr)
assert_type(fg.where(Purchase.gift, 0, Purchase.quantity), fg.Expr)
assert_type(fg.cross(View.category, View.item_id).hash(1_000, seed=7), fg.Expr)
assert_type(fg.hour_of_day("Europe/London"), fg.Expr)


class Shop:
    """Features by name."""

    _buys = fg.rows(Purchase).where(Purchase.quantity > 0).over("30d")
    buys_30d = _buys.count()
    spend_30d = _buys.sum(Purchase.unit_price * Purchase.quantity)
    ticket = (spend_30d / buys_30d).fill(0.0)
    top_cats = fg.rows(View).over("7d").topk(View.category, 3)
    affinity = fg.rows(View).over("7d").group_by(View.category).count().lookup(Item.category)
    median = _buys.quantile(Purchase.unit_price, 0.5)
    fading = fg.rows(Purchase).decayed_sum(Purchase.quantity, half_life="7d")
    history = fg.rows(Purchase, View).sequence(
        50, {"item": Purchase.item_id.hash(50_000), "age": fg.age()}, distinct=Purchase.item_id
    )
    idle = fg.rows(Purchase, View).since_last().fill(0)
    embedding = Context.embedding
    weekday = fg.day_of_week("UTC")


shop = fg.Graph("shop", Shop, key="user_id")
assert_type(shop.id, str)
assert_type(shop.to_json(), str)
assert_type(fg.Graph.from_json(shop.to_json()), fg.Graph)
assert_type(shop.diff(shop), fg.GraphDiff)
assert_type(shop.explain(), str)
assert_type(shop.feature_ids["ticket"], str)

plan = shop.compile()
assert_type(plan, fg.Plan)
assert_type(plan.to_bytes(), bytes)
assert_type(fg.Plan.from_bytes(plan.to_bytes()).id, str)


def served(source: fg.FeatureSource) -> Mapping[str, object]:
    """Read features from whatever gives them."""
    vector = source.extract(
        shop.id, key="u1", at_ms=1_000, request={"query": "mug"}, candidates={"category": ["a"]}
    )
    assert_type(vector, fg.FeatureVector)
    assert_type(vector.known_until, int | None)
    assert_type(vector.partial, tuple[str, ...])
    return vector.values
