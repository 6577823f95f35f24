"""Features of a gift shop's invoice lines: the UCI Online Retail log, money exact in tenths of a penny.

    headrace explain examples/graphs/retail.py:shop

An invoice is many events of one minute, so nearly every time is shared; quantities are negative where goods
came back, and many customers have no name. include_now is set: a query at an invoice's minute sees it.
"""

from __future__ import annotations

import featuregraph as fg


class Purchase(fg.Event, name="purchase"):
    """One line of an invoice."""

    session_id = fg.identifier()
    item_id = fg.identifier()
    quantity = fg.int64()
    unit_price = fg.decimal(3)
    country = fg.category()


class Cancel(fg.Event, name="cancel"):
    """One line of a cancelled invoice; its quantity is negative."""

    session_id = fg.identifier()
    item_id = fg.identifier()
    quantity = fg.int64()
    unit_price = fg.decimal(3)


class StockAdjust(fg.Event, name="stock_adjust"):
    """A correction by the shop."""

    item_id = fg.identifier()
    quantity = fg.int64()


class Item(fg.Candidate):
    """An item that may be offered, at a price."""

    item_id = fg.identifier()
    price = fg.decimal(2)


class Basket(fg.Request):
    """What the shop knows as it asks."""

    budget = fg.float64()


class Shop:
    """The features."""

    _lines = fg.rows(Purchase)
    _month = _lines.over("30d")
    _value = Purchase.unit_price * Purchase.quantity
    _all = fg.rows(Purchase, Cancel)
    _dear = _month.where((Purchase.unit_price >= 5) & ~Purchase.item_id.is_in(["POST", "DOT", "M"]))

    lines = _lines.over(["1d", "30d"]).count()
    lines_90d = _lines.over("90d").count()
    lines_before = _lines.over("30d").offset("30d").count()
    invoices = _lines.distinct(Purchase.session_id)
    spend = _lines.sum(_value)
    spend_30d = _month.sum(_value)
    spend_float_30d = _month.sum(_value.cast(fg.float64))
    ticket = (spend / invoices).fill(0.0)
    budget_share = (spend_30d / Basket.budget).clip(0.0, 1.0)
    price_mean = _lines.mean(Purchase.unit_price)
    price_std_90d = _lines.over("90d").std(Purchase.unit_price)
    value_var = _lines.var(_value)
    price_low, price_high = _lines.min(Purchase.unit_price), _month.max(Purchase.unit_price)
    quantity_median = _lines.quantile(Purchase.quantity, 0.5)
    value_p95_90d = _lines.over("90d").quantile(_value, 0.95)
    dear_lines, dear_first = _dear.count(), _dear.first(Purchase.item_id)
    first_country, last_item = _lines.first(Purchase.country), _lines.last(Purchase.item_id)
    last_five_value = _lines.last(5).sum(_value)
    bulk = _lines.where(Purchase.quantity > 11).last(3).mean(Purchase.quantity)
    returned = -fg.rows(Cancel).sum(Cancel.quantity)
    return_share = (fg.rows(Cancel).over("90d").count() / lines_90d).fill(0.0)
    adjusted = fg.rows(StockAdjust).sum(abs(StockAdjust.quantity))
    net_quantity = _all.sum(Purchase.quantity)
    idle = _lines.since_last().fill(-1)
    tenure_weeks = (_all.since_first() / 604_800_000.0).sqrt()
    pull = _lines.decayed_sum(_value, "14d")
    favourites = _lines.topk(Purchase.item_id, 5)
    hours_bought = _lines.over("90d").topk(Purchase.quantity.bucketize([1, 2, 6, 12, 48]), 3)
    best_items = _month.group_by(Purchase.item_id).sum(_value).top(3)
    spend_by_country = _lines.group_by(Purchase.country).sum(_value)
    history = _all.sequence(
        50,
        {
            "item": Purchase.item_id.hash(32_768, seed=7),
            "price": Purchase.unit_price,
            "back": fg.event_name() == "cancel",
            "days": fg.age() // 86_400_000,
        },
        distinct=Purchase.item_id,
    )
    own_lines = _lines.group_by(Purchase.item_id).count().lookup(Item.item_id)
    own_last_price = _lines.group_by(Purchase.item_id).last(Purchase.unit_price).lookup(Item.item_id)
    own_discount = (own_last_price - Item.price).fill(0)
    own_idle = _lines.over("90d").group_by(Purchase.item_id).since_last().lookup(Item.item_id)
    own_dearest = _month.group_by(Purchase.item_id).max(_value).lookup(Item.item_id)
    item_row = Item.item_id.hash(32_768, seed=7)
    hour, weekday = fg.hour_of_day("Europe/London"), fg.day_of_week("Europe/London")
    weekend_spender = fg.where((weekday >= 5) & (spend_30d > 0), spend_30d, 0)


shop = fg.Graph("shop", Shop, include_now=True)
