"""Bad events at the engine's door: one line or a count, nothing accepted lost, no hang, no fault."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featuregraph as fg
from featuregraph import EventError, reference
from featuregraph.testing.clock import FakeClock
from featuregraph.values import same
from stream import Engine, EventLog, Receipt

pytestmark = pytest.mark.device

NOW = 1_700_000_000_000
CLICK = fg.Event.of(
    "click", {"n": fg.int64(), "score": fg.float64(), "item": fg.category(), "item_id": fg.identifier()}
)
_STREAM = fg.rows(CLICK)
GRAPH = fg.Graph(
    "bad",
    {
        "count": _STREAM.count(),
        "sum": _STREAM.sum(CLICK["n"]),
        "max": _STREAM.over("1d").max(CLICK["score"]),
        "items": _STREAM.topk(CLICK["item"], 5),
        "last": _STREAM.over("1h").last(CLICK["item_id"]),
    },
)
E = {"event": "click", "ts_ms": NOW, "n": 1, "score": 0.5, "item": "a"}


class Loud:
    """A value whose every word is an error."""

    def __repr__(self) -> str:
        raise RuntimeError("do not look at me")


def nested(depth: int, kind: type = list) -> Any:
    """Return a value nested DEPTH deep."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind is list else {"x": value}
    return value


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Return an engine on a log of its own."""
    with EventLog(tmp_path / "events.db", clock=FakeClock(NOW), history_start_ms="all") as log:
        made = Engine(log, key="me")
        made.install(GRAPH.compile())
        yield made


REFUSED: dict[str, Any] = {
    "no event": None,
    "a list": [("event", "click")],
    "text": "click",
    "a deep list": nested(5_000),
    "missing ts": {"event": "click", "n": 1},
    "null ts": {**E, "ts_ms": None},
    "text as ts": {**E, "ts_ms": "yesterday"},
    "fraction as ts": {**E, "ts_ms": NOW + 0.5},
    "NaN as ts": {**E, "ts_ms": math.nan},
    "huge ts": {**E, "ts_ms": 10**5_000},
    "deep ts": {**E, "ts_ms": nested(5_000)},
    "deep ts of objects": {**E, "ts_ms": nested(5_000, dict)},
    "loud ts": {**E, "ts_ms": Loud()},
    "missing event": {"ts_ms": NOW},
    "deep event": {**E, "event": nested(5_000)},
    "loud event": {**E, "event": Loud()},
    "half a surrogate pair as event": {**E, "event": "\ud800"},
    "deep attrs": {**E, "attrs": nested(5_000)},
    "loud attrs": {**E, "attrs": Loud()},
    "an array as attrs": {**E, "attrs": np.arange(3)},
    "no text as a field's name": {**E, 7: 1},
    "half a surrogate pair as a field's name": {**E, "\udfff": 1},
    "huge payload": {**E, "note": "x" * (1 << 20)},
    "huge attrs": {**E, "attrs": {f"a{i}": "x" * 100 for i in range(5_000)}},
    "huge key": {**E, "user_id": "u" * 10_000},
    "huge event_id": {**E, "event_id": "u" * 10_000},
    "taken position": {**E, "seq": 0},
    "text as seq": {**E, "seq": "first"},
}
# Accepted with a null where the bad value was, and counted.
NULLED: dict[str, Any] = {
    "NaN": {"score": math.nan},
    "infinity": {"score": -math.inf},
    "NaN of NumPy": {"score": np.float32("nan")},
    "deep value": {"n": nested(5_000)},
    "deep value of objects": {"n": nested(5_000, dict)},
    "an object": {"item": {"a": 1}},
    "bytes": {"item": b"\xff\xfe"},
    "loud value": {"item": Loud()},
    "half a surrogate pair": {"item": "\ud800"},
    "huge integer": {"n": 10**5_000},
    "half a surrogate pair as item_id": {"item_id": "\udfff"},
    "deep item_id": {"item_id": nested(5_000)},
}
# Accepted, and null only for who declares the field with a type that it is not.
UNPARSABLE: dict[str, Any] = {
    "text as a number": {"n": "many"},
    "out of int64": {"n": 2**63},
    "fraction as an integer": {"n": 1.5},
    "nan as text": {"score": "nan"},
}


@pytest.mark.parametrize("bad", REFUSED)
def test_each_bad_event_is_met(engine: Engine, bad: str) -> None:
    """A bad event is one short line, alone and among others; what is accepted before and after is there."""
    engine.append(E)
    for call in ([REFUSED[bad]], [E, REFUSED[bad]]):
        with pytest.raises(EventError) as caught:
            engine.append_many(call)
        message = str(caught.value)
        assert "expected" in message
        assert "found" in message
        assert "\n" not in message
        assert len(message) < 500
    assert engine.append({**E, "ts_ms": NOW + 1}) == Receipt(accepted=1)
    assert engine.extract(GRAPH.id, at_ms=NOW + 5)["count"] == 2
    assert engine.log.count == 2
    assert engine.log.check() == []


@pytest.mark.parametrize("bad", NULLED)
def test_a_value_of_no_type_is_null_and_counted(engine: Engine, bad: str) -> None:
    """What no type can be is null, in the receipt's count; the event is there with its other values (2.2)."""
    assert engine.append({**E, **NULLED[bad]}) == Receipt(accepted=1, unparsable=1)
    found = engine.extract(GRAPH.id, at_ms=NOW + 5)
    plain = {**E, **dict.fromkeys(NULLED[bad]), "user_id": "me"}
    expected = reference.answer(GRAPH, [plain], [{"key": "me", "t": NOW + 5}])
    assert same(found.values, expected[0].values)
    (field,) = NULLED[bad]
    assert engine.log.stats().unparsable == {field: 1}


