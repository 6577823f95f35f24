"""Several plans on one log: installed, removed and shipped while events flow."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import featuregraph as fg
from featuregraph import CompileError, RequestError
from featuregraph.layout import lay_out
from stream import ArgumentError, Engine, installed
from stream.answers import Asked
from stream.decode import Unparsable
from stream.installed import Together
from stream.pace import PACE

pytestmark = pytest.mark.device

HOUR = 3_600_000
NOW = 1_700_000_000_000

CLICK = fg.Event.of("click", {"item": fg.category(), "n": fg.int64()})
CLICK_TEXT = fg.Event.of("click", {"item": fg.string(), "n": fg.string()})


def click(ts_ms: int, item: Any = "a", **more: Any) -> dict[str, Any]:
    """Return a click."""
    return {"event": "click", "ts_ms": ts_ms, "item": item, "n": 1, "score": 0.1, **more}


def sums(name: str, over: str) -> fg.Graph:
    """Return a graph of its own meaning per window."""
    return fg.Graph(name, {"sum": fg.rows(CLICK).over(over).sum(CLICK["n"]), "all": fg.rows(CLICK).count()})


def test_plans_come_and_go_while_events_flow(device: Any, graph: fg.Graph) -> None:
    """A plan installed late has the values of the whole log, and the others go on when one is removed."""
    others = [
        sums("a", "1h"),
        sums("b", "2h"),
        fg.Graph("text", {"t": fg.rows(CLICK_TEXT).max(CLICK_TEXT["n"])}),
    ]
    for step in range(12):
        device.tell(click(NOW + step * 600_000, "ab"[step % 2]))
        if step in (2, 4, 6):
            device.install(others[step // 2 - 1])
        device.check(NOW + step * 600_000 + 1)
        if step in (5, 8):
            gone = device.plans.pop(1)
            device.engine.remove(gone.id)
            with pytest.raises(RequestError, match="expected the id of an installed plan"):
                device.engine.extract(gone.id)
    assert sorted(device.engine.plans) == sorted(plan.id for plan in device.plans)


def test_a_plan_installed_twice_is_one(device: Any, graph: fg.Graph) -> None:
    """Installing again, also under another name of the same meaning, changes nothing."""
    device.tell(click(NOW))
    device.check(NOW + 1)
    again = fg.Graph.from_json(graph.to_json().replace('"graph":"device"', '"graph":"renamed"'))
    assert again.name == "renamed"
    assert device.engine.install(again.compile()) == graph.id
    assert len(device.engine.plans) == 1
    device.check(NOW + 2)
    device.engine.remove(graph.id)
    assert device.engine.plans == {}


def test_a_removed_plan_may_come_back(device: Any, graph: fg.Graph) -> None:
    """What arrived in between is there."""
    device.tell(click(NOW))
    device.check(NOW + 1)
    device.engine.remove(graph.id)
    device.tell(click(NOW + 1), click(NOW - HOUR))
    device.engine.install(graph.compile())
    device.check(NOW + 2)


def test_a_plan_that_comes_back_has_numbers_of_now() -> None:
    """Another took its cells meanwhile, though nobody asked that one as a whole: memory was short."""
    here, meanwhile = sums("here", "1h").compile(), sums("meanwhile", "2h").compile()
    first = Together([here], "user_id", Unparsable(), PACE)
    assert here.id in first.asked
    between = first.followed_by([meanwhile])
    assert between.binding.layout.cells
    both = between.followed_by([meanwhile, here])
    for plan in (here, meanwhile):
        assert both.asked[plan.id].numbers == Asked(plan, both.binding.layout).numbers


def test_an_unknown_plan_is_one_line(device: Any) -> None:
    """Asking for, or removing, what is not installed names what is."""
    strange: list[Any] = [None, 7, ["x"], {}]
    for call in (device.engine.extract, device.engine.remove):
        with pytest.raises(RequestError, match=r"\(device [0-9a-f]{12}\).*install it first"):
            call("0" * 64)
        for odd in strange:
            with pytest.raises(RequestError, match="install it first"):
                call(odd)


def test_an_engine_stands_on_an_open_log() -> None:
    """A path is none; the message says how to make one of it."""
    with pytest.raises(ArgumentError, match=r"expected a log, found 'events\.db'; open it"):
        Engine("events.db")  # type: ignore[arg-type]


def test_a_plan_of_another_key_is_refused(device: Any) -> None:
    """A device computes graphs of its own key only (11.3)."""
    graph = fg.Graph("items", {"n": fg.rows(CLICK).count()}, key="item_id")
    with pytest.raises(CompileError, match=r"'user_id'.*'item_id'"):
        device.engine.install(graph.compile())


def test_a_log_of_another_key(make: Any, mode: Any, tmp_path: Any) -> None:
    """A log may be keyed by another column: that column's values own the events."""
    from featuregraph.testing.clock import FakeClock
    from stream import Engine, EventLog

    graph = fg.Graph(
        "stores", {"n": fg.rows(CLICK).count(), "last": fg.rows(CLICK).last(CLICK["item"])}, key="store"
    )
    with EventLog(tmp_path / "stores.db", key="store", clock=FakeClock(NOW)) as log:
        engine = Engine(log, key="s1", mode=mode)
        engine.install(graph.compile())
        engine.append_many(
            [click(NOW, user_id="u"), click(NOW, "b", user_id="v"), click(NOW, store="s2", user_id="u")]
        )
        assert engine.extract(graph.id).values == {"last": "b", "n": 2}
        assert engine.extract(graph.id, key="s2")["n"] == 1
        engine.append(click(NOW + 1, user_id="u", attrs={"store": "s2"}))
        assert engine.extract(graph.id, key="s2")["n"] == 2, "an attribute names the key too"


