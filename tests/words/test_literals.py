"""Python values as literals: the type that each shows, and those that show none."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.shown import shown

Refused = Callable[[Callable[[], object]], str]


@pytest.mark.parametrize(
    ("value", "type"),
    [
        (True, "boolean"),
        (1, "int64"),
        (-(2**63), "int64"),
        (1.0, "float64"),
        ("tea", "string"),
        (Decimal("1.50"), "decimal(2)"),
        (Decimal("1E+2"), "decimal(0)"),
        (Decimal("-0.001"), "decimal(3)"),
    ],
)
def test_a_value_shows_its_type(value: Any, type: str) -> None:
    """A truth value is no number, a decimal has the digits that are written."""
    assert str(fg.lit(value).dtype) == type


def test_equal_python_values_of_different_types_are_different_literals() -> None:
    """1, True and 1.0 are one dictionary key in Python, and three literals here."""
    assert len({fg.lit(1).node, fg.lit(True).node, fg.lit(1.0).node}) == 3


def test_a_decimal_is_exact(app: Any) -> None:
    """Its digits reach the JSON form, and a product adds the scales."""
    total = fg.rows(app.Purchase).sum(app.Purchase.unit_price * Decimal("1.19"))
    assert str(total.dtype) == "decimal(5)"
    assert '{"lit":"1.19","type":"decimal(2)"}' in fg.Graph("g", {"total": total}).to_json()


def test_a_null_has_a_type() -> None:
    """None alone shows none; with a type it is that type's null."""
    assert fg.lit(None, "int64").node["value"] is None


def test_literals_stand_on_either_side(app: Any) -> None:
    """Python's reflected operators keep the order of the arguments."""
    quantity = app.Purchase.quantity
    assert (1 - quantity).node is not (quantity - 1).node
    assert (2 * quantity).node is (fg.lit(2) * quantity).node


def test_lists_of_literals_lose_order_and_repeats(app: Any) -> None:
    """Membership and edges mean the same in any order, and so have one id."""
    quantity, price = app.Purchase.quantity, app.Purchase.unit_price
    assert quantity.is_in([3, 1, 3]).node is quantity.is_in((1, 3)).node
    assert quantity.is_in({1, 3}).node is quantity.is_in([1, 3, None]).node
    assert price.bucketize([Decimal("2.5"), 1]).node is price.bucketize(["1", "2.500"]).node


VALUES: dict[str, tuple[Callable[[], object], str]] = {
    "a number beyond int64": (
        lambda: fg.lit(2**63),
        (
            "expected a literal of type int64, found 9223372036854775808; "
            "write a whole number of 64 bits such as 3"
        ),
    ),
    "no number": (
        lambda: fg.lit(float("nan")),
        "expected a literal of type float64, found nan; write a finite number such as 0.5",
    ),
    "a null without a type": (
        lambda: fg.lit(None),
        (
            "expected a number, a text, true or false, found None; "
            "ask with is_null(), or write fg.lit(None, type) for a null"
        ),
    ),
    "a Python object": (
        lambda: fg.lit(b"tea"),
        (
            "expected a number, a text, true or false, found b'tea'; "
            "give a Python value, or its type with fg.lit(value, type)"
        ),
    ),
    "more digits than a decimal has": (
        lambda: fg.lit(Decimal("0." + "1" * 19)),
        "expected a decimal scale of 0 to 18, found 19; use fewer digits",
    ),
    "half a character": (
        lambda: fg.lit("\ud800"),
        "expected a literal of type string, found '\\ud800'; write a text of valid UTF-8 such as \"a\"",
    ),
}


@pytest.mark.parametrize("case", VALUES)
def test_what_is_no_literal_is_refused(case: str, refused: Refused) -> None:
    """The message shows the value and what to write instead."""
    words, message = VALUES[case]
    assert refused(words) == message


def test_a_text_is_no_list_of_letters(app: Any, refused: Refused) -> None:
    """`is_in` of one text is a slip, not its letters."""
    assert refused(lambda: app.View.category.is_in("tea")) == (
        "is_in: expected values as a list of at most 100000 literals, found 'tea'; give one"
    )


class Page(fg.Event, name="page"):
    """An event whose field is named by its text below."""

    category = fg.category()


PAGES: Any = fg.rows(Page)

FIELD_AS_TEXT: dict[str, Callable[[], object]] = {
    "group_by": lambda: PAGES.group_by("category"),
    "count": lambda: PAGES.count("category"),
    "sum": lambda: PAGES.over(["1h", "7d"]).sum("category"),
    "last": lambda: PAGES.last("category"),
    "topk": lambda: PAGES.last(5).topk("category", 3),
    "where": lambda: PAGES.where("category"),
    "sequence, item 'a'": lambda: PAGES.sequence(3, {"a": "category"}),
    "sequence, distinct": lambda: PAGES.sequence(3, {"a": fg.age()}, distinct="category"),
}


@pytest.mark.parametrize("word", FIELD_AS_TEXT)
def test_a_text_where_a_field_is_meant_is_refused(refused: Refused, word: str) -> None:
    """As a literal it would be the same for every row, and nobody would notice."""
    assert refused(FIELD_AS_TEXT[word]) == (
        f"{word}: expected a value of each row, found the text 'category'; write a field with its class, "
        "as in Purchase.quantity, or fg.lit(...) if this one text is meant for every row"
    )


@pytest.mark.parametrize("stream", [PAGES.last(2), PAGES.group_by(Page.category)])
def test_the_latest_of_a_text_is_refused_in_every_stream(refused: Refused, stream: Any) -> None:
    """After last(n) and group_by the word takes no number, and a text no more than before."""
    assert "a value of each row, found the text 'category'" in refused(lambda: stream.last("category"))


def test_one_text_for_every_row_is_said_with_lit() -> None:
    """Who means a constant writes it; beside a field a text is a literal as ever."""
    tea = PAGES.where(Page.category == "tea").group_by(fg.lit("all")).count()
    events = [{"event": "page", "ts_ms": 1, "user_id": "u", "category": kind} for kind in ("tea", "jam")]
    assert fg.reference.value(fg.Graph("g", {"tea": tea}), "tea", events, "u", 2) == {"all": 1}


def test_what_is_cut_says_so() -> None:
    """A value in a message is as long as it may be, and a cut one ends in dots."""
    assert [shown("a" * n, 8) for n in (6, 7)] == ["'aaaaaa'", "'aaaa..."]
