"""Over which time a chart goes, and how finely. Pure."""

from __future__ import annotations

from typing import Final

from deploy.cloud.console.rows import Window

MOST_STEPS: Final = 96
LEAST_STEPS: Final = 12
WIDTHS: Final = (1, 5, 15, 30, 60, 120, 360, 1_440)  # minutes
# Counters are kept by minute for a week, then by day (`deploy.cloud.days`).
SPANS: Final = {"1h": 60, "6h": 360, "24h": 1_440, "7d": 10_080, "30d": 43_200}  # minutes
DAY: Final = 1_440
WEEK: Final = 7 * DAY
_EVERY: Final = ((60, 5), (DAY, 10), (43_200, 120))  # up to so many minutes: every so many seconds


def window(now: int, span: str | None, since: int) -> tuple[str, Window]:
    """Return which span of `SPANS` it is, and the window of it that ends with the minute NOW.

    Without a SPAN: the shortest that goes back to SINCE, a day at most; what began just now fills it.
    """
    chosen = span in SPANS
    if span not in SPANS:
        span = next((name for name, length in SPANS.items() if now - since <= length), "24h")
        span = span if SPANS[span] <= DAY else "24h"
    width = DAY if SPANS[span] > WEEK else next(w for w in WIDTHS if SPANS[span] <= w * MOST_STEPS)
    end = now // width + 1  # steps begin at round moments
    count = -(-SPANS[span] // width)
    if not chosen:
        count = min(count, max(LEAST_STEPS, (now - since) // width + 2))
    return span, Window((end - count) * width, width, count)


def every_s(span: str) -> int:
    """Return how often a chart of SPAN is drawn anew: long ones move slowly, and cost more."""
    return next(seconds for most, seconds in _EVERY if SPANS[span] <= most)
