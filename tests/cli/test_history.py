"""Replay of what only history can tell: labels, tables as of a time, and several keys at one query."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from stream import replay

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

DAY = 86_400_000


class View(fg.Event, name="view"):
    """An event."""

    item_id = fg.identifier()


class Buy(fg.Event, name="buy"):
    """What views may lead to."""

    item_id = fg.identifier()


class Price(fg.Table, key=fg.identifier, changing=True):
    """A table that changes."""

    price = fg.decimal(2)


class User:
    """Features of a user, and what she buys within a day."""

    views = fg.rows(View).over("7d").count()
    seen = fg.rows(View).sum(Price[View.item_id].price)
    buys = fg.rows(Buy).ahead("1d").count()
    items = fg.rows(Buy).ahead("1d").sequence(3, {"item": Buy.item_id})


class Item:
    """Features of an item."""

    views = fg.rows(View).count()
    price = Price[fg.request("item_id", fg.identifier)].price


class Pair:
    """Features of a user and an item."""

    views = fg.rows(View).count()


USER, ITEM = fg.Graph("user", User), fg.Graph("item", Item, key="item_id")
PAIR = fg.Graph("pair", Pair, key=("user_id", "item_id"))

EVENTS: list[dict[str, Any]] = [
    {"event": "view", "user_id": "u", "item_id": "i", "ts_ms": 0},
    {"event": "view", "user_id": "v", "item_id": "i", "ts_ms": 5},
    {"event": "view", "user_id": "u", "item_id": "j", "ts_ms": 10},
    {"event": "buy", "user_id": "u", "item_id": "j", "ts_ms": 20},
    {"event": "other", "user_id": None, "ts_ms": DAY + 10},
]
PRICES: list[dict[str, Any]] = [
    {"key": "i", "ts_ms": -5, "price": "1.00"},
    {"key": "j", "ts_ms": 0, "price": "2.50"},
    {"key": "j", "ts_ms": 12, "price": "9.99"},
    {"key": None, "ts_ms": 12, "price": "9.99"},
]
QUERIES = [
    {"user_id": "u", "item_id": "i", "ts_ms": 11},
    {"user_id": "v", "item_id": "j", "ts_ms": 11},
    {"user_id": "u", "item_id": "j", "ts_ms": 12},
]


def _ask(graph: fg.Graph | list[fg.Graph], **options: Any) -> Any:
    graphs = graph if isinstance(graph, list) else [graph]
    plans = [one.compile() for one in graphs]
    given = {"price": PRICES} if any(one.tables for one in graphs) else {}
    return replay(plans, EVENTS, QUERIES, **{"engine": "reference", "tables": given, **options})


@pytest.mark.parametrize("engine", ["reference", "local"])
def test_labels_stand_beside_features(engine: str) -> None:
    """What looks past the end of all events, of any key and name, is null in each of its columns."""
    found = _ask(USER, engine=engine)
    assert found.column("views").to_pylist() == [2, 1, 2]
    assert found.column("buys").to_pylist() == [1, 0, None]
    assert found.column("items.item").to_pylist() == [["j"], [], None]
    assert _ask(USER, end=20 + DAY).column("buys").to_pylist() == [1, 0, 1]
    assert _ask(USER, end=11).column("buys").to_pylist() == [None] * 3


def test_training_data_says_whose_it_is() -> None:
    """It carries the id of the serving plan, the labels, and up to when events were known."""
    about = {k.decode(): v.decode() for k, v in _ask(USER).schema.metadata.items()}
    assert about["headrace.plan"] == USER.serving().id
    assert json.loads(about["headrace.labels"]) == ["buys", "items"]
    assert json.loads(about["headrace.end"]) == DAY + 10


def test_a_look_up_is_as_of_the_event() -> None:
    """The price is that of the moment of the view, not of the query."""
    assert _ask(USER).column("seen").to_pylist() == [Decimal("3.50"), Decimal("1.00"), Decimal("3.50")]


def test_tables_come_as_files_tables_or_rows(tmp_path: Path) -> None:
    """Their columns are key, ts_ms and the fields."""
    rows = pa.table({name: [row[name] for row in PRICES] for name in ("key", "ts_ms", "price")})
    pq.write_table(rows, tmp_path / "price.parquet")
    expected = _ask(USER)
    for given in (tmp_path / "price.parquet", rows, PRICES):
        assert _ask(USER, tables={"price": given}).equals(expected)


def test_several_graphs_answer_one_query() -> None:
    """Each over its own partitioning of the events; a request called like a key column reads it."""
    found = _ask([USER, ITEM, PAIR])
    assert found.column_names[3:] == [
        "user.buys",
        "user.items.item",
        "user.seen",
        "user.views",
        "item.price",
        "item.views",
        "pair.views",
    ]
    assert found.column("item.views").to_pylist() == [2, 1, 1]
    assert found.column("item.price").to_pylist() == [Decimal("1.00"), Decimal("2.50"), Decimal("2.50")]
    assert found.column("pair.views").to_pylist() == [1, 0, 1]
    for graph in (USER, ITEM, PAIR):
        alone = _ask(graph)
        for name in alone.column_names[3:]:
            assert found.column(f"{graph.name}.{name}").equals(alone.column(name))


def test_queries_may_be_in_golden_form() -> None:
    """A key of several columns is a list, of several graphs one value by column."""
    rows = [{"key": ["u", "i"], "t": 11}]
    assert replay(PAIR.compile(), EVENTS, rows, engine="reference").column("views").to_pylist() == [1]
    together = [{"key": {"user_id": "u", "item_id": "i"}, "t": 11}]
    plans = [PAIR.compile(), fg.Graph("item", {"n": fg.rows(View).count()}, key="item_id").compile()]
    assert replay(plans, EVENTS, together, engine="reference").column("item.n").to_pylist() == [2]


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (USER, "graph 'user': expected what a device computes, found the labels buys, items; take engine"),
        (PAIR, "found a key of the columns user_id, item_id; take engine"),
    ],
)
def test_the_device_engine_refuses_what_it_does_not_compute(graph: fg.Graph, said: str) -> None:
    """It says so before any work, by name, and who does."""
    with pytest.raises(fg.CompileError, match=said):
        _ask(graph, engine="device")


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({}, "expected the rows of table 'price', found none; give them, as --table price=FILE"),
        ({"price": PRICES, "prices": []}, "found 'prices'; did you mean 'price'?"),
        ({"price": pa.table({"key": ["i"], "price": ["1"]})}, "found no ts_ms; add it"),
    ],
)
def test_a_table_that_is_not_right_is_one_line(tables: dict[str, Any], said: str) -> None:
    """A graph whose table is not given does not run."""
    with pytest.raises(fg.TableError) as caught:
        _ask(USER, tables=tables)
    assert said in str(caught.value)


def test_the_command_tells_labels_and_tables(tmp_path: Path, run: Callable[..., Any]) -> None:
    """How many rows do not know a label, what was dropped of a table; several graphs, one file."""
    for name, rows in (("e", EVENTS), ("q", QUERIES), ("price", PRICES)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "user.json").write_text(USER.to_json())
    (tmp_path / "pair.json").write_text(PAIR.to_json())
    out = tmp_path / "out.parquet"
    args = ["replay", tmp_path / "e.jsonl", tmp_path / "q.jsonl", "-g", tmp_path / "user.json", "-o", out]
    args += ["--engine", "reference", "--table", f"price={tmp_path / 'price.jsonl'}"]
    ran = run(*args)
    assert (ran.code, ran.err) == (0, "")
    assert "label buys  null in 1 of 3 rows, which look past the end at 86400010 (" in ran.out
    assert "rows of table price without a key or a time  1" in ran.out
    found = run(*args, "-g", tmp_path / "pair.json", "--end", 2 * DAY, "--json").json
    assert found["unknown"] == {"user.buys": 0, "user.items": 0}
    assert (found["end"], found["dropped"]) == (2 * DAY, {"price": 1})
    assert "pair.views" in pq.read_schema(out).names


def test_why_shows_a_label(tmp_path: Path, run: Callable[..., Any]) -> None:
    """Its rows lie on the other side of t; the end is that of all events."""
    for name, rows in (("e", EVENTS), ("price", PRICES)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "user.json").write_text(USER.to_json())
    args = ["why", tmp_path / "e.jsonl", "-g", tmp_path / "user.json", "-k", "u", "-f", "buys"]
    args += ["--table", f"price={tmp_path / 'price.jsonl'}"]
    assert "buys = 1\n" in run(*args, "--at", "11").out
    assert "buys = null, not known: it looks past the end of the log" in run(*args, "--at", "12").out
    assert "buys = 1\n" in run(*args, "--at", "12", "--end", 2 * DAY).out


def test_verify_compares_look_ups_and_labels(tmp_path: Path, run: Callable[..., Any]) -> None:
    """Every mode of the device against the reference, with the table as a file; labels over columns."""
    for name, rows in (("e", EVENTS), ("q", QUERIES), ("price", PRICES)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "user.json").write_text(USER.to_json())
    args = ["verify", tmp_path / "e.jsonl", tmp_path / "q.jsonl", "-g", tmp_path / "user.json"]
    ran = run(*args, "--table", f"price={tmp_path / 'price.jsonl'}")
    assert (ran.code, ran.err) == (0, "")
    assert "42 of 42 cells equal (100 %): 3 queries, 4 features, 6 executors" in ran.out
    assert "expected the rows of table 'price', found none" in run(*args).err


def test_records_of_graphs_with_tables_are_computed_with_those_given(
    tmp_path: Path, run: Callable[..., Any]
) -> None:
    """Which version a device had read is not kept with its answer: who gives rows vouches for it."""
    from stream import Engine, EventLog, write_table

    write_table(tmp_path / "price.table", Price.table, PRICES)
    with EventLog(tmp_path / "events.db", history_start_ms="all") as log:
        engine = Engine(log, "u", tables={"price": tmp_path / "price.table"})
        plan = engine.install(USER.serving().compile())
        engine.append(EVENTS[0])
        engine.extract(plan, at_ms=11, record=True)
    args = ["verify", "--served", tmp_path / "events.db"]
    ran = run(*args)
    assert ran.code == 1
    assert "1 record not computed again: they read tables that are not given (--table NAME=PATH)" in ran.out
    for rows, code in ((PRICES, 0), ([{**row, "price": "9.99"} for row in PRICES], 1)):
        (tmp_path / "price.jsonl").write_text("\n".join(map(json.dumps, rows)))
        ran = run(*args, "--table", f"price={tmp_path / 'price.jsonl'}")
        assert ran.code == code
        assert "1 record computed again with the tables given, which may be other versions" in ran.out
    assert run(*args, "--table", f"price={tmp_path / 'price.table'}").code == 0
    assert "expected a table of the graphs, found 'x'" in run(*args, "--table", "x=y").err
