"""How far back a log keeps events: what goes, what stays, and that values say so."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import featuregraph as fg
from featuregraph import reference
from featuregraph.errors import EventError
from featuregraph.testing.clock import FakeClock
from stream.engine import MODES, Engine
from stream.limits import KIB, Limits
from stream.log import EventLog
from stream.retention import before_what, used_bytes

pytestmark = pytest.mark.device

Open = Callable[..., EventLog]
HOUR, DAY = 3_600_000, 86_400_000
Buy = fg.Event.of("buy", {"n": fg.int64()})
View = fg.Event.of("view", {"n": fg.int64(), "item": fg.category()})
GRAPH = fg.Graph(
    "kept",
    {
        "ever": fg.rows(Buy).sum(Buy["n"]),
        "week": fg.rows(View).over("7d").sum(View["n"]),
        "late": fg.rows(View).over("1d").offset("2d").count(),
        "items": fg.rows(View).over("1d").topk(View["item"], 3),
    },
)


def event(rng: random.Random, ts_ms: int) -> dict[str, Any]:
    """Return an event of the app at TS_MS; most of a third name, of which no plan speaks."""
    name = rng.choice(("buy", "view", "view", "other", "other", "other"))
    attrs = {"n": rng.randrange(100), "item": f"i{rng.randrange(9)}", "note": rng.randbytes(40).hex()}
    id = rng.randbytes(8).hex()
    return {"event": name, "ts_ms": ts_ms, "user_id": "u", "event_id": id, "attrs": attrs}


def test_a_plan_keeps_what_it_can_see(open_log: Open) -> None:
    """No value changes at a trim, now or later; events of a lifetime stay, and others go with their ids."""
    rng = random.Random(1)
    events = [event(rng, i * HOUR) for i in range(30 * 24)]
    clock = FakeClock(30 * DAY)
    log = open_log(clock=clock, history_start_ms="all")
    engine = Engine(log, key="u")
    engine.append_many(events)
    assert engine.trim() == 0, "nothing is known of what plans need"
    engine.install(GRAPH.compile())
    before = engine.extract(GRAPH.id)
    assert not before.partial
    gone = [e for e in events if e["event"] != "buy" and e["ts_ms"] < events[-1]["ts_ms"] - 7 * DAY]
    assert engine.trim() == len(gone) > 200
    assert log.history_start_ms == events[-1]["ts_ms"] - 7 * DAY
    assert log.count == len(events) - len(gone)
    for mode in MODES:
        again = Engine(log, key="u", mode=mode)
        again.install(GRAPH.compile())
        found = again.extract(GRAPH.id)
        assert found.values == before.values
        assert found.partial == ("ever",), "the history that the log holds has begun later"
    assert engine.trim() == 0
    assert log.append(gone[0]).accepted == 1
    assert log.append(next(e for e in events if e["event"] == "buy")).duplicate == 1
    assert log.check() == []


def test_a_clock_that_jumps_ahead_drops_nothing(open_log: Open) -> None:
    """The latest event bounds what is old: a wrong clock must not empty a log."""
    rng = random.Random(2)
    log = open_log(clock=FakeClock(9_000 * DAY))
    engine = Engine(log, key="u")
    engine.install(GRAPH.compile())
    engine.append_many(event(rng, i * HOUR) for i in range(48))
    assert engine.trim() == 0


def test_what_was_kept_apart_goes_with_its_time(open_log: Open) -> None:
    """An event too far ahead of the clock, that nobody ever saw, does not outlast those of its time."""
    log = open_log(clock=FakeClock(DAY), history_start_ms="all")
    log.append_many([{"event": "buy", "ts_ms": t, "user_id": "u"} for t in (DAY, 3 * DAY, 9 * DAY)])
    assert [one.event["ts_ms"] for one in log.quarantined()] == [3 * DAY, 9 * DAY]
    assert log.trim(before=4 * DAY, keep=["buy"]) == 0
    assert [one.event["ts_ms"] for one in log.quarantined()] == [9 * DAY]


def test_a_limit_of_bytes_is_kept(path: Path, open_log: Open) -> None:
    """The oldest go; values are those of what is left, features that reach further are named (3.5)."""
    rng = random.Random(3)
    most = 256 * KIB
    log = open_log(
        clock=FakeClock(2**50), history_start_ms="all", limits=Limits(max_log_bytes=most, free_bytes=0)
    )
    engine = Engine(log, key="u")
    engine.install(GRAPH.compile())
    events = [event(rng, i * HOUR) for i in range(5_000)]
    for start in range(0, len(events), 10):
        engine.append_many(events[start : start + 10])
    with log._using("testing") as connection:
        assert used_bytes(connection) < most + 64 * KIB, "and the rows that are not sealed yet"
    start_ms = log.history_start_ms
    assert start_ms is not None
    left = [e for e in events if e["ts_ms"] >= start_ms]
    assert 500 < log.count == len(left) < 3_000
    t = events[-1]["ts_ms"] + 1
    expected = {name: reference.value(GRAPH, name, left, "u", t) for name in GRAPH.features}
    found = engine.extract(GRAPH.id, at_ms=t)
    assert (found.values, found.partial) == (expected, ("ever",))
    log.flush()
    assert path.stat().st_size < most + 96 * KIB
    assert log.stats().counters["trimmed"] == len(events) - len(left)


def test_thirty_days_of_use_do_not_grow_the_file(path: Path, open_log: Open) -> None:
    """With a trim a day the file is as large after a month as after the widest window."""
    rng = random.Random(4)
    clock = FakeClock(0)
    log = open_log(clock=clock, limits=Limits(free_bytes=0), history_start_ms="all")
    engine = Engine(log, key="u")
    graph = fg.Graph("week", {"n": fg.rows(View).over("7d").count()})
    engine.install(graph.compile())
    sizes = []
    for day in range(30):
        for hour in range(24):
            clock.set(day * DAY + (hour + 1) * HOUR)
            engine.append_many(event(rng, day * DAY + hour * HOUR + i) for i in range(10))
            engine.extract(graph.id)
        engine.trim()
        log.flush()
        sizes.append(path.stat().st_size)
    assert max(sizes[-7:]) < 1.25 * max(sizes[8:14])
    assert log.count <= 8 * 240


def test_a_reader_learns_that_the_history_begins_later(log: EventLog, open_log: Open) -> None:
    """What another process trimmed is not there, and answers say from when on there is anything."""
    log.append_many({"event": "view", "ts_ms": i, "user_id": "u", "n": 1} for i in range(100))
    reader = open_log(read_only=True)
    engine = Engine(reader, key="u")
    graph = fg.Graph("count", {"n": fg.rows(View).over("90ms").count()})
    engine.install(graph.compile())
    start = reader.history_start_ms
    assert engine.extract(graph.id, at_ms=100)["n"] == 90
    log.trim(before=50)
    found = engine.extract(graph.id, at_ms=100)
    assert (found["n"], reader.history_start_ms, found.partial) == (50, start, ("n",))
    log.trim(before=2_000_000)
    assert reader.generation
    assert (reader.count, reader.history_start_ms) == (0, 2_000_000)


@pytest.mark.parametrize("what", [{}, {"before": 1, "max_bytes": 1}, {"before": "x"}])
def test_a_trim_is_asked_for_in_one_way(log: EventLog, what: dict[str, Any]) -> None:
    """By a time or by bytes; anything else is refused."""
    with pytest.raises((ValueError, EventError), match="expected"):
        log.trim(**what)


@given(st.integers(0, 2_000), st.lists(st.tuples(st.integers(0, 50), st.integers(1, 100)), max_size=20))
def test_enough_goes_and_no_more(most: int, blocks: list[tuple[int, int]]) -> None:
    """What is left of the blocks is within nine tenths of the limit; without the last one it is not."""
    blocks.sort()
    used = sum(size for _, size in blocks)
    before = before_what(used, most, blocks)
    if used <= most:
        assert before is None
        return
    assert before is not None
    gone = [size for last_ms, size in blocks if last_ms < before]
    assert used - sum(gone) <= 0.9 * most or len(gone) == len(blocks)
    assert used - sum(gone[:-1]) > 0.9 * most or blocks[len(gone) - 2][0] == before - 1
