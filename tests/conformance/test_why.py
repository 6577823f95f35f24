"""Why a feature has its value: every row of its aggregates, with the clause that decided."""

from __future__ import annotations

from typing import Any

import pytest

from featuregraph.errors import CompileError, RequestError
from featuregraph.graph import Graph
from featuregraph.why import REASONS, explain_rows

pytestmark = pytest.mark.device


def _graph(feature: dict[str, Any]) -> Graph:
    events = {"buy": {"n": "int64", "item": "category"}, "view": {}}
    return Graph.from_json({"format": 1, "graph": "g", "events": events, "features": {"f": feature}})


def _buy(ts: int, n: int, **rest: Any) -> dict[str, Any]:
    return {"event": "buy", "user_id": "u", "ts_ms": ts, "attrs": {"n": str(n)}, **rest}


POSITIVE = {"op": "gt", "args": [{"field": "n"}, {"lit": 0, "type": "int64"}]}
STREAM = {"events": ["buy"], "over": "50ms", "where": POSITIVE, "last": 2}
SUM = {"agg": "sum", "stream": STREAM, "x": {"field": "n"}}


def test_each_row_shows_the_clause_that_decided() -> None:
    """A row per cause, in total order; rows of other events and keys are none of the aggregate's."""
    arrivals = [
        {"clock": 0},
        _buy(10, 1),
        _buy(60, 2),
        _buy(61, 0),
        _buy(62, 3, event_id="a"),
        _buy(63, 4, event_id="a"),
        _buy(64, 5),
        _buy(65, 6, known_ms=200),
        _buy(100, 7),
        _buy(300_001, 8),
        {"event": "view", "user_id": "u", "ts_ms": 61},
        {**_buy(62, 9), "user_id": "v"},
    ]
    why = explain_rows(_graph(SUM), "f", arrivals, "u", 100, as_known=True)
    (trace,) = why.aggregates
    assert [(row.ts_ms, row.fields["n"], row.clause) for row in trace.rows] == [
        (10, 1, "3.2"),
        (60, 2, "3.4"),
        (61, 0, "3.3"),
        (62, 3, ""),
        (63, 4, "1.3"),
        (64, 5, ""),
        (65, 6, "3.5"),
        (100, 7, "3.1"),
        (300_001, 8, "1.5"),
    ]
    assert (why.value, trace.value, trace.kept, why.overflow) == (8, 8, 2, False)
    assert {row.reason for row in trace.rows} == set(REASONS.values()) - {REASONS["4.1"], REASONS["9.1"]}


def test_a_label_shows_what_lies_on_the_other_side() -> None:
    """SEMANTICS 9.1 and 3.5: ahead of t nothing is hidden, and past the end of the log nothing is known."""
    label = {"agg": "sum", "x": {"field": "n"}, "stream": {"events": ["buy"], "ahead": "50ms"}}
    arrivals = [_buy(99, 1), _buy(100, 2), _buy(120, 3, known_ms=500), _buy(150, 4)]
    why = explain_rows(_graph(label), "f", arrivals, "u", 100, as_known=True)
    assert [row.clause for row in why.aggregates[0].rows] == ["9.1", "", "", "9.1"]
    assert (why.value, why.unknown, why.partial) == (5, False, False)
    why = explain_rows(_graph(label), "f", arrivals, "u", 102)
    assert (why.value, why.unknown) == (None, True)


def test_a_feature_may_have_several_aggregates() -> None:
    """Each aggregate in the expression has its own rows and its own value."""
    count = {"agg": "count", "stream": {"events": ["buy", "view"]}}
    why = explain_rows(_graph({"op": "div", "args": [SUM, count]}), "f", [_buy(60, 3), _buy(61, 4)], "u", 100)
    assert why.value == 3.5
    assert sorted((trace.node["agg"], trace.value, trace.kept) for trace in why.aggregates) == [
        ("count", 2, 2),
        ("sum", 7, 2),
    ]


def test_an_overflow_is_shown_and_not_raised() -> None:
    """The rows that lead to it are what one wants to see; so is a where that overflows."""
    big = {"op": "mul", "args": [{"field": "n"}, {"lit": 2**62, "type": "int64"}]}
    why = explain_rows(_graph({**SUM, "x": big}), "f", [_buy(60, 1), _buy(61, 4)], "u", 100)
    assert (why.value, why.overflow, why.aggregates[0].kept) == (None, True, 2)
    where = {"op": "gt", "args": [big, {"lit": 0, "type": "int64"}]}
    stream = {"events": ["buy"], "where": where}
    why = explain_rows(_graph({"agg": "count", "stream": stream}), "f", [_buy(60, 1), _buy(61, 4)], "u", 100)
    assert [row.clause for row in why.aggregates[0].rows] == ["", "4.1"]


def test_partial_is_told() -> None:
    """SEMANTICS 3.5: the window [50, 100) begins before a history from 51 on, not before one from 50 on."""
    for history, partial in ((50, False), (51, True)):
        why = explain_rows(_graph(SUM), "f", [], "u", 100, as_known=True, history_start_ms=history)
        assert why.partial is partial


def test_an_unknown_feature_names_the_nearest() -> None:
    """The error says which features there are."""
    with pytest.raises(CompileError, match="found 'g'"):
        explain_rows(_graph(SUM), "g", [], "u", 1)


def _asks() -> Graph:
    """Return features per candidate: of one list, of two lists with a request, and of none."""
    item, price = {"candidate": "item", "type": "category"}, {"candidate": "price", "type": "int64"}
    budget = {"request": "budget", "type": "int64"}
    left = {"op": "sub", "args": [budget, price]}
    features = {"item": item, "left": left, "budget": budget}
    return Graph.from_json({"format": 1, "graph": "g", "events": {}, "features": features})


@pytest.mark.parametrize(
    ("feature", "request_", "parts"),
    [
        ("left", None, ["lists 'item', 'price' and the request 'budget'", "found none", '"budget": ...']),
        (
            "left",
            {"item": ["a"], "price": None},
            ["found 'item', 'price'; give", '{"price": [...], "budget": ...}'],
        ),
        ("left", {"item": ["a"], "budget": None}, ["found 'item', 'budget'", '{"price": [...]}']),
        ("item", {}, ["the candidate lists 'item', 'price', found none", '{"item": [...], "price"']),
    ],
)
def test_a_feature_per_candidate_needs_its_lists(
    feature: str, request_: dict[str, Any] | None, parts: list[str]
) -> None:
    """The line names the lists and the values, and shows the form of the request."""
    with pytest.raises(RequestError) as caught:
        explain_rows(_asks(), feature, [], "u", 1, request_)
    for part in (f"feature {feature!r}", *parts):
        assert part in str(caught.value)


def test_lists_may_be_empty_and_other_features_need_none() -> None:
    """An empty list is an answer; a feature without candidates takes a missing request as null (5.1)."""
    assert explain_rows(_asks(), "left", [], "u", 1, {"item": [], "price": []}).value == []
    assert explain_rows(_asks(), "left", [], "u", 1, {"item": ["a"], "price": [1]}).value == [None]
    assert explain_rows(_asks(), "budget", [], "u", 1).value is None


def test_a_request_that_nobody_asked_for_is_refused() -> None:
    """As every executor refuses it."""
    with pytest.raises(RequestError, match="found 'bugdet'"):
        explain_rows(_asks(), "budget", [], "u", 1, {"bugdet": 1})
