"""What a gate wants to know of a report, made ready once per policy and bundle. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, NamedTuple

from msgspec import Meta

from deploy.wire.report import LATENCY_BINS, Report

# What can be told of a device, besides `counter.NAME`: a report that counts any of NAME.
BROKEN: Final = "broken"  # it could not install the release, or took it back by itself
FAILING: Final = "failing"  # a run failed, or it is broken
CRASHING: Final = "crashing"  # the process ended without a word
SLOW: Final = "slow"  # of a report's runs more than one in a hundred took longer than the policy's limit
ALIVE: Final = "alive"  # it told what it counted
COUNTER: Final = "counter."

EventName = Annotated[
    str, Meta(pattern=r"^(broken|failing|crashing|slow|alive|counter\.[a-z][a-z0-9_]{0,63})\Z")
]


class View(NamedTuple):
    """What is looked at; nothing else that a report tells is kept."""

    events: frozenset[str]
    watch: int = 120  # minutes after its entry in which a device is watched
    limit: int = LATENCY_BINS  # bin of latency from which a run is slow
    bins: Mapping[str, int] = {}  # number of bins by feature


def events(report: Report, view: View) -> Iterator[str]:
    """Yield what REPORT tells of its device, of what VIEW looks at."""
    return (event for event in _events(report, view.limit) if event in view.events)


def limit_bin(limit_us: int) -> int:
    """Return the first bin of latency in which every run takes LIMIT_US microseconds or longer.

    Bin i begins at 2^(i/4) microseconds: compared as 2^i with the fourth power, in whole numbers.
    """
    return min(LATENCY_BINS, (limit_us**4 - 1).bit_length())


def _events(report: Report, limit: int) -> Iterator[str]:
    counts = report.counts
    # A device that goes back because it is told to gives no error.
    broken = report.state == "failed" or (report.state == "rolled_back" and report.error != "")
    if broken:
        yield BROKEN
    if broken or counts.failures:
        yield FAILING
    if counts.crashes:
        yield CRASHING
    if report.state == "alive":
        yield ALIVE
    if 100 * sum(counts.latency[limit:]) > sum(counts.latency):
        yield SLOW
    for name, number in counts.counters.items():
        if number:
            yield COUNTER + name
