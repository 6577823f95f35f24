"""Features of a fashion shop's recommendation slots: exposures and clicks of the Open Bandit log.

    headrace explain examples/graphs/bandit.py:bandit

A user is a cohort, so histories are long and few events are clicks; a click stands at its exposure's
millisecond, one seq later. Propensities are doubles of many digits: sums of them are exact, rounded once.
"""

from __future__ import annotations

import featuregraph as fg


class Exposure(fg.Event, name="exposure"):
    """An item that was shown."""

    page_id = fg.category()
    item_id = fg.identifier()
    position = fg.int64()
    policy = fg.category()
    propensity = fg.float64()
    affinity = fg.float64()
    affinity_nz = fg.string()


class Click(fg.Event, name="click"):
    """A click on it."""

    page_id = fg.category()
    item_id = fg.identifier()
    position = fg.int64()
    policy = fg.category()
    propensity = fg.float64()


class Slot(fg.Request):
    """Where something will be shown."""

    page = fg.category()
    position = fg.int64()


class Item(fg.Candidate):
    """What may be shown there."""

    item_id = fg.identifier()
    score = fg.float64()


class Bandit:
    """The features."""

    _shown, _clicked = fg.rows(Exposure), fg.rows(Click)
    _random = _shown.where(Exposure.policy == "random")
    _both = fg.rows(Exposure, Click)
    _weight = 1.0 / Exposure.propensity

    shown = _shown.over(["10m", "1h", "1d"]).count()
    shown_7d = _shown.over("7d").count()
    clicks, clicks_1d = _clicked.count(), _clicked.over("1d").count()
    rate = (clicks / shown_7d).fill(0.0)
    rate_smoothed = (clicks + 1) / (_shown.count() + 200)
    rate_log = (rate * 1000.0).log1p()
    clicks_weighted = _clicked.sum(1.0 / Click.propensity)
    weight_1d = _shown.over("1d").sum(_weight)
    weight_mean = _shown.over("1h").mean(_weight)
    propensity_std, propensity_var_1h = (
        _shown.std(Exposure.propensity),
        _shown.over("1h").var(Exposure.propensity),
    )
    propensity_low, propensity_high = (
        _shown.min(Exposure.propensity),
        _random.over("1d").max(Exposure.propensity),
    )
    propensity_median = _shown.over("1d").quantile(Exposure.propensity, 0.5)
    affinity_known = _shown.count(Exposure.affinity_nz)
    affinity_last = _shown.where(~Exposure.affinity_nz.is_null()).last(Exposure.affinity_nz)
    affinity_sum = _shown.over("1d").sum(Exposure.affinity * 10)
    items, items_1h = _shown.distinct(Exposure.item_id), _shown.over("1h").distinct(Exposure.item_id)
    top_items = _shown.over("1d").topk(Exposure.item_id, 5)
    clicked_items = _clicked.topk(Click.item_id, 3)
    first_page, last_page = _shown.first(Exposure.page_id), _both.last(Exposure.page_id)
    last_of_twenty = _shown.last(20).distinct(Exposure.item_id)
    positions = _shown.over("1h").group_by(Exposure.position).count()
    rate_by_policy = _both.group_by(Exposure.policy).mean(fg.where(fg.event_name() == "click", 1.0, 0.0))
    best_positions = _clicked.group_by(Click.position).count().top(2)
    slot_shown = _shown.group_by(Exposure.position).count().lookup(Slot.position)
    on_page_1h = _shown.where(Exposure.page_id == Slot.page).over("1h").count()
    idle, idle_click = _shown.since_last(), _clicked.since_last().fill(-1)
    tenure = _both.since_first()
    fatigue = _shown.decayed_sum(1.0, "30m")
    shown_yesterday = _shown.over("1d").offset("1d").count()
    shown_mod = _shown.count() % 97
    page_position = fg.cross(Slot.page, Slot.position).hash(64)
    sequence = _both.sequence(
        15,
        {
            "item": Exposure.item_id.hash(256),
            "clicked": fg.event_name() == "click",
            "minutes": fg.age() / 60_000,
            "weight": (1.0 / Exposure.propensity).clip(hi=100.0),
        },
    )
    item_shown_1d = _shown.over("1d").group_by(Exposure.item_id).count().lookup(Item.item_id)
    item_clicks = _clicked.group_by(Click.item_id).count().lookup(Item.item_id)
    item_weight = _shown.group_by(Exposure.item_id).mean(_weight).lookup(Item.item_id)
    item_idle = _shown.group_by(Exposure.item_id).since_last().lookup(Item.item_id)
    item_score = (Item.score.fill(0.0) * item_weight).fill(0.0)


bandit = fg.Graph("bandit", Bandit)
