"""A feature as AutoFeature writes it, <event names, time range, attribute, function>, and as a graph does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from featuregraph.expr import Expr
from featuregraph.graph import Graph
from featuregraph.rows import Rows, rows
from featuregraph.schema import Event
from featuregraph.testing.workload.vocabulary import attribute, kind
from featuregraph.windows import parse_duration, parse_offset


@dataclass(frozen=True, slots=True)
class Feature:
    """FUNCTION of ATTRIBUTE over the rows of EVENTS in the WINDOW that ends OFFSET before the query.

    Args:
        attribute: of the events; None for count.
        last: how many values concat keeps, the latest ones.
    """

    name: str
    events: tuple[str, ...]
    window: str
    function: str  # of FUNCTIONS
    attribute: str | None = None
    last: int = 0
    offset: str = "0ms"

    @property
    def window_ms(self) -> int:
        """Return the length of the window."""
        return parse_duration(self.window, "window")

    @property
    def offset_ms(self) -> int:
        """Return how long before the query the window ends."""
        return parse_offset(self.offset)

    @property
    def reach_ms(self) -> int:
        """Return how long before the query the window begins."""
        return self.window_ms + self.offset_ms

    def expr(self, events: Mapping[str, type[Event]]) -> Expr:
        """Return the feature in the words of a graph."""
        stream = rows(*(events[name] for name in self.events)).over(self.window)
        if self.offset_ms:
            stream = stream.offset(self.offset)
        return FUNCTIONS[self.function].words(self, stream, events[self.events[0]])


class Function(NamedTuple):
    """What a function takes, and how a graph writes it."""

    kinds: tuple[str, ...]  # of the attributes that it takes, none for count
    words: Callable[[Feature, Rows, type[Event]], Expr]


_NUMBERS, _TEXTS = ("int64", "float64"), ("identifier", "category")
FUNCTIONS: Mapping[str, Function] = {
    "count": Function((), lambda f, r, e: r.count()),
    "mean": Function(_NUMBERS, lambda f, r, e: r.mean(e[str(f.attribute)])),
    "min": Function(_NUMBERS, lambda f, r, e: r.min(e[str(f.attribute)])),
    "max": Function(_NUMBERS, lambda f, r, e: r.max(e[str(f.attribute)])),
    "concat": Function(_TEXTS, lambda f, r, e: r.sequence(f.last, {str(f.attribute): e[str(f.attribute)]})),
}
LASTS = (5, 10, 20)  # values that concat keeps
_USED = 4  # attributes of a kind that models use: few of what an event carries


def drawn(rng: Random, number: int, events: tuple[str, ...], window: str, attributes: int) -> Feature:
    """Return feature NUMBER: a function drawn alike from all, on one of the first ATTRIBUTES of EVENTS."""
    function = rng.choice(list(FUNCTIONS))
    kinds = FUNCTIONS[function].kinds
    fitting = [attribute(i) for i in range(attributes) if kind(attribute(i)) in kinds][:_USED]
    taken = rng.choice(fitting) if kinds else None
    last = rng.choice(LASTS) if function == "concat" else 0
    return Feature(f"f{number:03}_{function}_{window}", events, window, function, taken, last)


def declared(features: Iterable[Feature]) -> dict[str, type[Event]]:
    """Return the events of FEATURES, with the attributes that these use."""
    used: dict[str, dict[str, None]] = {}
    for feature in features:
        for event in feature.events:
            fields = used.setdefault(event, {})
            if feature.attribute is not None:
                fields[feature.attribute] = None
    return {event: Event.of(event, {name: kind(name) for name in fields}) for event, fields in used.items()}


def graph_of(name: str, features: Iterable[Feature]) -> Graph:
    """Return the graph of FEATURES."""
    found = tuple(features)
    events = declared(found)
    return Graph(name, {feature.name: feature.expr(events) for feature in found})
