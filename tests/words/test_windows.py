"""Several windows at once: each word goes on to each of them, and each becomes a feature of its own."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.expr import Expr, GroupedExpr, Words
from featuregraph.testing.executors import ReferenceExecutor


class Buy(fg.Event, name="buy"):
    """An event."""

    item_id = fg.identifier()
    quantity = fg.int64()


class Item(fg.Candidate):
    """What comes with each candidate."""

    item_id = fg.identifier()


WINDOWS = ["1h", "7d"]
Refused = Callable[[Callable[[], object]], str]


def count(window: str) -> fg.Expr:
    """Return the count of one window."""
    return fg.rows(Buy).over(window).count()


def text(window: str) -> fg.Expr:
    """Return a text of one window."""
    return fg.rows(Buy).over(window).max(Buy.item_id)


COUNTS = fg.rows(Buy).over(WINDOWS).count()
TEXTS = fg.rows(Buy).over(WINDOWS).max(Buy.item_id)
BY_ITEM = fg.rows(Buy).over(WINDOWS).group_by(Buy.item_id).count()
TOTAL = fg.rows(Buy).count()

# Each word, as it is written of one value.
NUMBER_WORDS: dict[str, Callable[[Any], Any]] = {
    "__add__": lambda x: x + 1,
    "__radd__": lambda x: 1 + x,
    "__sub__": lambda x: x - 1,
    "__rsub__": lambda x: 1 - x,
    "__mul__": lambda x: x * 2,
    "__rmul__": lambda x: 2 * x,
    "__truediv__": lambda x: x / 2,
    "__rtruediv__": lambda x: 2 / x,
    "__floordiv__": lambda x: x // 2,
    "__rfloordiv__": lambda x: 2 // x,
    "__mod__": lambda x: x % 2,
    "__rmod__": lambda x: 2 % x,
    "__neg__": lambda x: -x,
    "__abs__": abs,
    "abs": lambda x: x.abs(),
    "log1p": lambda x: x.log1p(),
    "sqrt": lambda x: x.sqrt(),
    "__eq__": lambda x: x == 1,
    "__ne__": lambda x: x != 1,
    "__lt__": lambda x: x < 1,
    "__le__": lambda x: x <= 1,
    "__gt__": lambda x: x > 1,
    "__ge__": lambda x: x >= 1,
    "__and__": lambda x: (x > 1) & True,
    "__rand__": lambda x: True & (x > 1),
    "__or__": lambda x: (x > 1) | True,
    "__ror__": lambda x: True | (x > 1),
    "__invert__": lambda x: ~(x > 1),
    "is_null": lambda x: x.is_null(),
    "is_in": lambda x: x.is_in([1, 2]),
    "fill": lambda x: x.fill(0),
    "clip": lambda x: x.clip(lo=0, hi=9),
    "bucketize": lambda x: x.bucketize([1, 2]),
    "cast": lambda x: x.cast("float64"),
    "hash": lambda x: x.hash(100, seed=1),
    "fg.where": lambda x: fg.where(x > 1, x, 0),
}
TEXT_WORDS: dict[str, Callable[[Any], Any]] = {
    "cross": lambda x: x.cross("a"),
    "fg.cross": lambda x: fg.cross("a", x),
}


def test_every_word_is_tried() -> None:
    """What Words says, the two tables write."""
    words = {name for name, value in vars(Words).items() if callable(value) and name != "__hash__"}
    others = {"_give", "__bool__", "__getattr__", "__class_getitem__", "__init_subclass__"}
    assert words - others <= NUMBER_WORDS.keys() | TEXT_WORDS.keys()


@pytest.mark.parametrize("word", NUMBER_WORDS)
def test_a_word_applies_to_each_window(word: str) -> None:
    """It gives what it gives of one window's value."""
    made = NUMBER_WORDS[word](COUNTS)
    assert type(made) is fg.Windows
    assert {w: e.node for w, e in made.items()} == {w: NUMBER_WORDS[word](count(w)).node for w in WINDOWS}


@pytest.mark.parametrize("word", TEXT_WORDS)
def test_a_word_of_texts_applies_to_each_window(word: str) -> None:
    """It gives what it gives of one window's value."""
    made = TEXT_WORDS[word](TEXTS)
    assert type(made) is fg.Windows
    assert {w: e.node for w, e in made.items()} == {w: TEXT_WORDS[word](text(w)).node for w in WINDOWS}


