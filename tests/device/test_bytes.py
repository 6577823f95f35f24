"""The bytes that an engine counts are those that the process takes, within 1.3 times either way."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tracemalloc
from typing import Any

import pytest

import featuregraph as fg

pytestmark = pytest.mark.device

# In a process of its own, where nothing else takes memory. The first query warms whatever is made once.
PROBE = """
import gc, json, sys, tempfile, tracemalloc
from pathlib import Path
from featuregraph.testing.clock import FakeClock
from featuregraph.testing.workload import Shape, workload
from stream import Engine, EventLog

mode, events, features = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
work = workload(1, Shape(events=events, features=features))
with tempfile.TemporaryDirectory() as folder:
    with EventLog(Path(folder) / "log.db", clock=FakeClock(work.start_ms), history_start_ms="all") as log:
        engine = Engine(log, key="me", mode=mode, memory_budget="64MiB")
        graph = engine.install(work.graph.compile())
        engine.append_many(work.history)
        engine.extract(graph, at_ms=work.start_ms)
        engine.memory_budget = 0
        engine.memory_budget = "64MiB"
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        engine.extract(graph, at_ms=work.start_ms)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        print(json.dumps({"grown": grown, "counted": engine.state_bytes}))
"""


@pytest.mark.parametrize("mode", ["cached", "incremental"])
@pytest.mark.parametrize(("events", "features"), [(1_000, 30), (8_000, 100), (20_000, 100)])
def test_bytes_are_counted_as_they_are(mode: str, events: int, features: int) -> None:
    """What is kept of a key is as large as the engine says, whether it is mostly rows or mostly states."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, mode, str(events), str(features)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["grown"] / 1.3 < found["counted"] < found["grown"] * 1.3
    if events == 20_000:
        assert found["grown"] < 2_000_000


def test_what_is_asked_of_candidates_is_not_held(make: Any, graph: fg.Graph) -> None:
    """A key takes no more after a query of 20,000 candidates than after one of one."""
    device = make(mode="incremental")
    device.install(graph)
    device.engine.append({"event": "click", "ts_ms": 1, "item": "a", "n": 1, "score": 0.5})

    def ask(count: int) -> int:
        device.engine.extract(graph.id, at_ms=2, candidates={"item": ["abc"[n % 3] for n in range(count)]})
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    ask(1)
    tracemalloc.start()
    before, counted = ask(1), device.engine.state_bytes
    after = ask(20_000)
    tracemalloc.stop()
    assert after - before < 20_000
    device.engine._kept.weigh("me")
    assert device.engine.state_bytes < counted + 1_000
