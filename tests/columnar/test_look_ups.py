"""Tables and keys of several columns over columns, where chance seldom goes."""

from __future__ import annotations

from typing import Any

import pytest

import featuregraph as fg
from featuregraph.testing.conformance import Executor
from featuregraph.testing.executors import ReferenceExecutor
from featuregraph.types import INT64_MAX
from stream.testing import ColumnarExecutor

BOTH: list[Executor] = [ReferenceExecutor(), ColumnarExecutor()]


class View(fg.Event, name="view"):
    """A look at an item."""

    item = fg.category()
    n = fg.int64()


class Price(fg.Table, key=fg.category, changing=True):
    """What an item costs from a time on."""

    price = fg.int64()


class Level(fg.Table, key=fg.int64):
    """What a number is called."""

    name = fg.string()


PRICES = [{"key": "tea", "ts_ms": ts, "price": price} for ts, price in ((1, 10), (5, 50), (9, 90))]
LEVELS = [{"key": n, "name": str(n)} for n in (-5, 0, 7)]


@pytest.mark.parametrize("executor", BOTH, ids=lambda executor: executor.name)
def test_each_candidate_is_looked_up_as_of_its_query(executor: Executor) -> None:
    """Queries of several times, and of several numbers of candidates, stand in one block."""
    graph = fg.Graph("g", {"price": Price[fg.candidate("item", fg.category)].price})
    lists = {3: ["tea"], 6: ["mug", "tea"], 10: ["tea", "tea", None], 1: ["tea"]}
    asked = [{"key": "u", "t": t, "request": {"item": items}} for t, items in lists.items()]
    answers = executor.run([graph], [], asked, tables={"price": PRICES})
    assert [one.values["price"] for one in answers] == [[10], [None, 50], [90, 90, None], [None]]


@pytest.mark.parametrize("executor", BOTH, ids=lambda executor: executor.name)
@pytest.mark.parametrize("by_number", [False, True])
def test_a_key_that_overflows_is_no_key_without_a_row(executor: Executor, by_number: bool) -> None:
    """The value that needs it overflows, at a query and in a row."""
    total = fg.rows(View).sum(View.n)
    inside = fg.rows(View).last(Level[View.n + View.n].name)
    graph = fg.Graph("g", {"f": Level[total].name if by_number else inside})
    events = [view("tea", 1, INT64_MAX), view("tea", 2, INT64_MAX)]
    with pytest.raises(fg.FeatureOverflowError):
        executor.run([graph], events, [{"key": "u", "t": 9}], tables={"level": LEVELS})


@pytest.mark.parametrize("executor", BOTH, ids=lambda executor: executor.name)
def test_numbers_far_from_all_keys_have_no_row(executor: Executor) -> None:
    """A difference of two int64 may leave int64."""
    graph = fg.Graph("g", {"name": Level[fg.rows(View).last(View.n)].name})
    found = {
        n: executor.run([graph], [view("tea", 1, n)], [{"key": "u", "t": 9}], tables={"level": LEVELS})[
            0
        ].values["name"]
        for n in (-5, 7, 1, INT64_MAX, -INT64_MAX - 1)
    }
    assert found == {-5: "-5", 7: "7", 1: None, INT64_MAX: None, -INT64_MAX - 1: None}


@pytest.mark.parametrize("executor", BOTH, ids=lambda executor: executor.name)
def test_a_pair_is_found_as_a_whole(executor: Executor) -> None:
    """Half of it, or two halves of different pairs, is nobody's."""
    graph = fg.Graph("g", {"n": fg.rows(View).count()}, key=("user_id", "item"))
    events = [view(*pair) for pair in (("y", 1), ("x", 2))]
    events += [{**view("y", 3), "user_id": "v"}, {**view("y", 4), "item": None}]
    asked = [("u", "y"), ("u", "x"), ("v", "y"), ("v", "x"), ("v", "z"), ("w", "y"), ("v", None), (None, "y")]
    answers = executor.run([graph], events, [{"key": list(pair), "t": 9} for pair in asked])
    assert [one.values["n"] for one in answers] == [1, 1, 1, 0, 0, 0, 0, 0]


def view(item: str, ts: int, n: int = 0) -> dict[str, Any]:
    """Return a view of ITEM at TS."""
    return {"event": "view", "user_id": "u", "ts_ms": ts, "item": item, "n": n}
