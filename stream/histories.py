"""Whole lives of a log with many engines on it, held against the reference step by step.

A `History` is data: graphs, and steps that append, forget, restart, install and ask. `check` plays it on one
log with engines of every mode and budget, and on the reference; each answer, or error, of each engine must be
the reference's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from featuregraph.errors import EventError, FeatureGraphError
from featuregraph.graph import Graph
from featuregraph.ir import Node, Op, toposort
from featuregraph.reference import Log
from featuregraph.reference.answers import ask
from featuregraph.reference.rows import is_partial
from featuregraph.testing.clock import FakeClock
from featuregraph.testing.conformance import json_value
from featuregraph.testing.exact import same
from featuregraph.testing.graphs import random_graph
from featuregraph.testing.logs import random_workload
from featuregraph.testing.values import World, choose
from featuregraph.types import INT64_MAX
from stream import engine, state
from stream.engine import MODES, Engine, Mode
from stream.log import EventLog

Json = Any
# Modes and budgets of the engines of a history; those with little memory drop and rebuild all the time.
ENGINES: Sequence[tuple[Mode, str]] = (
    *((mode, "16MiB") for mode in MODES),
    ("cached", "1KiB"),
    ("incremental", "4KiB"),
    ("auto", "0"),
)
TOLERANCE = 1e-12  # of decayed_sum, of the sum of the absolute terms (SEMANTICS 4.2)


@dataclass(frozen=True, slots=True)
class History:
    """What happens, in order.

    Steps: {"append": [EVENT, ...], "by": ENGINE | None}, {"clock": MS},
    {"forget": {...}, "by": ENGINE | None}, {"ask": QUERY, "graph": N}, {"restart": true}, {"remove": N},
    {"install": N}; ENGINE is a place in `ENGINES`, None the log itself.
    """

    graphs: Sequence[Json]
    steps: Sequence[Json]
    history_start_ms: int | None = None  # from when on the log holds all events; None: it always did


def random_history(rng: Random, *, events: int = 30, queries: int = 12) -> History:
    """Return a random history."""
    world = World.any(rng)
    # Bare aggregates tell more of rows that come and go, deep expressions more of everything else.
    deep = rng.random() < 0.5
    forms = [random_graph(rng, world, features=6 if deep else 14, depth=3 if deep else 0)]
    for _ in range(choose(rng, {0: 7, 1: 2, 2: 1})):
        forms.append(random_graph(rng, world, features=3, key=forms[0].get("key", "user_id")))
    graphs = [Graph.from_json(form) for form in forms]
    work = random_workload(rng, world, graphs, events=events, queries=queries)
    steps: list[Json] = []
    queries_left = list(work.queries)
    for count in range(len(work.arrivals) + 1):
        if count:
            steps.append(_arrival(rng, work.arrivals[count - 1]))
        while queries_left and queries_left[0]["after"] == count:
            steps.append({"ask": queries_left.pop(0), "graph": rng.randrange(len(forms))})
    for _ in range(choose(rng, {0: 6, 1: 3, 3: 1})):
        steps.insert(rng.randint(0, len(steps)), {"restart": True})
    if len(forms) > 1 and rng.random() < 0.5:
        removed = rng.randint(0, len(steps))
        steps.insert(rng.randint(removed, len(steps)), {"install": 1})
        steps.insert(removed, {"remove": 1})
    start = world.time(rng) if rng.random() < 0.1 else None
    return History(forms, _batched(rng, steps), start)


def moving_history(rng: Random, *, events: int = 60) -> History:
    """Return a history of plain windows that move on and on while events come in, a good part of them late."""
    endless = rng.random() < 0.4  # then rows are dropped once states have taken them
    fields = {"n": "int64", "x": "float64", "s": "string"}
    form = {"format": 1, "graph": "moving", "events": {"view": fields, "tap": fields}, "features": {}}
    for place in range(10):
        stream: Json = {"events": rng.choice((["view"], ["view"], ["tap", "view"]))}
        if not endless:
            stream |= {"over": f"{rng.choice((1, 2, 5, 10, 30))}ms"} if rng.random() < 0.8 else {}
            stream |= {"offset": f"{rng.choice((1, 3, 10))}ms"} if rng.random() < 0.2 else {}
            stream |= {"last": rng.choice((1, 2, 4))} if rng.random() < 0.3 else {}
        form["features"][f"f{place}"] = _plain(rng, stream)
    steps: list[Json] = []
    now, place = 0, 0
    while place < events:
        batch = []
        for _ in range(rng.randint(1, 4)):
            late = rng.choice((0, 0, 1, 2, 5, 20))
            event = {
                "event": rng.choice(("view", "tap")),
                "ts_ms": now - late,
                "user_id": "u",
                "event_id": place,
            }
            event |= {"n": rng.randint(0, 3), "x": rng.choice((0.1, 0.2, 1e16, None)), "s": rng.choice("abc")}
            batch.append(event)
            place += 1
            now += rng.choice((0, 1, 1, 3))
        steps.append({"append": batch, "by": rng.choice((None, 3, 3, 4))})
        back = 10 if rng.random() < 0.1 else 0
        steps.append({"ask": {"key": "u", "t": now + rng.choice((0, 1, 2)) - back}, "graph": 0})
    return History([form], steps)


def _plain(rng: Random, stream: Json) -> Json:
    """Return an aggregate of a field as it is, on STREAM."""
    agg = rng.choice(
        (
            "count",
            "sum",
            "mean",
            "var",
            "min",
            "max",
            "first",
            "last",
            "distinct",
            "topk",
            "quantile",
            "sequence",
        )
    )
    x = {"field": rng.choice(("n", "x") if agg in ("sum", "mean", "var", "quantile") else ("n", "x", "s"))}
    form: Json = {"agg": agg, "stream": stream}
    match agg:
        case "sequence":
            form |= {"n": rng.choice((2, 3, 50)), "items": {"n": {"field": "n"}, "ts": {"ts": True}}}
            form |= {"distinct": x} if rng.random() < 0.6 else {}
        case "count":
            form["stream"] = stream | {"by": x}
            form = rng.choice((form, {"top": form, "k": 2}, {"agg": "count", "stream": stream}))
        case _:
            form |= {"x": x} | {"topk": {"k": 2}, "quantile": {"q": 0.5}}.get(agg, {})
    return form


def _arrival(rng: Random, entry: Json) -> Json:
    by = rng.choice((None, *range(len(ENGINES))))
    if "forget" in entry:
        return entry | {"by": by}
    return entry if "clock" in entry else {"append": [entry], "by": by}


def _batched(rng: Random, steps: list[Json]) -> list[Json]:
    """Join some neighbouring appends into one call."""
    found: list[Json] = []
    for step in steps:
        if found and "append" in step and "append" in found[-1] and rng.random() < 0.4:
            found[-1] = {"append": found[-1]["append"] + step["append"], "by": step["by"]}
        else:
            found.append(step)
    return found


# ---------------------------------------------------------------- playing


@dataclass(slots=True)
class Played:
    """What a history was good for."""

    cells: int = 0  # values compared with the reference
    errors: int = 0  # queries that every executor refused alike
    telling: int = 0  # values that are neither null, zero, false nor empty


@dataclass(slots=True)
class _Stage:
    """The log and engines of a history being played, and the reference's logs beside them."""

    history: History
    path: Path
    clock: FakeClock
    graphs: list[Graph]
    known: list[Log]  # by graph
    installed: set[int]
    played: Played = field(default_factory=Played)
    log: EventLog | None = None
    engines: list[Engine] = field(default_factory=list)

    def open(self) -> None:
        """Open the log and fresh engines with the plans that are installed."""
        start = self.history.history_start_ms
        self.log = EventLog(
            self.path,
            key=self.graphs[0].key,
            clock=self.clock,
            history_start_ms="all" if start is None else start,
        )
        self.engines = [Engine(self.log, mode=mode, memory_budget=budget) for mode, budget in ENGINES]
        for number in sorted(self.installed):
            self.install(number)

    def install(self, number: int) -> None:
        """Install the graph NUMBER in all engines."""
        self.installed.add(number)
        for one in self.engines:
            one.install(self.graphs[number].compile())

    def remove(self, number: int) -> None:
        """Take the graph NUMBER out of all engines."""
        self.installed.discard(number)
        for one in self.engines:
            one.remove(self.graphs[number].id)

    def close(self) -> None:
        """Close the log."""
        if self.log is not None:
            self.log.close()

    def by(self, number: int | None) -> Any:
        """Return who takes events: an engine, or the log behind their backs."""
        return self.log if number is None else self.engines[number]


