"""A seeded workload for measurements: events of an app with wide payloads, and many features over them.

The shape follows what is published about on-device feature extraction (AutoFeature, SenSys 2026): few event
sets shared by many features, windows of an hour to a week, most of an event's attributes used by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from featuregraph.expr import Expr
from featuregraph.graph import Graph
from featuregraph.rows import LastRows, rows
from featuregraph.schema import Event, category, float64, int64
from featuregraph.schema import decimal as decimal_field

HOUR, DAY = 3_600_000, 86_400_000
WINDOWS = ("1h", "6h", "1d", "7d")
# One feature over the rows of some events, E being one of them.
FUNCTIONS: Mapping[str, Callable[[LastRows, type[Event]], Expr]] = {
    "count": lambda r, e: r.count(),
    "sum": lambda r, e: r.sum(e["price"]),
    "mean": lambda r, e: r.mean(e["score"]),
    "max": lambda r, e: r.max(e["duration"]),
    "min": lambda r, e: r.min(e["score"]),
    "last": lambda r, e: r.last(e["item"]),
    "distinct": lambda r, e: r.distinct(e["item"]),
    "topk": lambda r, e: r.topk(e["kind"], 5),
    "sequence": lambda r, e: r.sequence(20, {"item": e["item"], "duration": e["duration"]}),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How large and how redundant a workload is.

    Args:
        features: how many features the graph has.
        types: how many events it declares.
        event_sets: how many sets of events share the features.
        events: how many events the history holds.
        days: over how many days.
        last_day_share: the share of them on the last day.
        attributes: in each event's payload, most of them used by nobody.
    """

    features: int = 100
    types: int = 20
    event_sets: int = 25
    events: int = 20_000
    days: int = 7
    last_day_share: float = 0.25
    attributes: int = 13


@dataclass(frozen=True, slots=True)
class Workload:
    """A graph, the events before the first request, and a stream of what comes after."""

    graph: Graph
    history: list[dict[str, Any]]
    start_ms: int
    seed: int
    shape: Shape

    def stream(self, per_second: float = 1.0) -> Iterator[dict[str, Any]]:
        """Yield the events after the start, PER_SECOND of them."""
        rng = Random(self.seed + 1)
        at = float(self.start_ms)
        while True:
            yield _event(rng, int(at), self.shape)
            at += 1000 / per_second


def workload(seed: int = 1, shape: Shape | None = None, start_ms: int = 1_750_000_000_000) -> Workload:
    """Return the workload of SEED: the same for the same arguments, on any machine."""
    shape = shape or Shape()
    rng = Random(seed)
    recent = int(shape.events * shape.last_day_share)
    times = [start_ms - rng.randrange(1, DAY) for _ in range(recent)]
    times += [start_ms - rng.randrange(DAY, shape.days * DAY) for _ in range(shape.events - recent)]
    history = [_event(rng, at, shape) for at in sorted(times)]
    return Workload(_graph(rng, shape), history, start_ms, seed, shape)


def family(seed: int = 1, shape: Shape | None = None, *, plans: int = 20, own: float = 0.2) -> list[Graph]:
    """Return PLANS graphs over the events of the workload of SEED: the share OWN of each is in no other."""
    shape = shape or Shape()
    rng = Random(f"family {seed}")
    sets = _sets(rng, shape)
    alone = round(shape.features * own)
    shared = _features(rng, sets, shape.features - alone, "shared")
    return [
        Graph(f"plan_{number:02}", {**shared, **_features(rng, sets, alone, "own")})
        for number in range(plans)
    ]


def _graph(rng: Random, shape: Shape) -> Graph:
    return Graph("workload", _features(rng, _sets(rng, shape), shape.features, "f"))


def _sets(rng: Random, shape: Shape) -> list[list[type[Event]]]:
    """Return the sets of events that features are over."""
    fields: dict[str, Any] = {
        "item": category(),
        "kind": category(),
        "price": decimal_field(2),
        "score": float64(),
        "duration": int64(),
    }
    types = [Event.of(f"type_{i:02}", dict(fields)) for i in range(shape.types)]
    return [rng.sample(types, rng.randint(1, 4)) for _ in range(shape.event_sets)]


def _features(rng: Random, sets: list[list[type[Event]]], count: int, prefix: str) -> dict[str, Expr]:
    features: dict[str, Expr] = {}
    names = list(FUNCTIONS)
    for number in range(count):
        members = rng.choice(sets)
        stream = rows(*members).over(rng.choice(WINDOWS))
        name = names[number % len(names)]
        features[f"{prefix}{number:03}_{name}"] = FUNCTIONS[name](stream, members[0])
    return features


def _event(rng: Random, ts_ms: int, shape: Shape) -> dict[str, Any]:
    attrs: dict[str, Any] = {
        "item": f"i{min(int(rng.paretovariate(0.8)), 5000)}",
        "kind": f"k{rng.randrange(12)}",
        "price": f"{rng.randrange(1, 20_000) / 100:.2f}",
        "score": rng.random(),
        "duration": rng.randrange(60_000),
    }
    for number in range(shape.attributes - len(attrs)):
        attrs[f"attribute_{number:02}"] = (
            f"{rng.getrandbits(32):08x}" if number % 2 else rng.randrange(10_000)
        )
    kind = min(int(rng.paretovariate(0.7)) - 1, shape.types - 1)
    return {"event": f"type_{kind:02}", "ts_ms": ts_ms, "attrs": attrs}
