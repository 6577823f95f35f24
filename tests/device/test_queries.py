"""Queries: whose, when, with which candidates, and what comes back beside the values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from featuregraph import FeatureVector, RequestError
from featuregraph.testing.clock import FakeClock
from stream import Engine, EventLog

pytestmark = pytest.mark.device

HOUR = 3_600_000
NOW = 1_700_000_000_000
INT64_MAX, INT64_MIN = 2**63 - 1, -(2**63)


def click(ts_ms: int, item: Any = "a", **more: Any) -> dict[str, Any]:
    """Return a click."""
    return {"event": "click", "ts_ms": ts_ms, "item": item, "n": 1, "score": 0.1, **more}


def test_now_is_after_the_latest_event(device: Any, graph: fg.Graph) -> None:
    """Without at_ms it is the clock's time, or 1 ms after the key's latest event: that one counts."""
    extract = device.engine.extract
    assert extract(graph.id).at_ms == NOW
    device.tell(click(NOW))
    vector = extract(graph.id)
    assert (vector.at_ms, vector["clicks_1h"]) == (NOW + 1, 1)
    device.tell(click(NOW + 250_000))
    assert extract(graph.id).at_ms == NOW + 250_001
    device.tell(click(NOW + 260_000, user_id="you"))
    assert extract(graph.id).at_ms == NOW + 250_001, "another key's event is no event of this one"
    device.clock.advance(HOUR)
    assert extract(graph.id).at_ms == NOW + HOUR


def test_the_engines_key_is_the_default(device: Any, graph: fg.Graph) -> None:
    """A query that names no key asks for the engine's."""
    device.tell(click(NOW), click(NOW, user_id="you"), click(NOW + 1, user_id="you"))
    assert device.engine.extract(graph.id)["clicks_1h"] == 1
    assert device.engine.extract(graph.id, key="you")["clicks_1h"] == 2


def test_without_any_key(make: Any, graph: fg.Graph) -> None:
    """An engine without a key needs one in each query, and drops events that name none."""
    device = make(key=None)
    device.install(graph)
    assert device.engine.append(click(NOW)).keyless == 1
    with pytest.raises(RequestError, match="expected a key, found none; pass key="):
        device.engine.extract(graph.id)


@pytest.mark.parametrize("key", [1.5, True, [1], b"x", 2**63, "\ud800"])
def test_a_key_of_another_form_is_refused(device: Any, graph: fg.Graph, key: Any) -> None:
    """A key is a text or an int64; all else is one line."""
    with pytest.raises(RequestError) as caught:
        device.engine.extract(graph.id, key=key)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("t", [1.5, "1", True, INT64_MAX + 1, INT64_MIN - 1])
def test_a_time_of_another_form_is_refused(device: Any, graph: fg.Graph, t: Any) -> None:
    """A time is an int64 of ms."""
    with pytest.raises(RequestError):
        device.engine.extract(graph.id, at_ms=t)


def test_time_may_go_backwards(device: Any) -> None:
    """A query before an earlier one gives the values of its own time, and so does the next one after it."""
    device.tell(*(click(NOW + i * 60_000, "abcd"[i % 4]) for i in range(100)))
    for minutes in (99, 10, 100, 0, 50, 101, 100, -5, 200, 199):
        device.check(NOW + minutes * 60_000 + 1)


def test_the_past_is_answered_beside_late_events(device: Any) -> None:
    """Looking back, forward and back again while late events arrive."""
    for i in range(15):
        device.tell(click(NOW + (i * 37 % 15) * 60_000, "abc"[i % 3]))
        device.check(NOW + (i * 11 % 17) * 60_000)


def test_windows_open_and_close_on_the_millisecond(device: Any) -> None:
    """An event counts from 1 ms after it until it is as old as the window, and not 1 ms longer (3.1, 3.2)."""
    device.tell(click(NOW))
    ask = [(NOW, 0), (NOW + 1, 1), (NOW + HOUR, 1), (NOW + HOUR + 1, 0)]
    for t, count in ask:
        assert device.engine.extract(device.plans[0].id, at_ms=t)["clicks_1h"] == count
        device.check(t)


