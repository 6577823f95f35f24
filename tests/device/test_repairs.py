"""States that were trimmed, interrupted or read beside a writer stay exact."""

from __future__ import annotations

import pickle
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from featuregraph import reference
from featuregraph.testing.clock import FakeClock
from stream import Engine, EventLog, LogCorruptError
from stream.engine import MODES
from stream.front import Front
from stream.rows import KeptRows

pytestmark = pytest.mark.device


class Tick(fg.Event, name="tick"):
    """Something that happens often."""

    x = fg.int64()


class Lifetime:
    """Features that never forget, so that their rows may go."""

    n = fg.rows(Tick).count()
    first = fg.rows(Tick).first(Tick.x)
    total = fg.rows(Tick).sum(Tick.x)
    kinds = fg.rows(Tick).distinct(Tick.x % 7)
    before = fg.rows(Tick).offset("5s").sum(Tick.x)


GRAPH = fg.Graph("lifetime", Lifetime)


def tick(at: int, seq: int = 0) -> dict[str, Any]:
    """Return an event at AT ms."""
    return {"event": "tick", "ts_ms": at, "seq": seq, "user_id": "u", "attrs": {"x": at}}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    """Give an empty log in which any time is possible."""
    with EventLog(tmp_path / "log.db", clock=FakeClock(2**60), history_start_ms="all") as log:
        yield log


def expected(events: list[dict[str, Any]], t: int) -> dict[str, object]:
    """Return what the reference says."""
    return {name: reference.value(GRAPH, name, events, "u", t) for name in GRAPH.features}


@pytest.mark.parametrize("mode", MODES)
def test_a_late_event_after_a_trim(log: EventLog, mode: Any) -> None:
    """Rows that all lifetime states have taken are dropped; a late event that belongs there still counts."""
    engine = Engine(log, key="u", mode=mode)
    graph_id = engine.install(GRAPH.compile())
    events = [tick(10 * i) for i in range(2_000)]
    engine.append_many(events)
    assert engine.extract(graph_id, at_ms=20_000)["n"] == 2_000
    for late in (False, True):
        soon = [tick(20_000 + 10 * i) for i in range(9)]
        newer = [tick(20_045), tick(14_995)] if late else soon
        engine.append_many(newer)
        events += newer
        assert engine.extract(graph_id, at_ms=30_000).values == expected(events, 30_000)
    engine.append(tick(5))
    events.append(tick(5))
    assert engine.extract(graph_id, at_ms=30_001).values == expected(events, 30_001)


class Ordered:
    """Lifetime features that care for the order of rows, whose rows may go all the same."""

    first = fg.rows(Tick).first(Tick.x)
    last = fg.rows(Tick).last(Tick.x % 5)
    top = fg.rows(Tick).topk(Tick.x % 3, 2)
    seen = fg.rows(Tick).sequence(4, {"x": Tick.x})
    kinds = fg.rows(Tick).group_by(Tick.x % 4).last(Tick.x)
    latest = fg.rows(Tick).last(3).sum(Tick.x)


