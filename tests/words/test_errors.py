"""Errors that teach: what was expected, what was found, where in the user's file, and the next step."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.build import MAX_DEPTH
from featuregraph.jsonform import MAX_TEXT

Refused = Callable[[Callable[[], object]], str]


class Buy(fg.Event, name="buy"):
    """An event."""

    item_id = fg.identifier()
    quantity = fg.int64()
    gift = fg.boolean()


class Look(fg.Event, name="look"):
    """An event with another type of the same field."""

    item_id = fg.identifier()
    quantity = fg.float64()


class Other(fg.Event, name="buy"):
    """Another declaration of the first event."""

    item_id = fg.identifier()


buys, looks = fg.rows(Buy), fg.rows(Look)


def deep() -> fg.Expr:
    """Return a value so deep that one more word is too much."""
    value = buys.count()
    while value.node.depth < MAX_DEPTH:
        value = value + 1
    return value


WORDS: list[tuple[Callable[[], object], str]] = [
    # names
    (
        lambda: Buy["quantty"],
        "Buy: expected a declared field, found 'quantty'; did you mean 'quantity'?",
    ),
    (
        lambda: looks.sum(Buy.gift),
        "event 'look': expected a declared field, found 'gift'; did you mean 'item_id', 'quantity'?",
    ),
    (
        lambda: fg.rows(Buy, Look).sum(Buy.quantity),
        (
            "event 'look', field 'quantity': expected int64 as in the other events of the stream, "
            "found float64; "
            "declare both alike or cast in separate streams"
        ),
    ),
    (
        lambda: fg.rows(Buy, Other),
        "rows: expected one declaration of event 'buy', found two; share one class",
    ),
    (
        lambda: fg.Graph("g", {"a": buys.count(), "b": fg.rows(Other).count()}),
        "feature 'b': expected one declaration of event 'buy', found two; share one class",
    ),
    (
        lambda: fg.rows(*[]),
        "rows: expected at least one event, found none; write fg.rows(Purchase)",
    ),
    (
        lambda: fg.rows("buy"),  # type: ignore[arg-type]
        "rows: expected event classes, found 'buy'; declare class X(fg.Event)",
    ),
    (
        lambda: fg.int64() + 1,
        (
            "expected a declared field, found one outside an Event, Request or Candidate class; "
            "declare it in one"
        ),
    ),
    # types
    (
        lambda: Buy.item_id + 1,
        "add: expected numbers, found identifier and int64; cast the text or choose another field",
    ),
    (
        lambda: Buy.quantity == "two",
        "eq: expected two values of one kind, found int64 and string; cast one of them",
    ),
    (
        lambda: Buy.quantity & Buy.gift,
        "and: expected boolean, found int64 and boolean; compare the value with something first",
    ),
    (
        lambda: looks.group_by(Look.quantity.cast("string")),
        "cast: expected a value that has a text, found float64; cast it to decimal(n) or int64",
    ),
    (
        lambda: buys.where(Buy.quantity),
        "where: expected a boolean, found int64; compare it with something first",
    ),
    (
        lambda: buys.sum(Buy.item_id),
        "sum: expected a number, found 'item_id' of type identifier; cast it or choose another field",
    ),
    (
        lambda: buys.mean(Buy.item_id.hash(8) == 3),
        "mean: expected a number, found boolean; cast it or choose another field",
    ),
    (
        lambda: buys.group_by(Buy.item_id).count().lookup(3),
        "lookup: expected a key like the groups, identifier, found int64; cast it",
    ),
    (
        lambda: buys.topk(Buy.item_id, 3) + 1,
        "add: expected a scalar, found list<identifier>; a list, map or vector is a feature by itself",
    ),
    (
        lambda: Buy.quantity.cast("int65"),
        (
            "expected a type (int64, float64, boolean, string, category, identifier, timestamp, "
            "decimal(0..18), vector(n)), found 'int65'; correct its spelling"
        ),
    ),
    (
        lambda: fg.Event.of("buy", {"price": float}),  # type: ignore[dict-item]
        "expected a type, found the Python type float; write fg.float64()",
    ),
    (
        lambda: Buy.quantity.cast(complex),  # type: ignore[arg-type]
        "expected a type, found the Python type complex; write a word such as fg.int64",
    ),
    # where a word may stand
    (
        lambda: fg.Graph("g", {"a": fg.rows(Buy).sum(Buy.quantity), "n": fg.age()}),
        "feature 'n': expected one value per query, found one per row; aggregate it with fg.rows(...)",
    ),
    (
        lambda: buys.sum(Buy.quantity * buys.count()),
        (
            "sum: expected fields, requests and literals inside a stream, found agg; "
            "use it outside, on the aggregate's value"
        ),
    ),
    (
        lambda: bool(Buy.quantity > 0),
        (
            "expected true or false, found an expression, whose value only a query knows; "
            "write & | ~ for and, or, not, (a < b) & (b < c) for a < b < c, and fg.where for if"
        ),
    ),
    (
        lambda: 0 < Buy.quantity < 5,
        (
            "expected true or false, found an expression, whose value only a query knows; "
            "write & | ~ for and, or, not, (a < b) & (b < c) for a < b < c, and fg.where for if"
        ),
    ),
    # parameters
    (
        lambda: buys.over("7 days"),
        (
            "over: expected a duration, one positive number and one of ms, s, m, h, d, w, found '7 days'; "
            'write it like "90m" or "7d"'
        ),
    ),
    (
        lambda: buys.over([]),
        "over: expected at least one window, found an empty list; name one",
    ),
    (
        lambda: buys.last(0),
        "last: expected a whole number from 1 to 2147483648, found 0; correct it",
    ),
    (
        lambda: buys.quantile(Buy.quantity, 1.5),
        "quantile: expected 0 < q <= 1, found 1.5; give a share such as 0.5",
    ),
    (
        lambda: buys.quantile(Buy.quantity, float("nan")),
        "quantile: expected 0 < q <= 1, found nan; give a share such as 0.5",
    ),
    (
        lambda: buys.sequence(5, {}),
        "sequence: expected at least one item, found none; name what each row should give",
    ),
    (
        lambda: buys.sequence(5, [Buy.item_id]),  # type: ignore[arg-type]
        f"sequence: expected items as a mapping of name to value, found {[Buy.item_id]!r:.60}; name each",
    ),
    (
        lambda: Buy.quantity.clip(5, 1),
        "clip: expected lo <= hi, found 5 > 1; swap them",
    ),
    (
        lambda: fg.decimal(19),
        "expected a decimal scale of 0 to 18, found 19; use fewer digits",
    ),
    (
        lambda: buys.ahead("1d").over("7d"),
        (
            "over: expected rows that look back or rows that look ahead, found ahead('1d') "
            "and then over('7d'); make two features of them"
        ),
    ),
    (
        lambda: buys.ahead("0d"),
        "ahead: expected 1 to 2305843009213693952 ms, found '0d'; give at least 1ms",
    ),
    (
        lambda: fg.rows(Buy, ahead="soon"),
        (
            "ahead: expected a duration, one positive number and one of ms, s, m, h, d, w, found 'soon'; "
            'write it like "90m" or "7d"'
        ),
    ),
    # graphs
    (
        lambda: fg.Graph("g", {"_hidden": buys.count()}),
        (
            "graph 'g': expected at least one feature, found none; "
            "give an attribute without a leading underscore"
        ),
    ),
    (
        lambda: fg.Graph("g", {"n_7d": buys.count(), "n": buys.over(["7d"]).count()}),
        (
            "feature 'n_7d': expected one feature of this name, found two; "
            "a list of windows makes NAME_WINDOW of each, rename one"
        ),
    ),
    (
        lambda: fg.Graph("g", {"n": buys.count()}, key=("user_id",)),
        (
            "graph 'g': expected two key columns or more in a list, found ['user_id']; "
            "write one column as a text"
        ),
    ),
    (
        lambda: fg.Graph("g", {"n": buys.count()}, key=("item_id", "item_id")),
        "graph 'g': expected different key columns, found ['item_id', 'item_id']; take one out",
    ),
    (
        lambda: buys.decayed_sum(Buy.quantity, "soon"),
        (
            "half_life: expected a duration, one positive number and one of ms, s, m, h, d, w, found 'soon'; "
            'write it like "90m" or "7d"'
        ),
    ),
    (
        lambda: buys.decayed_sum(Buy.quantity, "9000000000000000000d"),
        (
            "half_life: expected 1 to 2305843009213693952 ms, found '9000000000000000000d'; "
            "give at most 2305843009213693952ms"
        ),
    ),
    (
        lambda: fg.Graph("", {"n": buys.count()}),
        "expected a graph name, found ''; give it a text",
    ),
    (
        lambda: fg.Graph("g", {"a": fg.request("x", "int64"), "b": fg.candidate("x", "int64")}),
        "graph 'g': expected a name as a request or as a candidate, found 'x' as both; rename one",
    ),
    (
        lambda: fg.Graph("g", {"a": fg.request("x", "int64"), "b": fg.request("x", "string")}),
        "request 'x': expected one type, found int64 and string; declare it once",
    ),
    (
        lambda: fg.Event.of("buy", {"known_ms": "int64"}),
        (
            "event 'buy': expected a field of the application, found 'known_ms', "
            "which is a column that takes no part in any value; take it out"
        ),
    ),
]


@pytest.mark.parametrize(("words", "message"), WORDS, ids=[message[:40] for _, message in WORDS])
def test_a_slip_is_answered_with_the_next_step(
    words: Callable[[], object], message: str, refused: Refused
) -> None:
    """The whole message, after the line of the file on which the slip stands."""
    assert refused(words) == message


def test_a_misspelt_attribute_is_an_attribute_error() -> None:
    """Editors, hasattr and Python's own advice ("did you mean") work on declared classes."""
    with pytest.raises(AttributeError, match="quantty"):
        Buy.quantty  # type: ignore[attr-defined]  # noqa: B018 - the access is the test


