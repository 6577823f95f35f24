"""What record=True costs: extraction with and without it, in turn, in one process, as ratios of CPU time.

    python benchmarks/record.py

The workload is that of `headrace bench device`, a request each 5 s; every second request is recorded, the
limits of the log so low that each record drops an old one, as it is in a long life.
"""

from __future__ import annotations

import tempfile
import time
from itertools import takewhile
from pathlib import Path
from statistics import median
from typing import get_args

from featuregraph.testing.clock import FakeClock
from featuregraph.testing.workload.mixed import Shape, workload
from stream import Engine, EventLog, Limits
from stream.store import Sync

EVERY_MS = 5_000
REQUESTS = 600


def measure(seed: int, features: int, sync: Sync) -> tuple[float, float, float]:
    """Return the median ms of an extraction without a record and with one, and the bytes of a record."""
    work = workload(seed, Shape(features=features))
    clock = FakeClock(work.start_ms)
    spent: tuple[list[float], list[float]] = ([], [])
    limits = Limits(max_served=REQUESTS // 4)
    with (
        tempfile.TemporaryDirectory() as folder,
        EventLog(
            Path(folder) / "log.db", clock=clock, history_start_ms="all", sync=sync, limits=limits
        ) as log,
    ):
        engine = Engine(log, key="me", memory_budget="64MiB")
        graph_id = engine.install(work.graph.compile())
        engine.append_many(work.history)
        coming = work.stream()
        for number in range(REQUESTS):
            t = work.start_ms + number * EVERY_MS
            clock.set(t)
            for event in takewhile(lambda event, t=t: event["ts_ms"] < t, coming):  # type: ignore[misc]
                engine.append(event)
            record = bool(number % 2)
            began = time.process_time_ns()
            engine.extract(graph_id, at_ms=t, record=record)
            spent[record].append((time.process_time_ns() - began) / 1e6)
        stats = log.stats()
    return median(spent[False]), median(spent[True]), stats.served_bytes / stats.served


def main() -> None:
    """Print a row per seed and size."""
    print("features  sync   seed  without ms  with ms  ratio  more us  bytes a record")
    for features in (20, 100):
        for sync in get_args(Sync):
            for seed in (1, 2, 3):
                without, recorded, size = measure(seed, features, sync)
                print(
                    f"{features:8}  {sync:5}  {seed:4}  {without:10.3f}  {recorded:7.3f}"
                    f"  {recorded / without:4.2f}x  {1e3 * (recorded - without):7.0f}  {size:14.0f}"
                )


if __name__ == "__main__":
    main()
