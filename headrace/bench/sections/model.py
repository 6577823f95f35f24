"""End to end: features of VR and of 50 candidates, bound and ranked by a TIN in ONNX Runtime."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.equality import Compared
from headrace.bench.report import Record, Records, Table, median, values
from headrace.bench.section import Section, one_service
from headrace.bench.setting import SECOND, Setting
from headrace.bench.systems import NAIVE_ENGINE, OURS
from headrace.bench.tin import CANDIDATES, model

if TYPE_CHECKING:
    from inference import Model
    from stream.bench.stage import Stage
    from stream.engine import Mode

EVERY_MS = 5 * SECOND
TOP = 10
_MODES: dict[str, tuple[Mode, int]] = {
    OURS: ("auto", 1),
    NAIVE_ENGINE: ("naive", 10),
}  # and one request in how many


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Rank the same candidates by both modes; positions and scores must be the same, bit for bit."""
    from featuregraph.testing.workload import ServiceWork, ranking

    work = stage.work
    assert isinstance(work, ServiceWork)
    graph = ranking(work)
    ranks = model(work, graph)
    expected: list[Compared] = []
    for name, (mode, share) in _MODES.items():
        found, record = _ranked(stage, bench, ranks, mode, bench.setting.share(share))
        expected = expected or found
        if found is not expected:
            rows = [Compared(a.at_ms, a.found, b.found) for a, b in zip(found, expected, strict=False)]
            bench.equality.compare("ranked", bench.where, rows)
        yield {"work": bench.key.name, "seed": bench.key.seed, "system": name, **record}


def _ranked(
    stage: Stage, bench: Bench, ranks: Model, mode: Mode, requests: int
) -> tuple[list[Compared], dict[str, float]]:
    """Return what was ranked, and the median ms in all and by part."""
    from featuregraph.testing.workload import candidates
    from inference import Ranker

    system = stage.engine(mode, plan=ranks.graph.compile())
    ranker = Ranker(ranks, source=system.engine)
    coming, offered = stage.work.stream(), candidates(bench.key.seed, CANDIDATES)
    upcoming = next(coming)
    found: list[Compared] = []
    spent: dict[str, list[float]] = {"cpu_ms": [], "extract_ms": [], "bind_ms": [], "model_ms": []}
    for number in range(requests + 1):
        t = stage.work.start_ms + number * EVERY_MS
        while upcoming["ts_ms"] < t:
            system.append([upcoming])
            upcoming = next(coming)
        asked = next(offered)
        began = time.process_time_ns()
        ranking = ranker.rank(asked, TOP, at_ms=t)
        took = time.process_time_ns() - began
        if number:  # the first one is cold
            told = ranking.timings
            parts = (took, told.extraction_ns, told.binding_ns, told.model_ns)
            for times, ns in zip(spent.values(), parts, strict=True):
                times.append(ns / 1e6)
            found.append(Compared(t, {"items": list(ranking.items), "scores": list(ranking.scores)}, {}))
    system.close()
    return found, {name: statistics.median(times) for name, times in spent.items()}


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return a row per mode."""
    names = ("cpu_ms", "extract_ms", "bind_ms", "model_ms")
    rows: list[tuple[object, ...]] = [
        (system, *(median(records, name, system=system) for name in names))
        for system in values(records, "system")
    ]
    title = (
        f"VR with a TIN on {CANDIDATES} candidates, a request every 5 s: CPU ms in all, then wall ms by part"
    )
    return [Table(title, ("system", "all", "extract", "bind", "model"), rows)]


SECTION = Section("model", one_service("VR"), measure, tables)
