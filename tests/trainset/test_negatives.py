"""Items drawn beside those of the rows: from what was there before, by the seed, by popularity."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import featuregraph as fg
from stream import BackfillError, Recipe
from stream.trainset.negatives import Pool, drawn, seeded
from tests.trainset.shop import FEATURES, Made, real, recorded

EVENTS = recorded(200)
RECIPE = Recipe("buy", each="basket", negatives=4, split=(1,))


def test_nothing_is_drawn_from_the_future(made: Made) -> None:
    """Each item drawn stands in a row before t, and is none of the basket's; none is drawn twice."""
    card, parts = made(FEATURES, EVENTS, RECIPE)
    first: dict[str, int] = {}
    for event in EVENTS:
        if event["event"] == "buy":
            first.setdefault(event["item_id"], event["ts_ms"])
    for row in parts["train"]:
        items, own = real(row, "item_id"), real(row, "chosen")
        assert len(set(items)) == len(items)
        others = [item for item, is_own in zip(items, own, strict=True) if not is_own]
        assert all(first[item] < row["ts_ms"] for item in others)
        there = {item for item, ts in first.items() if ts < row["ts_ms"]} - set(items)
        assert len(others) == 4 or not there
    assert 0 < card.notes["queries with fewer negatives than asked for"] < 20


def test_what_comes_later_changes_no_draw(made: Made) -> None:
    """More events behind a query, also of new items and users, leave its row as it is."""
    half = EVENTS[:150]
    _, before = made(FEATURES, half, RECIPE)
    _, after = made(FEATURES, EVENTS, RECIPE)
    last = before["train"][-2]["ts_ms"]  # the last basket may go on behind the end

    def until(parts: Any) -> list[Any]:
        rows = [row for row in parts["train"] if row["ts_ms"] <= last]
        return [(row["user_id"], row["ts_ms"], real(row, "item_id"), real(row, "chosen")) for row in rows]

    assert until(before) == until(after)


def test_the_seed_draws(made: Made) -> None:
    """Another seed gives other items, the same seed the same."""
    items = [
        [
            real(row, "item_id")
            for row in made(FEATURES, EVENTS, Recipe("buy", negatives=4, seed=seed))[1]["train"]
        ]
        for seed in (1, 1, 2, 2**64 + 1)
    ]
    assert items[0] == items[1] == items[3]
    assert items[0] != items[2]


def test_items_are_drawn_as_often_as_they_were_popular() -> None:
    """One that stands in half of the rows is drawn by half of the queries; first draws follow the shares."""
    item = np.array([0] * 50 + [1] * 30 + [2] * 20)
    pool = Pool(np.arange(100), item, np.arange(3, dtype=np.uint64))
    queries = 20_000
    begin = seeded(np.arange(queries, dtype=np.uint64), 7)
    none = np.zeros(0, np.int64), np.zeros(queries + 1, np.int64)
    lo, hi = np.zeros(queries, np.int64), np.full(queries, 100)
    codes, offsets = drawn(pool, lo, hi, begin, none, 1)
    assert len(codes) == queries == offsets[-1]
    shares = np.bincount(codes) / queries
    assert np.abs(shares - [0.5, 0.3, 0.2]).max() < 0.015


def test_a_window_forgets_what_was_popular_long_ago() -> None:
    """Only entries of the window before t are drawn, those at t are not."""
    pool = Pool(np.array([0, 10, 20, 30]), np.array([0, 1, 2, 3]), np.arange(4, dtype=np.uint64))
    lo, hi = pool.ranges(np.array([0, 20, 31]), 15)
    assert (lo.tolist(), hi.tolist()) == ([0, 1, 2], [0, 2, 4])


def test_a_few_items_are_all_drawn() -> None:
    """Where fewer are left than asked for, each of them once, however rare."""
    item = np.array([0] * 100_000 + [1, 2, 3])
    pool = Pool(np.arange(len(item)), item, np.arange(4, dtype=np.uint64))
    own = np.array([1, 0]), np.array([0, 1, 2])
    codes, offsets = drawn(
        pool, np.zeros(2, int), np.full(2, len(item)), seeded(np.arange(2, dtype=np.uint64), 0), own, 9
    )
    assert [sorted(codes[offsets[n] : offsets[n + 1]].tolist()) for n in range(2)] == [[0, 2, 3], [1, 2, 3]]


class Item(fg.Candidate):
    """An item with a price."""

    item_id = fg.identifier()
    price = fg.decimal(2)


