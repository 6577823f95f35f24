"""Everything that reads bytes from outside, as targets of `fuzzing`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any, Final

from featuregraph import CompileError, EventError, FeatureOverflowError, Graph, Plan
from featuregraph.aggregates import aggregate
from featuregraph.reference import Log
from featuregraph.reference.answers import ask
from featuregraph.testing.clock import FakeClock
from featuregraph.testing.graphs import random_graph
from featuregraph.testing.values import World
from featuregraph.types import FLOAT64, INT64, STRING
from featuregraph.values import same
from stream.codec import encode, full_decoder, typed_decoder
from stream.engine import Engine
from stream.errors import BlockError, EventFileError, LogError, TableFileError
from stream.log import EventLog
from stream.served import Seen, Shape
from stream.tables import read_events
from stream.testing.fuzzing import Target
from stream.testing.inner_targets import (
    runs_seeds,
    shelf_seeds,
    snapshot_seeds,
    take_runs,
    take_shelf,
    take_snapshot,
)
from stream.testing.lives import GRAPH, NOW, event
from stream.testing.log_targets import (
    SMALL,
    block_seeds,
    fresh,
    log_seeds,
    take_block,
    take_log,
    take_wal,
    wal_seeds,
)
from stream.testing.mutation import mutated_json
from stream.testing.table_targets import table_seeds, take_table

_ALL_TIME: Final = FakeClock(2**62)  # nothing lies in its future

# ---------------------------------------------------------------- events

_ODD: Final[dict[str, Any]] = {
    "!bytes": b"\xff",
    "!tuple": (1, 2),
    "!set": {1},
    "!decimal": Decimal("1e-30"),
    "!big": Decimal("1e400"),
    "!nan": Decimal("nan"),
    "!complex": 1j,
    "!class": int,
}


def _odd(value: Any) -> Any:
    """Return VALUE, read from JSON, with values of Python that JSON has not."""
    if isinstance(value, str):
        return _ODD.get(value, value)
    if isinstance(value, list):
        return [_odd(v) for v in value]
    return {k: _odd(v) for k, v in value.items()} if isinstance(value, dict) else value


def _event_seeds() -> list[bytes]:
    plain = [event(n, NOW + n) for n in range(6)]
    odd = [{**event(n, NOW + n), "attrs": {"a": word, "n": word}} for n, word in enumerate(_ODD, 10)]
    seq = [event(20, NOW, seq=4, event_id=None), event(21, NOW, seq=4, event_id=None), event(20, NOW)]
    return [json.dumps(batch).encode() for batch in (plain, odd, seq, plain[:1] + seq[:1], odd[:2])]


def take_events(data: bytes) -> None:
    """Append what DATA says, one by one: a log takes what the reference takes, and tells the same of it."""
    found = _odd(json.loads(data))
    told = Log("user_id", GRAPH.events, max_future_ms=2**62)
    refusal: EventError | None = None
    with EventLog(fresh("events.db"), clock=_ALL_TIME, max_future=None, limits=SMALL) as log:
        engine = Engine(log)
        engine.install(GRAPH.compile())
        for one in found if isinstance(found, list) else [found]:
            try:
                engine.append(one)
            except EventError as error:
                refusal = error
                continue
            told.append({"known_ms": log.known_ms, **one})
        for key in log.keys():  # noqa: SIM118 - a log is no mapping
            t = min((log.max_ts(key) or 0) + 1, 2**63 - 1)
            _require_same(engine, key, t, told)
    if refusal is not None:
        raise refusal


def _require_same(engine: Engine, key: str, t: int, told: Log) -> None:
    """Raise AssertionError unless the values of KEY are the reference's, or both overflow."""
    try:
        expected = ask(GRAPH, told, {"key": key, "t": t}).values
    except FeatureOverflowError:
        return
    values = engine.extract(GRAPH.id, key=key, at_ms=t).values
    assert same(dict(values), dict(expected)), f"{key!r} at {t}: expected {expected}, found {values}"


# ---------------------------------------------------------------- payloads

_NAMES: Final = (("a", "b"), ("n", "x", "item", "note"), ('"', "\\", "é"), ())


def _payload_seeds() -> list[bytes]:
    fields: Sequence[dict[str, Any]] = (
        {},
        {"a": 1, "b": -0.5, "c": None},
        {"n": 2**63, "x": 1e300, "item": "i\u00e9\n", "note": "x" * 300},
        {'"': True, "\\": "\U0001f600", "é": 10**300},
    )
    return [encode(dict(one), []) for one in fields]


def take_payload(data: bytes) -> None:
    """Decode the fields of an event in full and by name: both give the same."""
    typed = [typed_decoder(names) for names in _NAMES]
    whole = full_decoder()(data)
    for names, decode in zip(_NAMES, typed, strict=True):
        shape = decode(data)
        found = [getattr(shape, f"f{place}", None) for place in range(len(names))]
        wanted = [whole.get(name) for name in names]
        assert same(_plain(found), _plain(wanted)), f"{names}: expected {wanted}, found {found}"


def _plain(values: list[Any]) -> list[Any]:
    return [repr(v) if isinstance(v, (dict, list)) else v for v in values]


# ---------------------------------------------------------------- graphs and plans


@cache
def _graphs() -> tuple[bytes, ...]:
    rng = Random(1)
    forms = [random_graph(rng, World.any(rng), features=3, depth=2) for _ in range(30)]
    forms += [
        random_graph(rng, World.any(rng), features=3, depth=2, tables=True, labels=True) for _ in range(10)
    ]
    return (*(json.dumps(form).encode() for form in forms), GRAPH.to_json().encode())