def test_include_now_sees_the_event_of_the_moment(make: Any, mode: Any) -> None:
    """A graph that includes now counts an event at t itself, and ends its windows 1 ms earlier (3.1)."""
    device = make(mode=mode)
    event = fg.Event.of("click", {"n": fg.int64()})
    device.install(fg.Graph("now", {"n": fg.rows(event).over("1h").count()}, include_now=True))
    device.install(fg.Graph("before", {"n": fg.rows(event).over("1h").count()}))
    device.tell(click(NOW))
    for t in (NOW - 1, NOW, NOW + 1, NOW + HOUR - 1, NOW + HOUR, NOW + HOUR + 1):
        device.check(t)


@pytest.mark.parametrize("t", [INT64_MAX, INT64_MAX - 1, INT64_MIN, INT64_MIN + 1, 0, -1, 2**62])
def test_times_at_the_ends_of_int64(device: Any, t: int) -> None:
    """Any int64 may be asked for, before and after ordinary times, in any window."""
    device.tell(click(NOW), click(0), click(INT64_MIN), click(-1))
    device.check(NOW + 1)
    device.check(t)
    device.check(NOW + 2)


def test_events_at_the_ends_of_int64(device: Any) -> None:
    """The ends of int64 are times of events like any other."""
    device.clock.set(INT64_MAX)
    device.tell(click(INT64_MAX), click(INT64_MAX - 1), click(INT64_MIN))
    plan = fg.Graph("few", {"n": fg.rows(_Click).over("1h").count(), "all": fg.rows(_Click).count()})
    device.plans.clear()
    device.install(plan)
    for t in (INT64_MAX - 1, INT64_MAX, INT64_MIN, INT64_MIN + 1):
        device.check(t)


class _Click(fg.Event, name="click"):
    n = fg.int64()


def test_candidates_give_a_value_each(device: Any, graph: fg.Graph) -> None:
    """A feature that uses a candidate is a list aligned with the candidates, however many, also none."""
    device.tell(click(NOW, "a"), click(NOW, "b"), click(NOW, "a"))
    extract = device.engine.extract
    found = extract(graph.id, candidates={"item": ["b", "a", None, "z", "a"]})
    assert found["affinity"] == [1, 2, 0, 0, 2]
    assert extract(graph.id)["affinity"] == []
    assert extract(graph.id, candidates={"item": []})["affinity"] == []
    assert extract(graph.id, candidates={"item": ("a",) * 5_000})["affinity"] == [2] * 5_000


@pytest.mark.parametrize("given", ["ab", b"ab", {"a": 1}, 7, iter(())])
def test_candidates_of_another_form_are_refused(device: Any, graph: fg.Graph, given: Any) -> None:
    """What is no list of values is one line, and the engine goes on."""
    with pytest.raises(RequestError, match="expected a list"):
        device.engine.extract(graph.id, candidates={"item": given})
    device.check(NOW)


def test_candidate_lists_have_one_length(make: Any) -> None:
    """Lists of two lengths are refused with both lengths (5.1)."""
    device = make()
    sums = fg.candidate("a", fg.int64()) + fg.candidate("b", fg.int64())
    graph_id = device.install(fg.Graph("pair", {"sum": sums}))
    assert device.engine.extract(graph_id, candidates={"a": [1, 2], "b": [3, None]})["sum"] == [4, None]
    with pytest.raises(RequestError, match="'a': 2, 'b': 1"):
        device.engine.extract(graph_id, candidates={"a": [1, 2], "b": [3]})


def test_requests_are_converted_as_fields_are(make: Any) -> None:
    """A request is converted to its type; missing and unparsable ones are null (5.1)."""
    device = make()
    graph_id = device.install(fg.Graph("ask", {"x": fg.request("x", fg.int64()).fill(-1)}))
    for given, value in ((5, 5), ("+5", 5), (5.0, 5), (5.5, -1), ("5.0", -1), (None, -1), ([5], -1)):
        assert device.engine.extract(graph_id, request={"x": given})["x"] == value
    assert device.engine.extract(graph_id)["x"] == -1


class Asked(fg.Request):
    """What a query gives once."""

    budget = fg.float64()
    hour = fg.int64()


