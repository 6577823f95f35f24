"""A device of one's own: a log, a clock that stands still, an engine, and the reference beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.reference import answer
from featuregraph.testing.clock import FakeClock
from featuregraph.values import same
from stream import Engine, EventLog
from stream.engine import MODES, Mode

HOUR = 3_600_000
NOW = 1_700_000_000_000


class Click(fg.Event, name="click"):
    """Something looked at."""

    item = fg.category()
    n = fg.int64()
    score = fg.float64()


class Buy(fg.Event, name="buy"):
    """Something bought."""

    item = fg.category()
    n = fg.int64()
    price = fg.decimal(2)


class Item(fg.Candidate):
    """What could be shown."""

    item = fg.category()


class Features:
    """A little of everything: windows, lifetimes, lists, maps, candidates and a union."""

    _hour = fg.rows(Click).over("1h")
    _all = fg.rows(Click, Buy)

    clicks_1h = _hour.count()
    mean_1h = _hour.mean(Click.score)
    spend = fg.rows(Buy).sum(Buy.price)
    ticket = fg.rows(Buy).over("1d").mean(Buy.price)
    latest = _all.last(Click.item)
    history = _all.over("1d").sequence(5, {"item": Click.item, "age": fg.age()})
    recent = _all.last(3).sum(Click.n)
    top = _hour.topk(Click.item, 2)
    by_item = _all.over("1d").group_by(Click.item).count()
    affinity = _all.over("1d").group_by(Click.item).count().lookup(Item.item)
    idle = _all.since_last().fill(-1)
    before = fg.rows(Click).offset("1h").count()


class Device:
    """An engine and everything that it was told, so that the reference can be asked the same."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.path = path
        self.clock = FakeClock(NOW)
        self.told: list[Mapping[str, Any]] = []
        self.plans: list[fg.Plan] = []
        self.options = {"key": "me", **options}
        self.open()

    def open(self) -> None:
        """Open the log and an engine with the plans that were installed."""
        self.log = EventLog(self.path, clock=self.clock, history_start_ms="all")
        self.engine = Engine(self.log, **self.options)
        for plan in self.plans:
            self.engine.install(plan)

    def install(self, graph: fg.Graph) -> str:
        """Install GRAPH, now and after each restart."""
        plan = graph.compile()
        self.plans.append(plan)
        return self.engine.install(plan)

    def restart(self) -> None:
        """Close the log as a process does in the end, and open it anew."""
        self.log.close()
        self.open()

    def tell(self, *events: Mapping[str, Any], behind: bool = False) -> Any:
        """Append EVENTS in one call, by the log behind the engine's back if asked; return the receipt."""
        self.told.append({"clock": self.clock.ms})
        self.told += [{"user_id": "me", **event} for event in events]
        if behind:
            return self.log.append_many({"user_id": "me", **event} for event in events)
        return self.engine.append_many(events)

    def forget(self, *, behind: bool = False, **what: Any) -> int:
        """Forget WHAT, through the log behind the engine's back if asked."""
        self.told.append({"forget": what})
        return self.log.forget(**what) if behind else self.engine.forget(**what)

    def expected(self, graph: fg.Graph, *queries: Mapping[str, Any]) -> list[dict[str, object]]:
        """Return the reference's values."""
        return [one.values for one in answer(graph, self.told, [{"key": "me", **query} for query in queries])]

    def check(self, t: int, key: str = "me", candidates: Sequence[Any] = ("a", "b", None)) -> None:
        """Ask every plan at T, and require what the reference gives."""
        for plan in self.plans:
            lists = {name: list(candidates) for name in plan.graph.candidates}
            vector = self.engine.extract(plan.id, key=key, at_ms=t, candidates=lists)
            (expected,) = self.expected(plan.graph, {"key": key, "t": t, "request": lists})
            wrong = {n: (v, expected[n]) for n, v in vector.values.items() if not same(v, expected[n])}
            assert not wrong, f"at {t} of {key}: (found, expected) {wrong}"


Make = Callable[..., Device]


@pytest.fixture
def graph() -> fg.Graph:
    """Return the graph of most tests."""
    return fg.Graph("device", Features)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Return a function that makes devices; all are closed in the end."""
    made: list[Device] = []

    def do(**options: Any) -> Device:
        made.append(Device(tmp_path / f"events{len(made)}.db", **options))
        return made[-1]

    yield do
    for device in made:
        device.log.close()


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Mode:
    """Return each mode in turn: how values are computed, never what they are."""
    found: Mode = request.param
    return found


@pytest.fixture
def device(make: Make, mode: Mode, graph: fg.Graph) -> Device:
    """Return a device in each mode with the graph installed."""
    made = make(mode=mode)
    made.install(graph)
    return made
