"""What the engine keeps: inside its budget, bounded by windows, and never a reason for another value."""

from __future__ import annotations

from typing import Any

import pytest

import featuregraph as fg
from featuregraph.values import same
from stream.engine import Mode

pytestmark = pytest.mark.device

HOUR = 3_600_000
NOW = 1_700_000_000_000
KEEPING: list[Mode] = ["cached", "incremental", "auto"]

CLICK = fg.Event.of("click", {"item": fg.category(), "n": fg.int64()})


def click(ts_ms: int, item: Any = "a", **more: Any) -> dict[str, Any]:
    """Return a click."""
    return {"event": "click", "ts_ms": ts_ms, "item": item, "n": 1, "score": 0.1, **more}


def fill(device: Any, keys: int, events: int) -> list[str]:
    """Give each of KEYS keys EVENTS events and a query; return the keys."""
    names = [f"k{n}" for n in range(keys)]
    for name in names:
        device.tell(*(click(NOW - i * 1000, "abc"[i % 3], user_id=name) for i in range(events)))
        device.check(NOW + 1, key=name)
    return names


@pytest.mark.parametrize("mode", KEEPING)
def test_a_smaller_budget_is_obeyed_at_once(make: Any, graph: fg.Graph, mode: Mode) -> None:
    """Shrinking the budget drops what no longer fits before it returns; no value changes, then or later."""
    device = make(mode=mode)
    device.install(graph)
    names = fill(device, 6, 40)
    full = device.engine.state_bytes
    assert 0 < full <= device.engine.memory_budget == 16 << 20
    for budget in (full // 2, full // 5, 1, 0, "1MiB"):
        device.engine.memory_budget = budget
        assert device.engine.state_bytes <= device.engine.memory_budget
        for name in names:
            device.check(NOW + 2, key=name)
            assert device.engine.state_bytes <= device.engine.memory_budget
    assert device.engine.memory_budget == 1 << 20
    assert device.engine.state_bytes > 0


@pytest.mark.parametrize("mode", ["naive", "fused"])
def test_scans_keep_nothing(make: Any, graph: fg.Graph, mode: Mode) -> None:
    """Modes without a cache hold no state, however many keys are asked."""
    device = make(mode=mode)
    device.install(graph)
    fill(device, 3, 10)
    assert device.engine.state_bytes == 0


@pytest.mark.parametrize("mode", KEEPING)
def test_many_keys_stay_inside_the_budget(make: Any, graph: fg.Graph, mode: Mode) -> None:
    """With more keys than fit, the least recent go; each answer is still that of the reference."""
    device = make(mode=mode, memory_budget="64KiB")
    device.install(graph)
    names = fill(device, 20, 30)
    for name in [*names[::3], *reversed(names)]:
        device.check(NOW + 5, key=name)
        assert device.engine.state_bytes <= 64 << 10


@pytest.mark.parametrize("mode", KEEPING)
@pytest.mark.parametrize("budget", [0, 1, 100])
def test_a_budget_too_small_for_anything(make: Any, graph: fg.Graph, mode: Mode, budget: int) -> None:
    """An engine that may keep nothing still answers, by scans."""
    device = make(mode=mode, memory_budget=budget)
    device.install(graph)
    for i in range(30):
        device.tell(click(NOW + i * 1000, "ab"[i % 2]))
        device.check(NOW + i * 1000 + 1)
        assert device.engine.state_bytes <= budget


@pytest.mark.parametrize("mode", KEEPING)
def test_a_key_that_outgrows_the_budget_is_let_go(make: Any, graph: fg.Graph, mode: Mode) -> None:
    """Memory is looked at every so many queries: a key that grew beyond the budget goes, and scans answer."""
    device = make(mode=mode, memory_budget=2_000)
    device.install(graph)
    for i in range(150):
        device.tell(click(NOW + i * 1000, "ab"[i % 2]))
        device.engine.extract(graph.id, at_ms=NOW + i * 1000 + 1)
    assert device.engine.state_bytes <= 2_000
    device.check(NOW + 150_000)


@pytest.mark.parametrize("size", ["2 MB", "-1", -1, 1.5, None, True, "1MiBs"])
def test_a_budget_of_another_form_is_refused(make: Any, size: Any) -> None:
    """A size is a number of bytes or a text with a unit; anything else is one line and changes nothing."""
    device = make()
    with pytest.raises(ValueError, match="expected a size such as '2MiB'"):
        device.engine.memory_budget = size
    assert device.engine.memory_budget == 16 << 20


def test_finite_windows_keep_what_they_can_see(make: Any) -> None:
    """30,000 events through windows of an hour keep the rows of an hour or two, not of the whole time."""
    device = make()
    stream = fg.rows(CLICK).over("1h")
    graph = fg.Graph(
        "hour",
        {"n": stream.count(), "sum": stream.sum(CLICK["n"]), "d": stream.distinct(CLICK["item"])},
    )
    device.install(graph)
    sizes = flow(device, graph, rounds=60, events=500, step_ms=10_000)
    assert max(sizes[10:]) <= 4 * max(sizes[:6]), sizes


def test_lifetimes_keep_states_not_rows(make: Any) -> None:
    """Sums, counts and extremes of a lifetime need no rows: 30,000 events keep little more than 1,000 do."""
    device = make()
    stream = fg.rows(CLICK)
    graph = fg.Graph(
        "life",
        {
            "n": stream.count(),
            "sum": stream.sum(CLICK["n"]),
            "mean": stream.mean(CLICK["n"]),
            "max": stream.max(CLICK["n"]),
            "first": stream.first(CLICK["item"]),
            "last": stream.last(CLICK["item"]),
            "map": stream.group_by(CLICK["item"]).count(),
            "seq": stream.sequence(10, {"item": CLICK["item"]}),
        },
    )
    device.install(graph)
    sizes = flow(device, graph, rounds=60, events=500, step_ms=10_000)
    assert max(sizes) <= 600_000, sizes
    assert max(sizes[30:]) <= 2 * max(sizes[:10]), sizes


def flow(device: Any, graph: fg.Graph, rounds: int, events: int, step_ms: int) -> list[int]:
    """Append ROUNDS x EVENTS events STEP_MS apart, with a query after each round; return its state bytes.

    In the end the values are those of an engine that scans.
    """
    sizes = []
    t = NOW
    for _ in range(rounds):
        device.clock.set(t + events * step_ms)
        batch = [click(t + i * step_ms, f"i{i % 7}", n=i % 11) for i in range(events)]
        device.engine.append_many(batch)
        t += events * step_ms
        device.engine.extract(graph.id, at_ms=t)
        sizes.append(device.engine.state_bytes)
    check_scan(device, graph, t)
    # One late event among rows that are gone, and one among those that are not.
    device.engine.append_many([click(NOW + 1, "late", n=100), click(t - step_ms // 2, "late", n=100)])
    check_scan(device, graph, t)
    check_scan(device, graph, t + 1)
    return sizes


def check_scan(device: Any, graph: fg.Graph, t: int) -> None:
    """Require that the engine gives at T what a scan of its log gives."""
    from stream import Engine

    scanning = Engine(device.log, key="me", mode="fused")
    scanning.install(graph.compile())
    found, expected = device.engine.extract(graph.id, at_ms=t), scanning.extract(graph.id, at_ms=t)
    assert same(found.values, expected.values)


@pytest.mark.parametrize("asked", [False, True])
def test_appends_without_queries_stay_bounded(make: Any, graph: fg.Graph, asked: bool) -> None:
    """A device that only records keeps no event in memory for a query that may never come."""
    device = make(memory_budget="256KiB")
    device.install(graph)
    if asked:
        device.check(NOW)
    for part in range(8):
        device.engine.append_many(click(NOW + part * 2000 + i) for i in range(2000))
        assert len(device.engine._follower.pending) <= 6000
        assert device.engine.state_bytes <= 256 << 10
    check_scan(device, graph, NOW + 20_000)
