"""When a person uses an app: a Poisson process whose rate changes with the hour of the day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random

from featuregraph.scalar.transcendental import log1p

HOUR, DAY = 3_600_000, 86_400_000  # ms
# Events a day: few, as most people have, as the keenest have; busy is 20,000 in a week.
USERS: Mapping[str, int] = {"low": 80, "average": 600, "heavy": 1260, "busy": 2857}
# How many of a thousand events fall into each hour: high at noon, in the evening and, longest, at night.
HOURS = (
    46, 30, 14, 8, 8, 12, 24, 40, 44, 43, 43, 44,
    46, 44, 42, 42, 44, 52, 66, 62, 58, 64, 68, 56,
)  # fmt: skip
PERIODS: Mapping[str, int] = {"noon": 12, "evening": 18, "night": 21}  # the hour at which each begins

_MIDNIGHT_MS = 1_749_945_600_000  # UTC, of the measured day


def times(rng: Random, start_ms: int, per_day: float) -> Iterator[int]:
    """Yield the times of events from START_MS on, PER_DAY of them on average, without end."""
    at = float(start_ms)
    while True:
        left = -(log1p(-rng.random()) or 0.0)  # until the next event: exponential, with mean 1
        while True:
            hour = int(at) // HOUR
            rate = per_day * HOURS[hour % 24] / 1000 / HOUR  # events a ms
            end = (hour + 1) * HOUR
            if at + left / rate < end:
                at += left / rate
                break
            left -= (end - at) * rate
            at = float(end)
        yield int(at)


def begin(period: str) -> int:
    """Return when the PERIOD of the measured day begins."""
    return _MIDNIGHT_MS + PERIODS[period] * HOUR
