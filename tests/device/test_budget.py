"""Mode auto keeps what saves most in the memory that there is, node by node, while the budget changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from featuregraph.testing.clock import FakeClock
from featuregraph.testing.workload import Shape, workload
from featuregraph.values import same
from stream import Engine, EventLog
from stream.choice import STATES, Choice

pytestmark = pytest.mark.device

EVERY_MS = 5_000


class Run:
    """An engine that keeps all as states and others beside it, on one log, asked every five seconds."""

    def __init__(self, log: EventLog, *engines: Engine, shape: Shape) -> None:
        self.work = workload(3, shape)
        self.engines = [Engine(log, key="me", mode="incremental", memory_budget="64MiB"), *engines]
        self.graphs = [engine.install(self.work.graph.compile()) for engine in self.engines]
        self.engines[0].append_many(self.work.history)
        self.t = self.work.start_ms
        self._stream = self.work.stream()

    def ask(self) -> None:
        """Append what came in the next five seconds, and require one answer of all engines."""
        self.t += EVERY_MS
        for event in self._stream:
            self.engines[0].append(event)
            if event["ts_ms"] >= self.t:
                break
        pairs = zip(self.engines, self.graphs, strict=True)
        first, *others = (engine.extract(graph, at_ms=self.t).values for engine, graph in pairs)
        for other in others:
            assert same(first, other)


@pytest.fixture
def log(tmp_path: Path) -> Any:
    """Yield a log whose clock is late enough."""
    with EventLog(tmp_path / "log.db", clock=FakeClock(2**62), history_start_ms="all") as opened:
        yield opened


def choice(engine: Engine) -> Choice | None:
    """Return how ENGINE keeps its key, None if it does not."""
    kept = engine._kept.peek("me")
    return None if kept is None else kept.choice


def test_memory_that_comes_and_goes(log: EventLog) -> None:
    """A budget is obeyed before it is set; what is kept shrinks and grows with it, and no value changes."""
    engine = Engine(log, key="me", memory_budget="64MiB")
    run = Run(log, engine, shape=Shape(features=40, types=8, event_sets=10, events=3_000))
    run.ask()
    full = engine.state_bytes
    assert choice(engine) == STATES
    kept = []
    for percent in (90, 60, 40, 60, 25, 0, 45, 200):
        budget = full * percent // 100
        engine.memory_budget = budget
        assert engine.state_bytes <= budget
        for _ in range(3):
            run.ask()
            assert engine.state_bytes <= budget
        kept.append(engine.state_bytes)
    # What is chosen depends on what reads took, so that it is not the same each time.
    assert kept[0] > full // 2 > kept[2] > full // 8
    assert kept[0] > kept[4] > kept[5] == 0
    assert choice(engine) == STATES


def test_with_less_memory_less_is_kept_and_not_nothing(log: EventLog) -> None:
    """Half of the memory keeps a good part of the nodes: some as states, others not at all."""
    engine = Engine(log, key="me", memory_budget="64MiB")
    run = Run(log, engine, shape=Shape(features=40, types=8, event_sets=10, events=3_000))
    run.ask()
    engine.memory_budget = engine.state_bytes // 2
    run.ask()
    found = choice(engine)
    assert found is not None
    demands = set(run.work.graph.compile().demands)
    ways = {way: sum(found.way(demand) == way for demand in demands) for way in ("state", "rows", "log")}
    assert ways["log"] > 0
    assert ways["state"] + ways["rows"] > len(demands) // 4


@pytest.mark.parametrize("way", ["state", "rows", "held", "log"])
def test_every_way_can_be_forced(log: EventLog, way: str) -> None:
    """All aggregates as states, folded from rows, from rows held once, or from the log: ever less memory."""

    def forced(layout: Any) -> Choice:
        every = frozenset(layout.index)
        return {
            "state": Choice(),
            "rows": Choice(folded=every),
            "held": Choice(logged=every, held=frozenset(layout.scans)),
            "log": Choice(logged=every),
        }[way]

    engine = Engine(log, key="me", chooser=forced)
    run = Run(log, engine, shape=Shape(features=30, types=6, event_sets=8, events=800))
    for _ in range(4):
        run.ask()
    states = run.engines[0].state_bytes
    least = {"state": 0.9, "rows": 0.3, "held": 0.1, "log": 0}[way] * states
    most = {"state": 1.1, "rows": 0.95, "held": 0.6, "log": 0.1}[way] * states
    assert least <= engine.state_bytes <= most


def test_what_is_on_the_log_is_read_when_it_moved(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query that no row entered or left since the one before reads nothing, whatever is kept."""
    scan_runs, reads = log.scan_runs, []

    def counted(*args: Any) -> Any:
        reads.append(args)
        return scan_runs(*args)

    monkeypatch.setattr(log, "scan_runs", counted)
    engine = Engine(log, key="me", chooser=lambda layout: Choice(logged=frozenset(layout.index)))
    run = Run(log, engine, shape=Shape(features=10, types=4, event_sets=4, events=300))
    run.ask()
    first = engine.extract(run.graphs[1], at_ms=run.t).values
    reads.clear()
    assert same(engine.extract(run.graphs[1], at_ms=run.t).values, first)
    assert reads == []
    run.ask()
    assert reads != []


