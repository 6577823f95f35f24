"""Streams and declarations: chains, windows, run-time events, inheritance, requests and candidates."""

from __future__ import annotations

from typing import Any

import pytest

import featuregraph as fg


def test_after_last_only_grouping_and_aggregates_are_left(app: Any) -> None:
    """No chain can contradict the order of evaluation: visible, window, where, last N, aggregate."""
    latest = fg.rows(app.Purchase).where(app.Purchase.quantity > 0).over("7d").last(5)
    assert type(latest) is fg.LastRows
    assert type(latest.group_by(app.Purchase.item_id)) is fg.GroupedRows
    for word in ("where", "over", "offset", "ahead"):
        assert not hasattr(latest, word)
    for word in ("where", "over", "offset", "topk", "sequence", "group_by"):
        assert not hasattr(latest.group_by(app.Purchase.item_id), word)


def test_last_of_a_number_narrows_and_of_an_expression_aggregates(app: Any) -> None:
    """`last(5)` is a stream of five rows, `last(x)` the latest x."""
    stream = fg.rows(app.Purchase)
    assert type(stream.last(5)) is fg.LastRows
    value = stream.last(5).last(app.Purchase.quantity)
    assert type(value) is fg.Expr
    assert (value.node["last"], str(value.dtype)) == (5, "int64")


def test_a_list_of_windows_gives_one_expression_each(app: Any) -> None:
    """The mapping is by the window's text, in the order of the list."""
    made = fg.rows(app.View).over(["1h", "7d"]).count()
    assert isinstance(made, fg.Windows)
    assert {text: expr.node["over"] for text, expr in made.items()} == {"1h": 3_600_000, "7d": 604_800_000}
    assert len(made) == 2


def test_the_words_of_an_expression_apply_to_each_window(app: Any) -> None:
    """Operators, two lists of one kind, choices and lookups: what comes is one expression per window."""
    views, buys = fg.rows(app.View).over(["1h", "7d"]), fg.rows(app.Purchase).over(["7d", "1h"])
    n, gifts = views.count(), buys.count()
    category = fg.candidate("category", fg.category())
    made = {
        "rate": gifts / n,
        "more": 1 + n,
        "some": (n > 0) & ~gifts.is_null(),
        "logged": n.log1p().fill(0.0),
        "either": fg.where(gifts > 0, gifts, n),
        "asked": views.group_by(app.View.category).count().lookup(category),
        "top": views.group_by(app.View.category).count().top(2),
    }
    graph = fg.Graph("g", made)
    one = {
        text: (fg.rows(app.View).over(text), fg.rows(app.Purchase).over(text).count())
        for text in ("1h", "7d")
    }
    assert graph == fg.Graph(
        "g",
        {
            f"{name}_{text}": expr
            for text, (rows, b) in one.items()
            for name, expr in {
                "rate": b / rows.count(),
                "more": 1 + rows.count(),
                "some": (rows.count() > 0) & ~b.is_null(),
                "logged": rows.count().log1p().fill(0.0),
                "either": fg.where(b > 0, b, rows.count()),
                "asked": rows.group_by(app.View.category).count().lookup(category),
                "top": rows.group_by(app.View.category).count().top(2),
            }.items()
        },
    )
    assert fg.Graph.from_json(graph.to_json()) == graph


def test_windows_that_do_not_fit_are_refused(app: Any) -> None:
    """Other windows on the other side, one value wanted, a window that is not there: each says what to do."""
    views = fg.rows(app.View)
    n: Any = views.over(["1h", "7d"]).count()
    with pytest.raises(fg.CompileError, match="same windows on both sides, found 1h, 7d and 1d"):
        n / views.over(["1d"]).count()
    with pytest.raises(fg.CompileError, match=r'one for each window of 1h, 7d; choose one, as in it\["1h"\]'):
        views.where(n > 0)
    with pytest.raises(fg.CompileError, match="found '7'; did you mean '7d'"):
        n["7"]
    assert (str(n.dtype), repr(n)[:17], "1h" in n) == ("int64", "<Windows 1h, 7d: ", True)


def test_words_before_and_after_a_list_of_windows_hold_for_each(app: Any) -> None:
    """Filters, offsets and groups are those of every window."""
    stream = fg.rows(app.View).offset("1d").over(["1h", "7d"]).where(app.View.category == "tea")
    made = stream.group_by(app.View.item_id).count()
    assert isinstance(made, fg.Windows)
    for expr in made.values():
        assert isinstance(expr, fg.GroupedExpr)
        assert expr.node["offset"] == 86_400_000
        assert expr.node.role("where") is not None


def test_a_second_filter_narrows_further(app: Any) -> None:
    """Two filters are one `and`."""
    p = app.Purchase
    chained = fg.rows(p).where(p.quantity > 0).where(~p.gift).count()
    assert chained.node is fg.rows(p).where((p.quantity > 0) & ~p.gift).count().node


def test_a_field_of_any_member_stands_for_all(app: Any) -> None:
    """In a union a field's name is what counts; the order of the members has no meaning."""
    ours = fg.rows(app.Purchase, app.View).distinct(app.View.item_id)
    assert ours.node is fg.rows(app.View, app.Purchase).distinct(app.Purchase.item_id).node