ELSEWHERE = """
import json, sys
import featuregraph as fg
from stream import Engine, EventLog
plan = fg.Plan.from_bytes(bytes.fromhex(sys.argv[1]))
with EventLog(sys.argv[2], read_only=True) as log:
    engine = Engine(log, key="me")
    engine.install(plan)
    found = engine.extract(plan.id, at_ms=int(sys.argv[3]), candidates={"item": ["a", "b"]})
print(json.dumps([plan.id, repr(found.values), plan.to_bytes().hex() == sys.argv[1]]))
"""


def test_a_plan_gives_the_same_values_on_another_machine(device: Any, graph: fg.Graph) -> None:
    """A plan's bytes, read by another process without the user's code, give the same id, bytes and values."""
    device.tell(*(click(NOW + i * 1000, "ab"[i % 2]) for i in range(20)))
    here = device.engine.extract(graph.id, at_ms=NOW + 30_000, candidates={"item": ["a", "b"]})
    args = [graph.compile().to_bytes().hex(), str(device.path), str(NOW + 30_000)]
    run = subprocess.run([sys.executable, "-c", ELSEWHERE, *args], check=True, capture_output=True, text=True)
    assert json.loads(run.stdout) == [graph.id, repr(here.values), True]


def test_an_overflow_names_its_feature_and_spares_the_others(device: Any) -> None:
    """A sum beyond int64 names its feature; other plans, and the same plan later, are answered (4.1)."""
    pay = fg.Event.of("pay", {"n": fg.int64()})
    stream = fg.rows(pay)
    graph = fg.Graph("big", {"fine": stream.count(), "total": stream.over("1h").sum(pay["n"])})
    device.install(graph)
    device.tell(*({"event": "pay", "ts_ms": NOW + i, "n": 2**63 - 1} for i in range(2)))
    for _ in range(2):
        with pytest.raises(fg.FeatureOverflowError, match="'total'") as caught:
            device.engine.extract(graph.id, at_ms=NOW + 2)
        assert caught.value.feature == "total"
    assert device.engine.extract(device.plans[0].id, at_ms=NOW + 2)["clicks_1h"] == 0
    assert device.engine.extract(graph.id, at_ms=NOW + HOUR + 1)["total"] == 2**63 - 1


def test_a_shared_layout_is_made_when_it_is_asked_for(
    make: Any, graph: fg.Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N plans that come one after the other cost one layout, made by the first query that needs it."""
    made: list[int] = []

    def counted(demands: Any, before: Any) -> Any:
        found = list(demands)
        made.append(len(found))
        return lay_out(found, before)

    monkeypatch.setattr(installed, "lay_out", counted)
    device = make(mode="incremental")
    plans = [fg.Graph("n", {f"n{n}": fg.rows(CLICK).last(n + 1).count()}) for n in range(8)]
    for one in [*plans, graph]:
        device.install(one)
    device.tell(*(click(NOW + i) for i in range(20)))
    assert made == []
    device.check(NOW + 5_000)
    assert made == [8 + len(graph.compile().demands)]
    device.tell(*(click(NOW + i) for i in range(20, 30)))
    device.check(NOW + 6_000)
    device.engine.install(graph.compile())
    device.check(NOW + 30_000)
    assert len(made) == 1
    device.plans = device.plans[1:]
    device.engine.remove(plans[0].id)
    device.check(NOW + 30_001)
    assert made[1:] == [made[0] - 1]