class Shown(fg.Candidate):
    """What a query gives per candidate."""

    item = fg.category()
    price = fg.int64()


class AskedFeatures:
    """Features that read all of it but the hour."""

    left = Asked.budget - 1.0
    item = Shown.item
    price = Shown.price * 2


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"request": {"bugdet": 1.0}}, ["found 'bugdet'", "did you mean 'budget'?", "correct it"]),
        ({"request": {"hour": 1}}, ["'asked'", "that its features read, found 'hour'"]),
        ({"request": {"budget": 1.0, 7: 1}}, ["found 7", "'budget', 'item', 'price'"]),
        ({"candidates": {"itme": ["a"], "price": [1]}}, ["found 'itme' and no list for 'item'", "'item'?"]),
        ({"candidates": {"itme": ["a"]}}, ["found 'itme' and no list for 'item', 'price'; did you"]),
        ({"candidates": {"budget": [1.0]}}, ["found 'budget'", "one value of the query, give it in request"]),
        ({"request": {"itme": ["a"]}}, ["a request or candidate", "found 'itme'", "did you mean 'item'"]),
        ({"candidates": {"x" * 10_000: [1]}}, ["found 'xxx"]),
    ],
)
def test_a_name_that_no_feature_reads_is_refused(make: Any, given: dict[str, Any], parts: list[str]) -> None:
    """The line names it, the nearest names, missing lists and the next step; the reference refuses too."""
    device = make()
    graph = fg.Graph("asked", AskedFeatures)
    device.install(graph)
    with pytest.raises(RequestError) as caught:
        device.engine.extract(graph.id, **given)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 400
    for part in parts:
        assert part in line
    both = {**given.get("request", {}), **given.get("candidates", {})}
    if both.keys() - {"budget"}:  # the reference takes lists among the values
        with pytest.raises(RequestError, match="found"):
            device.expected(graph, {"t": NOW, "request": both})
    device.engine.extract(graph.id, request={"budget": 2.0}, candidates={"item": ["a"], "price": [1]})


def test_a_graph_that_asks_nothing_is_given_nothing(make: Any) -> None:
    """Where no request is declared the step is to leave it out."""
    device = make()
    graph_id = device.install(fg.Graph("still", {"t": fg.now()}))
    with pytest.raises(RequestError, match="found 'x'; none is declared, leave it out"):
        device.engine.extract(graph_id, request={"x": 1})
    with pytest.raises(RequestError, match=r"expected a candidate .* found 'x'; none is declared"):
        device.engine.extract(graph_id, candidates={"x": []})


def test_a_missing_list_is_named(make: Any) -> None:
    """One list without the other names the one that is missing; no list at all means no candidates."""
    device = make()
    graph_id = device.install(fg.Graph("asked", AskedFeatures))
    with pytest.raises(RequestError, match="'price': 0} and no list for 'price'"):
        device.engine.extract(graph_id, candidates={"item": ["a"]})
    assert device.engine.extract(graph_id, candidates={"item": [], "price": None})["price"] == []
    assert device.engine.extract(graph_id)["item"] == []


def test_what_a_vector_says_of_itself(device: Any, graph: fg.Graph) -> None:
    """Graph id and time are in each vector, known_until is the latest append's clock, names are sorted."""
    empty = device.engine.extract(graph.id, at_ms=5)
    assert isinstance(empty, FeatureVector)
    assert (empty.graph_id, empty.at_ms, empty.known_until, empty.partial) == (graph.id, 5, None, ())
    device.tell(click(NOW - HOUR))
    device.clock.advance(10)
    assert device.engine.extract(graph.id).known_until == NOW
    device.tell(click(NOW - HOUR))
    found = device.engine.extract(graph.id)
    assert found.known_until == NOW + 10
    assert list(found.values) == sorted(graph.features)
    with pytest.raises(KeyError) as caught:
        found["histroy"]
    assert str(caught.value) == "expected a feature of the vector, found 'histroy'; did you mean 'history'?"


