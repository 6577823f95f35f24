"""What stands in a training set: the reference's numbers at each query, whoever computed them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featuregraph as fg
import inference
from stream import EventLog, Recipe, training_set
from stream.trainset.padding import padded
from tests.trainset.shop import FEATURES, SHOP, Buy, Made, View, real, recorded

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

EVENTS = recorded(120)
BASKETS = Recipe("buy", each="basket", negatives=3, seed=5)


def test_every_number_is_the_reference_s(made: Made) -> None:
    """Asked again one by one, the reference gives each value, the padding taken off."""
    card, parts = made(SHOP, EVENTS, Recipe("buy", each="basket", negatives=3, exact=True))
    rows = [row for part in parts.values() for row in part]
    assert len(rows) == card.rows > 30
    asked = [{**row, "item_id": real(row, "item_id")} for row in rows]
    queries = pa.table({name: [row[name] for row in asked] for name in ("user_id", "ts_ms", "item_id")})
    expected = fg.reference.evaluate(SHOP, fg.arrow.write_events(EVENTS), queries).to_pylist()
    for row, right in zip(rows, expected, strict=True):
        for name in ("views", "spend", "mean", "later"):
            assert row[name] == right[name], name
        for name in ("seen", "bought"):
            assert real(row, name) == right[name], name
        for name in ("history.item", "history.age"):
            assert real(row, name, "history") == right[name], name
            assert row["history.length"] == len(right[name])
        assert real(row, "top", "top") == right["top"]


def test_a_basket_is_one_query_at_its_first_row(made: Made) -> None:
    """Its items are the chosen candidates, at the time of the first of them."""
    card, parts = made(SHOP, EVENTS, BASKETS, end=10**12)
    baskets: dict[str, list[dict[str, Any]]] = {}
    for event in EVENTS:
        if event["event"] == "buy":
            baskets.setdefault(event["basket"], []).append(event)
    right = sorted(
        (min(e["ts_ms"] for e in lines), lines[0]["user_id"], tuple(sorted({e["item_id"] for e in lines})))
        for lines in baskets.values()
    )
    found = sorted(
        (row["ts_ms"], row["user_id"], tuple(sorted(item for item, own in chosen(row) if own)))
        for part in parts.values()
        for row in part
    )
    assert set(found) <= set(right)
    assert len(found) == len(right) - card.left_out["queries in the gap between two parts"]


def chosen(row: dict[str, Any]) -> list[tuple[str, bool]]:
    """Return each candidate of ROW, and whether it was in the basket."""
    return list(zip(real(row, "item_id"), real(row, "chosen"), strict=True))


@pytest.mark.parametrize("include_now", [False, True])
def test_the_row_itself_is_not_seen(made: Made, include_now: bool) -> None:
    """Nor with include_now: a feature that counts rows of the event counts those before it."""
    counts = {"n": fg.rows(View).count(), "next": fg.rows(View).ahead("1ms").count()}
    graph = fg.Graph("g", counts, include_now=include_now)
    events = [{"event": "view", "user_id": "u", "ts_ms": 10 * n} for n in range(5)]
    _, parts = made(graph, events, Recipe("view", split=(1,)), end=10**6)
    assert [(row["n"], row["next"]) for row in parts["train"]] == [(n, 1) for n in range(5)]


def test_rows_of_one_time_ask_alone_or_together(made: Made) -> None:
    """each="row" asks for each, each="time" once; events that come again, or without a key, ask nothing."""
    view = {"event": "view", "user_id": "u", "ts_ms": 10, "item_id": "i"}
    events = [view, {**view, "item_id": "j"}, {**view, "event_id": "1", "ts_ms": 20}]
    events += [{**view, "event_id": "1", "ts_ms": 30}, {**view, "user_id": None}]
    for each, times in (("row", [10, 10, 20]), ("time", [10, 20])):
        card, parts = made(FEATURES, events, Recipe("view", each=each, split=(1,)))
        assert [row["ts_ms"] for row in parts["train"]] == times
        assert card.left_out == {"rows without user_id": 1, "events that came again": 1}
        items = sorted(sorted(real(row, "item_id")) for row in parts["train"])
        assert items == ([["i"], ["i", "j"]] if each == "time" else [["i"], ["i"], ["j"]])


def test_only_rows_that_pass_ask(made: Made) -> None:
    """A filter is an expression of fields; where it is null it is not true."""
    events = [
        {"event": "buy", "user_id": "u", "ts_ms": n, "item_id": f"i{n}", "n": n if n % 2 else None}
        for n in range(6)
    ]
    card, parts = made(FEATURES, events, Recipe("buy", where=Buy.n < 4, split=(1,)))
    assert [row["ts_ms"] for row in parts["train"]] == [1, 3]
    assert card.left_out == {"rows that where leaves out": 4}
    assert card.recipe["where"] == "n < 4"


def test_asking_earlier_sees_less(made: Made) -> None:
    """before="1h" asks an hour before the row."""
    _, parts = made(FEATURES, EVENTS, Recipe("buy", before="1h", split=(1,)))
    times = sorted(event["ts_ms"] for event in EVENTS if event["event"] == "buy")
    assert [row["ts_ms"] + 3_600_000 for row in parts["train"]] == times


@pytest.mark.parametrize(
    "options", [{"workers": 2}, {"memory": "300MiB"}, {"engine": "reference"}], ids=lambda o: next(iter(o))
)
def test_the_bytes_are_the_same_however_it_is_computed(tmp_path: Path, options: dict[str, Any]) -> None:
    """Of all files, with the same seed; events that come in another order change nothing either."""
    one, other = tmp_path / "one", tmp_path / "other"
    training_set(FEATURES.compile(), EVENTS, one, BASKETS)
    mixed = sorted(EVENTS, key=lambda event: (event["user_id"], event["ts_ms"]))
    training_set(FEATURES.compile(), mixed, other, BASKETS, **options)
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    assert names == ["card.json", "test.parquet", "train.parquet", "validation.parquet"]
    for name in names[1:]:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    cards = [json.loads((folder / "card.json").read_text()) for folder in (one, other)]
    for card in cards:
        del card["engine"], card["events"]
    assert cards[0] == cards[1]


def test_arrays_are_those_of_the_device(made: Made) -> None:
    """inference.feeds pads a device's lists to the same numbers: what trains is what serves."""
    inputs = (
        inference.Input("item", "history.item", max_len=3),
        inference.Input("top", max_len=5),
    )
    specs = inference.tensors(SHOP.serving(), inputs)
    recipe = Recipe("buy", each="basket", lengths={"history": 3, "top": 5})
    _, parts = made(SHOP, EVENTS[:60], recipe)
    assert parts["train"]
    for row in parts["train"]:
        key, t, items = row["user_id"], row["ts_ms"], real(row, "item_id")
        log = fg.reference.Log("user_id", SHOP.events)
        for event in EVENTS[:60]:
            log.arrive(event)
        query = {"key": key, "t": t, "request": {"item_id": items}}
        answer = fg.reference.answers.ask(SHOP.serving(), log, query, tables={}, end=None)
        fed = inference.feeds(specs, answer.values)
        assert fed["item"].reshape(-1).tolist() == row["history.item"]
        assert fed["top"].reshape(-1).tolist() == row["top"]


