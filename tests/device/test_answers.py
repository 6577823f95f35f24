"""Answers that stand from query to query: read again when they may have changed, owned by who asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from featuregraph import FeatureOverflowError, reference
from featuregraph.aggregates.tables import Ranking
from featuregraph.refresh import sections
from featuregraph.testing.clock import FakeClock
from featuregraph.types import INT64_MAX
from stream import Engine, EventLog
from stream.choice import Choice

pytestmark = pytest.mark.device


class Tap(fg.Event, name="tap"):
    """Something that a person touched."""

    item = fg.category()
    n = fg.int64()
    price = fg.decimal(2)


taps = fg.rows(Tap).over("10ms")
GRAPH = fg.Graph(
    "answers",
    {
        "top": taps.topk(Tap.item, 2),
        "items": taps.sequence(3, {"item": Tap.item, "price": Tap.price}),
        "by_item": taps.group_by(Tap.item).sum(Tap.price),
        "total": taps.sum(Tap.n),
        "share": taps.sum(Tap.n) / fg.rows(Tap).over("20ms").sum(Tap.n),
        "since": taps.since_last(),
    },
)


def tap(at: int, n: int = 1) -> dict[str, Any]:
    """Return an event at AT ms."""
    attrs = {"item": f"i{at % 3}", "n": n, "price": f"{at}.25"}
    return {"event": "tap", "ts_ms": at, "user_id": "u", "attrs": attrs}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give an engine with the graph installed, on an empty log in which any time is possible."""
    with EventLog(tmp_path / "log.db", clock=FakeClock(2**60), history_start_ms="all") as log:
        engine = Engine(log, key="u", mode="incremental")
        engine.install(GRAPH.compile())
        yield engine


def expected(events: list[dict[str, Any]], t: int) -> dict[str, object]:
    """Return what the reference says."""
    return {name: reference.value(GRAPH, name, events, "u", t) for name in GRAPH.features}


def test_what_a_caller_does_changes_no_later_answer(engine: Engine) -> None:
    """Lists, records and maps are the caller's own, in all their depth."""
    events = [tap(at) for at in range(1, 6)]
    engine.append_many(events)
    got: Any = engine.extract(GRAPH.id, at_ms=8)
    wanted = expected(events, 8)
    assert got.values == wanted
    for values in (got["top"], got["items"]["item"], got["items"]["price"]):
        values.append("x")
    got["items"]["more"] = []
    got["by_item"].clear()
    assert engine.extract(GRAPH.id, at_ms=8).values == wanted


def test_what_did_not_change_is_not_read_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state is read when a row came or went, and at no other query."""
    reads = []
    value = Ranking.value

    def counted(self: Ranking, t: int) -> object:
        reads.append(t)
        return value(self, t)

    monkeypatch.setattr(Ranking, "value", counted)
    events = [tap(at) for at in range(1, 6)]
    engine.append_many(events)
    for t in (8, 9, 10, 11, 12, 13):
        assert engine.extract(GRAPH.id, at_ms=t).values == expected(events, t)
    assert reads == [8, 12, 13]  # the window of 10 ms at 12 begins at 2
    engine.append({"event": "other", "ts_ms": 13, "user_id": "u"})
    engine.extract(GRAPH.id, at_ms=13)
    assert reads == [8, 12, 13]


@pytest.fixture
def asked(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows with each look into the log of an engine that has answered at 8 ms."""
    engine.append_many([tap(at) for at in range(1, 6)])
    engine.extract(GRAPH.id, at_ms=8)
    found: list[str] = []
    snapshot = engine.log.snapshot

    def counted() -> Any:
        found.append("snapshot")
        return snapshot()

    monkeypatch.setattr(engine.log, "snapshot", counted)
    return found


def test_what_is_held_asks_the_log_nothing(engine: Engine, asked: list[str]) -> None:
    """Windows that move, values that wait for the query, and events of the engine's own need no log."""
    events = [tap(at) for at in range(1, 6)]
    for t in (8, 9, 12, 12, 15):
        assert engine.extract(GRAPH.id, at_ms=t).values == expected(events, t)
    engine.append(tap(15))
    assert engine.extract(GRAPH.id, at_ms=16).values == expected([*events, tap(15)], 16)
    assert asked == []


def test_an_event_behind_the_engine_is_seen(engine: Engine, asked: list[str]) -> None:
    """So is one that another process handed over, though nobody took it in yet."""
    events = [tap(at) for at in range(1, 6)]
    engine.log.append(tap(7))
    assert engine.extract(GRAPH.id, at_ms=8).values == expected([*events, tap(7)], 8)
    with EventLog(engine.log.path, shared=True, clock=engine.log.clock) as other:
        assert other.append(tap(8)).handed_over == 1
        assert engine.extract(GRAPH.id, at_ms=9).values == expected([*events, tap(7), tap(8)], 9)
    assert len(asked) == 2


