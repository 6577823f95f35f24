"""Measures extraction in every mode on one workload, in one process: process CPU, wall time, bytes."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featuregraph import FeatureVector, Plan
from featuregraph.testing.clock import FakeClock
from featuregraph.testing.workload import Workload
from stream.engine import Engine, Mode
from stream.log import EventLog

EVERY_MS = 5_000


@dataclass(frozen=True, slots=True)
class Timing:
    """What one request cost, in ns: appending its new events, and extracting (decode, push and read)."""

    append_cpu: int
    extract_cpu: int
    extract_wall: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One mode's requests."""

    mode: Mode
    timings: Sequence[Timing]
    vectors: Sequence[FeatureVector]
    cold_ms: float
    state_bytes: int
    log_bytes: int

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


def measure(
    work: Workload,
    mode: Mode,
    requests: int,
    *,
    every_ms: int = EVERY_MS,
    memory_budget: str = "64MiB",
    progress: Callable[[], None] = lambda: None,
) -> Measured:
    """Return what REQUESTS cost in MODE, one each EVERY_MS, with the events between them appended one by one.

    An append leaves decoding and pushing to the next extraction, so that an extraction's time is all of the
    engine's work.
    """
    plan = work.graph.compile()
    clock = FakeClock(work.start_ms)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        with EventLog(path, clock=clock, history_start_ms="all") as log:
            engine = Engine(log, key="me", mode=mode, memory_budget=memory_budget)
            graph_id = engine.install(plan)
            engine.append_many(work.history)
            began = time.process_time_ns()
            engine.extract(graph_id, at_ms=work.start_ms)
            cold_ms = (time.process_time_ns() - began) / 1e6
            timings, vectors = [], []
            coming = work.stream()
            upcoming = next(coming)
            for number in range(1, requests + 1):
                t = work.start_ms + number * every_ms
                clock.set(t)
                new, upcoming = _until(coming, upcoming, t)
                timing, vector = _request(engine, plan, new, t)
                timings.append(timing)
                vectors.append(vector)
                progress()
            size = sum(f.stat().st_size for f in Path(folder).iterdir())
            return Measured(mode, timings, vectors, cold_ms, engine.state_bytes, size)


def _until(
    coming: Iterator[dict[str, Any]], upcoming: dict[str, Any], t: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    new = []
    while upcoming["ts_ms"] < t:
        new.append(upcoming)
        upcoming = next(coming)
    return new, upcoming


def _request(engine: Engine, plan: Plan, new: list[dict[str, Any]], t: int) -> tuple[Timing, FeatureVector]:
    began = time.process_time_ns()
    for event in new:
        engine.append(event)
    appended = time.process_time_ns()
    wall = time.perf_counter_ns()
    vector = engine.extract(plan.id, at_ms=t)
    wall = time.perf_counter_ns() - wall
    return Timing(appended - began, time.process_time_ns() - appended, wall), vector