@pytest.mark.parametrize("op", [operator.add, operator.truediv, operator.lt, operator.eq])
def test_windows_meet_window_by_window(op: Callable[[Any, Any], Any]) -> None:
    """A list in another order, or written in other units, is the same windows; the left one names them."""
    other = fg.rows(Buy).over(["168h", "60m"]).sum(Buy.quantity)
    made = op(COUNTS, other)
    wanted = {w: op(count(w), fg.rows(Buy).over(w).sum(Buy.quantity)).node for w in WINDOWS}
    assert {w: e.node for w, e in made.items()} == wanted
    assert list(op(other, COUNTS)) == ["168h", "60m"]


@pytest.mark.parametrize("op", [operator.add, operator.truediv, operator.lt, operator.ne])
def test_a_single_value_meets_each_window(op: Callable[[Any, Any], Any]) -> None:
    """On either side."""
    assert {w: e.node for w, e in op(COUNTS, TOTAL).items()} == {w: op(count(w), TOTAL).node for w in WINDOWS}
    assert {w: e.node for w, e in op(TOTAL, COUNTS).items()} == {w: op(TOTAL, count(w)).node for w in WINDOWS}


def test_a_single_value_is_filled_crossed_and_chosen_by_windows() -> None:
    """Words that take further values take several windows."""
    assert {w: e.node for w, e in TOTAL.fill(COUNTS).items()} == {
        w: TOTAL.fill(count(w)).node for w in WINDOWS
    }
    assert {w: e.node for w, e in text("1d").cross(TEXTS).items()} == {
        w: text("1d").cross(text(w)).node for w in WINDOWS
    }
    for chosen in (
        fg.where(TOTAL > 1, COUNTS, 0),
        fg.where(TOTAL > 1, 0, COUNTS),
        fg.where(COUNTS > 1, 1, 0),
    ):
        assert isinstance(chosen, fg.Windows)


def test_groups_of_each_window_are_looked_into() -> None:
    """Lookup and top give one value per window, also by a key of several windows."""
    assert type(BY_ITEM) is fg.GroupedWindows
    for window in WINDOWS:
        grouped = fg.rows(Buy).over(window).group_by(Buy.item_id).count()
        assert isinstance(BY_ITEM[window], GroupedExpr)
        assert BY_ITEM.lookup(Item.item_id)[window].node is grouped.lookup(Item.item_id).node
        assert BY_ITEM.lookup(TEXTS)[window].node is grouped.lookup(text(window)).node
        assert BY_ITEM.top(3)[window].node is grouped.top(3).node
    lifetime = fg.rows(Buy).group_by(Buy.item_id).count()
    assert type(lifetime.lookup(TEXTS)) is fg.Windows
    assert type(BY_ITEM["1h"].lookup("a")) is Expr


class Shop:
    """Features in several windows."""

    buys = fg.rows(Buy).over(WINDOWS).count()
    share = (buys / fg.rows(Buy).count()).fill(0.0)
    own = fg.rows(Buy).over(WINDOWS).group_by(Buy.item_id).count().lookup(Item.item_id) + 1


class Plain:
    """The same, one by one."""

    buys_1h, buys_7d = count("1h"), count("7d")
    share_1h, share_7d = (buys_1h / TOTAL).fill(0.0), (buys_7d / TOTAL).fill(0.0)
    own_1h = fg.rows(Buy).over("1h").group_by(Buy.item_id).count().lookup(Item.item_id) + 1
    own_7d = fg.rows(Buy).over("7d").group_by(Buy.item_id).count().lookup(Item.item_id) + 1


def test_each_window_is_the_feature_that_one_would_write() -> None:
    """The canonical JSON, and with it every id, is the same."""
    several, single = fg.Graph("shop", Shop), fg.Graph("shop", Plain)
    assert several.to_json() == single.to_json()
    assert several.id == single.id
    assert fg.Graph.from_json(several.to_json()) == several


def test_words_on_windows_have_values() -> None:
    """The reference computes them as they read."""
    events = [
        {"event": "buy", "user_id": "u", "ts_ms": ms, "item_id": item, "quantity": 1}
        for ms, item in ((0, "a"), (3_600_000, "b"), (7_000_000, "b"))
    ]
    query = {"key": "u", "t": 7_200_000, "request": {"item_id": ["a", "b"]}}
    (answer,) = ReferenceExecutor().run([fg.Graph("shop", Shop)], events, [query])
    assert answer.values == {
        "buys_1h": 2,
        "buys_7d": 3,
        "own_1h": [1, 3],
        "own_7d": [2, 3],
        "share_1h": 2 / 3,
        "share_7d": 1.0,
    }