def test_what_is_forgotten_behind_the_engine_is_gone(engine: Engine, asked: list[str]) -> None:
    """Forgetting moves no id, and yet all that is held may be of what is gone."""
    engine.log.forget(before=4)
    assert engine.extract(GRAPH.id, at_ms=8).values == expected([tap(4), tap(5)], 8)
    engine.log.trim(before=5)
    vector = engine.extract(GRAPH.id, at_ms=8)
    assert vector.values == expected([tap(5)], 8)
    assert set(vector.partial) == set(GRAPH.features)
    assert engine.extract(GRAPH.id, at_ms=8) == vector
    assert len(asked) == 2


def test_the_past_and_the_known_are_read_from_the_log(engine: Engine, asked: list[str]) -> None:
    """A query before the latest one, one as known and one on record each look into the log."""
    events = [tap(at) for at in range(1, 6)]
    assert engine.extract(GRAPH.id, at_ms=3).values == expected(events, 3)
    engine.extract(GRAPH.id, at_ms=8, as_known=True)
    engine.extract(GRAPH.id, at_ms=8, record=True)
    assert len(asked) == 3
    assert len(list(engine.log.served())) == 1


def test_a_duplicate_moves_what_is_known(engine: Engine, asked: list[str]) -> None:
    """No row comes of it, but the log's clock went on: the call was one that the log took."""
    engine.append({**tap(6), "event_id": "once"})
    before = engine.extract(GRAPH.id, at_ms=8)
    engine.log.clock.set(2**60 + 1)  # type: ignore[attr-defined]
    assert engine.append({**tap(6), "event_id": "once"}).duplicate == 1
    after = engine.extract(GRAPH.id, at_ms=8)
    assert (before.known_until, after.known_until) == (2**60, 2**60 + 1)
    assert after.values == before.values == expected([tap(at) for at in range(1, 7)], 8)
    assert asked == []


def test_a_plan_that_comes_is_bound_first(engine: Engine, asked: list[str]) -> None:
    """What is held of the plans before does not answer it."""
    other = fg.Graph("other", {"most": fg.rows(Tap).max(Tap.n)})
    engine.install(other.compile())
    assert engine.extract(other.id, at_ms=8)["most"] == 1
    assert engine.extract(GRAPH.id, at_ms=8).values == expected([tap(at) for at in range(1, 6)], 8)
    assert len(asked) == 1


def test_what_is_on_the_log_is_read_from_it(engine: Engine) -> None:
    """With a state for nothing each query reads, whatever moved."""
    other = Engine(engine.log, key="u", mode="auto", chooser=lambda of: Choice(logged=frozenset(of.index)))
    other.install(GRAPH.compile())
    events = [tap(at) for at in range(1, 6)]
    engine.append_many(events)
    for t in (8, 8, 12):
        assert other.extract(GRAPH.id, at_ms=t).values == expected(events, t)


def test_an_overflow_ends_with_its_row(engine: Engine) -> None:
    """While a sum is out of range every query says so; afterwards all values are there."""
    events = [tap(1, INT64_MAX), tap(2, INT64_MAX), tap(9)]
    engine.append_many(events)
    for t in (10, 11, 11):
        with pytest.raises(FeatureOverflowError, match="share"):
            engine.extract(GRAPH.id, at_ms=t)
    engine.append(tap(30))
    assert engine.extract(GRAPH.id, at_ms=31).values == expected([*events, tap(30)], 31)


def test_a_late_event_among_dropped_rows_asks_the_log_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lifetime sums, counts and extremes take it where they are, in whatever order it comes."""
    ever = fg.rows(Tap)
    features = {
        "n": ever.count(),
        "sum": ever.sum(Tap.n),
        "mean": ever.mean(Tap.price),
        "max": ever.max(Tap.price),
        "kinds": ever.distinct(Tap.item),
    }
    graph = fg.Graph("ever", features)
    with EventLog(tmp_path / "log.db", clock=FakeClock(2**60), history_start_ms="all") as log:
        engine = Engine(log, key="u", mode="incremental")
        engine.install(graph.compile())
        events = [tap(10 * at) for at in range(1, 1_500)]
        engine.append_many(events)
        engine.extract(graph.id, at_ms=20_000)
        engine.append(tap(20_000))
        engine.extract(graph.id, at_ms=20_001)
        scans: list[object] = []
        monkeypatch.setattr(log, "scan_runs", lambda *a, **_: scans.append(a))
        engine.append_many([tap(5), tap(14_985), tap(20_005)])
        got = engine.extract(graph.id, at_ms=30_000).values
        assert scans == []
    events += [tap(at) for at in (20_000, 5, 14_985, 20_005)]
    assert got == {n: reference.value(graph, n, events, "u", 30_000) for n in graph.features}


def test_features_that_share_an_operator_are_one_section() -> None:
    """Two ratios over one sum of sums are read together, what only shares an aggregate is not."""
    plan = GRAPH.compile()
    found = {tuple(section.features): section.settled for section in sections(plan.features)}
    assert found == {**{(name,): True for name in GRAPH.features if name != "since"}, ("since",): False}
    both = taps.sum(Tap.n) + taps.count()
    graph = fg.Graph(
        "both", {"a": both / 2, "b": taps.count(), "c": both * 3, "now": both + fg.hour_of_day()}
    )
    names = [tuple(section.features) for section in sections(graph.compile().features)]
    assert names == [("b",), ("a", "c"), ("now",)]
