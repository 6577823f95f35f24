"""Numbers, times and ids as people read them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from deploy.bucket import MILLION

NONE: Final = "\u2013"  # where there is no number
_SPANS: Final = ((604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def count(number: float) -> str:
    """Return a whole NUMBER with its thousands apart.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{number:,.0f}"


def decimal(number: float) -> str:
    """Return NUMBER with three digits that count.

    >>> decimal(0.01234), decimal(2.5), decimal(40100), decimal(0.00008)
    ('0.0123', '2.5', '40,100', '<0.001')
    """
    if 0 < number < 0.001:
        return "<0.001"
    return count(number) if abs(number) >= 100 else f"{number:.3g}"


def brief(number: float) -> str:
    """Return NUMBER in few signs, for the labels of an axis.

    >>> brief(0.25), brief(250), brief(12_500), brief(2_000_000)
    ('0.25', '250', '12.5k', '2M')
    """
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def share(millionths: int) -> str:
    """Return a share in percent.

    >>> share(1_000), share(1_000_000)
    ('0.1 %', '100 %')
    """
    return f"{millionths * 100 / MILLION:.6g} %"


def micros(number: float) -> str:
    """Return microseconds as a time.

    >>> micros(840), micros(12_340), micros(2_000_000)
    ('840 µs', '12.3 ms', '2 s')
    """
    for size, unit in ((1_000_000, "s"), (1_000, "ms")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f} µs"


def span(seconds: float) -> str:
    """Return a length of time in the largest unit of which it has two.

    >>> span(59), span(3_600), span(200_000)
    ('59 seconds', '60 minutes', '2 days')
    """
    size, unit = next((each for each in _SPANS if seconds >= 2 * each[0]), _SPANS[-1])
    number = int(seconds // size)
    return f"{number} {unit}{'' if number == 1 else 's'}"


def ago(at_ms: int, now_ms: int) -> str:
    """Return how long AT_MS is past at NOW_MS."""
    return f"{span((now_ms - at_ms) / 1_000)} ago" if now_ms - at_ms >= 1_000 else "just now"


def when(at_ms: int) -> str:
    """Return a moment, to the minute.

    >>> when(0)
    '1970-01-01 00:00'
    """
    return _at(at_ms).strftime("%Y-%m-%d %H:%M")


def machine_time(at_ms: int) -> str:
    """Return a moment as the attribute of a <time>."""
    return _at(at_ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(at_ms: int, step_ms: int) -> str:
    """Return a moment as the label of an axis whose labels are STEP_MS apart."""
    return _at(at_ms).strftime("%H:%M" if step_ms < 86_400_000 else "%b %d")


def short(sha256: str) -> str:
    """Return the beginning of an id, as people name it."""
    return sha256[:12]


def bytes_(number: int) -> str:
    """Return a size.

    >>> bytes_(900), bytes_(2_500_000)
    ('900 B', '2.5 MB')
    """
    for size, unit in ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number} B"


def _at(at_ms: int) -> datetime:
    # A device's own clock may say anything; beyond the calendar the last day is shown.
    return datetime.fromtimestamp(min(max(at_ms, 0), 253_402_300_799_000) / 1_000, UTC)
