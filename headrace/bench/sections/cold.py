"""From a log on the disk to the first values: opening, installing, loading, answering."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table, median
from headrace.bench.section import Section, mixed
from headrace.bench.setting import Setting

if TYPE_CHECKING:
    from stream.bench.stage import Stage

_TIMES = 5


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Open the log some times; the plan is compiled, as what a device gets is."""
    from featuregraph import Plan
    from stream.engine import Engine
    from stream.log import EventLog

    stored = stage.plan.to_bytes()
    spent: dict[str, list[float]] = {"open_ms": [], "install_ms": [], "first_ms": [], "all_ms": []}
    for _ in range(_TIMES):
        system = stage.engine()  # a copy of the log, on which nothing was computed yet
        path, clock = system.log.path, system.clock
        system.log.close()
        began = time.process_time_ns()
        log = EventLog(path, clock=clock)
        opened = time.process_time_ns()
        engine = Engine(log, key="me")
        graph_id = engine.install(Plan.from_bytes(stored))
        installed = time.process_time_ns()
        engine.extract(graph_id, at_ms=stage.work.start_ms)
        ended = time.process_time_ns()
        log.close()
        system.close()
        for name, ns in zip(
            spent, (opened - began, installed - opened, ended - installed, ended - began), strict=True
        ):
            spent[name].append(ns / 1e6)
    yield {"seed": bench.key.seed, **{name: statistics.median(found) for name, found in spent.items()}}


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return a row of medians."""
    names = ("open_ms", "install_ms", "first_ms", "all_ms")
    title = (
        f"Cold start, CPU ms: {setting.features} features, {setting.events:,} events of {setting.days} days"
    )
    columns = ("open the log", "install the plan", "first extraction", "all")
    return [Table(title, columns, [tuple(median(records, name) for name in names)])]


SECTION = Section("cold", mixed, measure, tables)
