"""Whatever is given to replay: the right result, or one line that names file, row group and column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from stream import replay as replayed
from stream.testing.recordings import Recording, expected

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
csv = pytest.importorskip("pyarrow.csv")

VIEW = fg.Event.of("view", {"n": "int64", "item_id": "identifier"})
BUY = fg.Event.of("buy", {"n": "decimal(2)"})
PLAN = fg.Graph(
    "g",
    {
        "views": fg.rows(VIEW).over("10s").count(),
        "total": fg.rows(VIEW).over("10s").sum(VIEW["n"]),
        "items": fg.rows(VIEW).over("10s").sequence(5, {"item": VIEW["item_id"]}),
        "spent": fg.rows(BUY).over("5s").sum(BUY["n"]),
    },
).compile()
ENGINES = ("local", "device", "reference")
QUERIES = pa.table({"user_id": ["a", "b", "a", None], "ts_ms": [20_000, 20_000, 22_000, 20_000]})


def replay(plan: fg.Plan, events: Any, queries: Any) -> Any:
    """Return what every engine gives, or raise what every engine raises; they agree."""
    outcomes = []
    for engine in ENGINES:
        try:
            outcomes.append(replayed(plan, events, queries, engine=engine))
        except ValueError as error:
            outcomes.append(error)
    first, *others = outcomes
    for engine, other in zip(ENGINES[1:], others, strict=True):
        if isinstance(first, ValueError):
            assert (type(other), str(other)) == (type(first), str(first)), engine
        else:
            assert not isinstance(other, ValueError), (engine, other)
            assert other.equals(first), engine
    if isinstance(first, ValueError):
        raise first
    return first


def event(user: Any, ts_ms: int, n: Any = 1, **rest: Any) -> dict[str, Any]:
    """Return a look at an item."""
    return {"event": "view", "user_id": user, "ts_ms": ts_ms, "n": n, "item_id": f"i{ts_ms}", **rest}


ROWS = [event("a" if n % 2 else "b", 8_000 + 1_000 * n, n) for n in range(12)]


def table(**columns: Any) -> Any:
    """Return ROWS as a table with other COLUMNS; None takes one out."""
    found = {name: [row[name] for row in ROWS] for name in ROWS[0]} | columns
    return pa.table({name: column for name, column in found.items() if column is not None})


def wanted(events: list[dict[str, Any]]) -> Any:
    """Return what the reference says of EVENTS."""
    return expected(Recording(PLAN, events, QUERIES), events)


MIXED = [1, "2", 3.0, True, None, "many", 1e400, 2**70, [1], {"a": 1}, "-0", " 7"]


@pytest.mark.parametrize(
    "events",
    [
        ROWS[::-1],
        [row | {"event_id": f"e{row['ts_ms'] % 7}"} for row in [*ROWS, *ROWS]],
        [row | {"user_id": None} if row["n"] % 3 else row for row in ROWS],
        [row | {"user_id": user} for row, user in zip(ROWS, ["a", 5, 1.5, True, ["a"], ""] * 2, strict=True)],
        [row | {"n": value} for row, value in zip(ROWS, MIXED, strict=True)],
        [row | {"event": "buy", "n": value} for row, value in zip(ROWS, ["1.005", 2, 0.25] * 4, strict=True)],
        [{name: value for name, value in row.items() if name != "n"} for row in ROWS],
        [row | {"seq": seq} for row, seq in zip(ROWS, [None, 3, "4"] * 4, strict=True)],
        [event("a", 15_000, n) for n in range(3_000)],
        [event(f"u{n}", 15_000, n) for n in range(3_000)],
        [event("a", 30_000)],
        [],
    ],
    ids=[
        "unsorted", "duplicated", "null keys", "keys of all types", "mixed types", "decimals of all types",
        "a missing field", "some seqs", "one key", "many keys", "later than all queries", "no event",
    ],
)  # fmt: skip
def test_odd_events_have_the_right_result(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    """As rows, and as JSON lines."""
    path = tmp_path / "e.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in events))
    right = wanted(events)
    assert replay(PLAN, events, QUERIES).equals(right)
    assert replay(PLAN, path, QUERIES).equals(right)


def test_no_queries_read_the_events_all_the_same() -> None:
    """There are no rows, but the columns."""
    assert replay(PLAN, ROWS, QUERIES.slice(0, 0)).equals(wanted(ROWS).slice(0, 0))


def test_columns_of_other_types_hold_the_same_events(tmp_path: Path) -> None:
    """Integers as texts, texts as integers or dictionaries, times as timestamps, a struct of attributes."""
    times = [row["ts_ms"] for row in ROWS]
    attrs = [{"n": str(row["n"]), "other": 1} for row in ROWS]
    columns: list[dict[str, Any]] = [
        {"n": [str(row["n"]) for row in ROWS]},
        {"n": pa.array([row["n"] for row in ROWS], pa.decimal128(9, 3))},
        {"n": pa.array([row["n"] for row in ROWS], pa.uint64())},
        {"n": None, "attrs": attrs},
        {"user_id": pa.array([row["user_id"] for row in ROWS]).dictionary_encode()},
        {"event": pa.array(["view"] * 12, pa.large_string())},
        {"ts_ms": pa.array(times, pa.timestamp("ms", "UTC"))},
        {"ts_ms": [str(time) for time in times]},
        {"seq": pa.array(["+0"] * 12)},
    ]
    right = wanted(ROWS)
    for number, given in enumerate(columns):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(table(**given), path, row_group_size=5)
        assert replay(PLAN, path, QUERIES).equals(right), given
        assert replay(PLAN, table(**given), QUERIES).equals(right), given


def damaged(path: Path, column: str) -> None:
    """Flip a bit of COLUMN in the second row group of the file at PATH."""
    about = pq.ParquetFile(path).metadata.row_group(1)
    chunk = next(
        about.column(i) for i in range(about.num_columns) if about.column(i).path_in_schema == column
    )
    raw = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    raw[start + chunk.total_compressed_size - 1] ^= 1
    path.write_bytes(raw)


WRONG = [
    (
        {"event": None},
        r"e\.parquet, row group 0, row 1: expected the columns event and ts_ms, found no event",
    ),
    ({"ts_ms": None}, r"e\.parquet, row group 0, row 1: .* found no ts_ms"),
    (
        {"ts_ms": [1, 2, 3, 4, 5, 6, None, 8, 9, 10, 11, 12]},
        r"e\.parquet, row group 1, row 2, column ts_ms: expected ts_ms as int64, found None",
    ),
    ({"ts_ms": [True] * 12}, r"row group 0, row 1, column ts_ms: expected ts_ms as int64, found True"),
    ({"event": [None] * 12}, r"row group 0, row 1, column event: expected event as text, found None"),
    (
        {"event": [1.5] * 12},
        r"row group 0, row 1, column event: expected an identifier .*, found the type double",
    ),
    (
        {"user_id": [1.5] * 12},
        r"column user_id: expected an identifier .*, found the type double; convert it",
    ),
    ({"seq": [0.5] * 12}, r"row group 0, row 1, column seq: expected seq as int64, found 0\.5"),
    (
        {"n": None, "attrs": [1] * 12},
        r"row group 0, row 1, column attrs: expected attrs as map<string, string>",
    ),
]


@pytest.mark.parametrize(("columns", "said"), WRONG, ids=lambda value: str(value)[:30])
def test_a_wrong_column_is_named(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    """With the file, the row group and the row."""
    pq.write_table(table(**columns), tmp_path / "e.parquet", row_group_size=5)
    with pytest.raises(ValueError, match=said) as told:
        replay(PLAN, tmp_path / "e.parquet", QUERIES)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("column", ["user_id", "ts_ms", "n"])
def test_a_corrupt_page_is_named(tmp_path: Path, column: str) -> None:
    """A page whose checksum is wrong; one of a column that no graph reads does no harm."""
    path = tmp_path / "e.parquet"
    pq.write_table(table(other=["x"] * 12), path, row_group_size=5, write_page_checksum=True)
    damaged(path, "other")
    assert replay(PLAN, path, QUERIES).equals(wanted(ROWS))
    damaged(path, column)
    with pytest.raises(
        ValueError, match=rf"e\.parquet, row group 1, column {column}: expected sound"
    ) as told:
        replay(PLAN, path, QUERIES)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["e.parquet", "e.arrow", "e.csv"])
def test_an_empty_file_is_no_history(tmp_path: Path, name: str) -> None:
    """Not even a header: somebody's disk was full."""
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=rf"{name}: expected a sound .* file") as told:
        replay(PLAN, tmp_path / name, QUERIES)
    assert "\n" not in str(told.value)


