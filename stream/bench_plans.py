"""Measures many plans on one log: in one engine, which shares what is equal, against an engine for each.

All plans have a part in common and a part of their own. Engines are asked the same at the same moments, their
values compared; times are process CPU, bytes those that `tracemalloc` finds still held after warming up.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from featuregraph import Graph, Plan
from featuregraph.testing.clock import FakeClock
from featuregraph.testing.workload import Shape, Workload, workload
from stream.bench import EVERY_MS
from stream.engine import Engine
from stream.log import EventLog

PLANS = 20
SHARED = 0.8  # of a plan's features
FEATURES = 50  # of a plan


@dataclass(frozen=True, slots=True)
class Together:
    """What N plans cost in one engine and in N, per request of each plan: medians."""

    plans: int
    together_ms: float
    apart_ms: float
    together_bytes: int
    apart_bytes: int
    equal: bool  # all values

    @property
    def time_ratio(self) -> float:
        """Return what sharing leaves of the time."""
        return self.together_ms / self.apart_ms

    @property
    def memory_ratio(self) -> float:
        """Return what sharing leaves of the memory."""
        return self.together_bytes / self.apart_bytes


def plans_of(work: Workload, plans: int = PLANS, shared: float = SHARED, seed: int = 1) -> list[Plan]:
    """Return PLANS of the features of WORK: SHARED of each in all of them, the rest in one only."""
    rng = Random(seed)
    form = work.graph.to_dict()
    written = form["features"]
    names = [name for name in written if "feature" not in written[name]]  # each meaning once
    rng.shuffle(names)
    own = round(FEATURES * (1 - shared))
    common, rest = names[: FEATURES - own], names[FEATURES - own :]
    found = []
    for number in range(plans):
        mine = [*common, *rest[number * own : (number + 1) * own]]
        features = {name: written[name] for name in mine}
        found.append(Graph.from_json(form | {"graph": f"plan{number}", "features": features}).compile())
    return found


def measure_plans(
    seed: int = 1, requests: int = 20, *, plans: int = PLANS, progress: Callable[[], None] = lambda: None
) -> Together:
    """Return what PLANS cost together and apart, over REQUESTS rounds in which each plan is asked."""
    own = round(FEATURES * (1 - SHARED))
    work = workload(seed, Shape(features=2 * (FEATURES + plans * own), event_sets=50))
    made = plans_of(work, plans)
    with tempfile.TemporaryDirectory() as folder:
        log = EventLog(Path(folder) / "plans.db", clock=FakeClock(2**60), history_start_ms="all")
        with log:
            log.append_many({"user_id": "me", **event} for event in work.history)
            one, one_bytes = _held(lambda: [_engine(log, made, work.start_ms)])
            many, many_bytes = _held(lambda: [_engine(log, [plan], work.start_ms) for plan in made])
            coming = work.stream()
            times: tuple[list[float], list[float]] = ([], [])
            equal = True
            for number in range(1, requests + 1):
                t = work.start_ms + number * EVERY_MS
                log.append_many({"user_id": "me", **next(coming)} for _ in range(EVERY_MS // 1000))
                first = _round(one * plans, made, t, times[0])
                equal &= first == _round(many, made, t, times[1])
                progress()
    return Together(
        plans, statistics.median(times[0]), statistics.median(times[1]), one_bytes, many_bytes, equal
    )


def _engine(log: EventLog, plans: Sequence[Plan], t: int) -> Engine:
    engine = Engine(log, key="me", memory_budget="1GiB")
    for plan in plans:
        engine.install(plan)
    for plan in plans:
        engine.extract(plan.id, at_ms=t)
    return engine


def _held(make: Callable[[], list[Engine]]) -> tuple[list[Engine], int]:
    """Return what MAKE makes and the bytes that it holds."""
    gc.collect()
    tracemalloc.start()
    made = make()
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return made, held


def _round(engines: Sequence[Engine], plans: Sequence[Plan], t: int, times: list[float]) -> list[Any]:
    began = time.process_time_ns()
    found = [engine.extract(plan.id, at_ms=t).values for engine, plan in zip(engines, plans, strict=True)]
    times.append((time.process_time_ns() - began) / 1e6)
    return found
