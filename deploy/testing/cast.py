"""Who plays in two days of a made fleet: graphs and messages of versions, and how devices do."""

from __future__ import annotations

from typing import Final, NamedTuple

import featuregraph as fg
from deploy.cohort import Condition
from deploy.gate.policy import Criterion, Policy, Stage, counter

EVIL: Final = "</td><script>document.title='bad'</script>'; DROP TABLE release; --"
BINS: Final = (4, 9, 18, 30, 22, 11, 5, 2)  # of a feature as trained
SPREAD: Final = (1, 2, 4, 8, 14, 22, 34, 48, 56, 52, 40, 26, 16, 9, 5, 3, 2, 1)  # of latencies, by bin
FOR: Final = (Condition("os", "in", ("ios", "android")), Condition("app", "version_at_least", ("9.1",)))


class View(fg.Event, name="view"):
    """Something was looked at."""

    item_id = fg.identifier()
    price = fg.decimal(2)


class Purchase(fg.Event, name="purchase"):
    """A line of an order."""

    item_id = fg.identifier()
    price = fg.decimal(2)


class Way(NamedTuple):
    """How the devices of one release do."""

    release: str
    task: str
    begins_h: float  # hours ago
    devices: int  # that run it in the end; those of a release that gates lead are the stage's
    failing: float = 0.001  # of runs
    slow: float = 1.0  # latency against the usual
    clicks: float = 0.11  # of runs
    drift: float = 0.0  # of the values, by one bin
    error: str = ""


WAYS: Final = (
    Way("october", "retail-rank", 46, 2_400),
    Way("feed-1", "home-feed", 46, 700, slow=1.6, clicks=0.29),
    Way("november-fast", "retail-rank", 33, 100, 0.03, 3.0, 0.1, 0.4, "model: expected 24 inputs, found 23"),
    Way("november-fast.control", "retail-rank", 33, 200),
    Way("feed-2", "home-feed", 30, 700, 0.0004, 0.8, 0.31),
    Way("november", "retail-rank", 20, 100, clicks=0.124, drift=0.1),
    Way("november.control", "retail-rank", 20, 200),
)
FEATURES: Final = ("buys_30d", "spend_30d", "views_7d")
POLICY: Final = Policy(
    stages=(
        *(Stage(devices=devices, least_s=9_000) for devices in (100, 250, 500, 1_000, 2_000)),
        *(Stage(millionths=share, least_s=43_200) for share in (100_000, 500_000, 1_000_000)),
    ),
    criteria=(Criterion("broken", most=10_000), Criterion("failing"), Criterion("slow"), counter("clicked")),
    control=2,
    watch_s=5_400,
)
FLEET: Final = 40_000


def graphs() -> list[fg.Graph]:
    """Return the graphs of the versions of retail-rank, the oldest first."""
    views, buys = fg.rows(View), fg.rows(Purchase)
    first = {
        "views_7d": views.over("7d").count(),
        "buys_30d": buys.over("30d").count(),
        "spend_30d": buys.over("30d").sum(Purchase.price),
        "last_price": views.over("7d").last(View.price),
    }
    second = {**first, "buys_30d": buys.over("14d").count(), "views_1h": views.over("1h").count()}
    third = {**second, "ticket": second["spend_30d"] / second["buys_30d"]}
    del third["last_price"]
    return [fg.Graph("rank", features) for features in (first, first, second, third)]


MESSAGES: Final = (
    "The ranker of September",
    "Trained on October",
    "Baskets of two weeks, and what was seen within the hour\n\nA month told more of gifts than of taste.",
    "The mean ticket takes the place of the last price",
)