def test_partial_names_what_begins_before_the_history(tmp_path: Path, mode: Any) -> None:
    """A window that begins before the log was made is partial, a lifetime always (3.5)."""
    clock = FakeClock(NOW)
    windows = fg.rows(_Click).over(["1h", "1d"]).count()
    last = fg.rows(_Click).over("1h").last(2).sum(_Click.n)
    both = fg.rows(_Click).over("1h").count() + fg.rows(_Click).count()
    graph = fg.Graph("p", {"n": windows, "last": last, "both": both, "free": fg.now()})
    with EventLog(tmp_path / "log.db", clock=clock) as log:
        engine = Engine(log, key="me", mode=mode)
        engine.install(graph.compile())

        def partial(t: int) -> tuple[str, ...]:
            return engine.extract(graph.id, at_ms=t).partial

        assert partial(NOW) == ("both", "last", "n_1d", "n_1h")
        assert partial(NOW + HOUR - 1) == ("both", "last", "n_1d", "n_1h")
        assert partial(NOW + HOUR) == ("both", "n_1d")
        assert partial(NOW + 24 * HOUR) == ("both",)
    clock.advance(30 * HOUR)
    with EventLog(tmp_path / "log.db", clock=clock) as log:
        engine = Engine(log, key="me", mode=mode)
        engine.install(graph.compile())
        assert engine.extract(graph.id).partial == ("both",), "a restart does not move the start of history"


def test_what_a_caller_does_with_values_stays_with_him(device: Any, graph: fg.Graph) -> None:
    """Lists and maps of a vector are owned: changing them changes no later value."""
    device.tell(click(NOW, "a"), click(NOW + 1, "b"))
    ask = {"at_ms": NOW + 2, "candidates": {"item": ["a"]}}
    first = device.engine.extract(graph.id, **ask)
    kept = repr(first.values)
    for value in first.values.values():
        _spoil(value)
    assert repr(device.engine.extract(graph.id, **ask).values) == kept
    device.tell(click(NOW + 2, "c"))
    device.check(NOW + 3)


def test_features_that_mean_the_same_share_no_value(make: Any, mode: Any) -> None:
    """Two features of one meaning, in one plan or two, give lists of their own, items of a sequence too."""
    device = make(mode=mode)
    click_ = fg.Event.of("click", {"item": fg.category()})
    rows = fg.rows(click_)
    same = {
        "list": rows.topk(click_["item"], 3),
        "map": rows.group_by(click_["item"]).count(),
        "seq": rows.sequence(3, {"x": click_["item"], "y": click_["item"]}),
        "vector": fg.request("v", fg.vector(2)),
    }
    graph = fg.Graph("two", {f"{name}_{n}": expr for name, expr in same.items() for n in (1, 2)})
    other = fg.Graph("other", same)
    device.install(graph)
    device.install(other)
    device.tell(click(NOW))
    ask = {"at_ms": NOW + 1, "request": {"v": [1.0, 2.0]}}
    found = device.engine.extract(graph.id, **ask)
    kept = repr(device.engine.extract(other.id, **ask).values)
    parts = [found[f"{name}_{n}"] for name in same for n in (1, 2)]
    assert found["seq_1"] == {"x": ["a"], "y": ["a"]}
    assert len({id(part) for part in [*parts, *found["seq_1"].values(), *found["seq_2"].values()]}) == 12
    for name in same:
        spared = repr(found[f"{name}_2"])
        _spoil(found[f"{name}_1"])
        assert repr(found[f"{name}_2"]) == spared
    found["seq_2"]["x"].append("spoilt")
    assert found["seq_2"]["y"] == ["a"]
    assert repr(device.engine.extract(other.id, **ask).values) == kept


def test_the_callers_own_lists_are_not_kept(make: Any) -> None:
    """A vector feature is a list of its own, not the request's."""
    device = make()
    graph_id = device.install(fg.Graph("v", {"v": fg.request("v", fg.vector(2))}))
    given = [1.0, 2.0]
    found = device.engine.extract(graph_id, request={"v": given})
    found["v"].append(3.0)
    assert given == [1.0, 2.0]


def _spoil(value: Any) -> None:
    """Change VALUE in place as far as it can be changed."""
    if isinstance(value, list):
        value.append("spoilt")
    elif isinstance(value, dict):
        for inner in value.values():
            _spoil(inner)
        value["spoilt"] = "spoilt"
