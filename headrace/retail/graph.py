"""The shop's feature graph: what a customer's invoices so far say about the next one.

    headrace explain headrace.retail.graph:retail

Money is decimal(2) pounds, times are milliseconds. Nothing is null: every value goes into a model.
"""

from __future__ import annotations

import featuregraph as fg

# Of 1,087 items 7 fall into a bucket that is taken: the seed with the fewest such among the first 2,000.
BUCKETS, SEED = 32_768, 438
HISTORY = 50  # items
DAY = 86_400_000  # ms
NEVER = 400 * DAY  # longer than the log: stands for "not yet"
AGE_EDGES = [0, *(days * DAY for days in (1, 2, 4, 7, 14, 21, 30, 45, 60, 90, 120, 180, 270))]
ZONE = "Europe/London"


class Purchase(fg.Event, name="purchase"):
    """One line of an invoice."""

    session_id = fg.identifier()  # the invoice
    item_id = fg.identifier()
    quantity = fg.int64()
    unit_price = fg.decimal(2)


class Cancel(fg.Event, name="cancel"):
    """One line of a cancelled invoice; quantities are negative."""

    item_id = fg.identifier()
    quantity = fg.int64()


class Item(fg.Candidate):
    """What the shop says of each item that may be ranked: catalogue.py makes it."""

    item_id = fg.identifier()
    list_price = fg.decimal(2)
    sold_7d = fg.int64()  # invoices with the item in the week, the month before the catalogue was made
    sold_30d = fg.int64()


class Retail:
    """The features: of the customer, of what was bought in which order, of each candidate for this one."""

    _lines = fg.rows(Purchase)
    _month, _quarter = _lines.over("30d"), _lines.over("90d")
    _value = Purchase.unit_price * Purchase.quantity
    _of_item = _lines.group_by(Purchase.item_id)

    baskets = _lines.distinct(Purchase.session_id)
    baskets_30d = _month.distinct(Purchase.session_id)
    baskets_90d = _quarter.distinct(Purchase.session_id)
    lines_90d = _quarter.count()
    items_90d = _quarter.distinct(Purchase.item_id)
    spend_30d = _month.sum(_value)
    spend_90d = _quarter.sum(_value)
    ticket = (_lines.sum(_value) / baskets).fill(0.0)
    price_mean = _lines.mean(Purchase.unit_price).fill(0.0)
    quantity_median = _lines.quantile(Purchase.quantity, 0.5).fill(0)
    cancel_ratio = (fg.rows(Cancel).count() / _lines.count()).fill(0.0)
    idle = _lines.since_last().fill(NEVER)
    tenure = _lines.since_first().fill(0)
    hour = fg.hour_of_day(ZONE)
    weekday = fg.day_of_week(ZONE)

    history = _lines.sequence(
        HISTORY,
        {"item": Purchase.item_id.hash(BUCKETS, SEED), "age": fg.age().bucketize(AGE_EDGES)},
        distinct=Purchase.item_id,
    )
    favourites = _lines.topk(Purchase.item_id.hash(BUCKETS, SEED), 10)

    item = Item.item_id.hash(BUCKETS, SEED)
    price = Item.list_price.fill(0)
    price_ratio = (Item.list_price / _lines.mean(Purchase.unit_price)).fill(1.0)
    popularity_7d = Item.sold_7d.fill(0)
    popularity_30d = Item.sold_30d.fill(0)
    own_baskets = _of_item.distinct(Purchase.session_id).lookup(Item.item_id)
    own_lines_90d = _quarter.group_by(Purchase.item_id).count().lookup(Item.item_id)
    own_share = (own_baskets / baskets).fill(0.0)
    own_pull = _of_item.decayed_sum(1.0, "60d").lookup(Item.item_id)
    own_idle = _of_item.since_last().lookup(Item.item_id).fill(NEVER)
    own_age = _of_item.since_first().lookup(Item.item_id).fill(NEVER)
    own_cancels = fg.rows(Cancel).group_by(Cancel.item_id).count().lookup(Item.item_id)


retail = fg.Graph("retail", Retail, key="user_id")
