"""Features of an e-commerce app's events: clicks, views, carts and orders of the JD log.

    headrace explain examples/graphs/jd.py:jd

The log is the one that OpenMLDB's demo publishes. Many of its events share a millisecond, and a request for
recommendations often stands among them: what came before it is decided by time alone, strictly.
"""

from __future__ import annotations

import featuregraph as fg


class _Item(fg.Event):
    """What most events carry."""

    item_id = fg.identifier()
    cate = fg.category()
    brand = fg.category()


class Click(_Item, name="click"):
    """A click somewhere in the app."""

    model_id = fg.int64()


class View(_Item, name="view"):
    """A product page."""


class CartAdd(_Item, name="cart_add"):
    """Into the cart."""


class CartRemove(_Item, name="cart_remove"):
    """Out of the cart."""


class Favorite(_Item, name="favorite"):
    """A product that was marked."""


class Order(_Item, name="order"):
    """A purchase."""


class RecRequest(fg.Event, name="rec_request"):
    """A request for recommendations."""

    item_id = fg.identifier()
    split = fg.category()


class Candidate(fg.Candidate):
    """A product that may be shown."""

    item_id = fg.identifier()
    cate = fg.category()
    brand = fg.category()


class Request(fg.Request):
    """What the app says when it asks."""

    page_cate = fg.category()


class JD:
    """The features."""

    _acts = fg.rows(Click, View, CartAdd, CartRemove, Favorite, Order)
    _clicks, _views = fg.rows(Click), fg.rows(View)
    _looks = fg.rows(Click, View)
    _recent = _acts.last(10)

    acts = _acts.over(["1h", "1d", "4w"]).count()
    acts_week = _acts.over("7d").count()
    acts_last_week = _acts.over("7d").offset("7d").count()
    acts_trend = (acts_week / acts_last_week).fill(0.0).clip(0.0, 10.0)
    items_7d = _acts.over("7d").distinct(Click.item_id)
    brands = _acts.distinct(Click.brand)
    kinds = _acts.over("7d").distinct(fg.event_name())
    model_known_share = _clicks.count(Click.model_id) / _clicks.count()
    model_mean = _clicks.over("7d").mean(Click.model_id)
    model_std = _clicks.std(Click.model_id)
    model_var_1d = _clicks.over("1d").var(Click.model_id)
    model_sum = _clicks.over("4w").sum(Click.model_id.fill(0))
    model_low, model_high = _clicks.min(Click.model_id), _clicks.over("1d").max(Click.model_id)
    model_p90 = _clicks.quantile(Click.model_id, 0.9)
    model_bucket = model_mean.bucketize([10.0, 50.0, 100.0, 200.0])
    # The last filter waits for the query, so its rows are looked at again at each.
    same_page_1d = _looks.where(View.cate == Request.page_cate).over("1d").count()
    first_brand, last_brand = _acts.first(Click.brand), _acts.last(Click.brand)
    last_click_of_three = _clicks.last(3).first(Click.item_id)
    brand_last_sorted = _recent.max(Click.brand)
    top_cates_7d = _acts.over("7d").topk(Click.cate, 3)
    top_kinds = _acts.group_by(fg.event_name()).count().top(2)
    cate_counts = _acts.group_by(Click.cate).count()
    models_by_cate = _clicks.over("4w").group_by(Click.cate).mean(Click.model_id)
    idle = _acts.since_last()
    idle_order_days = (fg.rows(Order).since_last() // 86_400_000).fill(-1)
    tenure = _acts.since_first().fill(0)
    warmth = _acts.decayed_sum(1.0, "6h")
    carts_net = fg.rows(CartAdd).count() - fg.rows(CartRemove).count()
    requests_1h = fg.rows(RecRequest).where(RecRequest.split == "1").over("1h").count()
    history = _looks.sequence(
        20,
        {
            "item": View.item_id.hash(10_000),
            "kind": fg.event_name(),
            "cate_brand": fg.cross(View.cate, View.brand).hash(5_000, seed=3),
            "age": (fg.age() / 1000).log1p(),
        },
        distinct=View.item_id,
    )
    carts = fg.rows(CartAdd, Order).over("7d").sequence(5, {"item": CartAdd.item_id, "at": fg.ts_ms()})
    hour, weekday = fg.hour_of_day("Asia/Shanghai"), fg.day_of_week("Asia/Shanghai")
    cate_affinity = _acts.over("4w").group_by(Click.cate).count().lookup(Candidate.cate)
    item_idle = _acts.group_by(Click.item_id).since_last().lookup(Candidate.item_id).fill(-1)
    brand_pull = _acts.group_by(Click.brand).decayed_sum(1.0, "1d").lookup(Candidate.brand)
    is_last_brand = Candidate.brand == last_brand
    brand_seen = fg.where(Candidate.brand.is_null(), "none", Candidate.brand).hash(1_000)


jd = fg.Graph("jd", JD)
