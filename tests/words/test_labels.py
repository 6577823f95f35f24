"""Labels: the words that look ahead, what follows from them, and whose id a graph with labels has."""

from __future__ import annotations

from typing import Any

import pytest

import featuregraph as fg

pytestmark = pytest.mark.device


@pytest.fixture
def shop(app: Any) -> fg.Graph:
    """Return a graph with two features and three labels, one of them by way of another feature."""
    buys = fg.rows(app.Purchase)
    before, after = buys.over("7d").count(), buys.ahead("24h").count()
    return fg.Graph(
        "shop",
        {
            "before": before,
            "items": fg.rows(app.View).topk(app.View.item_id, 3),
            "after": after,
            "more": after > before,
            "next": fg.rows(app.Purchase, ahead="1h").sequence(3, {"item": app.Purchase.item_id}),
        },
    )


def test_what_looks_ahead_is_a_label(shop: fg.Graph) -> None:
    """Also what reads it through another feature; the JSON form says so, both ways."""
    assert shop.labels == ("after", "more", "next")
    assert shop.to_dict()["features"]["after"]["stream"] == {"ahead": "1d", "events": ["purchase"]}
    assert fg.Graph.from_json(shop.to_json()) == shop


def test_labels_are_left_out_of_the_id(shop: fg.Graph) -> None:
    """Training data, model and device carry one id; each label has an id of its own."""
    serving = shop.serving()
    assert list(serving.features) == ["before", "items"]
    assert serving.id == shop.id == shop.compile().id
    assert serving.serving() is serving
    assert len(set(shop.feature_ids.values())) == 5
    changed = fg.Graph("shop", {"before": shop_feature(shop, "before"), "items": shop_feature(shop, "items")})
    assert changed.id == shop.id


def shop_feature(graph: fg.Graph, name: str) -> fg.Expr:
    """Return a feature of GRAPH as an expression."""
    return fg.Expr(graph.features[name], frozenset(graph.schemas.values()))


def test_the_serving_graph_declares_what_it_reads(app: Any) -> None:
    """An event, a request and a table that only labels ask for are not shipped."""
    price = fg.Table.of("price", {"p": fg.decimal(2)}, key=fg.identifier)
    views = fg.rows(app.View)
    graph = fg.Graph(
        "g",
        {
            "seen": views.count(),
            "spent": fg.rows(app.Purchase).ahead("1d").sum(price[app.Purchase.item_id]["p"])
            + fg.request("fee", fg.decimal(2)),
        },
    )
    serving = graph.serving()
    assert (list(serving.schemas), list(serving.tables), list(serving.requests)) == (["view"], [], [])


def test_a_graph_of_labels_only_is_not_served(app: Any) -> None:
    """It has an id and a plan, for history; there is nothing to serve."""
    graph = fg.Graph("g", {"after": fg.rows(app.Purchase).ahead("1d").count()})
    assert len(graph.compile().id) == 64
    with pytest.raises(fg.CompileError, match="found labels only"):
        graph.serving()


def test_windows_ahead_come_in_lists_too(app: Any) -> None:
    """Each becomes a label of its own."""
    graph = fg.Graph("g", {"n": fg.rows(app.Purchase).ahead(["1h", "1d"]).count()})
    assert graph.labels == ("n_1d", "n_1h")


def test_a_window_ahead_begins_at_t(app: Any) -> None:
    """In a plan it is the window that its offset moves to [t, t + W), with include_now to (t, t + W]."""
    from featuregraph.layout import lay_out

    for include_now, bounds in ((False, (100, 110)), (True, (101, 111))):
        graph = fg.Graph("g", {"n": fg.rows(app.Purchase).ahead("10ms").count()}, include_now=include_now)
        (span,) = lay_out(graph.compile().demands).spans.values()
        assert span.window.bounds(100) == bounds


def test_explain_tells_labels_from_features(shop: fg.Graph) -> None:
    """Who reads the plan sees what devices will not compute."""
    text = shop.explain()
    assert "after: int64; label, 1d ahead" in text
    assert "more: boolean; label, 1d ahead, 7d back" in text
    assert "devices serve the others: after, more, next" in text