@pytest.mark.parametrize("bad", UNPARSABLE)
def test_a_value_of_another_type_is_null_and_counted(engine: Engine, bad: str) -> None:
    """What is not of the declared type is null for that graph, counted by event and field (2.2)."""
    assert engine.append({**E, **UNPARSABLE[bad]}) == Receipt(accepted=1)
    found = engine.extract(GRAPH.id, at_ms=NOW + 5)
    expected = reference.answer(
        GRAPH, [{**E, **UNPARSABLE[bad], "user_id": "me"}], [{"key": "me", "t": NOW + 5}]
    )
    assert same(found.values, expected[0].values)
    (field,) = UNPARSABLE[bad]
    assert engine.unparsable == {("click", field): 1}


def test_no_accepted_event_is_lost(tmp_path: Path) -> None:
    """Good events between all the bad ones are there, after a restart too; each other event is counted."""
    clock = FakeClock(NOW)
    path = tmp_path / "events.db"
    accepted = 0
    with EventLog(path, clock=clock, history_start_ms="all") as log:
        engine = Engine(log, key="me")
        engine.install(GRAPH.compile())
        engine.append({**E, "seq": 0})
        accepted += 1
        for number, bad in enumerate([*REFUSED.values()]):
            with pytest.raises(EventError):
                engine.append(bad)
            good = {**E, "ts_ms": NOW + number, "event_id": f"e{number}"}
            accepted += engine.append(good).accepted
            assert engine.append(good) == Receipt(duplicate=1)
            assert engine.append({**good, "ts_ms": NOW + 10**9}) == Receipt(quarantined=1)
            assert engine.append({**good, "user_id": None}) == Receipt(keyless=1)
            assert engine.extract(GRAPH.id, at_ms=NOW + 10**6)["count"] == accepted
    with EventLog(path, clock=clock) as log:
        assert log.count == accepted == len(REFUSED) + 1
        counters = log.stats().counters
        assert (counters["duplicate"], counters["quarantined"], counters["keyless"]) == (len(REFUSED),) * 3
        engine = Engine(log, key="me")
        engine.install(GRAPH.compile())
        assert engine.extract(GRAPH.id, at_ms=NOW + 10**6)["count"] == accepted


def test_a_negative_time_is_a_time_like_any_other(engine: Engine) -> None:
    """Times before 1970 are in order, in windows and asked for as any (1.1)."""
    times = (-1, -3_600_000, 0, -(2**63), -86_400_000)
    told = [{**E, "ts_ms": ts, "n": i, "user_id": "me"} for i, ts in enumerate(times)]
    assert engine.append_many(told).accepted == len(times)
    asked = (-(2**63), -3_600_000, -1, 0, 1, 5)
    expected = reference.answer(GRAPH, told, [{"key": "me", "t": t} for t in asked])
    for t, wanted in zip(asked, expected, strict=True):
        assert same(engine.extract(GRAPH.id, at_ms=t).values, wanted.values), t


@pytest.mark.parametrize("where", ["n", "attrs", "event", "ts_ms", "event_id", "item_id"])
def test_a_huge_payload_is_not_copied_again_and_again(engine: Engine, where: str) -> None:
    """Refusing 16 MiB takes a few times that at most, however it is refused."""
    size = 16 << 20
    huge: Any = "x" * size
    event = {**E, where: {"x": huge} if where == "attrs" else huge}
    tracemalloc.start()
    try:
        with pytest.raises(EventError) as caught:
            engine.append(event)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * size
    assert len(str(caught.value)) < 500
    assert engine.log.count == 0


# Deeper values, and loud ones, stop hypothesis before they reach the engine.
ODD = st.sampled_from(
    [nested(60), nested(60, dict), 10**4_000, 2**63, "\ud800", "nan", "1e999", np.float32("nan")]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=9) | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "event",
        "ts_ms",
        "seq",
        "user_id",
        "event_id",
        "known_ms",
        "session_id",
        "page_id",
        "item_id",
        "attrs",
        "n",
    ]
) | st.text(max_size=3)
EVENTS = VALUES | st.builds(lambda changes: {**E, **changes}, st.dictionaries(NAMES, VALUES, max_size=5))


@settings(max_examples=300)
@given(events=st.lists(EVENTS, max_size=6))
def test_whatever_arrives(tmp_path_factory: pytest.TempPathFactory, events: list[Any]) -> None:
    """Any values, as events or inside them, are accepted, counted or refused in one line."""
    path = tmp_path_factory.mktemp("any") / "events.db"
    lines = []
    with EventLog(path, clock=FakeClock(NOW), history_start_ms="all") as log:
        engines = [Engine(log, key="me"), Engine(log, key="me", strict=True, mode="fused")]
        for engine in engines:
            engine.install(GRAPH.compile())
        accepted = 0
        for number, event in enumerate(events):
            try:
                accepted += engines[number % 2].append(event).accepted
            except EventError as error:
                lines.append(str(error))
        assert log.count == accepted
        assert log.check() == []
        try:
            left, right = (engine.extract(GRAPH.id, at_ms=NOW + 5).values for engine in engines)
        except fg.FeatureOverflowError as error:
            lines.append(str(error))
        else:
            assert same(left, right)
    assert all("\n" not in line and "expected" in line and len(line) < 600 for line in lines)