@pytest.mark.parametrize("form", ["log", "parquet", "iterator", "stream"])
def test_events_come_in_every_form(tmp_path: Path, form: str) -> None:
    """The log of a device, a file, and what can be read only once."""
    training_set(FEATURES.compile(), EVENTS, tmp_path / "rows", BASKETS)
    table = fg.arrow.write_events(EVENTS)
    events: Any = iter(EVENTS)
    if form == "log":
        events = tmp_path / "events.db"
        with EventLog(events, max_future=None, history_start_ms="all") as log:
            log.append_many(EVENTS)
    elif form == "parquet":
        events = tmp_path / "events.parquet"
        pq.write_table(table, events)
    elif form == "stream":
        events = table.to_reader()
    training_set(FEATURES.compile(), events, tmp_path / "set", BASKETS)
    for name in ("train.parquet", "test.parquet"):
        assert (tmp_path / "set" / name).read_bytes() == (tmp_path / "rows" / name).read_bytes()


def test_the_newest_entries_stay_on_either_side() -> None:
    """A list that is too long loses its oldest ones; a null entry stays or becomes the padding."""
    lists = pa.array([[1, 2, 3], [None, 5], [], None])
    for side in ("left", "right"):
        assert padded(lists, 2, side=side, fill=True).to_pylist() == [[2, 3], [0, 5], [0, 0], None]
        assert padded(lists.slice(1), 2, side=side, fill=False).to_pylist() == [[None, 5], [0, 0], None]
    assert padded(lists, 4, side="left", fill=True).to_pylist()[:2] == [[0, 1, 2, 3], [0, 0, 0, 5]]
    assert padded(lists, 4, side="right", fill=False).to_pylist()[:2] == [[1, 2, 3, 0], [None, 5, 0, 0]]
    texts = pa.array([["a"], ["b", "c", "d"]])
    assert padded(texts, 2, side="right", fill=True).to_pylist() == [["a", None], ["c", "d"]]