PRICED = fg.Graph("priced", {"price": Item.price, "item": Item.item_id.hash(1000)})
CATALOGUE = [
    {"item_id": "i0", "ts_ms": 0, "price": "1.00"},
    {"item_id": "i1", "ts_ms": 0, "price": "2.00"},
    {"item_id": "i1", "ts_ms": 50, "price": "2.50"},
    {"item_id": "i2", "ts_ms": 60, "price": "3.00"},
    {"item_id": None, "ts_ms": 60, "price": "9.00"},
]
BUYS = [{"event": "buy", "user_id": "u", "ts_ms": t, "item_id": "i0"} for t in (10, 50, 51, 60, 61)]


@pytest.mark.parametrize("sample", ["catalogue", "popularity"])
def test_a_catalogue_is_as_of_the_query(made: Made, sample: str) -> None:
    """An item is there, and has its values, from behind its ts_ms on."""
    recipe = Recipe("buy", item="item_id", negatives=5, sample=sample, catalogue=CATALOGUE, split=(1,))
    card, parts = made(PRICED, BUYS, recipe)
    offers = [dict(zip(real(row, "item_id"), real(row, "price"), strict=True)) for row in parts["train"]]
    alone, more, all_ = {"i0": 1.0}, {"i0": 1.0, "i1": 2.5}, {"i0": 1.0, "i1": 2.5, "i2": 3.0}
    first = {"i0": 1.0, "i1": 2.0}
    right = [first, first, more, more, all_] if sample == "catalogue" else [alone] * 5
    assert offers == right
    assert card.notes["rows of the catalogue without an item or a needed time"] == 1


@pytest.mark.parametrize("rows", [[], [{"item_id": None}]], ids=["empty", "nulls"])
def test_an_empty_catalogue_offers_nothing(made: Made, rows: list[Any]) -> None:
    """The items of the rows stay, without values."""
    recipe = Recipe("buy", item="item_id", negatives=2, sample="catalogue", catalogue=rows, split=(1,))
    card, parts = made(fg.Graph("g", {"item": Item.item_id.hash(1000)}), BUYS, recipe)
    assert [real(row, "item_id") for row in parts["train"]] == [["i0"]] * 5
    assert card.notes["queries with fewer negatives than asked for"] == 5


@pytest.mark.parametrize(
    ("catalogue", "said"),
    [
        ([1], "the catalogue, row 1: expected values by name, found 1"),
        ([{"x": 1}], "the catalogue: expected the column item_id of a catalogue, found x"),
        ([{"item_id": "i", "ts_ms": "later"}], "the catalogue, column ts_ms: expected values of one type"),
        (
            [{"item_id": "i", "price": "dear"}],
            r"the catalogue, row 1, column price: expected decimal\(2\), found",
        ),
    ],
)
def test_a_catalogue_of_another_form_is_one_line(made: Made, catalogue: list[Any], said: str) -> None:
    """It is named, with the row or the column."""
    with pytest.raises(BackfillError, match=said):
        made(PRICED, BUYS, Recipe("buy", item="item_id", negatives=1, catalogue=catalogue))


def test_candidates_of_the_rows_bring_their_own_values(made: Made) -> None:
    """Without negatives the values are the events'; an item that is drawn has none and needs a catalogue."""
    events = [{**buy, "price": f"{buy['ts_ms']}.00"} for buy in BUYS]
    _, parts = made(PRICED, events, Recipe("buy", item="item_id", split=(1,)))
    assert [real(row, "price") for row in parts["train"]] == [[float(buy["ts_ms"])] for buy in BUYS]
    with pytest.raises(BackfillError, match="expected the candidates' price in a catalogue"):
        made(PRICED, events, Recipe("buy", item="item_id", negatives=1))
    with pytest.raises(BackfillError, match="found a second one of 'i1'"):
        made(
            PRICED,
            events,
            Recipe("buy", item="item_id", negatives=1, catalogue=[{"item_id": "i1", "price": "1"}] * 2),
        )


def test_most_bounds_the_items_of_a_basket(made: Made) -> None:
    """The seed chooses which; what is left out is counted, and is no negative of the basket."""
    events = [
        {"event": "buy", "user_id": "u", "ts_ms": 1, "item_id": f"i{n}", "basket": "b"} for n in range(9)
    ]
    found = Counter[str]()
    for seed in range(6):
        recipe = Recipe("buy", each="basket", most=2, seed=seed, split=(1,))
        card, parts = made(FEATURES, events, recipe)
        items = real(parts["train"][0], "item_id")
        assert (len(items), card.notes["items of rows over most"]) == (2, 7)
        found.update(items)
    assert len(found) > 5
