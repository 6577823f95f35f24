"""A small shop with labels, and its recorded events."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import featuregraph as fg

Made = Callable[..., Any]  # makes a training set; gives its card and the rows of its parts


class View(fg.Event, name="view"):
    """A look at an item."""

    item_id = fg.identifier()


class Buy(fg.Event, name="buy"):
    """A line of a basket."""

    item_id = fg.identifier()
    basket = fg.identifier()
    price = fg.decimal(2)
    n = fg.int64()


class Item(fg.Candidate):
    """An item that may be shown."""

    item_id = fg.identifier()


class Shop:
    """Features of every form, and labels."""

    views = fg.rows(View).over("1h").count()
    spend = fg.rows(Buy).sum(Buy.price)
    mean = fg.rows(Buy).over("1h").mean(Buy.price)
    seen = fg.rows(View).over("1d").group_by(View.item_id).count().lookup(Item.item_id)
    history = fg.rows(View, Buy).sequence(4, {"item": View.item_id.hash(100), "age": fg.age()})
    top = fg.rows(View).topk(View.item_id.hash(100), 3)
    bought = fg.rows(Buy).ahead("1h").group_by(Buy.item_id).count().lookup(Item.item_id) > 0
    later = fg.rows(Buy).ahead("1h").sum(Buy.price)


SHOP = fg.Graph("shop", Shop)
FEATURES = fg.Graph("features", {"views": Shop.views, "seen": Shop.seen, "history": Shop.history})


def recorded(count: int, *, items: int = 12, seed: int = 1) -> list[dict[str, Any]]:
    """Return COUNT views and baskets of five users, in the order of time."""
    random, t = Random(seed), 0
    events: list[dict[str, Any]] = []
    for number in range(count):
        t += random.randrange(10 * 60_000)
        common = {"user_id": f"u{random.randrange(5)}", "event_id": f"e{number}"}
        if random.random() < 0.6:
            events.append({"event": "view", "ts_ms": t, "item_id": f"i{random.randrange(items)}", **common})
            continue
        for n in range(random.randrange(1, 4)):
            line = {"item_id": f"i{min(random.randrange(items), random.randrange(items))}", "n": n}
            price = f"{random.randrange(1000) / 100:.2f}"
            line |= {**common, "event_id": f"e{number}-{n}", "price": price, "basket": f"b{number}"}
            events.append({"event": "buy", "ts_ms": t + 1_000 * n, **line})
    return sorted(events, key=lambda event: event["ts_ms"])


def real(row: dict[str, Any], name: str, of: str = "candidates") -> list[Any]:
    """Return the entries of the list NAME of ROW that are no padding."""
    return [value for value, is_real in zip(row[name], row[f"{of}.mask"], strict=True) if is_real]
