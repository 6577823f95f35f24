"""What is measured: anything that takes events and answers with features, and one run of requests to it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from featuregraph.graph import Graph

Event = Mapping[str, Any]
Values = Mapping[str, Any]


class Work(Protocol):
    """A workload; those of featuregraph.testing.workload are some."""

    @property
    def graph(self) -> Graph:
        """Return the features."""

    @property
    def history(self) -> list[dict[str, Any]]:
        """Return the events before the first request."""

    @property
    def start_ms(self) -> int:
        """Return when requests begin."""

    def stream(self) -> Iterator[dict[str, Any]]:
        """Yield the events from the start on."""


class System(Protocol):
    """One way to keep events and compute features; events come in order of time."""

    def append(self, events: Sequence[Event]) -> None:
        """Keep EVENTS; what a device's log does when they happen."""

    def extract(self, t: int) -> Values:
        """Return the features at T, which is after every event so far: decode, push and read."""

    @property
    def state_bytes(self) -> int:
        """Return the bytes held in memory between requests."""

    @property
    def log_bytes(self) -> int:
        """Return the bytes of the files."""

    def close(self) -> None:
        """Let go of files."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What one request cost, in ns: appending its new events, and extracting (decode, push and read)."""

    append_cpu: int
    extract_cpu: int
    extract_wall: int


@dataclass(frozen=True, slots=True)
class Played:
    """The requests of one run, in order."""

    timings: Sequence[Timing]
    values: Sequence[Values]
    at_ms: Sequence[int]
    cold_ms: float  # the first extraction, over the whole history
    state_bytes: int

    @property
    def cpu_ms(self) -> float:
        """Return the median extraction in ms of process CPU."""
        return statistics.median(t.extract_cpu for t in self.timings) / 1e6

    @property
    def wall_ms(self) -> float:
        """Return the median extraction in ms of wall time."""
        return statistics.median(t.extract_wall for t in self.timings) / 1e6

    @property
    def p95_cpu_ms(self) -> float:
        """Return the 95th percentile of the extraction in ms of process CPU."""
        ordered = sorted(t.extract_cpu for t in self.timings)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] / 1e6

    @property
    def append_us(self) -> float:
        """Return the median cost of appending a request's new events, in us of process CPU."""
        return statistics.median(t.append_cpu for t in self.timings) / 1e3


def play(
    system: System,
    work: Work,
    requests: int,
    every_ms: int,
    *,
    coming: Iterator[Event] | None = None,
    before: Callable[[int], None] = lambda number: None,
) -> Played:
    """Ask SYSTEM, which holds the history of WORK, REQUESTS times, one each EVERY_MS.

    Args:
        coming: the events after the start; the work's own if it is None.
        before: called before each request with its number, from 1.

    An append leaves decoding and pushing to the next extraction where a system does so, so that an
    extraction's time is all of its work.
    """
    began = time.process_time_ns()
    system.extract(work.start_ms)
    cold_ms = (time.process_time_ns() - began) / 1e6
    timings, values, times = [], [], []
    coming = work.stream() if coming is None else coming
    for number, (t, new) in enumerate(requested(work, requests, every_ms, coming), 1):
        before(number)
        timing, found = asked(system, new, t)
        timings.append(timing)
        values.append(found)
        times.append(t)
    return Played(timings, values, times, cold_ms, system.state_bytes)


def requested(
    work: Work, requests: int, every_ms: int, coming: Iterator[Event]
) -> Iterator[tuple[int, list[Event]]]:
    """Give the time of each of so many REQUESTS, and those of the events COMING that are new then."""
    upcoming = next(coming)
    for number in range(1, requests + 1):
        t, new = work.start_ms + number * every_ms, []
        while upcoming["ts_ms"] < t:
            new.append(upcoming)
            upcoming = next(coming)
        yield t, new


def asked(system: System, new: Sequence[Event], t: int) -> tuple[Timing, Values]:
    """Let SYSTEM keep NEW events and extract at T; return what that cost, and the values."""
    began = time.process_time_ns()
    system.append(new)
    appended = time.process_time_ns()
    wall = time.perf_counter_ns()
    found = system.extract(t)
    wall = time.perf_counter_ns() - wall
    return Timing(appended - began, time.process_time_ns() - appended, wall), found
