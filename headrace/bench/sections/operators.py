"""Where an extraction's time goes, by the paper's operators, on NumPy columns over a log of JSON rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table, median, values
from headrace.bench.section import Section, services
from headrace.bench.setting import SECOND, Setting
from headrace.bench.systems import alone_on_rows, columns

if TYPE_CHECKING:
    from stream.bench.autofeature import AutoFeature
    from stream.bench.stage import Stage
    from stream.bench.system import Event

EVERY_MS = 10 * SECOND
OPERATORS = ("retrieve", "decode", "filter", "compute")
_REQUESTS = 5


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Time the operators for each feature by itself, for all together, and with what is kept."""
    alone, fused, cached = alone_on_rows(stage), columns(stage, 0), columns(stage)
    for name, holder, systems in (
        ("naive", alone, alone.systems),
        ("fused", fused, [fused]),
        ("cached", cached, [cached]),
    ):
        spent = _spent(systems, holder.append, stage)
        holder.close()
        yield {"work": bench.key.name, "seed": bench.key.seed, "system": name, **spent}


def _spent(
    systems: Sequence[AutoFeature], append: Callable[[Sequence[Event]], None], stage: Stage
) -> dict[str, float]:
    """Return the median ms of each operator over some requests to all SYSTEMS."""
    coming = stage.work.stream()
    upcoming = next(coming)
    spent: dict[str, list[float]] = {name: [] for name in OPERATORS}
    for number in range(_REQUESTS + 1):
        t = stage.work.start_ms + number * EVERY_MS
        while upcoming["ts_ms"] < t:
            append([upcoming])
            upcoming = next(coming)
        parts = dict.fromkeys(OPERATORS, 0)
        for system in systems:
            for name, ns in _parts(system, t):
                parts[name] += ns
        if number:  # the first request is cold
            for name, ns in parts.items():
                spent[name].append(ns / 1e6)
    return {name: statistics.median(found) for name, found in spent.items()}


def _parts(system: AutoFeature, t: int) -> Iterator[tuple[str, int]]:
    """Extract at T; yield the ns of each operator."""
    clock = time.process_time_ns
    began = clock()
    stored = system.retrieve(t)
    retrieved = clock()
    rows = system.decode(stored)
    decoded = clock()
    places = system.filter(rows, t)
    filtered = clock()
    system.compute(places)
    computed = clock()
    system.rank(t)
    yield from zip(
        OPERATORS,
        (retrieved - began, decoded - retrieved, filtered - decoded, computed - filtered),
        strict=True,
    )


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return a row per service and way, a column per operator."""
    rows: list[tuple[object, ...]] = [
        (work, system, *(median(records, name, work=work, system=system) for name in OPERATORS))
        for work in values(records, "work")
        for system in values(records, "system")
    ]
    title = "CPU ms by operator, a request every 10 s: AutoFeature's design on NumPy columns"
    return [Table(title, ("service", "system", *OPERATORS), rows)]


SECTION = Section("operators", services, measure, tables)
