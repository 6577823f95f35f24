"""The five services that AutoFeature (SenSys 2026) was measured on, as far as its text tells them.

1. A service's types are drawn from the app's by how common they are.
2. Its features' event sets are drawn so that the published share of features has a set that others have too:
   groups of two and more on one type; sets of one feature alone on another type, or on two or three types.
3. Windows and functions are drawn alike for each feature; but for count, one attribute each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, takewhile
from random import Random
from typing import Any, Final

from featuregraph.graph import Graph
from featuregraph.testing.workload.day import DAY, USERS, begin, times
from featuregraph.testing.workload.feature import Feature, drawn, graph_of
from featuregraph.testing.workload.vocabulary import EventType, vocabulary

_SPARE_DAYS: Final = 2  # a Poisson process gives a few too many or too few: two days more are always enough


@dataclass(frozen=True, slots=True)
class Service:
    """A service's size, as published."""

    name: str
    what: str
    features: int
    types: int
    same_events: float  # the share of features whose event set another feature has too
    windows: tuple[str, ...] = ("1m", "1h", "1d", "1w")

    @property
    def shared(self) -> int:
        """Return how many features share their event set: the whole number nearest to the share."""
        return round(self.features * self.same_events)


SERVICES: Mapping[str, Service] = {
    service.name: service
    for service in (
        Service("CP", "content preload", 86, 27, 0.802),
        Service("KP", "keyword prediction", 53, 22, 0.85),
        Service("SR", "search ranking", 40, 10, 0.59),
        Service("PR", "product recommendation", 103, 21, 0.806),
        Service("VR", "video recommendation", 134, 24, 0.71, ("5m", "1h", "1d", "1w")),
    )
}


@dataclass(frozen=True)
class ServiceWork:
    """A service's features, the events before the first request, and those after it."""

    service: Service
    seed: int
    features: tuple[Feature, ...]
    app: tuple[EventType, ...]
    user: str  # of USERS
    events: int
    start_ms: int

    @cached_property
    def graph(self) -> Graph:
        """Return the graph of the features."""
        return graph_of(self.service.name, self.features)

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """Return the events before the start, the latest as many as were asked for."""
        rng = Random(f"history {self.seed}")
        days = self.events / USERS[self.user] + _SPARE_DAYS
        coming = times(Random(f"times {self.seed}"), self.start_ms - int(days * DAY), USERS[self.user])
        before = list(takewhile(lambda ts_ms: ts_ms < self.start_ms, coming))
        return list(self._events(rng, before[-self.events :]))

    def stream(self) -> Iterator[dict[str, Any]]:
        """Yield the events from the start on, without end."""
        coming = times(Random(f"coming {self.seed}"), self.start_ms, USERS[self.user])
        return self._events(Random(f"stream {self.seed}"), coming)

    def _events(self, rng: Random, at: Iterator[int] | Sequence[int]) -> Iterator[dict[str, Any]]:
        bounds = list(accumulate(type_.share for type_ in self.app))
        for ts_ms in at:
            (type_,) = rng.choices(self.app, cum_weights=bounds)
            yield type_.event(rng, ts_ms)


def service(
    name: str, seed: int = 1, *, user: str = "heavy", events: int = 20_000, period: str = "night"
) -> ServiceWork:
    """Return the workload of the service NAME: USER with EVENTS behind, as a PERIOD of the day begins."""
    app = vocabulary(seed)
    features = tuple(_features(SERVICES[name], app, Random(f"features {name} {seed}")))
    return ServiceWork(SERVICES[name], seed, features, app, user, events, begin(period))


def _features(service: Service, app: Sequence[EventType], rng: Random) -> Iterator[Feature]:
    types = {type_.name: type_ for type_ in _types(app, service.types, rng)}
    sets = _event_sets(service, list(types), rng)
    rng.shuffle(sets)
    for number, events in enumerate(sets):
        fewest = min(types[event].attributes for event in events)
        yield drawn(rng, number, events, rng.choice(service.windows), fewest)


def _types(app: Sequence[EventType], count: int, rng: Random) -> list[EventType]:
    """Return COUNT different types, the common ones more often."""
    left = list(app)
    found = []
    for _ in range(count):
        (type_,) = rng.choices(left, weights=[type_.share for type_ in left])
        left.remove(type_)
        found.append(type_)
    return found


def _event_sets(service: Service, types: Sequence[str], rng: Random) -> list[tuple[str, ...]]:
    """Return the events of each feature: every type is used, SHARED features have the set of another."""
    alone = service.features - service.shared
    single = min(alone // 2, len(types) // 2)
    groups: list[tuple[str, ...]] = [(name,) for name in types[single:]]
    sets = [group for group in groups for _ in range(2)]
    sets += [rng.choice(groups) for _ in range(service.shared - len(sets))]
    seen: set[tuple[str, ...]] = {(name,) for name in types[:single]}
    while len(seen) < alone:
        seen.add(tuple(sorted(rng.sample(list(types), rng.choice((2, 2, 3))))))
    return [*sets, *sorted(seen)]
