"""The public words as a user types them: mypy --strict and pyright must accept this file as it is.

It also runs: `test_api.py` executes it, so that what type checks is what works.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_type

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


class Price(fg.Table, key=fg.identifier, changing=True):
    """A table, whose rows are taken by their key."""

    price = fg.decimal(2)
    band = fg.category()


Click = fg.Event.of("click", {"item_id": fg.identifier(), "count": "int64"})

assert_type(Purchase.quantity, fg.Field)
assert_type(Click["count"], fg.Field)
assert_type(fg.request("price", "decimal(2)"), fg.Expr)
assert_type(fg.candidate("age_days", fg.int64()), fg.Expr)

rows = fg.rows(Purchase)
assert_type(rows.where(Purchase.quantity > 0).over("30d").offset("1h"), fg.Rows)
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

assert_type(Price[Purchase.item_id].price, fg.Field)
assert_type(Price["tea"].band, fg.Field)
assert_type(rows.sum(Price[Purchase.item_id].price), fg.Expr)
assert_type(fg.Table.of("rate", {"r": "float64"}, key="int64", changing=True), Any)
assert_type(rows.ahead("24h"), fg.Rows)
assert_type(rows.ahead(["1h", "24h"]).count(), fg.Windows)
assert_type(fg.rows(Purchase, ahead="24h").last(3).count(), fg.Expr)

# A list of windows gives one value each, and every word goes on to all of them.
each = rows.over(["1h", "7d"])
assert_type(each, fg.WindowRows)
assert_type(rows.over(("1h", "7d")).where(Purchase.gift).offset("1d"), fg.WindowRows)
assert_type(each.last(5), fg.LastWindowRows)
assert_type(each.last(5).sum(Purchase.quantity), fg.Windows)
assert_type(each.last(Purchase.quantity), fg.Windows)
assert_type(each.group_by(Purchase.item_id), fg.GroupedWindowRows)
assert_type(each.last(5).group_by(Purchase.item_id).last(Purchase.quantity), fg.GroupedWindows)
assert_type(each.topk(Purchase.item_id, 3), fg.Windows)
counts, total = each.count(), rows.count()
assert_type(counts, fg.Windows)
assert_type(counts["1h"], fg.Expr)
assert_type(counts + 1, fg.Windows)
assert_type(1 - counts, fg.Windows)
assert_type(counts / counts, fg.Windows)
assert_type(counts / total, fg.Windows)
assert_type(total / counts, fg.Windows)
assert_type(counts > 3, fg.Windows)
assert_type(total >= counts, fg.Windows)
assert_type(counts == counts, fg.Windows)  # noqa: PLR0124
assert_type(total == counts, fg.Windows)
assert_type((counts > 3) & ~(counts > 5), fg.Windows)
assert_type(Purchase.gift & (counts > 3), fg.Windows)
assert_type(counts.fill(0).clip(0, 9).log1p().cast("decimal(2)"), fg.Windows)
assert_type(counts.fill(total), fg.Windows)
assert_type(total.fill(counts), fg.Windows)
assert_type(total.fill(total), fg.Expr)
assert_type(counts.cast("string").cross("x").hash(10), fg.Windows)
assert_type(total.cast("string").cross(counts.cast("string")), fg.Windows)
assert_type(fg.where(counts > 3, 1, 0), fg.Windows)
assert_type(fg.where(total > 3, counts, 0), fg.Windows)
assert_type(fg.where(total > 3, 0, counts), fg.Windows)
assert_type(fg.cross("x", counts.cast("string")), fg.Windows)
by_item = each.group_by(Purchase.item_id).count()
assert_type(by_item, fg.GroupedWindows)
assert_type(by_item["1h"], fg.GroupedExpr)
assert_type(by_item.lookup(Item.category).fill(0), fg.Windows)
assert_type(by_item.top(3), fg.Windows)
assert_type(rows.group_by(Purchase.quantity).count().lookup(counts), fg.Windows)


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
    _views = fg.rows(View).over(["1h", "7d"])
    views = _views.count()
    views_share = (views / fg.rows(View).count()).fill(0.0)
    looks = _views.group_by(View.category).count().lookup(Item.category)


assert_type(Shop.views, fg.Windows)
assert_type(Shop.views_share, fg.Windows)
assert_type(Shop.looks, fg.Windows)


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
