"""Hour and weekday of an instant in an IANA zone, from the installed tzdata package only (SEMANTICS 5.2).

The system's own zone files differ from machine to machine, so they are never looked at. datetime ends at the
year 9999 and int64 does not: the Gregorian calendar, its weekdays and the yearly rules of a zone repeat every
400 years exactly, so an instant outside is moved by whole periods to years that the same rules govern.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

from featuregraph.errors import CompileError

_PERIOD: Final = 146_097 * 86_400  # seconds of 400 years: 20871 whole weeks
# From year 2 to year 9998, so that no zone's offset leads outside datetime. The table of past
# transitions, which does not repeat, lies far from both ends.
_FIRST: Final = -62_104_060_800
_LAST: Final = 253_339_228_800
_MAX_NAME: Final = 64


def hour_of_day(tz: str) -> Callable[[int], int]:
    """Return the function from ms UTC to the hour, 0 to 23, on the clocks of zone TZ."""
    local = _local(zone(tz))
    return lambda t: local(t).hour


def day_of_week(tz: str) -> Callable[[int], int]:
    """Return the function from ms UTC to the weekday, Monday 0, in zone TZ."""
    local = _local(zone(tz))
    return lambda t: local(t).weekday()


def offset(tz: str) -> Callable[[int], int]:
    """Return the function from seconds UTC, any number, to the seconds that zone TZ is ahead of UTC."""
    local = _local(zone(tz))

    def seconds_ahead(seconds: int) -> int:
        ahead = local(seconds * 1000).utcoffset()
        assert ahead is not None
        return ahead // timedelta(seconds=1)

    return seconds_ahead


def _local(tzinfo: ZoneInfo) -> Callable[[int], datetime]:
    epoch = datetime(1970, 1, 1, tzinfo=tzinfo)

    def local(t: int) -> datetime:
        seconds = t // 1000
        if seconds < _FIRST:
            seconds = _FIRST + (seconds - _FIRST) % _PERIOD
        elif seconds >= _LAST:
            seconds = _LAST - _PERIOD + (seconds - _LAST) % _PERIOD
        # fromutc, since fromtimestamp refuses negative times on some systems.
        return tzinfo.fromutc(epoch + timedelta(seconds=seconds))

    return local


def zone(tz: object) -> ZoneInfo:
    """Return the zone named TZ; raise CompileError if tzdata has none of that name."""
    if not isinstance(tz, str) or len(tz) > _MAX_NAME or tz not in _names():
        raise CompileError(
            f"expected an IANA time zone of tzdata {tzdata_version()}, found {tz!r:.60}; "
            "write a name such as 'Europe/London' or 'UTC'"
        )
    return _load(tz)


@cache
def _names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("ascii").split())


@cache
def _load(tz: str) -> ZoneInfo:
    with resources.files("tzdata").joinpath("zoneinfo", *tz.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=tz)


@cache
def tzdata_version() -> str:
    """Return the version of the installed tzdata package."""
    from importlib import metadata  # costs 20 ms; only reports ask

    return metadata.version("tzdata")