def test_a_file_without_rows_is_an_empty_history(tmp_path: Path) -> None:
    """It has its columns: nothing happened."""
    pq.write_table(table().slice(0, 0), tmp_path / "e.parquet")
    csv.write_csv(table().slice(0, 0), tmp_path / "e.csv")
    (tmp_path / "e.jsonl").write_text("")
    for path in tmp_path.iterdir():
        assert replay(PLAN, path, QUERIES).equals(wanted([])), path


def test_a_folder_with_foreign_files_is_refused(tmp_path: Path) -> None:
    """Whether a part of the events stands in the other file, nobody knows."""
    pq.write_table(table(), tmp_path / "1.parquet")
    (tmp_path / "2.csv").write_text("event,ts_ms\n")
    with pytest.raises(ValueError, match=r"2\.csv: expected only \.parquet and \.pq files in the folder"):
        replay(PLAN, tmp_path, QUERIES)
    (tmp_path / "2.csv").rename(tmp_path / "_2.csv")
    assert replay(PLAN, tmp_path, QUERIES).equals(wanted(ROWS))


def test_a_column_that_stands_there_twice_is_named(tmp_path: Path) -> None:
    """Nobody could say which is meant; one that no graph reads may."""
    twice = pa.Table.from_arrays([*table().columns, table().column("n")], names=[*table().column_names, "n"])
    pq.write_table(twice, tmp_path / "e.parquet")
    for events, where in ((twice, "events"), (tmp_path / "e.parquet", r"e\.parquet, row group 0")):
        with pytest.raises(fg.EventError, match=f"{where}, row 1, column n: expected one column of a name"):
            replay(PLAN, events, QUERIES)
    names = [*table().column_names, "other", "other"]
    other = pa.Table.from_arrays([*table().columns, *[table().column("n")] * 2], names=names)
    assert replay(PLAN, other, QUERIES).equals(wanted(ROWS))