@contextmanager
def tight() -> Iterator[None]:
    """Let engines trim, drop and catch up after a handful of rows, as they do in long lives only."""
    with (
        patch.object(state, "_LEAST_TRIM", 2),
        patch.object(engine, "_MOST_PENDING", 3),
        patch.object(engine, "_MOST_TAKEN", 20),
    ):
        yield


def check(history: History, folder: Path) -> Played:
    """Play HISTORY in FOLDER; raise AssertionError at the first answer that is not the reference's."""
    graphs = [Graph.from_json(form) for form in history.graphs]
    stage = _Stage(
        history,
        folder / "log.db",
        FakeClock(INT64_MAX),  # no clock has been told: nothing lies in the future
        graphs,
        [Log(graph.key, graph.events) for graph in graphs],
        set(range(len(graphs))),
    )
    stage.open()
    try:
        for step in history.steps:
            _play(stage, step)
    finally:
        stage.close()
    return stage.played


def _play(stage: _Stage, step: Json) -> None:
    match step:
        case {"append": events, "by": by}:
            _append(stage, events, stage.by(by))
        case {"forget": what, "by": by}:
            stage.by(by).forget(**what)
            _tell(stage, step)
        case {"clock": ms}:
            stage.clock.set(ms)
            _tell(stage, step)
        case {"restart": _}:
            stage.close()
            stage.open()
        case {"remove": number}:
            stage.remove(number)
        case {"install": number}:
            stage.install(number)
        case {"ask": query, "graph": number} if number in stage.installed:
            _ask(stage, number, query)


