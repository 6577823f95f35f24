"""Parts by time: no label of one reads what happens in the next, and what is unknown is no row."""

from __future__ import annotations

import numpy as np
import pytest

import featuregraph as fg
from stream import Recipe
from stream.trainset.split import GAP, cuts_of, parts_of, shifted
from tests.trainset.shop import FEATURES, SHOP, Buy, Made, View, recorded

EVENTS = recorded(120)
HOUR = 3_600_000


def test_no_label_reads_the_next_part(made: Made) -> None:
    """The widest label of a query, and its own basket, end before the next part begins."""
    card, parts = made(SHOP, EVENTS, Recipe("buy", each="basket", split=(50, 25, 25)))
    last: dict[tuple[str, str], int] = {}
    for event in EVENTS:
        if event["event"] == "buy":
            key = (event["user_id"], event["basket"])
            last[key] = max(last.get(key, 0), event["ts_ms"])
    begins = [*card.cuts, 10**15]
    assert [part for part, rows in parts.items() if rows] == ["train", "validation", "test"]
    for rows, end in zip(parts.values(), begins, strict=True):
        assert all(row["ts_ms"] + HOUR <= end for row in rows)
    for rows, begin in zip(list(parts.values())[1:], card.cuts, strict=True):
        assert all(row["ts_ms"] >= begin for row in rows)
    assert card.left_out["queries in the gap between two parts"] > 0


def test_a_basket_that_goes_on_into_the_next_part_is_in_none() -> None:
    """Whatever the labels: its own items would tell what happens there."""
    t, until = np.array([0, 5, 10, 15, 20]), np.array([1, 11, 11, 16, 21])
    assert parts_of(t, until, [10, 20], 0).tolist() == [0, GAP, 1, 1, 2]
    assert parts_of(t, until, [10, 20], 6).tolist() == [0, GAP, 1, GAP, 2]
    assert parts_of(t, until, [], 6).tolist() == [0] * 5


def test_a_basket_across_the_cut_is_in_no_part(made: Made) -> None:
    """Without a label too; one that ends right before the cut belongs to the part before it."""
    rows = [("b1", 10), ("b2", 20), ("b1", 49), ("b2", 50), ("b3", 50)]
    events = [
        {"event": "buy", "user_id": "u", "ts_ms": t, "item_id": "i", "basket": basket} for basket, t in rows
    ]
    card, parts = made(FEATURES, events, Recipe("buy", each="basket", cuts=(50,)))
    assert [[row["ts_ms"] for row in parts[name]] for name in ("train", "test")] == [[10], [50]]
    assert card.left_out == {"queries in the gap between two parts": 1}


def test_the_gap_is_to_the_millisecond(made: Made) -> None:
    """[t, t + W) of train ends at the cut at the latest; with include_now (t, t + W] does."""
    for include_now, kept in ((False, [0, 10, 20]), (True, [0 - 1, 10 - 1, 20 - 1])):
        later = fg.rows(Buy).ahead("30ms").count()
        graph = fg.Graph("g", {"later": later}, include_now=include_now)
        events = [{"event": "view", "user_id": "u", "ts_ms": t} for t in (0, 10, 20, 21, 30, 50, 60)]
        _, parts = made(graph, events, Recipe("view", cuts=(50,)), end=1_000)
        assert [row["ts_ms"] for row in parts["train"]] == kept


def test_times_stop_at_the_ends_of_int64() -> None:
    """Nothing wraps around: what looks beyond the last ms is not in the past."""
    ends = np.array([-(2**63), 0, 2**63 - 1])
    assert shifted(ends, 5).tolist() == [-(2**63) + 5, 5, 2**63 - 1]
    assert shifted(ends, -5).tolist() == [-(2**63), -5, 2**63 - 6]
    assert shifted(ends, 0).tolist() == ends.tolist()


def test_shares_are_of_the_queries() -> None:
    """In the order of time; where shares leave nothing, a part is empty."""
    t = np.arange(0, 1000, 10)
    assert cuts_of(t, (80, 10, 10)) == [800, 900]
    assert cuts_of(t, (1, 1)) == [500]
    assert cuts_of(t, (1, 0)) == [991]
    assert cuts_of(t, (1,)) == []
    assert cuts_of(t[:0], (1, 1)) == [0]


@pytest.mark.parametrize("include_now", [False, True])
def test_what_looks_past_the_end_is_left_out_or_counted(made: Made, include_now: bool) -> None:
    """Never a zero: left out, or kept as null and told apart from what has no value."""
    labels = {
        "later": fg.rows(Buy).ahead("11ms").sum(Buy.price),
        "mean": fg.rows(Buy).ahead("11ms").mean(Buy.price),
        "seen": fg.rows(View).count(),
    }
    graph = fg.Graph("g", labels, include_now=include_now)
    events = [{"event": "view", "user_id": "u", "ts_ms": t} for t in range(0, 30, 5)]
    recipe = Recipe("view", split=(1,))
    card, parts = made(graph, events, recipe)
    known = [row["ts_ms"] + include_now for row in parts["train"]]
    assert known == [0, 5, 10, 15]  # whose last ms is 25, that of the last event
    assert card.left_out == {"queries whose labels look past the end": 2}
    card, parts = made(graph, events, Recipe("view", split=(1,), keep_unknown=True))
    assert [row["later"] for row in parts["train"]] == [0.0] * 4 + [None] * 2
    labels_told = card.parts["train"].labels
    assert labels_told["later"].to_json() == {"values": 4, "unknown": 2, "empty": 0, "mean": 0.0}
    assert labels_told["mean"].to_json() == {"values": 0, "unknown": 2, "empty": 4, "mean": None}
    card, _ = made(graph, events, recipe, end=100)
    assert (card.end, card.rows) == (100, 6)