def test_windows_show_what_they_are() -> None:
    """Their texts and their type; a window that is none of them is answered with those that are."""
    assert repr(COUNTS) == "<Windows 1h, 7d: int64>"
    assert repr(BY_ITEM) == "<GroupedWindows 1h, 7d: map<identifier, int64>>"
    with pytest.raises(KeyError, match=r"expected one of the windows \['1h', '7d'\], found '2h'"):
        COUNTS["2h"]
    assert "2h" not in COUNTS
    assert COUNTS.get("2h") is None


ONE_DAY = fg.rows(Buy).over(["1d", "7d"]).count()
NO_CONDITION = (
    "expected true or false, found an expression, whose value only a query knows; "
    "write & | ~ for and, or, not, (a < b) & (b < c) for a < b < c, and fg.where for if"
)
SLIPS: list[tuple[Callable[[], object], str]] = [
    (
        lambda: COUNTS / ONE_DAY,
        (
            "div: expected the same windows on both sides, found ['1h', '7d'] and ['1d', '7d']; "
            "give both one list, or take one window by its text, as in ['1d']"
        ),
    ),
    (
        lambda: BY_ITEM.lookup(fg.rows(Buy).over(["7d"]).last(Buy.item_id)),
        (
            "lookup: expected the same windows on both sides, found ['1h', '7d'] and ['7d']; "
            "give both one list, or take one window by its text, as in ['7d']"
        ),
    ),
    (lambda: bool(COUNTS > 1), NO_CONDITION),
    (lambda: 0 < COUNTS < 5, NO_CONDITION),
    (
        lambda: COUNTS + "a",
        "add: expected numbers, found int64 and string; cast the text or choose another field",
    ),
    (
        lambda: fg.rows(Buy).sum(COUNTS),
        (
            "expected one value, found one for each of the windows ['1h', '7d']; "
            "take one window by its text, as in ['1h']"
        ),
    ),
    (
        lambda: BY_ITEM + 1,
        (
            "add: expected a scalar, found map<identifier, int64>; "
            "a list, map or vector is a feature by itself"
        ),
    ),
    (
        lambda: fg.rows(Buy).over(["7d", "1h", "1w"]),
        "over: expected windows of different lengths, found '7d' and '1w'; take one out",
    ),
    (
        lambda: fg.rows(Buy).over("7d").over("1d"),
        (
            "over: expected it once in a chain, found '7d' and then '1d'; "
            "give all windows in one list, or begin again at the rows before the first"
        ),
    ),
    (
        lambda: fg.rows(Buy).over("7d").where(Buy.quantity > 0).over(None),
        (
            "over: expected it once in a chain, found '7d' and then None; "
            "give all windows in one list, or begin again at the rows before the first"
        ),
    ),
    (
        lambda: fg.rows(Buy).over(None).over(["1h"]),
        (
            "over: expected it once in a chain, found None and then ['1h']; "
            "give all windows in one list, or begin again at the rows before the first"
        ),
    ),
    (
        lambda: fg.rows(Buy).over(["1h", "7d"]).over("1d"),
        (
            "over: expected it once in a chain, found ['1h', '7d'] and then '1d'; "
            "give all windows in one list, or begin again at the rows before the first"
        ),
    ),
    (
        lambda: fg.rows(Buy).offset("1d").over("7d").offset("2d"),
        (
            "offset: expected it once in a chain, found '1d' and then '2d'; "
            "give their sum, or begin again at the rows before the first"
        ),
    ),
    (
        lambda: fg.rows(Buy).last(5).last(3),  # type: ignore[arg-type]
        (
            "last: expected an expression, whose latest value is meant, found 3; "
            "say last(n) once, and before group_by"
        ),
    ),
    (
        lambda: fg.rows(Buy).group_by(Buy.item_id).last(3),  # type: ignore[arg-type]
        (
            "last: expected an expression, whose latest value is meant, found 3; "
            "say last(n) once, and before group_by"
        ),
    ),
]


@pytest.mark.parametrize(("words", "message"), SLIPS, ids=[message[:50] for _, message in SLIPS])
def test_a_slip_is_answered_with_the_next_step(
    words: Callable[[], object], message: str, refused: Refused
) -> None:
    """The whole message, after the line of the file on which the slip stands."""
    assert refused(words) == message
