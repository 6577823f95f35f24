"""What reports add up to: counts by release, minute and name, and back to what gates look at. Pure.

A name is a word or a kind with what it is of: `runs`, `state:failed`, `latency:12`, `counter:shown`,
`drift:FEATURE:3`. Counts are sums of whole numbers, so that their order and who added them say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from deploy.wire.report import LATENCY_BINS, MAX_DRIFT_BINS, Report

Key = tuple[str, int, str]  # release, minute since 1970 by the service's clock, name

MAX_NAMES: Final = 20_000  # of one release: a fleet that counts under ever new names is cut off
OTHER: Final = "other"  # where counts under further names go, so that somebody sees it


class Totals(Struct, frozen=True):
    """What was counted of one release."""

    states: dict[str, int]
    runs: int
    failures: int
    crashes: int
    latency: list[int]
    counters: dict[str, int]
    drift: dict[str, list[int]]


def tally(reports: Iterable[Report], minute: int, names: dict[str, set[str]]) -> dict[Key, int]:
    """Return what REPORTS, which came in MINUTE, add to the counters.

    Args:
        reports: of any releases.
        minute: since 1970, by the service's clock.
        names: under which each release counts already; new ones are added up to MAX_NAMES of each.
    """
    counts: dict[Key, int] = {}
    for report in reports:
        release = report.release
        known = names.setdefault(release, set())
        for name, value in _counted(report):
            key = (release, minute, name if _is_let_in(name, known) else OTHER)
            counts[key] = counts.get(key, 0) + value
    return counts


def totals(counts: Iterable[tuple[str, int]]) -> Totals:
    """Return the sums of COUNTS, pairs of name and value."""
    states: dict[str, int] = {}
    plain = {"runs": 0, "failures": 0, "crashes": 0}
    latency = [0] * LATENCY_BINS
    counters: dict[str, int] = {}
    drift: dict[str, list[int]] = {}
    for name, value in counts:
        kind, _, rest = name.partition(":")
        if kind == "state":
            states[rest] = states.get(rest, 0) + value
        elif kind == "latency":
            latency[int(rest)] += value
        elif kind == "counter":
            counters[rest] = counters.get(rest, 0) + value
        elif kind == "drift":
            feature, _, place = rest.rpartition(":")
            drift.setdefault(feature, [0] * MAX_DRIFT_BINS)[int(place)] += value
        elif kind in plain:
            plain[kind] += value
    return Totals(states, **plain, latency=latency, counters=counters, drift=drift)


def _is_let_in(name: str, known: set[str]) -> bool:
    if name in known:
        return True
    if len(known) >= MAX_NAMES:
        return False
    known.add(name)
    return True


def _counted(report: Report) -> Iterator[tuple[str, int]]:
    yield "state:" + report.state, 1
    counts = report.counts
    for name in ("runs", "failures", "crashes"):
        if value := getattr(counts, name):
            yield name, value
    for place, value in enumerate(counts.latency):
        if value:
            yield f"latency:{place}", value
    for name, value in counts.counters.items():
        yield "counter:" + name, value
    for feature, bins in counts.drift.items():
        for place, value in enumerate(bins):
            if value:
                yield f"drift:{feature}:{place}", value
