"""Whole lives of a log with many engines on it, as data: what happens, step by step.

A `History` holds graphs, and steps that append, forget, restart, install and ask; the stage plays it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from featuregraph.graph import Graph
from featuregraph.layout import Layout
from featuregraph.steps import Demand
from featuregraph.testing.conformance import Tables
from featuregraph.testing.graphs import random_graph
from featuregraph.testing.logs import random_workload
from featuregraph.testing.values import World, choose
from stream.choice import Choice, Chooser
from stream.engine import MODES, Mode

Json = Any


class Setup(NamedTuple):
    """How an engine of a history is set up."""

    mode: Mode
    budget: str = "16MiB"
    ways: str = ""  # in which all aggregates are kept, whatever it costs: a name of `CHOOSERS`

    def __str__(self) -> str:
        return f"{self.mode} with {self.budget} {self.ways}".strip()


def _every(way: str) -> Chooser:
    """Return the chooser that keeps all aggregates in one way."""

    def choose(layout: Layout) -> Choice:
        every, events = frozenset(layout.index), frozenset(layout.scans)
        return {
            "folded": Choice(folded=every),
            "logged": Choice(logged=every),
            "held": Choice(logged=every, held=events),
        }[way]

    return choose


def _mixed(seed: int) -> Chooser:
    """Return a chooser of any way for any aggregate, the same for equal ones."""

    def choose(layout: Layout) -> Choice:
        ways: dict[int, set[Demand]] = {0: set(), 1: set(), 2: set()}
        for agg, include_now in layout.index:
            ways[Random(f"{seed} {agg.id}").randrange(3)].add((agg, include_now))
        held = frozenset(event for event in layout.scans if Random(f"{seed} {event}").randrange(2))
        return Choice(frozenset(ways[1]), frozenset(ways[2]), held)

    return choose


CHOOSERS: Mapping[str, Chooser] = {
    "folded": _every("folded"),
    "logged": _every("logged"),
    "held": _every("held"),
    **{f"mixed {seed}": _mixed(seed) for seed in range(3)},
}

# Those with little memory drop and rebuild, or keep less, all the time.
ENGINES: Sequence[Setup] = (
    *(Setup(mode) for mode in MODES),
    *(Setup("cached", f"{kilobytes}KiB") for kilobytes in (1, 3, 6)),
    Setup("incremental", "4KiB"),
    Setup("auto", "0"),
    *(Setup("auto", f"{kilobytes}KiB") for kilobytes in (8, 20, 40)),
    *(Setup("auto", ways=ways) for ways in CHOOSERS),
)


_OF_NUMBERS = ("sum", "mean", "var", "quantile", "decayed_sum")
_PLAIN = (
    *_OF_NUMBERS,
    "count",
    "count",
    "min",
    "max",
    "first",
    "last",
    "distinct",
    "topk",
    "sequence",
    "sequence",
)
_WHERES: Sequence[Json] = (
    {"op": "gt", "args": [{"field": "n"}, {"lit": 1, "type": "int64"}]},
    {"op": "eq", "args": [{"field": "s"}, {"lit": "a", "type": "string"}]},
)
_PARAMETERS: Mapping[str, Json] = {
    "topk": {"k": 2},
    "quantile": {"q": 0.5},
    "decayed_sum": {"half_life": "7ms"},
}


def _op(name: str, *args: Json, **attrs: Json) -> Json:
    return {"op": name, "args": list(args), **attrs}


_ITEM, _PAGE, _N = ({"field": name} for name in ("item_id", "page_id", "n"))
_IS_A = _op("eq", _ITEM, {"lit": "a", "type": "identifier"})
_WILD = _op("ge", _op("add", _N, _N), {"lit": 2, "type": "int64"})  # overflows for a large n
_SOME = _op("lt", _N, {"lit": 2, "type": "int64"})
_ASKED = {"request": "q", "type": "int64"}
_FILTERS: Sequence[Json] = (
    _IS_A,
    _SOME,
    _op("and", _IS_A, _SOME),
    _op("and", _SOME, _IS_A),
    _op("and", _IS_A, _WILD),
    _op("and", _WILD, _IS_A),
    _op("and", _op("not", _op("is_null", _PAGE)), _op("and", _SOME, _op("ne", _ITEM, _PAGE))),
    _op("or", _IS_A, _op("is_in", _PAGE, values=["p", None])),
    _op("or", _IS_A, _SOME),
    _op("eq", {"event_name": True}, {"lit": "tap", "type": "category"}),
    _op("and", _IS_A, _op("ge", _N, _ASKED)),
    _op("and", _op("ge", _N, _ASKED), _SOME),
    _op("and", _WILD, _op("ge", _N, _ASKED)),
    _op("or", _SOME, _op("ge", _N, _ASKED)),
    _op("lt", _op("mod", {"ts": True}, {"lit": 3, "type": "int64"}), {"lit": 1, "type": "int64"}),
    {"lit": False, "type": "boolean"},
)


@dataclass(frozen=True, slots=True)
class History:
    """What happens, in order.

    Steps: {"append": [EVENT, ...], "by": ENGINE | None}, {"clock": MS},
    {"forget": {...}, "by": ENGINE | None}, {"ask": QUERY, "graph": N}, {"restart": true}, {"remove": N},
    {"crash": true}, {"install": N}, {"upgrade": [N, M]},
    {"table": NAME, "rows": [ROW, ...]}; ENGINE is a place in `ENGINES`, None the log itself.
    """

    graphs: Sequence[Json]
    steps: Sequence[Json]
    history_start_ms: int | None = None  # from when on the log holds all events; None: it always did
    tables: Tables = field(default_factory=dict)  # their rows at the beginning


def random_history(rng: Random, *, events: int = 30, queries: int = 12, tables: bool = False) -> History:
    """Return a random history; with TABLES of one graph that looks up, in versions that come and go."""
    world = World.any(rng)
    # Bare aggregates tell more of rows that come and go, deep expressions more of everything else.
    deep = rng.random() < 0.5
    size, depth = (6, 3) if deep else (14, 0)
    forms = [random_graph(rng, world, features=size, depth=depth, tables=tables)]
    for _ in range(0 if tables else choose(rng, {0: 7, 1: 2, 2: 1})):
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
    return History(forms, _batched(rng, steps), start, work.tables)


def moving_history(rng: Random, *, events: int = 60) -> History:
    """Return a history of plain windows that move on while events come in, a good part of them late."""
    return _moving(rng, events, None)


def filtered_history(rng: Random, *, events: int = 60) -> History:
    """Return such a history in which every stream has one of a few filters, most of them on columns."""
    return _moving(rng, events, rng.sample(_FILTERS, rng.randint(1, 3)))


def _moving(rng: Random, events: int, wheres: Sequence[Json] | None) -> History:
    endless = rng.random() < 0.4  # then rows are dropped once states have taken them
    fields = {"n": "int64", "x": "float64", "s": "string", "item_id": "identifier", "page_id": "category"}
    features = {}
    for place in range(10):
        where = {} if wheres is None else {"where": rng.choice(wheres)}
        features[f"f{place}"] = _plain(rng, _window(rng, endless=endless) | where)
    form = {"format": 1, "graph": "moving", "events": {"view": fields, "tap": fields}, "features": features}
    asks = bool(Graph.from_json(form).requests)
    steps: list[Json] = []
    now, number = 0, 0
    while number < events:
        batch, now = _batch(rng, number, now)
        number += len(batch)
        steps.append({"append": batch, "by": rng.choice((None, 3, 3, 4))})
        back = 10 if rng.random() < 0.1 else 0
        asked = {"request": {"q": rng.choice((0, 1, 2, None))}} if asks else {}
        steps.append({"ask": {"key": "u", "t": now + rng.choice((0, 1, 2)) - back} | asked, "graph": 0})
    return History([form], steps)


def changing_history(rng: Random, *, events: int = 60) -> History:
    """Return a history of graphs that share features, installed, upgraded and removed while events flow."""
    forms = _versions(rng, rng.randint(2, 5))
    out: set[int | None] = {*rng.sample(range(len(forms)), rng.randint(1, len(forms) - 1))}  # not installed
    steps: list[Json] = [{"remove": number} for number in out]
    now, number = 0, 0
    while number < events:
        batch, now = _batch(rng, number, now)
        number += len(batch)
        steps.append({"append": batch, "by": rng.choice((None, 3, 3, 4))})
        steps += [_change(rng, len(forms), out) for _ in range(choose(rng, {0: 4, 1: 4, 2: 1}))]
        back = 10 if rng.random() < 0.1 else 0
        asked = {"key": "u", "t": now + rng.choice((0, 1, 2)) - back}
        steps += [{"ask": asked, "graph": n} for n in range(len(forms)) if rng.random() < 0.6]
        if rng.random() < 0.05:
            steps.append({"forget": {"event_id": rng.randrange(number)}, "by": rng.choice((None, 3))})
        if rng.random() < 0.15:
            steps.append(rng.choice(({"restart": True}, {"crash": True})))
    return History(forms, steps)


def _change(rng: Random, graphs: int, out: set[int | None]) -> Json:
    """Return a step that installs, removes or upgrades; OUT are the graphs that are not installed."""
    inside = sorted(set(range(graphs)) - out)
    what = rng.choice(
        ["install"] * bool(out) + ["remove"] * bool(inside) + ["upgrade"] * bool(out and inside)
    )
    new = rng.choice(list(out)) if what != "remove" else None
    old = rng.choice(inside) if what != "install" else None
    out -= {new}
    out |= {old} - {None}
    return {what: [old, new] if what == "upgrade" else new if old is None else old}


def _versions(rng: Random, count: int) -> list[Json]:
    """Return COUNT graphs, each of some features of one pool; some count the present too."""
    fields = {"n": "int64", "x": "float64", "s": "string"}
    endless = rng.random() < 0.3
    few = rng.random() < 0.5  # then places in the rows are few, and given up and given again all the time
    pool = {}
    for place in range(6 if few else 16):
        where = {"where": rng.choice(_WHERES)} if rng.random() < (0.6 if few else 0.3) else {}
        pool[f"f{place}"] = _plain(rng, _window(rng, endless=endless) | where)
    found = []
    for version in range(count):
        names = sorted(rng.sample(sorted(pool), rng.randint(1, 3) if few else rng.randint(2, 10)))
        events = {"view": fields, "tap": fields, "other": {}}
        form = {"format": 1, "graph": f"v{version}", "events": events}
        now = {"include_now": True} if rng.random() < 0.2 else {}
        found.append(form | now | {"features": {name: pool[name] for name in names} | _unlike(version)})
    return found


def _unlike(version: int) -> Json:
    """Return a feature that no other version has, so that each has an id of its own."""
    return {"own": {"agg": "count", "stream": {"events": ["other"], "over": f"{100 + version}ms"}}}


def _batch(rng: Random, number: int, now: int) -> tuple[list[Json], int]:
    """Return a few events, the first with this NUMBER, and what time it is after them."""
    batch = []
    for place in range(rng.randint(1, 4)):
        batch.append(_event(rng, number + place, now))
        now += rng.choice((0, 1, 1, 3))
    return batch, now


def _event(rng: Random, number: int, now: int) -> Json:
    """Return an event of about NOW, its NUMBER as its id."""
    late = rng.choice((0, 0, 1, 2, 5, 20))
    values = {"n": rng.randint(0, 3), "x": rng.choice((0.1, 0.2, 1e16, None)), "s": rng.choice("abc")}
    values |= {"item_id": rng.choice(("a", "b", 7, None)), "page_id": rng.choice(("p", "q", None))}
    if rng.random() < 0.02:
        values["n"] = 2**62  # twice as much is out of range
    name, seq = rng.choice(("view", "tap")), rng.choice((number, -number))
    return {"event": name, "ts_ms": now - late, "user_id": "u", "event_id": number, "seq": seq, **values}


def _window(rng: Random, *, endless: bool) -> Json:
    """Return a stream without a filter; ENDLESS: of the whole life."""
    stream: Json = {"events": rng.choice((["view"], ["view"], ["tap"], ["tap", "view"]))}
    if not endless:
        stream |= {"over": f"{rng.choice((1, 2, 5, 10, 30))}ms"} if rng.random() < 0.8 else {}
        stream |= {"offset": f"{rng.choice((1, 3, 10))}ms"} if rng.random() < 0.2 else {}
        stream |= {"last": rng.choice((1, 2, 4))} if rng.random() < 0.3 else {}
    return stream


def _plain(rng: Random, stream: Json) -> Json:
    """Return an aggregate of a field as it is, on STREAM."""
    agg = rng.choice(_PLAIN)
    x = {"field": rng.choice(("n", "x") if agg in _OF_NUMBERS else ("n", "x", "s"))}
    form: Json = {"agg": agg, "stream": stream} | _PARAMETERS.get(agg, {})
    if agg == "sequence":
        items = {"n": {"field": "n"}, "ts": {"ts": True}}
        form |= {"n": rng.choice((2, 3, 50)), "items": items}
        return form | {"distinct": x} if rng.random() < 0.6 else form
    if agg == "count":
        grouped = {"agg": "count", "stream": stream | {"by": x}}
        return rng.choice((form, grouped, {"top": grouped, "k": 2}))
    return form | {"x": x}


def _arrival(rng: Random, entry: Json) -> Json:
    by = rng.choice((None, *range(len(ENGINES))))
    if "forget" in entry:
        return entry | {"by": by}
    return entry if "clock" in entry or "rows" in entry else {"append": [entry], "by": by}


def _batched(rng: Random, steps: list[Json]) -> list[Json]:
    """Join some neighbouring appends into one call."""
    found: list[Json] = []
    for step in steps:
        if found and "append" in step and "append" in found[-1] and rng.random() < 0.4:
            found[-1] = {"append": found[-1]["append"] + step["append"], "by": step["by"]}
        else:
            found.append(step)
    return found
