"""Over which time a chart goes, and how finely. Pure."""

from __future__ import annotations

from typing import Final

from deploy.cloud.console.rows import Window

MOST_STEPS: Final = 96
WIDTHS: Final = (1, 5, 15, 30, 60, 120, 360, 720)  # minutes
SPANS: Final = {"6h": 360, "24h": 1_440, "7d": 10_080, "30d": 43_200}  # minutes
DAY: Final = 1_440


def window(now: int, span: str | None, since: int) -> tuple[str, Window]:
    """Return which span of `SPANS` it is, and the window of it that ends with the minute NOW.

    Without a SPAN: the shortest that goes back to SINCE, a day at most.
    """
    if span not in SPANS:
        span = next((name for name, length in SPANS.items() if now - since <= length), "24h")
        span = span if SPANS[span] <= DAY else "24h"
    width = next(each for each in WIDTHS if SPANS[span] <= each * MOST_STEPS)
    end = now // width + 1  # steps begin at round moments
    count = -(-SPANS[span] // width)
    return span, Window((end - count) * width, width, count)


def every_s(span: str) -> int:
    """Return how often a chart of SPAN is drawn anew: long ones move slowly, and cost more."""
    return 10 if SPANS[span] <= DAY else 120