def take_graph(data: bytes) -> None:
    """Read a graph: its JSON reads back as the same graph, and it compiles, or says why not."""
    graph = Graph.from_json(data)
    again = Graph.from_json(graph.to_json())
    assert (again.id, again.feature_ids) == (graph.id, graph.feature_ids)
    graph.compile()
    graph.explain()


def _plan_seeds() -> list[bytes]:
    return [Graph.from_json(form).compile().to_bytes() for form in _graphs()[-6:]]


def take_plan(data: bytes) -> None:
    """Read a plan, which says of itself whose it is."""
    plan = Plan.from_bytes(data)
    assert Plan.from_bytes(plan.to_bytes()).id == plan.id == plan.graph.id


# ---------------------------------------------------------------- states

_STATES: Final[Sequence[tuple[str, Any, dict[str, Any], Sequence[Any]]]] = (
    ("count", None, {}, [None] * 5),
    ("sum", INT64, {}, [1, 2, -3]),
    ("sum", FLOAT64, {}, [0.1, 1e300, -1e-300]),
    ("mean", FLOAT64, {}, [0.1, None, 2.5]),
    ("var", FLOAT64, {}, [0.1, 7.0]),
    ("min", STRING, {}, ["b", "a", "c"]),
    ("max", INT64, {}, [3, 1, 2]),
    ("first", STRING, {}, ["x", None, "y"]),
    ("distinct", STRING, {}, ["x", "y", "x"]),
    ("topk", STRING, {"k": 2}, ["x", "y", "x"]),
    ("quantile", INT64, {"q": "0.5"}, [5, 1, 4]),
)


def _state_seeds() -> list[bytes]:
    return [
        bytes([number, endless]) + _aggregate(number).fold(xs, forgets=not endless).encode()
        for number, (*_, xs) in enumerate(_STATES)
        for endless in (0, 1)
    ]


def _aggregate(number: int) -> Any:
    name, x, parameters, _ = _STATES[number % len(_STATES)]
    return aggregate(name, x, parameters) if x is not None else aggregate(name)


def take_state(data: bytes) -> None:
    """Decode a state, of the aggregate that its first byte says: it has a value, and one form as bytes."""
    if len(data) < 2:
        raise ValueError("expected two bytes before a state, found fewer; fold the rows anew")
    state = _aggregate(data[0]).decode(data[2:], forgets=not data[1])
    again = state.encode()
    assert _aggregate(data[0]).decode(again, forgets=not data[1]).encode() == again
    state.value(0)


# ---------------------------------------------------------------- what was served


@cache
def _shape() -> Shape:
    return Shape(GRAPH)


def _served_seeds() -> list[bytes]:
    with EventLog(fresh("served.db"), clock=FakeClock(NOW), history_start_ms=NOW - 200) as log:
        engine = Engine(log, "u0")
        engine.install(GRAPH.compile())
        for n in range(40):
            engine.append(event(n, NOW - 500 + n))
            if n % 8 == 0:
                engine.extract(GRAPH.id, at_ms=NOW, record=True, request_id=n)
        return [_shape().encode(one.asked, one.held_from_ms, one.vector) for one in log.served()]


def take_served(data: bytes) -> None:
    """Decode a record: it has one form as bytes, which is the same record."""
    found = _shape().decode(1, "u0", NOW, Seen(0), data)
    again = _shape().encode(found.asked, found.held_from_ms, found.vector)
    assert repr(_shape().decode(1, "u0", NOW, Seen(0), again)) == repr(found)


# ---------------------------------------------------------------- files


def _lines_seeds() -> list[bytes]:
    events = [event(n, NOW + n, attrs={"a": n}) for n in range(5)]
    return [b"\n".join(json.dumps(one).encode() for one in events), b"\n\n" + json.dumps(events[0]).encode()]


def take_lines(data: bytes) -> None:
    """Read a file of JSON lines into a log."""
    path = fresh("lines.jsonl")
    path.write_bytes(data)
    with EventLog(fresh("from-lines.db"), clock=_ALL_TIME, max_future=None, limits=SMALL) as log:
        for batch in read_events(path):
            log.append_many(batch)


TARGETS: Final = (
    Target("events", _event_seeds, take_events, (EventError, ValueError, RecursionError), mutated_json),
    Target("lines", _lines_seeds, take_lines, (EventFileError, EventError)),
    Target("payload", _payload_seeds, take_payload, (ValueError, RecursionError), mutated_json),
    Target("served", _served_seeds, take_served, (ValueError, TypeError, OverflowError, RecursionError)),
    Target("graph", lambda: list(_graphs()), take_graph, (CompileError,), mutated_json),
    Target("plan", _plan_seeds, take_plan, (CompileError,), mutated_json),
    Target("block", block_seeds, take_block, (BlockError,)),
    Target("shelf", shelf_seeds, take_shelf, (LogError,)),
    Target("runs", runs_seeds, take_runs, (LogError, ValueError, RecursionError), mutated_json),
    Target("state", _state_seeds, take_state, (ValueError,)),
    Target("snapshot", snapshot_seeds, take_snapshot, (ValueError, TypeError)),
    Target("table", table_seeds, take_table, (TableFileError,)),
    Target("log", log_seeds, take_log, (LogError,)),
    Target("wal", wal_seeds, take_wal, (LogError,)),
)