def test_a_plan_that_comes_while_memory_is_short(log: EventLog, graph: Any) -> None:
    """A plan installed and removed under a small budget is served, and the choice outlives it."""
    engine = Engine(log, key="me", memory_budget="64MiB")
    run = Run(log, engine, shape=Shape(features=20, types=6, event_sets=8, events=1_500))
    run.ask()
    engine.memory_budget = engine.state_bytes // 2
    run.ask()
    other = workload(4, Shape(features=20, types=6, event_sets=8, events=1)).graph.compile()
    added = engine.install(other)
    first = run.engines[0].install(other)
    for _ in range(3):
        run.ask()
        found, expected = engine.extract(added, at_ms=run.t), run.engines[0].extract(first, at_ms=run.t)
        assert same(found.values, expected.values)
        assert engine.state_bytes <= engine.memory_budget
    engine.remove(added)
    run.ask()


def test_memory_is_told_node_by_node(log: EventLog) -> None:
    """The report adds up to the bytes that the engine counts, and says what is kept and what that saves."""
    engine = Engine(log, key="me", memory_budget="64MiB")
    assert engine.memory() is None
    run = Run(log, engine, shape=Shape(features=40, types=8, event_sets=10, events=3_000))
    run.ask()
    whole = engine.memory()
    assert whole is not None
    assert whole.bytes == pytest.approx(engine.state_bytes, rel=0.2)
    assert all(track.kept for track in whole.tracks)
    assert {event.event for event in whole.events} == {e for t in whole.tracks for e in t.track.events}
    assert all(event.rows > 0 < event.row_ns for event in whole.events)
    engine.memory_budget = engine.state_bytes // 4
    run.ask()
    part = engine.memory()
    assert part is not None
    assert part.bytes == pytest.approx(engine.state_bytes, rel=0.3)  # as weighed last, before rows came
    kept = [*(track.kept for track in part.tracks), *(event.held for event in part.events)]
    assert 0 < sum(kept) < len(kept)
    assert 0 < part.saved_ns < whole.saved_ns
    reads = [sum(costs.saved_reads_ns(e.event) for e in costs.events) for costs in (part, whole)]
    assert reads[0] < reads[1] < whole.saved_ns


def test_cached_keeps_the_rows_of_some_events(log: EventLog) -> None:
    """Mode cached keeps by event, as the budget allows: a smaller one at once, a larger one from then on."""
    engine = Engine(log, key="me", mode="cached", memory_budget="64MiB")
    run = Run(log, engine, shape=Shape(features=40, types=8, event_sets=10, events=3_000))
    run.ask()
    full = engine.state_bytes
    for percent in (60, 30, 80, 5):
        budget = full * percent // 100
        engine.memory_budget = budget
        assert engine.state_bytes <= budget
        for _ in range(3):
            run.ask()
            assert engine.state_bytes <= budget
        if percent > 5:
            assert engine.state_bytes > full // 20
    engine.memory_budget = 2 * full
    for _ in range(2):
        run.ask()
    assert engine.state_bytes > full * 9 // 10
