"""Tables: declared beside events, looked up by key in any expression, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import featuregraph as fg
from featuregraph import reference
from featuregraph.explain import change, change_text

pytestmark = pytest.mark.device


class Product(fg.Table, key=fg.identifier):
    """A table that does not change."""

    brand = fg.category()
    price = fg.decimal(2)


class Rate(fg.Table, key=fg.int64, changing=True):
    """A table whose rows hold from their time on."""

    r = fg.float64()


def test_a_look_up_stands_in_any_expression(app: Any) -> None:
    """In a filter, a group, an aggregate, a sequence, of a candidate and of another feature's value."""
    views = fg.rows(app.View)
    latest = views.last(app.View.item_id)
    graph = fg.Graph(
        "g",
        {
            "n": views.where(Product[app.View.item_id].brand == "ax").count(),
            "by": views.group_by(Product[app.View.item_id].brand).count(),
            "spent": views.sum(Product[app.View.item_id].price),
            "seen": views.sequence(2, {"b": Product[app.View.item_id]["brand"]}),
            "offer": Product[fg.candidate("i", fg.identifier)].price,
            "last": Product[latest].brand,
            "seven": Product[7].brand,
            "rate": Rate[fg.request("k", fg.int64)].r,
        },
    )
    assert {name: str(table.key) for name, table in graph.tables.items()} == {
        "product": "identifier",
        "rate": "int64",
    }
    assert fg.Graph.from_json(graph.to_json()) == graph
    events = [
        {"event": "view", "user_id": "u", "ts_ms": t, "item_id": i} for t, i in enumerate(["a", 7, "b"])
    ]
    tables: dict[str, list[dict[str, object]]] = {
        "product": [
            {"key": "a", "brand": "ax", "price": "1.50"},
            {"key": 7, "brand": "by", "price": "2"},
        ],
        "rate": [{"key": 1, "ts_ms": 2, "r": 0.5}, {"key": 1, "ts_ms": 3, "r": 0.25}],
    }
    query = {"key": "u", "t": 3, "request": {"i": ["b", "a"], "k": 1}}
    (found,) = reference.answer(graph, events, [query], tables=tables)
    assert found.values == {
        "by": {"ax": 1, "by": 1},
        "last": None,
        "n": 1,
        "offer": [None, Decimal("1.50")],
        "rate": 0.5,
        "seen": {"b": ["by", None]},
        "seven": "by",
        "spent": Decimal("3.50"),
    }


def test_each_window_is_looked_up(app: Any) -> None:
    """A key with several windows gives one value per window."""
    latest = fg.rows(app.View).over(["1h", "1d"]).last(app.View.item_id)
    graph = fg.Graph("g", {"brand": Product[latest].brand})
    assert list(graph.features) == ["brand_1d", "brand_1h"]


def test_what_a_table_is_changes_the_meaning(app: Any) -> None:
    """Its key's type and whether it changes are part of the feature's id; fields without a reader are not."""

    def meaning(fields: dict[str, Any], **options: Any) -> str:
        table = fg.Table.of("t", fields, **{"key": fg.identifier, **options})
        return fg.Graph("g", {"n": fg.rows(app.View).sum(table[app.View.item_id]["a"])}).id

    plain = {"a": fg.int64}
    others = [meaning(plain, changing=True), meaning(plain, key=fg.string), meaning({"a": fg.decimal(1)})]
    assert len({meaning(plain), *others}) == 4
    assert meaning(plain) == meaning({**plain, "b": fg.string})


OTHER = fg.Table.of("product", {"c": fg.int64}, key=fg.int64)
WORDS: list[tuple[Callable[[], object], str]] = [
    (
        lambda: Product.price * 2,
        (
            "expected the field 'price' of one row, found that of the whole table; "
            "look it up by a key, as Product[View.item_id].price"
        ),
    ),
    (
        lambda: Product["a"].prise,  # type: ignore[attr-defined]
        "table 'product': expected a declared field, found 'prise'; did you mean 'price'?",
    ),
    (
        lambda: Product[fg.now()].price,
        (
            "table 'product': expected a key of type identifier, found timestamp; "
            "cast it, or look up by another value"
        ),
    ),
    (
        lambda: fg.Table.of("t", {}, key=fg.float64),
        (
            "table 't': expected a key of another type than float64 and vector, found float64; "
            "take an identifier or an int64"
        ),
    ),
    (
        lambda: fg.Table.of("t", {"ts_ms": fg.int64}, key=fg.int64),
        (
            "table 't': expected a field of the application, found 'ts_ms', "
            "which is a column of every table; rename it"
        ),
    ),
    (
        lambda: fg.Graph("g", {"a": Product["a"].brand, "b": OTHER[1]["c"]}),
        "feature 'b': expected one declaration of table 'product', found two; share one class",
    ),
]


@pytest.mark.parametrize(("words", "message"), WORDS, ids=[message[:40] for _, message in WORDS])
def test_a_slip_is_answered_with_the_next_step(
    words: Callable[[], object], message: str, refused: Callable[[Callable[[], object]], str]
) -> None:
    """The whole message, after the line of the file on which the slip stands."""
    assert refused(words) == message


def test_a_table_needs_its_key() -> None:
    """A class without key= says how to write it."""
    with pytest.raises(fg.CompileError, match=r"write class Lost\(fg.Table, key=fg.identifier\)"):

        class Lost(fg.Table):
            brand = fg.category()


def test_explain_tells_tables(app: Any) -> None:
    """What a plan looks up in, and what of a table changes when one graph takes another's place."""
    looked = fg.rows(app.View).count(Product[app.View.item_id].brand)
    graph = fg.Graph("g", {"n": looked, "seven": Product[7].brand})
    text = graph.explain()
    assert "table product  key identifier: brand category, price decimal(2)" in text
    assert "= count(product[item_id].brand) of view" in text
    assert "seven: category; from the query alone, and tables" in text
    other = fg.Table.of("product", {"brand": fg.category}, key=fg.identifier, changing=True)
    changing = fg.Graph("g", {"n": fg.rows(app.View).count(other[app.View.item_id]["brand"])})
    told = change_text(change(graph, changing))
    assert "tables\n  - product = key identifier: brand category, price decimal(2)\n" in told
    assert "  + product = key identifier, changing: brand category\n" in told