def test_decimals_are_the_nearest_doubles(made: Made) -> None:
    """As float(Decimal) gives them, also where no double holds all digits."""
    prices = ["0.10", "92233720368547758.07", "-90071992547409.93", None]
    events = [
        {"event": "buy", "user_id": f"u{n}", "ts_ms": 10 * n, "price": price}
        for n, price in enumerate(prices)
    ]
    events += [{"event": "view", "user_id": f"u{n}", "ts_ms": 100 + n} for n in range(len(prices))]
    graph = fg.Graph("g", {"p": fg.rows(Buy).last(1).last(Buy.price)})
    _, parts = made(graph, events, Recipe("view", split=(1,)))
    assert [row["p"] for row in parts["train"]] == [None if p is None else float(p) for p in prices]


def test_the_card_tells_what_is_in_the_files(tmp_path: Path) -> None:
    """Counts, times and rates are those of the rows; columns are those of the files."""
    out = tmp_path / "set"
    training_set(SHOP.compile(), EVENTS, out, BASKETS)
    card = json.loads((out / "card.json").read_text())
    assert card["plans"] == {"shop": SHOP.serving().id}
    for part in card["parts"].values():
        table = pq.read_table(out / part["file"])
        assert [one["name"] for one in card["columns"]] == table.column_names
        assert [one["type"] for one in card["columns"]] == [str(type) for type in table.schema.types]
        assert table.schema.metadata[b"headrace.plan"].decode() == SHOP.id
        rows = table.to_pylist()
        assert part["rows"] == len(rows)
        assert [part["from_ms"], part["to_ms"]] == (
            [rows[0]["ts_ms"], rows[-1]["ts_ms"]] if rows else [None] * 2
        )
        for label in ("chosen", "bought"):
            values = [value for row in rows for value in real(row, label)]
            assert part["labels"][label]["values"] == len(values) == part["candidates"]
            assert part["labels"][label]["mean"] == (sum(values) / len(values) if values else None)


READERS: dict[str, Callable[[Any, Path], Any]] = {
    "pyarrow": lambda _, path: (
        pq.read_table(path).column("history.item").combine_chunks().flatten().to_numpy().reshape(-1, 4)
    ),
    "pandas": lambda pandas, path: np.stack(pandas.read_parquet(path)["history.item"]),
    "polars": lambda polars, path: polars.read_parquet(path)["history.item"].to_numpy(),
}


@pytest.mark.parametrize("library", READERS)
def test_arrays_are_read_as_matrices(tmp_path: Path, library: str) -> None:
    """By each library without a loop of one's own; torch and others take it from NumPy."""
    reader = pytest.importorskip(library)
    training_set(FEATURES.compile(), EVENTS, tmp_path / "set", BASKETS)
    path = tmp_path / "set/train.parquet"
    right = pq.read_table(path).column("history.item").to_pylist()
    found = READERS[library](reader, path)
    assert (found.shape, found.tolist()) == ((len(right), 4), right)
