"""A small shop: a graph of every kind of sharing, for the tests of the commands."""

from __future__ import annotations

import featuregraph as fg


class Purchase(fg.Event, name="purchase"):
    """A line of an order."""

    item_id = fg.identifier()
    quantity = fg.int64()
    unit_price = fg.decimal(2)


class View(fg.Event, name="view"):
    """A look at an item."""

    item_id = fg.identifier()
    category = fg.category()


class Item(fg.Candidate):
    """An item that may be shown."""

    category = fg.category()


class Context(fg.Request):
    """What is known when one asks."""

    budget = fg.float64()


class Shop:
    """The features."""

    _buys = fg.rows(Purchase).where(Purchase.quantity > 0).over("30d")
    buys_30d = _buys.count()
    spend_30d = _buys.sum(Purchase.unit_price * Purchase.quantity)
    ticket = spend_30d / buys_30d
    left = (Context.budget - spend_30d).clip(lo=0.0)
    views = fg.rows(View).over(["1h", "7d"]).count()
    top_cats = fg.rows(View).over("7d").topk(View.category, 3)
    affinity = fg.rows(View).over("7d").group_by(View.category).count().lookup(Item.category)
    history = fg.rows(Purchase, View).sequence(
        50, {"item": Purchase.item_id.hash(50_000), "age": fg.age()}, distinct=Purchase.item_id
    )
    idle = fg.rows(Purchase, View).since_last().fill(0)
    pull = fg.rows(Purchase).over("7d").decayed_sum(Purchase.quantity, "1d")
    recent = fg.rows(View).where(fg.lit(1) < 2).last(5).first(View.item_id)
    evening = fg.hour_of_day("Europe/London") >= 18


shop = fg.Graph("shop", Shop)