ABSENT: list[tuple[Callable[[], object], str]] = [
    (
        lambda: looks.count().lookup("a"),  # type: ignore[attr-defined]
        (
            "lookup: expected a word of a value, found none of that name; "
            "group the rows by group_by(...) before they are aggregated"
        ),
    ),
    (
        lambda: Look.quantity.mean(1),  # type: ignore[attr-defined]
        (
            "mean: expected a word of a value, found none of that name; "
            "aggregate rows, as in fg.rows(Purchase).mean(...)"
        ),
    ),
    (
        lambda: Look.quantity.fil(0),  # type: ignore[attr-defined]
        "fil: expected a word of a value, found none of that name; did you mean 'fill'?",
    ),
    (
        lambda: looks.over(["1h", "1d"]).count().top(3),  # type: ignore[attr-defined]
        (
            "top: expected a word of a value, found none of that name; "
            "group the rows by group_by(...) before they are aggregated"
        ),
    ),
    (
        lambda: looks.last(3).over("1d"),  # type: ignore[attr-defined]
        "over: expected a word of rows, found none of that name; say it before last(n) and group_by",
    ),
    (
        lambda: looks.group(Look.quantity),  # type: ignore[attr-defined]
        "group: expected a word of rows, found none of that name; did you mean 'group_by'?",
    ),
]