def _tell(stage: _Stage, step: Json) -> None:
    """Tell the reference's logs of a clock or of what is to be forgotten."""
    for log in stage.known:
        log.arrive(step)


def _append(stage: _Stage, events: list[Json], by: Any) -> None:
    """Append EVENTS in one call; where one of them is refused the call is, and they come again one by one."""
    refused = [_is_refused_by_reference(stage, event) for event in events]
    _require_refusal(by, events, expected=any(refused))
    if len(events) > 1 and any(refused):
        for event, expected in zip(events, refused, strict=True):
            _require_refusal(by, [event], expected=expected)


def _require_refusal(by: Any, events: list[Json], *, expected: bool) -> None:
    found = _outcome(lambda: by.append_many(events, keep_known=True))
    if isinstance(found, EventError) != expected:
        raise AssertionError(f"{events}: expected {'a refusal' if expected else 'none'}, found {found}")


def _is_refused_by_reference(stage: _Stage, event: Json) -> bool:
    found = {isinstance(_outcome(partial(log.arrive, event)), EventError) for log in stage.known}
    assert len(found) == 1, "whether an event is refused does not depend on the graph"
    return found.pop()


# ---------------------------------------------------------------- comparing


def _ask(stage: _Stage, number: int, query: Json) -> None:
    graph = stage.graphs[number]
    expected = _outcome(lambda: ask(graph, stage.known[number], query))
    late: list[str] = []
    if not isinstance(expected, FeatureGraphError):
        start = _start(stage.history.history_start_ms, query)
        late = [
            n
            for n, node in graph.features.items()
            if is_partial(node, query["t"], start, include_now=graph.include_now)
        ]
    found = [_outcome(partial(_extract, one, graph, query)) for one in stage.engines]
    for (mode, budget), one in zip(ENGINES, found, strict=True):
        where = f"{mode} with {budget}, {query}"
        if isinstance(expected, FeatureGraphError) or isinstance(one, FeatureGraphError):
            _same_error(where, expected, one)
            continue
        assert list(one.partial) == late, f"{where}: expected partial {late}, found {one.partial}"
        assert list(one.values) == list(graph.features), f"{where}: features {list(one.values)}"
        _same_values(stage, where, number, query, (expected.values, found[0].values, one.values))
    if isinstance(expected, FeatureGraphError):
        stage.played.errors += 1


