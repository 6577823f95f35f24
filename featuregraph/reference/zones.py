"""SEMANTICS 5.2: local time in IANA zones as the installed `tzdata` package has them, never the system's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# The calendar and the rules of a zone repeat after 400 years, which are whole weeks.
CYCLE_MS = 146_097 * DAY_MS
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOWEST_MS = (datetime(2, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
HIGHEST_MS = (datetime(9999, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)


@cache
def zone(name: str) -> ZoneInfo:
    """Return the zone NAME; the graph has checked that tzdata knows it."""
    file = resources.files("tzdata") / "zoneinfo"
    for part in name.split("/"):
        file = file / part
    with file.open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def local(name: str, t: int) -> int:
    """Return t as the zone's wall clock shows it, in ms since 1970-01-01 00:00 of that clock."""
    shift = 0
    if t < LOWEST_MS:
        shift = (LOWEST_MS - t + CYCLE_MS - 1) // CYCLE_MS * CYCLE_MS
    elif t > HIGHEST_MS:
        shift = -((t - HIGHEST_MS + CYCLE_MS - 1) // CYCLE_MS * CYCLE_MS)
    moment = EPOCH + timedelta(milliseconds=t + shift)
    offset = moment.astimezone(zone(name)).utcoffset()
    assert offset is not None
    return t + offset // timedelta(milliseconds=1)


def hour_of_day(name: str, t: int) -> int:
    """Return the hour, 0 to 23."""
    return local(name, t) // HOUR_MS % 24


def day_of_week(name: str, t: int) -> int:
    """Return the day of the week, Monday 0 (1970-01-01 was a Thursday, 3)."""
    return (local(name, t) // DAY_MS + 3) % 7
