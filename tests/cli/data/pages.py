"""A graph of selective features on wide events: what the passes of the optimiser drop."""

from __future__ import annotations

import featuregraph as fg


class Click(fg.Event, name="click"):
    """A click, with more fields than anybody reads."""

    item_id = fg.identifier()
    page_id = fg.category()
    source = fg.category()
    duration = fg.int64()
    colour = fg.category()
    device = fg.string()


class Search(fg.Event, name="search"):
    """A search."""

    words = fg.string()
    hits = fg.int64()


class Asked(fg.Request):
    """What is known when one asks."""

    item = fg.identifier()


class Pages:
    """Clicks on one page, searches without hits, and clicks on the item that is asked for."""

    _home = fg.rows(Click).where((Click.page_id == "home") & (Click.duration > 100))
    _cart = fg.rows(Click).where(Click.page_id == "cart")
    home_1d = _home.over("1d").count()
    home_7d = _home.over("7d").count()
    home_share = home_1d / home_7d
    cart_last = _cart.last(20).sequence(20, {"item": Click.item_id, "long": Click.duration > 1_000})
    cart_mean = _cart.over("7d").mean(Click.duration)
    empty = fg.rows(Search).where(Search.hits == 0).over("1d").count()
    same = fg.rows(Search).over("1d").where(Search.words == Asked.item).count()


pages = fg.Graph("pages", Pages)