def _start(held_from: int | None, query: Json) -> int | None:
    """Return from when on the history counts: the log's, and with as_known the query's."""
    asked = query.get("history_start_ms") if query.get("as_known") else None
    return max((ms for ms in (held_from, asked) if ms is not None), default=None)


def _extract(asked: Engine, graph: Graph, query: Json) -> Any:
    return asked.extract(
        graph.id,
        key=query["key"],
        at_ms=query["t"],
        request=query.get("request"),
        as_known=query.get("as_known", False),
        history_start_ms=query.get("history_start_ms"),
    )


def _outcome(call: Any) -> Any:
    try:
        return call()
    except FeatureGraphError as error:
        return error


def _same_error(where: str, expected: Any, found: Any) -> None:
    def facts(one: Any) -> Any:
        return (one.kind, getattr(one, "feature", None)) if isinstance(one, FeatureGraphError) else "values"

    assert facts(expected) == facts(found), (
        f"{where}: expected {facts(expected)}, found {facts(found)}: {found}"
    )


def _same_values(
    stage: _Stage, where: str, number: int, query: Json, values: tuple[Mapping[str, Any], ...]
) -> None:
    graph = stage.graphs[number]
    for name, node in graph.features.items():
        expected, first, found = (
            json_value(node.type, v[name], per_candidate=node.per_candidate) for v in values
        )
        if _is_decayed(node):
            assert same(first, found), (
                f"{where}: {name!r}: expected {first!r} as in the first mode, found {found!r}"
            )
            slack = _slack(stage, number, node, query)
            close = slack is None or _near(expected, found, slack)
            assert close, f"{where}: {name!r}: expected {expected!r} within {slack}, found {found!r}"
        else:
            assert same(expected, found), (
                f"{where}: {name!r} ({node.type}): expected {expected!r}, found {found!r}"
            )
        stage.played.cells += 1
        stage.played.telling += bool(expected)


def _is_decayed(node: Node) -> bool:
    return any(n.op is Op.AGG and n["agg"] == "decayed_sum" for n in toposort([node]))


def _slack(stage: _Stage, number: int, node: Node, query: Json) -> float | None:
    """Return what a bare decayed_sum may differ by; None where |x| overflows, or it is not bare."""
    aggregate = node if node.op is Op.AGG else node.args[0]
    if aggregate.op is not Op.AGG:
        return None
    x = aggregate.role("x")
    assert x is not None
    sizes = Node(Op.ABS, x.type, (x,))
    parts = [
        sizes if role == "x" else arg for role, arg in zip(aggregate["roles"], aggregate.args, strict=True)
    ]
    graph = Graph.from_json(stage.history.graphs[number])
    graph.features = {"size": Node(Op.AGG, aggregate.type, parts, **dict(aggregate.attrs))}
    with suppress(FeatureGraphError):
        total = ask(graph, stage.known[number], query).values["size"]
        terms = total.values() if isinstance(total, dict) else [total]
        return TOLERANCE * max(terms, default=0.0)
    return None


def _near(left: Any, right: Any, slack: float) -> bool:
    if isinstance(left, list):
        return (
            isinstance(right, list)
            and len(left) == len(right)
            and all(_near(a, b, slack) for a, b in zip(left, right, strict=True))
        )
    if isinstance(left, float) and isinstance(right, float):
        return abs(left - right) <= slack
    return same(left, right)


__all__ = ["ENGINES", "History", "Played", "check", "moving_history", "random_history", "tight"]
