"""Many models of one app: their plans in one engine against an engine for each."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterator, Sequence
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
    one = stage.engine(budget=_BUDGET, plan=plans[0])
    for plan in plans[1:]:
        one.engine.install(plan)
    expected, record = _asked([one], plans, stage, bench)
    yield {"seed": bench.key.seed, "system": TOGETHER, "plans": len(plans), **record}
    found, record = _asked([stage.engine(budget=_BUDGET, plan=plan) for plan in plans], plans, stage, bench)
    rows = [Compared(a.at_ms, a.found, b.found) for a, b in zip(found, expected, strict=True)]
    bench.equality.compare(APART, bench.where, rows)
    yield {"seed": bench.key.seed, "system": APART, "plans": len(plans), **record}


def _asked(
    systems: Sequence[EngineSystem], plans: Sequence[Plan], stage: Stage, bench: Bench
) -> tuple[list[Compared], dict[str, float]]:
    """Ask for every plan after each 5 events; the first system has them all, or each has its own."""
    of = list(systems) if len(systems) > 1 else list(systems) * len(plans)
    coming = stage.work.stream()
    spent, found = [], []
    gc.collect()
    began = time.process_time_ns()
    for system, plan in zip(of, plans, strict=True):
        system.engine.extract(plan.id, at_ms=stage.work.start_ms)
    cold_ms = (time.process_time_ns() - began) / 1e6
    for number in range(1, bench.setting.share(_SHARE) + 1):
        t = stage.work.start_ms + number * EVERY_MS
        events = list(islice(coming, EVERY_MS // SECOND))
        for system in systems:
            system.append(events)
        began = time.process_time_ns()
        vectors = [system.engine.extract(plan.id, at_ms=t) for system, plan in zip(of, plans, strict=True)]
        spent.append((time.process_time_ns() - began) / 1e6)
        found += [Compared(t, vector.values, {}) for vector in vectors]
    held = sum(system.state_bytes for system in systems)
    for system in systems:
        system.close()
    return found, {"cpu_ms": statistics.median(spent), "cold_ms": cold_ms, "state_bytes": held}


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return a row per way."""
    rows: list[tuple[object, ...]] = [
        (
            system,
            median(records, "cpu_ms", system=system),
            median(records, "cold_ms", system=system),
            (median(records, "state_bytes", system=system) or 0.0) / 2**20,
        )
        for system in values(records, "system")
    ]
    shared = round(100 * (1 - setting.own))
    title = (
        f"{setting.plans} plans of {setting.features} features, {shared} % of them the same: "
        "a request of each every 5 s, all together"
    )
    return [Table(title, ("", "CPU ms", "cold ms", "state MiB"), rows)]


SECTION = Section("plans", mixed, measure, tables)
