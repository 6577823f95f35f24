"""What is kept of a key moves from plan to plan: only what is new is read from the log."""

from __future__ import annotations

from typing import Any

import pytest

import featuregraph as fg

pytestmark = pytest.mark.device

NOW = 1_700_000_000_000
HOUR = 3_600_000

VIEW = fg.Event.of("view", {"item": fg.category(), "n": fg.int64()})
BUY = fg.Event.of("buy", {"item": fg.category(), "n": fg.int64(), "price": fg.decimal(2)})


def graph(name: str, *features: str) -> fg.Graph:
    """Return a graph of some of the features below."""
    views, buys = fg.rows(VIEW).over("1h"), fg.rows(BUY).over("1d")
    known: dict[str, Any] = {
        "views": views.count(),
        "items": views.topk(VIEW["item"], 2),
        "latest": views.last(2).sequence(2, {"n": VIEW["n"]}),
        "wide": fg.rows(VIEW).over("2d").max(VIEW["n"]),
        "sold": buys.sum(BUY["n"]),
        "spend": buys.sum(BUY["price"]),
        "ever": fg.rows(BUY).count(),
        "first": fg.rows(BUY).first(BUY["item"]),
    }
    return fg.Graph(name, {feature: known[feature] for feature in features})


@pytest.fixture
def device(make: Any) -> Any:
    """Return a device in incremental mode that has seen events."""
    made = make(mode="incremental")
    made.tell(
        *({"event": "view", "ts_ms": NOW - 2 * HOUR + i, "item": "abc"[i % 3], "n": i} for i in range(9))
    )
    made.tell(*({"event": "view", "ts_ms": NOW - i, "item": "abc"[i % 3], "n": i} for i in range(1, 9)))
    made.tell(
        *({"event": "buy", "ts_ms": NOW - i, "item": "ab"[i % 2], "n": i, "price": "1.25"} for i in range(9))
    )
    return made


@pytest.fixture
def read(device: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list to which the events come that are read from the log."""
    found: list[str] = []
    scan = device.log.scan_runs

    def counted(key: str, name: str, *rest: Any) -> Any:
        found.append(name)
        return scan(key, name, *rest)

    monkeypatch.setattr(device.log, "scan_runs", counted)
    return found


def change(device: Any, old: fg.Graph, new: fg.Graph) -> None:
    """Upgrade from OLD to NEW and ask."""
    device.check(NOW + 1)
    device.engine.upgrade(old.id, new.compile())
    device.plans = [new.compile()]
    device.check(NOW + 2)
    device.tell({"event": "view", "ts_ms": NOW + 2, "item": "c", "n": 99})
    device.check(NOW + 3)


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (["views", "sold"], ["views"], []),
        (["views", "sold"], ["sold", "views", "ever"], ["buy"]),
        (["views", "sold"], ["views", "sold", "items"], ["view"]),  # rows lack the item
        (["items", "latest", "sold"], ["views", "items", "latest"], []),  # folded from the rows held
        (["views", "sold"], ["views", "wide", "sold"], ["view"]),  # they do not reach so far back
        (["wide", "sold"], ["wide", "sold", "views"], []),
        (["views", "sold"], ["views", "spend"], ["buy"]),
    ],
)
def test_an_upgrade_reads_what_is_new(
    device: Any, read: list[str], old: list[str], new: list[str], wanted: list[str]
) -> None:
    """Events are read only if their rows are too few or lack a value, and values stay the reference's."""
    before, after = graph("old", *old), graph("new", *new)
    device.install(before)
    device.check(NOW + 1)
    read.clear()
    change(device, before, after)
    assert read == wanted


def test_states_go_on(device: Any, read: list[str]) -> None:
    """What two plans share is one state before, between and after: the object itself."""
    first, second = graph("first", "first", "sold"), graph("second", "first", "sold", "views")
    device.install(first)
    device.check(NOW + 1)
    kept = device.engine._kept.peek("me")
    (before,) = [kept.states[n] for (agg, _), n in kept.binding.layout.index.items() if agg["agg"] == "first"]
    device.install(second)
    device.check(NOW + 2)
    device.plans.pop(0)
    device.engine.remove(first.id)
    device.check(NOW + 3)
    (after,) = [kept.states[n] for (agg, _), n in kept.binding.layout.index.items() if agg["agg"] == "first"]
    assert device.engine._kept.peek("me") is kept
    assert after is before


def test_a_failed_read_changes_nothing(device: Any, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the log can not be read for a new plan, the others answer as before, and it comes later."""
    first, second = graph("first", "ever"), graph("second", "ever", "views")
    device.install(first)
    device.check(NOW + 1)

    def broken(*_: Any, **__: Any) -> Any:
        raise fg.FeatureGraphError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(device.log, "scan_runs", broken)
        device.engine.install(second.compile())
        with pytest.raises(fg.FeatureGraphError, match="the disk is gone"):
            device.engine.extract(second.id, at_ms=NOW + 2)
    device.plans.append(second.compile())
    device.check(NOW + 2)


def test_an_upgrade_is_one_change(device: Any) -> None:
    """The old plan is known no more, the new one is; an upgrade to the same plan changes nothing."""
    old, new = graph("old", "views"), graph("new", "sold")
    device.engine.install(old.compile())
    assert device.engine.upgrade(old.id, new.compile()) == new.id
    assert list(device.engine.plans) == [new.id]
    assert device.engine.upgrade(new.id, new.compile()) == new.id
    with pytest.raises(fg.RequestError, match="expected the id of an installed plan"):
        device.engine.upgrade(old.id, new.compile())
