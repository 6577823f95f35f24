"""Many models of one app: their plans in one engine against an engine for each."""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.equality import Compared
from headrace.bench.report import Record, Records, Table, median, values
from headrace.bench.section import Section, mixed
from headrace.bench.setting import SECOND, Setting

if TYPE_CHECKING:
    from featuregraph import Plan
    from stream.bench.engines import EngineSystem
    from stream.bench.stage import Stage

EVERY_MS = 5 * SECOND
_SHARE = 8
_BUDGET = 1 << 30  # neither side may have to choose
TOGETHER, APART = "one engine", "an engine each"


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Time a request of every plan, by both ways; all cells are compared."""
    from featuregraph.testing.workload import Shape, family

    setting = bench.setting
    shape = Shape(features=setting.features, events=setting.events, days=setting.days)
    graphs = family(bench.key.seed, shape, plans=setting.plans, own=setting.own)
    plans = [graph.compile() for graph in graphs]
    expected, record = _asked(lambda: [_engine(stage, plans)], plans, stage, bench)
    bench.equality.fill(row.found for row in expected)
    yield {"seed": bench.key.seed, "system": TOGETHER, "plans": len(plans), **record}
    found, record = _asked(lambda: [_engine(stage, [plan]) for plan in plans], plans, stage, bench)
    rows = [Compared(a.at_ms, a.found, b.found) for a, b in zip(found, expected, strict=True)]
    bench.equality.compare(APART, bench.where, rows)
    yield {"seed": bench.key.seed, "system": APART, "plans": len(plans), **record}


def _engine(stage: Stage, plans: Sequence[Plan]) -> EngineSystem:
    """Return an engine with PLANS that has answered each once."""
    system = stage.engine(budget=_BUDGET, plan=plans[0])
    for plan in plans[1:]:
        system.engine.install(plan)
    for plan in plans:
        system.engine.extract(plan.id, at_ms=stage.work.start_ms)
    return system


def _held(make: Callable[[], list[EngineSystem]]) -> tuple[list[EngineSystem], int]:
    """Return what MAKE makes and the bytes of Python that it holds."""
    gc.collect()
    tracemalloc.start()
    made = make()
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return made, held


def _asked(
    make: Callable[[], list[EngineSystem]], plans: Sequence[Plan], stage: Stage, bench: Bench
) -> tuple[list[Compared], dict[str, float]]:
    """Ask for every plan after each 5 events, of the one system that MAKE makes or of a system for each."""
    systems, held = _held(make)
    of = systems if len(systems) > 1 else systems * len(plans)
    coming = stage.work.stream()
    spent, found = [], []
    for number in range(1, bench.setting.share(_SHARE) + 1):
        t = stage.work.start_ms + number * EVERY_MS
        events = list(islice(coming, EVERY_MS // SECOND))
        for system in systems:
            system.append(events)
        began = time.process_time_ns()
        vectors = [system.engine.extract(plan.id, at_ms=t) for system, plan in zip(of, plans, strict=True)]
        spent.append((time.process_time_ns() - began) / 1e6)
        found += [Compared(t, vector.values, {}) for vector in vectors]
    counted = sum(system.state_bytes for system in systems)
    for system in systems:
        system.close()
    return found, {"cpu_ms": statistics.median(spent), "held_bytes": held, "state_bytes": counted}


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return a row per way."""
    rows: list[tuple[object, ...]] = [
        (
            system,
            median(records, "cpu_ms", system=system),
            (median(records, "held_bytes", system=system) or 0.0) / 2**20,
            (median(records, "state_bytes", system=system) or 0.0) / 2**20,
        )
        for system in values(records, "system")
    ]
    shared = round(100 * (1 - setting.own))
    title = (
        f"{setting.plans} plans of {setting.features} features, {shared} % of them the same: "
        "a request of each every 5 s, all together"
    )
    return [Table(title, ("", "CPU ms", "MiB of Python", "MiB counted"), rows)]


SECTION = Section("plans", mixed, measure, tables)
