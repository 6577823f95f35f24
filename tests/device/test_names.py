"""Names of events and fields that no installed plan declares: counted, or refused on request."""

from __future__ import annotations

from typing import Any

import pytest

import featuregraph as fg
from featuregraph import EventError
from stream import installed
from stream.declared import Declared
from stream.errors import LogError
from stream.limits import Limits
from stream.log import EventLog

pytestmark = pytest.mark.device

NOW = 1_700_000_000_000


class View(fg.Event, name="view"):
    """An event of a second plan, with a field that the first one's event of another name has."""

    page = fg.category()


class Deeper(fg.Event, name="click"):
    """An event of the first plan with a field of its own."""

    item = fg.category()
    depth = fg.int64()


VIEWS = fg.Graph("views", {"views": fg.rows(View).count(), "deep": fg.rows(Deeper).max(Deeper.depth)})


def click(ts_ms: int, **more: Any) -> dict[str, Any]:
    """Return a click."""
    return {"event": "click", "ts_ms": ts_ms, "item": "a", **more}


def test_unknown_names_are_counted(device: Any) -> None:
    """By event, or by event and field at the top level or in attrs; never the columns and the key."""
    columns = {"event_id": "1", "seq": 1, "known_ms": 1, "session_id": "s", "page_id": "p", "item_id": 3}
    device.tell(click(NOW, **columns), click(NOW + 1, itme="a"), click(NOW + 2, attrs={"n": 1, "socre": 0.5}))
    device.tell({"event": "clik", "ts_ms": NOW + 3, "itme": "a", "attrs": {"x": 1}})
    assert device.engine.unknown == {"click.itme": 1, "click.socre": 1, "clik": 1}
    device.tell(*({"event": "clik", "ts_ms": NOW + i} for i in range(10, 15)))
    device.tell(click(NOW + 20, itme="a", attrs={"itme": "b"}), {"event": 7, "ts_ms": NOW + 21})
    assert device.engine.unknown == {"click.itme": 2, "click.socre": 1, "clik": 6, "7": 1}
    device.check(NOW + 30)


def test_the_counts_are_only_read(device: Any) -> None:
    """They are a copy that cannot be changed."""
    found = device.engine.unknown
    with pytest.raises(TypeError):
        found["click"] = 1
    device.tell({"event": "clik", "ts_ms": NOW})
    assert (found, device.engine.unknown) == ({}, {"clik": 1})


def test_nothing_is_unknown_without_a_plan(make: Any, graph: fg.Graph) -> None:
    """Before the first plan and after the last there is nothing to compare a name with."""
    device = make(declared_only=True)
    device.tell({"event": "clik", "ts_ms": NOW})
    device.install(graph)
    assert device.engine.unknown == {}
    device.engine.remove(graph.id)
    device.engine.append({"event": "clik", "ts_ms": NOW + 1})
    assert device.engine.unknown == {}


def test_a_plan_without_events_knows_none(make: Any) -> None:
    """It declares no event, so that each is unknown."""
    device = make()
    device.install(fg.Graph("hour", {"t": fg.now()}))
    device.tell({"event": "click", "ts_ms": NOW})
    assert device.engine.unknown == {"click": 1}


def test_any_plan_may_declare_a_name(make: Any, graph: fg.Graph) -> None:
    """What a later plan declares is counted no more; what a plan that went declared is unknown again."""
    device = make()
    device.install(graph)
    view = {"event": "view", "page": "p", "attrs": {"pgae": "q"}}
    device.tell({**view, "ts_ms": NOW}, click(NOW, depth=3, detph=4))
    assert device.engine.unknown == {"view": 1, "click.depth": 1, "click.detph": 1}
    device.install(VIEWS)
    assert device.engine.unknown == {"click.detph": 1}
    device.tell({**view, "ts_ms": NOW + 1}, click(NOW + 1, depth=3, n=1))
    assert device.engine.unknown == {"click.detph": 1, "view.pgae": 1}
    device.engine.remove(VIEWS.id)
    device.engine.append_many([{**view, "ts_ms": NOW + 2}, click(NOW + 2, depth=3)])
    assert device.engine.unknown == {"click.detph": 1, "view.pgae": 1, "view": 1, "click.depth": 1}


