"""Tables, labels, several graphs and training sets: the right result, or one line that says where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from stream import Recipe, replay, training_set
from stream.backfill import job
from stream.backfill.executors import executor

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


class View(fg.Event, name="view"):
    """A look at an item."""

    item_id = fg.identifier()
    n = fg.int64()


class Price(fg.Table, key=fg.identifier, changing=True):
    """What an item costs."""

    price = fg.decimal(2)


class Brand(fg.Table, key=fg.identifier):
    """Whose an item is."""

    name = fg.string()


ROWS = fg.rows(View)
USER = fg.Graph(
    "user",
    {
        "spent": ROWS.over("1h").sum(Price[View.item_id].price),
        "brand": ROWS.last(Brand[View.item_id].name),
        "later": ROWS.ahead("1h").count(),
    },
).compile()
ITEM = fg.Graph("item", {"views": ROWS.count(), "total": ROWS.sum(View.n)}, key="item_id").compile()
PLAIN = fg.Graph("plain", {"views": ROWS.count(), "later": ROWS.ahead("1ms").count()}).compile()
EVENTS: list[dict[str, Any]] = [
    {"event": "view", "user_id": "ab"[n % 2], "item_id": f"i{n % 3}", "ts_ms": 1_000 * n, "n": n}
    for n in range(12)
]
QUERIES = pa.table({"user_id": ["a", "b"], "item_id": ["i1", "i2"], "ts_ms": [5_500, 9_500]})
PRICES = [{"key": f"i{n % 3}", "ts_ms": 2_000 * n, "price": f"{n}.50"} for n in range(6)]
BRANDS = [{"key": f"i{n}", "name": f"b{n}"} for n in range(3)]


def damaged(path: Path, column: str) -> None:
    """Flip a bit of COLUMN in the second row group of the file at PATH."""
    about = pq.ParquetFile(path).metadata.row_group(1)
    chunk = next(c for i in range(about.num_columns) if (c := about.column(i)).path_in_schema == column)
    raw = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    raw[start + chunk.total_compressed_size - 1] ^= 1
    path.write_bytes(raw)


def refused(said: str, call: Callable[[], object]) -> None:
    """Show that CALL raises one line that matches SAID."""
    with pytest.raises(ValueError, match=said) as told:
        call()
    assert "\n" not in str(told.value)


# ---------------------------------------------------------------- tables


def with_tables(prices: Any = PRICES, brands: Any = BRANDS) -> Any:
    """Return what replay makes of such tables, and of the same graph by the reference."""
    return replay(USER, EVENTS, QUERIES, tables={"price": prices, "brand": brands})


@pytest.mark.parametrize(
    "prices",
    [
        PRICES[::-1],
        [*PRICES, {"key": None, "ts_ms": 1, "price": "9"}, {"key": "i1", "ts_ms": None, "price": "9"}],
        [{**row, "price": row["price"] if n else "much"} for n, row in enumerate(PRICES)],
        [*PRICES, *PRICES],
        [],
    ],
    ids=["unsorted", "null keys", "mixed types", "duplicated", "no row"],
)
def test_odd_tables_have_the_right_result(tmp_path: Path, prices: list[dict[str, Any]]) -> None:
    """As rows and as a file; what is dropped or null is counted."""
    tables: dict[str, Any] = {"price": prices, "brand": BRANDS}
    right = replay(USER, EVENTS, QUERIES, tables=tables, engine="reference")
    _, told = job.run([USER], EVENTS, QUERIES, executor("local", "auto"), options=job.Options.of(tables))
    assert with_tables(prices).equals(right)
    if prices:
        pq.write_table(pa.Table.from_pylist(prices), tmp_path / "p.parquet", row_group_size=2)
        assert with_tables(tmp_path / "p.parquet").equals(right)
    assert told.dropped == ({"price": 2} if len(prices) == 8 else {})
    assert told.unparsable == ({"price.price": 1} if any(row["price"] == "much" for row in prices) else {})


def test_a_table_of_another_form_is_named(tmp_path: Path) -> None:
    """With its file, its row group and its column."""
    path = tmp_path / "p.parquet"
    pq.write_table(pa.Table.from_pylist(PRICES), path, row_group_size=2, write_page_checksum=True)
    damaged(path, "price")
    refused(r"p\.parquet, row group 1, column price: expected sound", lambda: with_tables(path))
    path.write_bytes(b"")
    refused(r"p\.parquet: expected a sound .* file", lambda: with_tables(path))
    missing = [{"key": "i1", "price": "1"}]
    pq.write_table(pa.Table.from_pylist(missing), path)
    refused(r"p\.parquet: table 'price': expected the columns .*, found no ts_ms", lambda: with_tables(path))
    refused("table 'brand': expected one row per key", lambda: with_tables(brands=[*BRANDS, *BRANDS]))
    refused(
        r"nothing\.parquet: expected a file of rows of a table",
        lambda: with_tables(tmp_path / "nothing.parquet"),
    )


@pytest.mark.parametrize("price", [pa.array([[1]] * 6), pa.array([True] * 6), pa.array([None] * 6)], ids=str)
def test_a_column_of_a_table_of_another_type_is_null(tmp_path: Path, price: Any) -> None:
    """And counted, where it is not null itself."""
    columns = {name: [row[name] for row in PRICES] for name in ("key", "ts_ms")}
    table = pa.table({**columns, "price": price})
    pq.write_table(table, tmp_path / "p.parquet")
    for given in (table, tmp_path / "p.parquet"):
        tables: dict[str, Any] = {"price": given, "brand": BRANDS}
        _, told = job.run([USER], EVENTS, QUERIES, executor("local", "auto"), options=job.Options.of(tables))
        assert told.unparsable == ({} if price.null_count else {"price.price": 6})
        assert with_tables(given).column("spent").to_pylist() == [0, 0]


# ---------------------------------------------------------------- labels and several graphs


@pytest.mark.parametrize(
    "events",
    [
        EVENTS[::-1],
        [row | {"event_id": f"e{row['ts_ms'] % 5}"} for row in [*EVENTS, *EVENTS]],
        [row | {"item_id": None} if row["n"] % 3 else row for row in EVENTS],
        [row | {"user_id": None} if row["n"] % 3 else row for row in EVENTS],
        [
            row | {"n": value}
            for row, value in zip(EVENTS, [1, "2", 3.0, True, None, "many"] * 2, strict=True)
        ],
        [],
    ],
    ids=["unsorted", "duplicated", "null items", "null users", "mixed types", "no event"],
)
def test_odd_events_mean_the_same_under_every_key(events: list[dict[str, Any]]) -> None:
    """Each graph of several has the values that it has alone, and that the reference gives."""
    asked = pa.concat_tables([QUERIES, QUERIES.set_column(2, "ts_ms", pa.array([-5, 10**9]))])
    found = replay([PLAIN, ITEM], events, asked)
    for plan in (PLAIN, ITEM):
        alone = replay(plan, events, asked, engine="reference")
        for name in plan.features:
            assert found.column(f"{plan.graph.name}.{name}").equals(alone.column(name)), name


def test_queries_of_several_graphs_need_each_key() -> None:
    """The column that is missing or wrong is named; a null key sees nothing."""
    refused(
        "expected the columns user_id and item_id and ts_ms, found no item_id",
        lambda: replay([PLAIN, ITEM], EVENTS, QUERIES.drop_columns("item_id")),
    )
    wrong = QUERIES.set_column(1, "item_id", pa.array([1.5, 2.5]))
    refused("query 1, column item_id: expected a key", lambda: replay([PLAIN, ITEM], EVENTS, wrong))
    nobody = QUERIES.set_column(1, "item_id", pa.nulls(2, pa.string()))
    assert replay([PLAIN, ITEM], EVENTS, nobody).column("item.views").to_pylist() == [0, 0]
    assert replay([PLAIN, ITEM], EVENTS, QUERIES.slice(0, 0)).num_rows == 0


# ---------------------------------------------------------------- training sets

RECIPE = Recipe("view", split=(1,), keep_unknown=True)


def rows_of(folder: Path, events: Any, recipe: Recipe = RECIPE) -> list[dict[str, Any]]:
    """Return the rows of a training set."""
    training_set(PLAIN, events, folder, recipe)
    found: list[dict[str, Any]] = pq.read_table(folder / "train.parquet").to_pylist()
    return found


def test_odd_events_train_the_same(tmp_path: Path) -> None:
    """Unsorted, come again, without a key, of other types: what asks is what is known."""
    right = rows_of(tmp_path / "right", EVENTS)
    assert rows_of(tmp_path / "unsorted", EVENTS[::-1]) == right
    twice = [row | {"event_id": str(row["n"])} for row in EVENTS]
    assert rows_of(tmp_path / "twice", [*twice, *twice]) == right
    keyless = [*EVENTS, *(row | {"user_id": None} for row in EVENTS)]
    assert rows_of(tmp_path / "keyless", keyless) == right
    typed = [row | {"ts_ms": str(row["ts_ms"]), "n": [row["n"]]} for row in EVENTS]
    assert rows_of(tmp_path / "typed", typed) == right


def test_a_training_set_names_what_is_wrong(tmp_path: Path) -> None:
    """With the file, the row group and the column; nothing is left."""
    path, out = tmp_path / "e.parquet", tmp_path / "set"
    table = pa.Table.from_pylist(EVENTS)
    pq.write_table(table, path, row_group_size=5, write_page_checksum=True)
    damaged(path, "ts_ms")
    refused(r"e\.parquet, row group 1, column ts_ms: expected sound", lambda: rows_of(out, path))
    pq.write_table(table.drop_columns("ts_ms"), path)
    refused(r"e\.parquet, row group 0, row 1: .* found no ts_ms", lambda: rows_of(out, path))
    pq.write_table(table.set_column(1, "user_id", pa.array([1.5] * 12)), path)
    refused("column user_id: expected an identifier .*, found the type double", lambda: rows_of(out, path))
    path.write_bytes(b"")
    refused(r"e\.parquet: expected a sound .* file", lambda: rows_of(out, path))
    (tmp_path / "many").mkdir()
    pq.write_table(table, tmp_path / "many/1.parquet")
    (tmp_path / "many/2.csv").write_text("event,ts_ms\n")
    refused(r"2\.csv: expected only", lambda: rows_of(out, tmp_path / "many"))
    refused("found no 'view' with a key", lambda: rows_of(out, []))
    before = Recipe("view", where=View.n > 99)
    refused("expected rows of 'view' that ask, found none", lambda: rows_of(out, EVENTS, before))
    assert not out.exists()


@pytest.mark.parametrize(
    "events", [[EVENTS[0]] * 2_000, [EVENTS[0] | {"user_id": f"u{n}"} for n in range(2_000)]]
)
def test_one_key_with_all_events_and_many_with_one(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    """Each row asks, and sees none of its own time."""
    rows = rows_of(tmp_path / "set", [dict(event) for event in events])
    assert len(rows) == 2_000
    assert {row["views"] for row in rows} == {0}
