"""hour_of_day and day_of_week: tzdata's zones, for every int64 (SEMANTICS 5.2)."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from featuregraph.errors import CompileError
from featuregraph.scalar import day_of_week, hour_of_day, tzdata_version, zone
from featuregraph.types import INT64_MAX, INT64_MIN

ZONES = [
    "UTC",
    "Europe/London",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Monrovia",
]
HOUR, DAY = 3_600_000, 86_400_000
PERIOD = 146_097 * DAY  # 400 years of the Gregorian calendar
YEAR_1, YEAR_10000 = -62_135_596_800_000, 253_402_300_800_000
times = st.one_of(
    st.integers(INT64_MIN, INT64_MAX), st.integers(YEAR_1, YEAR_10000), st.integers(0, 4 * 10**12)
)


@given(times)
@example(INT64_MIN)
@example(INT64_MAX)
@example(YEAR_1 - 1)
@example(YEAR_1)
@example(YEAR_10000 - 1)
@example(YEAR_10000)
@example(-1)
def test_utc_is_plain_arithmetic(t: int) -> None:
    """In UTC the hour and the weekday follow from t alone, for every int64; 1970-01-01 was a Thursday."""
    assert hour_of_day("UTC")(t) == t // HOUR % 24
    assert day_of_week("UTC")(t) == (t // DAY + 3) % 7


@pytest.mark.parametrize("tz", ZONES)
@given(t=times)
def test_zones_inside_datetime(tz: str, t: int) -> None:
    """Inside datetime's years the values are those of the zone's clock, old offsets with seconds too."""
    t = max(YEAR_1 + 400 * DAY, min(t, YEAR_10000 - 800 * DAY))
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=t)).astimezone(zone(tz))
    assert (hour_of_day(tz)(t), day_of_week(tz)(t)) == (local.hour, local.weekday())


@pytest.mark.parametrize("tz", ZONES)
@given(t=st.integers(5 * 10**12, INT64_MAX - PERIOD))
@example(t=YEAR_10000 - 366 * DAY)
@example(t=YEAR_10000 - 365 * DAY - 1)
@example(t=INT64_MAX - PERIOD)
def test_far_future_repeats_every_400_years(tz: str, t: int) -> None:
    """Beyond the table of transitions a zone's rules repeat with the calendar."""
    for function in (hour_of_day(tz), day_of_week(tz)):
        assert function(t) == function(t + PERIOD)


@pytest.mark.parametrize("tz", ZONES)
@given(t=st.integers(INT64_MIN, YEAR_1 + 10**13))
def test_far_past_keeps_the_first_offset(tz: str, t: int) -> None:
    """Before the first transition a zone has one offset."""
    offset = zone(tz).utcoffset(datetime(1000, 1, 1, tzinfo=zone(tz)))
    assert offset is not None
    local = t + offset // timedelta(milliseconds=1)
    assert hour_of_day(tz)(t) == local // HOUR % 24
    assert day_of_week(tz)(t) == (local // DAY + 3) % 7


@pytest.mark.parametrize(
    "tz",
    ["Mars/Base", "", "utc", "../zones", "/etc/localtime", "Europe", "zones", "A" * 999, None, 5, "UTC\n"],
)
def test_unknown_zones_do_not_compile(tz: object) -> None:
    """A name that tzdata does not list is refused in one line, however it is spelled."""
    with pytest.raises(CompileError, match="IANA time zone") as error:
        zone(tz)
    assert "\n" not in str(error.value)


def test_every_listed_zone_loads() -> None:
    """Each of tzdata's zones answers at both ends of time."""
    for name in resources.files("tzdata").joinpath("zones").read_text("ascii").split():
        assert all(0 <= hour_of_day(name)(t) < 24 for t in (INT64_MIN, 0, INT64_MAX))


def test_the_system_zones_are_never_read(tmp_path: Path) -> None:
    """A system whose Dublin keeps Tokyo's time changes nothing."""
    (tmp_path / "Europe").mkdir()
    tokyo = resources.files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes()
    (tmp_path / "Europe" / "Dublin").write_bytes(tokyo)
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    try:
        system = zoneinfo.ZoneInfo.no_cache("Europe/Dublin")
        assert datetime(2024, 1, 1, tzinfo=system).utcoffset() == timedelta(hours=9)
        assert hour_of_day("Europe/Dublin")(1_704_067_200_000) == 0
    finally:
        zoneinfo.reset_tzpath()


def test_the_version_is_told() -> None:
    """The version of tzdata is part of what an executor reports."""
    assert tzdata_version()[:2] == "20"