def test_names_beyond_the_bound_are_counted_together(make: Any, graph: fg.Graph) -> None:
    """The counts stay small whatever comes; a plan that declares some of them makes room."""
    device = make()
    device.log.close()
    device.log = EventLog(device.path, clock=device.clock, limits=Limits(max_counted=3))
    engine = type(device.engine)(device.log, key="me")
    engine.install(graph.compile())
    engine.append({"event": "view", "ts_ms": NOW})
    for i in range(2_000):
        engine.append(click(NOW + i, **{f"x{i}-{j}": 1 for j in range(4)}))
    assert engine.unknown == {"view": 1, "click.x0-0": 1, "click.x0-1": 1, "": 7_998}
    engine.install(VIEWS.compile())
    engine.append(click(NOW, y=1))
    assert engine.unknown == {"click.x0-0": 1, "click.x0-1": 1, "click.y": 1, "": 7_998}


def test_only_events_that_the_log_took_are_counted(device: Any) -> None:
    """A refused call leaves no trace."""
    with pytest.raises(EventError):
        device.engine.append_many([click(NOW, itme="a"), {"event": "click"}])
    device.log.close()
    with pytest.raises(LogError):
        device.engine.append(click(NOW, itme="a"))
    assert device.engine.unknown == {}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("event", "parts"),
    [
        ({"event": "clik"}, ["expected an event", "found 'clik'", "did you mean 'click'?"]),
        ({"event": 7}, ["expected an event", "found '7'", "'buy', 'click'"]),
        (click(0, itme="a"), ["event 'click': expected a field", "found 'itme'", "did you mean 'item'?"]),
        (click(0, attrs={"socre": 1}), ["event 'click'", "found 'socre'", "did you mean 'score'?"]),
        (click(0, price=1), ["event 'click'", "found 'price'"]),  # a field of another event
        (click(0, **{"y" * 4_000: 1}), ["found 'yyy"]),
    ],
)
def test_unknown_names_are_refused_on_request(
    make: Any, graph: fg.Graph, event: dict[str, Any], parts: list[str], strict: bool
) -> None:
    """The line has the nearest names and the next step, and nothing of the call is kept."""
    device = make(declared_only=True, strict=strict)
    device.install(graph)
    with pytest.raises(EventError) as caught:
        device.engine.append_many([click(NOW), {**event, "ts_ms": NOW + 1}])
    line = str(caught.value)
    for part in (*parts, "an installed plan declares", "or open the engine without declared_only"):
        assert part in line
    assert "\n" not in line
    assert len(line) < 400
    assert (device.log.count, device.engine.unknown) == (0, {})
    device.tell(click(NOW, n=1, attrs={"score": 0.5, "user_id": "x"}), {"event": "buy", "ts_ms": NOW + 1})
    device.check(NOW + 2)


@pytest.mark.parametrize("event", [None, 7, [], {"event": ["click"], "ts_ms": NOW}, {"ts_ms": NOW, "x": 1}])
def test_what_is_no_event_is_refused_as_such(make: Any, graph: fg.Graph, event: Any) -> None:
    """Its form is what is wrong with it, not a name."""
    device = make(declared_only=True)
    device.install(graph)
    with pytest.raises(EventError) as caught:
        device.engine.append(event)
    assert "declares" not in str(caught.value)


@pytest.mark.parametrize("attrs", [None, {}, "", [], 0])
def test_no_attributes_have_no_names(make: Any, graph: fg.Graph, attrs: Any) -> None:
    """Whatever stands for none."""
    for declared_only in (False, True):
        device = make(declared_only=declared_only, strict=True)
        device.install(graph)
        device.engine.append(click(NOW, attrs=attrs))
        assert device.engine.unknown == {}


def test_a_key_of_its_own_is_no_unknown_name(make: Any) -> None:
    """The log's key is a name that every event may have."""
    device = make(declared_only=True)
    device.log.close()
    with EventLog(device.path.with_name("shops.db"), key="shop", clock=device.clock) as log:
        engine = type(device.engine)(log, declared_only=True)
        graph = fg.Graph("shops", {"views": fg.rows(View).count()}, key="shop")
        engine.install(graph.compile())
        engine.append({"event": "view", "ts_ms": NOW, "shop": "s"})
        engine.append({"event": "view", "ts_ms": NOW, "attrs": {"shop": "s"}})
        assert engine.extract(graph.id, key="s")["views"] == 2


def test_tables_of_names_are_made_once(make: Any, graph: fg.Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """When plans have changed and an event comes, not for each plan nor for each event."""
    made = []

    def counted(*args: Any) -> Declared:
        made.append(args)
        return Declared(*args)

    monkeypatch.setattr(installed, "Declared", counted)
    device = make(strict=True, declared_only=True)
    for number in range(5):
        device.install(fg.Graph("more", {f"n{number}": fg.rows(View).last(number + 1).count()}))
    device.install(graph)
    assert made == []
    for i in range(10):
        device.tell(click(NOW + i), {"event": "view", "ts_ms": NOW + i})
    assert len(made) == 1
    device.check(NOW + 100)
