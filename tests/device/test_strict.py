"""Values that are not of their type: null and counted, or refused by a strict engine (SEMANTICS 2.2)."""

from __future__ import annotations

from typing import Any

import pytest

import featuregraph as fg
from featuregraph import EventError

pytestmark = pytest.mark.device

NOW = 1_700_000_000_000


def click(ts_ms: int, **more: Any) -> dict[str, Any]:
    """Return a click."""
    return {"event": "click", "ts_ms": ts_ms, "item": "a", "n": 1, "score": 0.1, **more}


@pytest.mark.parametrize("in_attrs", [False, True])
@pytest.mark.parametrize(
    ("bad", "type"),
    [
        ({"n": "1.5"}, "int64"),
        ({"n": 1.5}, "int64"),
        ({"n": 2**63}, "int64"),
        ({"n": [1]}, "int64"),
        ({"score": "nan"}, "float64"),
        ({"score": float("inf")}, "float64"),
        ({"item": 1.5}, "category"),
    ],
)
def test_a_strict_engine_refuses(
    make: Any, graph: fg.Graph, bad: dict[str, Any], type: str, in_attrs: bool
) -> None:
    """The error names event, field, value and expected type, and nothing of the call is kept."""
    device = make(strict=True)
    device.install(graph)
    event = click(NOW)
    if in_attrs:
        event = {"event": "click", "ts_ms": NOW, "attrs": {"item": "a", **bad}}
    else:
        event |= bad
    ((name, value),) = bad.items()
    with pytest.raises(EventError) as caught:
        device.engine.append_many([click(NOW), event])
    for part in ("'click'", repr(name), type, repr(value)[:20]):
        assert part in str(caught.value)
    assert device.log.count == 0
    device.check(NOW + 1)


def test_a_strict_engine_takes_what_parses(make: Any, graph: fg.Graph) -> None:
    """Nulls, missing fields, text that parses and fields that nobody declares are no reason to refuse."""
    device = make(strict=True)
    device.install(graph)
    device.tell(
        click(NOW, n="7"), click(NOW, n=None), {"event": "click", "ts_ms": NOW}, click(NOW, other=[1])
    )
    device.tell({"event": "undeclared", "ts_ms": NOW, "n": "x"})
    device.check(NOW + 1)


@pytest.mark.parametrize(
    "event", [None, 7, [], {"event": ["click"], "ts_ms": NOW}, {"event": {}, "ts_ms": NOW}]
)
def test_a_strict_engine_meets_what_is_no_event(make: Any, graph: fg.Graph, event: Any) -> None:
    """What has not even the form of an event is refused as by any engine."""
    device = make(strict=True)
    device.install(graph)
    with pytest.raises(EventError):
        device.engine.append(event)


@pytest.mark.parametrize("attrs", [7, "x", [1]])
def test_a_strict_engine_meets_attrs_that_are_none(make: Any, graph: fg.Graph, attrs: Any) -> None:
    """Attributes that are no mapping are refused as by any engine."""
    device = make(strict=True)
    device.install(graph)
    with pytest.raises(EventError):
        device.engine.append({"event": "click", "ts_ms": NOW, "attrs": attrs})


def test_unparsable_values_are_counted_once(device: Any, graph: fg.Graph) -> None:
    """Each bad value counts once by event and field, however often and by however many plans it is read."""
    device.tell(click(NOW, n="x", score="nan"), click(NOW + 1, n="x"), click(NOW + 2))
    for t in (NOW + 1, NOW + 3, NOW + 2, NOW + 3):
        device.check(t)
    assert device.engine.unparsable == {("click", "n"): 2, ("click", "score"): 1}
    device.tell(click(NOW + 4, n=True))
    device.check(NOW + 5)
    assert device.engine.unparsable[("click", "n")] == 3