class Offer(fg.Candidate):
    """An item that may be shown."""

    item_id = fg.identifier()


ASKED = fg.Graph(
    "asked", {"own": fg.rows(VIEW).group_by(VIEW["item_id"]).count().lookup(Offer.item_id)}
).compile()
GIVEN: dict[str, Any] = {
    "user_id": ["a", "b"],
    "ts_ms": [20_000, 20_000],
    "item_id": [["i9000"], ["i8000", "x"]],
}
WRONG_QUERIES = [
    ({"ts_ms": [1, None]}, "query 2, column ts_ms: expected t as int64 ms, found None; give the time"),
    ({"ts_ms": ["1", "2"]}, "query 1, column ts_ms: expected t as int64 ms, found '1'"),
    ({"ts_ms": [1.0, 2.5]}, r"query 1, column ts_ms: expected t as int64 ms, found 1\.0"),
    ({"ts_ms": pa.array([1, 2**63], pa.uint64())}, "query 2, column ts_ms: expected t as int64 ms"),
    ({"user_id": ["a", "b"], "ts_ms": None}, "expected the columns user_id and ts_ms, found no ts_ms"),
    ({"user_id": [1.5, 2.0]}, r"query 1, column user_id: expected a key as a text or an int64, found 1\.5"),
    ({"user_id": [["a"], ["b"]]}, "query 1, column user_id: expected a key as a text or an int64"),
    ({"user_id": [None, b"b"]}, "query 2, column user_id: expected a key as a text or an int64"),
    ({"item_id": ["i1", "i2"]}, "query 1, column item_id: expected a list with one value for each candidate"),
    ({"as_known": ["yes", "no"]}, "query 1, column as_known: expected true or false, found 'yes'"),
    ({"as_known": [None, 1]}, "query 2, column as_known: expected true or false, found 1"),
    ({"history_start_ms": [None, 0.5]}, r"query 2, column history_start_ms: expected int64 ms, found 0\.5"),
]


@pytest.mark.parametrize(("columns", "said"), WRONG_QUERIES, ids=lambda value: str(value)[:30])
def test_a_wrong_column_of_queries_is_named(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    """With the query, by every engine alike; a time that is missing is never the time of now."""
    given = pa.table({name: column for name, column in (GIVEN | columns).items() if column is not None})
    pq.write_table(given, tmp_path / "q.parquet")
    for asked, where in ((given, "the queries"), (tmp_path / "q.parquet", tmp_path / "q.parquet")):
        with pytest.raises(fg.RequestError, match=said) as told:
            replay(ASKED, ROWS, asked)
        assert "\n" not in str(told.value)
        assert str(told.value).startswith(str(where))


@pytest.mark.parametrize(
    "columns",
    [
        {"ts_ms": pa.array([20_000, 20_000], pa.timestamp("ms"))},
        {"ts_ms": pa.array([20_000, 20_000], pa.int32())},
        {"ts_ms": pa.array([20_000, 20_000], pa.uint64())},
        {"user_id": pa.array(["a", "b"]).dictionary_encode()},
        {"item_id": pa.array(GIVEN["item_id"], pa.large_list(pa.large_string()))},
        {"as_known": pa.nulls(2), "history_start_ms": pa.nulls(2)},
    ],
    ids=lambda columns: next(str(column.type) for column in columns.values()),
)
def test_columns_of_queries_may_be_of_other_types(columns: dict[str, Any]) -> None:
    """They ask the same."""
    found = replay(ASKED, ROWS, pa.table(GIVEN | columns)).column("own")
    assert found.to_pylist() == [[1], [1, 0]]


def test_candidates_may_be_lists_of_one_length() -> None:
    """As a training set has them."""
    fixed = pa.array([["i9000", "x"], ["x", "i8000"]], pa.list_(pa.string(), 2))
    assert replay(ASKED, ROWS, pa.table(GIVEN | {"item_id": fixed})).column("own").to_pylist() == [
        [1, 0],
        [0, 1],
    ]


@pytest.mark.parametrize("rows", [[5], [{"key": "a", "t": 1, "request": 5}], [None]], ids=str)
def test_a_query_that_is_no_object_is_named(rows: list[Any]) -> None:
    """With its row."""
    with pytest.raises(ValueError, match="the queries, row 1: expected values by name, found"):
        replay(ASKED, ROWS, rows)


def test_a_corrupt_page_of_queries_is_named(tmp_path: Path) -> None:
    """As one of events is."""
    path = tmp_path / "q.parquet"
    pq.write_table(pa.table(GIVEN), path, row_group_size=1, write_page_checksum=True)
    damaged(path, "ts_ms")
    with pytest.raises(ValueError, match=r"q\.parquet, row group 1, column ts_ms: expected sound"):
        replay(ASKED, ROWS, path)
