"""The small shop, changed: one feature more, one less, and a filter that two others share is another."""

from __future__ import annotations

import featuregraph as fg


class Purchase(fg.Event, name="purchase"):
    """A line of an order."""

    item_id = fg.identifier()
    quantity = fg.int64()
    unit_price = fg.decimal(2)


_buys = fg.rows(Purchase).where(Purchase.quantity >= 0).over("30d")
buys_30d = _buys.count()
spend_30d = _buys.sum(Purchase.unit_price * Purchase.quantity)
ticket = spend_30d / buys_30d
pull = fg.rows(Purchase).over("7d").decayed_sum(Purchase.quantity, "1d")
items = fg.rows(Purchase).distinct(Purchase.item_id)
