"""The held-out days as a device lives them: events arrive one by one, and each basket asks for a ranking.

1. `fill` brings the history before the held-out days into a log.
2. `serve` appends the later events in order of time; before a basket's first line it ranks all items.
3. `ask_again` puts a request that was answered to an engine of another mode over the same log.
4. `check` asks the reference for some of the values that were served.

Times are CPU of the process: what else runs on the machine is not the engine's cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time_ns

from featuregraph import FeatureVector, Graph, reference
from featuregraph.values import same
from headrace.retail.catalogue import Catalogue, catalogue
from headrace.retail.slice import Slice
from headrace.retail.task import END, HELD_OUT, Basket, baskets
from inference import Model, Ranker, Ranking
from stream import Engine, EventLog

CHUNK = 8_192  # events of one transaction while the history is brought in
Done = Callable[[int], None]


@dataclass(slots=True)
class LogTime:
    """A clock that stands where the log is: the demo's now is in 2011."""

    ms: int = HELD_OUT

    def now_ms(self) -> int:
        """Return the time, ms UTC."""
        return self.ms


@dataclass(frozen=True, slots=True)
class Served:
    """One request as it was answered."""

    basket: Basket
    key: str
    ranking: Ranking
    vector: FeatureVector
    extraction_ns: int
    model_ns: int  # the rest: binding the tensors, running the model, choosing the best


@dataclass(slots=True)
class Device:
    """A log, an engine with the model's graph, and the ranker: what an app holds."""

    log: EventLog
    clock: LogTime
    engine: Engine
    source: Remembering
    ranker: Ranker
    offered: Catalogue
    append_ns: list[int] = field(default_factory=list)  # of each event that came after the history


@dataclass(slots=True)
class Remembering:
    """A feature source that keeps the vector it gave last, and its cost: a ranking has no inputs."""

    engine: Engine
    vector: FeatureVector | None = None
    spent_ns: int = 0

    def extract(
        self,
        graph_id: str,
        *,
        key: object = None,
        at_ms: int | None = None,
        request: Mapping[str, object] | None = None,
        candidates: Mapping[str, Sequence[object]] | None = None,
    ) -> FeatureVector:
        """Return what the engine extracts."""
        began = process_time_ns()
        self.vector = self.engine.extract(
            graph_id, key=key, at_ms=at_ms, request=request, candidates=candidates
        )
        self.spent_ns = process_time_ns() - began
        return self.vector


def device(folder: Path, model: Model, log: Slice, budget: str) -> Device:
    """Return a device with an empty log in FOLDER and MODEL's graph installed."""
    clock = LogTime()
    events = EventLog(folder / "events.db", clock=clock, history_start_ms="all")
    engine = Engine(events, memory_budget=budget)
    engine.install(model.graph.compile())
    source = Remembering(engine)
    return Device(events, clock, engine, source, Ranker(model, source), catalogue(log, HELD_OUT))


def fill(to: Device, log: Slice, done: Done) -> int:
    """Append what was before the held-out days; return how many events, and tell DONE of each transaction."""
    lines = log.between(0, HELD_OUT)
    for start in range(0, lines.stop, CHUNK):
        stop = min(start + CHUNK, lines.stop)
        to.engine.append_many(log.events(slice(start, stop)))
        done(stop - start)
    return int(lines.stop)


def serve(to: Device, log: Slice, k: int) -> Iterator[Served]:
    """Play the held-out days to their end; yield each basket's request once it is answered."""
    played = HELD_OUT
    for basket in baskets(log):
        _append(to, log, played, basket.ts_ms)
        played = basket.ts_ms
        to.clock.ms = basket.ts_ms
        key = str(log.customers[basket.customer])
        began = process_time_ns()
        ranking = to.ranker.rank(to.offered, k, key=key, at_ms=basket.ts_ms)
        spent, extraction = process_time_ns() - began, to.source.spent_ns
        assert to.source.vector is not None
        yield Served(basket, key, ranking, to.source.vector, extraction, spent - extraction)
    _append(to, log, played, END)


def _append(to: Device, log: Slice, start_ms: int, end_ms: int) -> None:
    for event in log.events(log.between(start_ms, end_ms)):
        to.clock.ms = event["ts_ms"]
        began = process_time_ns()
        to.engine.append(event)
        to.append_ns.append(process_time_ns() - began)


def ask_again(engine: Engine, request: Served, offered: Catalogue) -> tuple[int, int, int]:
    """Return the ns that REQUEST takes ENGINE, and how many cells equal the served, of how many."""
    began = process_time_ns()
    vector = engine.extract(
        request.vector.graph_id, key=request.key, at_ms=request.basket.ts_ms, candidates=offered
    )
    spent = process_time_ns() - began
    return spent, *count_equal(vector.values, request.vector.values)


def check(
    graph: Graph,
    log: Slice,
    requests: Sequence[Served],
    offered: Catalogue,
    places: Sequence[int],
    done: Done,
) -> tuple[int, int]:
    """Return how many cells of REQUESTS, at the candidates in PLACES, equal the reference's, of how many."""
    equal = cells = 0
    chosen = {name: [values[at] for at in places] for name, values in offered.items()}
    for request in requests:
        before = log.between(0, request.basket.ts_ms + 1)
        events = [event for event in log.events(before) if event["user_id"] == request.key]
        query = {"key": request.key, "t": request.basket.ts_ms, "request": chosen}
        (answer,) = reference.answer(graph, events, [query])
        served = dict(request.vector.values)
        for name, node in graph.features.items():
            value = served[name]
            if node.per_candidate and isinstance(value, list):
                served[name] = [value[at] for at in places]
        same, of = count_equal(served, answer.values)
        equal, cells = equal + same, cells + of
        done(1)
    return equal, cells


def count_equal(left: Mapping[str, object], right: Mapping[str, object]) -> tuple[int, int]:
    """Return how many cells are the same bit for bit, of how many; a list counts each of its elements."""
    equal = cells = 0
    for name, value in left.items():
        pairs = [(value, right[name])]
        if isinstance(value, list) and isinstance(other := right[name], list) and len(value) == len(other):
            pairs = list(zip(value, other, strict=True))
        equal += sum(same(a, b) for a, b in pairs)
        cells += len(pairs)
    return equal, cells
