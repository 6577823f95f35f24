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