def test_an_event_is_named_after_its_class() -> None:
    """Without a name, AddToCart is the event add_to_cart."""

    class AddToCart(fg.Event):
        quantity = fg.int64()

    graph = fg.Graph("g", {"n": fg.rows(AddToCart).sum(AddToCart.quantity)})
    assert list(graph.events) == ["add_to_cart"]


def test_events_inherit_fields() -> None:
    """A subclass has the fields of its bases; one declared again has the new type, in the subclass only."""

    class Seen(fg.Event, name="seen"):
        item_id = fg.identifier()
        price = fg.int64()

    class Sold(Seen, name="sold"):
        price = fg.decimal(2)
        quantity = fg.int64()

    graph = fg.Graph("g", {"a": fg.rows(Seen).max(Seen.price), "b": fg.rows(Sold).max(Sold.price)})
    assert {e: {f: str(t) for f, t in fields.items()} for e, fields in graph.events.items()} == {
        "seen": {"item_id": "identifier", "price": "int64"},
        "sold": {"item_id": "identifier", "price": "decimal(2)", "quantity": "int64"},
    }
    assert fg.rows(Seen, Sold).distinct(Sold.item_id).node["events"] == ("seen", "sold")


AWKWARD = ["1st", "__name__", "_fields", "_own", "a b", "class", "count", "mro", "of", "schema", "été"]


def test_an_event_made_at_run_time_takes_any_name() -> None:
    """`View["count"]` reads a field of any name, also one that Python or the class needs for itself."""
    event = fg.Event.of("odd event", dict.fromkeys(AWKWARD, "int64"))
    graph = fg.Graph("g", {f"f {name}": fg.rows(event).sum(event[name]) for name in AWKWARD})
    assert list(graph.events["odd event"]) == sorted(AWKWARD)
    assert fg.Graph.from_json(graph.to_json()) == graph


def test_a_field_declared_by_class_may_be_named_as_the_class_needs() -> None:
    """The brackets find the field where the attribute is the class's own, also in a subclass."""

    class Change(fg.Event, name="change"):
        schema = fg.string()
        _own = fg.int64()

    class Undo(Change, name="undo"):
        by = fg.identifier()

    for event in (Change, Undo):
        assert str(fg.rows(event).last(event["schema"]).dtype) == "string"
        assert str(fg.rows(event).sum(event["_own"]).dtype) == "int64"


def test_fields_may_be_mixed_in() -> None:
    """A plain class holds fields that several events share."""

    class Priced:
        price = fg.decimal(2)

    class Offer(Priced, fg.Event, name="offer"):
        item_id = fg.identifier()

    graph = fg.Graph("g", {"most": fg.rows(Offer).max(Offer["price"])})
    assert {name: str(type) for name, type in graph.events["offer"].items()} == {
        "item_id": "identifier",
        "price": "decimal(2)",
    }


@pytest.mark.parametrize("type", ["decimal(2)", fg.decimal(2), lambda: fg.decimal(2)])
def test_types_are_texts_fields_or_constructors(type: Any) -> None:
    """A run-time declaration takes whatever names a type."""
    assert str(fg.Event.of("view", {"price": type})["price"].dtype) == "decimal(2)"
    assert str(fg.request("price", type).dtype) == "decimal(2)"
    assert str(fg.candidate("price", type).dtype) == "decimal(2)"
    assert str(fg.lit("1.50", type).dtype) == "decimal(2)"


def test_requests_and_candidates_are_declared_by_class_or_by_word(app: Any) -> None:
    """Both forms are one value; what comes per candidate gives one value per candidate."""
    assert app.Context.query.node is fg.request("query", fg.string).node
    assert app.Item.category.node is fg.candidate("category", "category").node
    assert app.Context["embedding"].node is app.Context.embedding.node
    liked = fg.rows(app.View).where(app.View.category == app.Context.query).count()
    graph = fg.Graph("g", {"liked": liked, "same": app.Item.category == app.Context.query})
    assert (sorted(graph.requests), sorted(graph.candidates)) == (["query"], ["category"])
    assert graph.compile().per_candidate == {"same"}


def test_an_expression_knows_its_place(app: Any) -> None:
    """It is the line on which the last word was written."""
    expr = fg.rows(app.View).count() + 1
    line = test_an_expression_knows_its_place.__code__.co_firstlineno + 2
    assert str(expr.place) == f"{__file__}:{line}"
    assert repr(expr) == f"<Expr add: int64 at {__file__}:{line}>"


def test_a_misspelled_field_names_the_nearest() -> None:
    """`Play.sng` is answered with the fields that are like it and the place; hasattr works as ever."""

    class Play(fg.Event, name="play"):
        song = fg.identifier()

    with pytest.raises(
        fg.CompileError,
        match=r"test_streams\.py:\d+: Play: expected a declared field, found 'sng'; did you mean 'song'",
    ) as caught:
        Play.sng  # type: ignore[attr-defined]  # noqa: B018
    assert isinstance(caught.value, AttributeError)
    assert not hasattr(Play, "sng")
    assert getattr(Play, "sng", None) is None