@pytest.mark.parametrize(("words", "message"), ABSENT, ids=[message[:30] for _, message in ABSENT])
def test_a_word_that_is_none_is_answered(refused: Refused, words: Callable[[], object], message: str) -> None:
    """With where it stands, or the nearest; to Python it is a missing attribute like any other."""
    assert refused(words) == message
    with pytest.raises(AttributeError):
        words()


def test_what_python_asks_for_by_itself_is_no_word() -> None:
    """copy, pickle and the like look for names with an underscore."""
    for value in (Look.quantity, looks):
        assert getattr(value, "__array__", None) is None
        assert not hasattr(value, "shape")


def test_the_deepest_expression_is_the_deepest(refused: Refused) -> None:
    """One word more is refused, not met by the interpreter's limit later."""
    value = deep()
    graph = fg.Graph("g", {"deep": value})
    assert fg.Graph.from_json(graph.to_json()) == graph
    assert graph.compile().to_bytes()
    assert refused(lambda: value + 1) == (
        "expected expressions at most 256 operators deep, found 257; split the expression"
    )


# ---------------------------------------------------------------- from JSON, which has no lines

FORM: dict[str, Any] = {
    "format": 1,
    "graph": "g",
    "events": {"buy": {"quantity": "int64", "gift": "boolean"}},
}
COUNT = {"agg": "count", "stream": {"events": ["buy"]}}


def over_rows(x: object) -> dict[str, object]:
    """Return a graph with the sum of X over rows."""
    return {"total": {"agg": "sum", "x": x, "stream": {"events": ["buy"]}}}