def test_a_late_event_is_repaired_without_the_log(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """States that do not commute are built anew from a mark of theirs, where the event is not too late."""
    graph = fg.Graph("ordered", Ordered)
    engine = Engine(log, key="u", mode="incremental")
    graph_id = engine.install(graph.compile())
    events: list[dict[str, Any]] = []
    for start in range(0, 4_000, 100):
        events += [tick(10 * i) for i in range(start, start + 100)]
        engine.append_many(events[start:])
        engine.extract(graph_id, at_ms=10 * start + 1_000)
    held = engine._kept.peek("u")
    assert held is not None
    assert all(len(rows.ts) < 1_500 for rows in held.tracks.values())
    reads: list[Any] = []
    scan = log.scan_runs

    def counted(*args: Any, **more: Any) -> Any:
        reads.append(args)
        return scan(*args, **more)

    monkeypatch.setattr(log, "scan_runs", counted)
    for back in (5, 995, 2_005, 3_995):
        events.append(tick(40_000 - back))
        engine.append(events[-1])
        found: dict[str, Any] = engine.extract(graph_id, at_ms=40_000 + back).values
        events.sort(key=lambda event: event["ts_ms"])
        wanted = {
            n: reference.value(graph, n, events[-300:], "u", 40_000 + back)
            for n in ("last", "seen", "latest")
        }
        assert {n: found[n] for n in wanted} == wanted
        assert found["kinds"] == {
            k: max(e["ts_ms"] for e in events if e["ts_ms"] % 4 == k) for k in found["kinds"]
        }
    assert not reads
    late = tick(5)
    engine.append(late)
    assert engine.extract(graph_id, at_ms=50_000)["first"] == 0
    assert len(reads) == 1, "too late: the rows around it are gone"


def test_an_interrupt_leaves_no_half_state(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """An extraction that is interrupted between two states counts nothing twice afterwards."""
    engine = Engine(log, key="u", mode="incremental")
    graph_id = engine.install(GRAPH.compile())
    events = [tick(i) for i in range(10)]
    engine.append_many(events)
    engine.extract(graph_id, at_ms=100)
    engine.append(tick(50))
    events.append(tick(50))

    def interrupted(self: Front, rows: KeptRows, start: int, end: int) -> None:
        for _, window in self._windows[:1]:
            window.end = end
            window.pushes[0](rows.loose[-1])
        raise KeyboardInterrupt

    monkeypatch.setattr(Front, "_let_in", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.extract(graph_id, at_ms=200)
    monkeypatch.undo()
    assert engine.extract(graph_id, at_ms=200).values == expected(events, 200)


def test_rows_taken_before_a_damaged_one_are_not_taken_again(log: EventLog) -> None:
    """A row that can not be read fails every query until it is mended, and counts no other row twice."""
    engine = Engine(log, key="u", mode="incremental")
    graph_id = engine.install(GRAPH.compile())
    events = [tick(i) for i in range(10)]
    log.append_many([*events, {**tick(1), "user_id": "a"}])
    for key in ("u", "a"):
        engine.extract(graph_id, key=key, at_ms=100)
    log.append_many([tick(50), {**tick(50), "user_id": "a"}])
    with closing(sqlite3.connect(log.path, isolation_level=None)) as other:
        ((last, payload),) = other.execute("SELECT id, payload FROM event ORDER BY id DESC LIMIT 1")
        other.execute("UPDATE event SET payload = ? WHERE id = ?", (b"\xc1", last))
        for _ in range(2):
            with pytest.raises(LogCorruptError, match="found a fault"):
                engine.extract(graph_id, key="a", at_ms=200)
        other.execute("UPDATE event SET payload = ? WHERE id = ?", (payload, last))
    assert engine.extract(graph_id, at_ms=200).values == expected([*events, tick(50)], 200)


def test_an_append_beside_an_extraction_is_counted_once(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An append by another thread waits for the extraction under way, which sees the log at one moment."""
    engine = Engine(log, key="u")
    graph_id = engine.install(GRAPH.compile())
    log.append_many([tick(1), tick(2)])
    catch_up = engine._follower.catch_up  # the moment at which the other thread comes
    other = threading.Thread(target=log.append, args=(tick(3),))

    def meanwhile() -> Any:
        standing = catch_up()
        other.start()
        other.join(0.2)
        return standing

    monkeypatch.setattr(engine._follower, "catch_up", meanwhile)
    assert engine.extract(graph_id, at_ms=100)["n"] == 2
    monkeypatch.undo()
    other.join()
    assert [engine.extract(graph_id, at_ms=100)["n"] for _ in range(2)] == [3, 3]


def test_a_reader_follows_a_writer_that_forgets(tmp_path: Path) -> None:
    """A key that was forgotten and came again is seen by an engine that only reads."""
    path = tmp_path / "log.db"
    with EventLog(path, clock=FakeClock(2**60), history_start_ms="all") as writer:
        writer.append_many([{**tick(1), "user_id": "a"}, tick(2)])
        with EventLog(path, read_only=True) as reader:
            engine = Engine(reader, key="u")
            graph_id = engine.install(GRAPH.compile())
            assert engine.extract(graph_id, at_ms=100)["n"] == 1
            writer.forget(key="u")
            assert engine.extract(graph_id, at_ms=100)["n"] == 0
            writer.append_many([{**tick(3), "user_id": "b"}, tick(4), tick(5)])
            assert engine.extract(graph_id, at_ms=100)["n"] == 2
            assert len(reader.scan("u", None, None, None)) == 2


def test_a_pickled_graph_compiles_in_another_process() -> None:
    """Types and nodes are themselves after a journey, and do not spoil graphs that are made there."""
    code = (
        "import pickle, sys\n"
        "graph = pickle.loads(sys.stdin.buffer.read())\n"
        "import featuregraph as fg\n"
        "own = fg.Graph.from_json(graph.to_json())\n"
        "own.compile(), graph.compile()\n"
        "print(graph.id == own.id and graph == own)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(fg.Graph.from_json(GRAPH.to_json())),
        capture_output=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"True\n", b"")


def test_the_latest_time_of_all_can_be_asked(log: EventLog) -> None:
    """Without at_ms, an event at the end of time does not lead beyond int64."""
    engine = Engine(log, key="u")
    graph_id = engine.install(GRAPH.compile())
    log_with_no_future = EventLog(
        Path(log.path).with_name("far.db"), clock=FakeClock(0), max_future=None, history_start_ms="all"
    )
    with log_with_no_future as far:
        engine = Engine(far, key="u")
        engine.install(GRAPH.compile())
        engine.append({"event": "tick", "ts_ms": 2**63 - 1, "attrs": {"x": 1}})
        assert engine.extract(graph_id).at_ms == 2**63 - 1


@pytest.mark.parametrize("mode", MODES)
def test_unparsable_values_count_once_per_row(log: EventLog, mode: Any) -> None:
    """Whatever the mode, the keys and the number of queries, a value that is no number counts once."""
    engine = Engine(log, mode=mode)
    graph_id = engine.install(GRAPH.compile())
    engine.append_many([{"event": "tick", "ts_ms": 1, "user_id": key, "attrs": {"x": "?"}} for key in "ab"])
    for key in ("a", "b", "a"):
        engine.extract(graph_id, key=key, at_ms=10)
    engine.append({"event": "tick", "ts_ms": 2, "user_id": "a", "attrs": {"x": "?"}})
    engine.extract(graph_id, key="a", at_ms=10)
    assert engine.unparsable == {("tick", "x"): 3}


def test_a_bad_request_costs_nothing(log: EventLog) -> None:
    """A request that is refused leaves what is kept as it is."""
    engine = Engine(log, key="u", mode="incremental")
    graph_id = engine.install(GRAPH.compile())
    engine.append_many([tick(i) for i in range(300)])
    engine.extract(graph_id, at_ms=1_000)
    held = engine.state_bytes
    for bad in ({"at_ms": 1.5}, {"history_start_ms": "x", "as_known": True}, {"key": ["u"]}):
        with pytest.raises(fg.RequestError):
            engine.extract(graph_id, **bad)
    assert engine.state_bytes == held > 0


def test_lifetime_states_are_weighed(log: EventLog) -> None:
    """A table of distinct values grows with them, and the budget sees it."""
    graph = fg.Graph("wide", {"kinds": fg.rows(Tick).distinct(Tick.x)})
    engine = Engine(log, key="u", mode="incremental", memory_budget="64KiB")
    graph_id = engine.install(graph.compile())
    for start in range(0, 6_000, 2_000):
        engine.append_many([tick(start + i) for i in range(2_000)])
        assert engine.extract(graph_id, at_ms=start + 2_000)["kinds"] == start + 2_000
        assert engine.state_bytes <= 64 * 1024