FEATURES: list[tuple[dict[str, object], str]] = [
    (
        {"a": {"feature": "b"}, "b": {"op": "neg", "args": [{"feature": "c"}]}, "c": {"feature": "a"}},
        "feature 'c': expected no feature that needs itself, found a -> b -> c -> a; break the cycle",
    ),
    (
        {"a": {"feature": "a"}},
        "feature 'a': expected no feature that needs itself, found a -> a; break the cycle",
    ),
    (
        {"buys": COUNT, "ratio": {"feature": "buy"}},
        "feature 'ratio': expected a feature of this graph, found 'buy'; did you mean 'buys'?",
    ),
    (
        {"a": {"feature": "b"}, "b": {"op": "sqroot", "args": []}},
        "feature 'b': expected an operator, found 'sqroot'; did you mean 'sqrt'?",
    ),
    (
        over_rows({"field": "quantty"}),
        "feature 'total': event 'buy': expected a declared field, found 'quantty'; did you mean 'quantity'?",
    ),
    (
        over_rows({"field": 3}),
        "feature 'total': event 'buy': expected a declared field, found 3; did you mean 'gift', 'quantity'?",
    ),
    (
        {"n": {"agg": "count", "stream": {"events": ["bye"]}}},
        "feature 'n': stream: expected a declared event, found 'bye'; did you mean 'buy'?",
    ),
    (
        {"n": {"agg": "cuont", "stream": {"events": ["buy"]}}},
        (
            "feature 'n': expected an aggregate (count, sum, mean, var, std, min, max, first, last, "
            "distinct, topk, quantile, since_last, since_first, decayed_sum, sequence), found 'cuont'; "
            "did you mean 'count'?"
        ),
    ),
    (
        {"n": COUNT | {"streem": {}}},
        "feature 'n': count: expected the keys agg, stream, x, found 'streem'; did you mean 'stream'?",
    ),
    (
        {"x": {"field": "quantity"}},
        "feature 'x': field: expected it inside a stream, found it outside; aggregate it first",
    ),
    (
        over_rows(COUNT),
        (
            "feature 'total': expected fields, requests and literals inside a stream, "
            "found the aggregate 'count'; use it outside"
        ),
    ),
    (
        {"n": COUNT, **over_rows({"feature": "n"})},
        (
            "feature 'total': expected fields, requests and literals inside a stream, "
            "found feature 'n'; use it outside"
        ),
    ),
    (
        {"x": {"now": 1}},
        "feature 'x': now: expected true, found 1; write {'now': true}",
    ),
    (
        {"x": {"table": "t", "key": {"now": True}, "field": "f"}},
        "feature 'x': expected a declared table, found 't'; none is declared",
    ),
    (
        {"n": {"agg": "quantile", "q": 1e999, "x": {"field": "quantity"}, "stream": {"events": ["buy"]}}},
        "feature 'n': quantile: expected 0 < q <= 1, found inf; give a share such as 0.5",
    ),
]


@pytest.mark.parametrize(("features", "message"), FEATURES, ids=[message[:40] for _, message in FEATURES])
def test_a_broken_feature_is_named(features: dict[str, object], message: str) -> None:
    """The message begins with the feature in which the fault stands, also if others lead to it."""
    with pytest.raises(fg.CompileError) as caught:
        fg.Graph.from_json(FORM | {"features": features})
    assert str(caught.value) == message


TEXTS: list[tuple[str | bytes, str]] = [
    ("[]", "graph: expected an object, found []; see docs/reference/graph-json.md for its form"),
    ("{", "expected a graph as JSON, found: "),
    (b"\xff", "expected a graph as JSON, found: "),
    (
        '{"a": NaN}',
        "expected a graph as JSON, found: NaN is no JSON number; see docs/reference/graph-json.md",
    ),
    ("[" * 100_000, "expected a graph as JSON, found: "),
    ('{"format": 2}', "expected graph format 1, found 2; use a release that reads it"),
    (" " * (MAX_TEXT + 1), f"expected a graph of at most {MAX_TEXT} "),
    (
        json.dumps(FORM | {"features": []}),
        "features: expected an object, found []; see docs/reference/graph-json.md",
    ),
    (json.dumps(FORM | {"features": {}}), "graph 'g': expected at least one feature, found none; "),
    (
        json.dumps(FORM | {"features": {"n": COUNT}, "tables": {"t": {}}}),
        "table 't', fields: expected an object, found None; ",
    ),
    (
        json.dumps(FORM | {"features": {"n": COUNT}, "keys": "k"}),
        "graph: expected the keys format, graph, key, ",
    ),
]


@pytest.mark.parametrize(("text", "message"), TEXTS, ids=[message[:50] for _, message in TEXTS])
def test_a_text_that_is_no_graph_is_refused(text: str | bytes, message: str) -> None:
    """Too large, too deep, no JSON, another format: one line says which."""
    with pytest.raises(fg.CompileError) as caught:
        fg.Graph.from_json(text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_conjunctions_as_wide_as_they_may_be_compile() -> None:
    """Flattening never makes more arguments than an operator takes."""
    gift = {"field": "gift"}
    inner = {"op": "and", "args": [gift] * 256}
    wide = {"op": "and", "args": [inner] + [{"op": "not", "args": [gift]}] * 255}
    stream = {"events": ["buy"], "where": wide}
    graph = fg.Graph.from_json(FORM | {"features": {"n": {"agg": "count", "stream": stream}}})
    assert graph.compile().aggregates
