"""Files of events: what is exported means the same when it is imported, and what cannot be read is named."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from hypothesis import assume, given, settings  # noqa: E402  pyarrow decides whether this file runs
from hypothesis import strategies as st  # noqa: E402

from featuregraph.convert import converter  # noqa: E402
from featuregraph.errors import EventError  # noqa: E402
from featuregraph.testing.clock import FakeClock  # noqa: E402
from featuregraph.types import Type  # noqa: E402
from stream.codec import full_decoder  # noqa: E402
from stream.errors import EventFileError, LogFormatError  # noqa: E402
from stream.event import Receipt, Row  # noqa: E402
from stream.limits import Limits  # noqa: E402
from stream.log import EventLog  # noqa: E402
from stream.tables import count_rows, read_events  # noqa: E402

FORMATS = ["parquet", "arrow", "csv", "jsonl"]
E = {"event": "e", "ts_ms": 5, "user_id": "u"}
TYPES = [Type.parse(text) for text in ("int64", "float64", "boolean", "string", "identifier", "decimal(3)")]

TEXTS = st.sampled_from(["", "a", "NULL", "null", '"', "a,b\nc", "7", "7.0", "é\U0001f600", " x "])
NUMBERS = st.sampled_from([0, 7, -1, 2**53 + 1, 10**30, 7.0, -0.0, 0.1, 1e300, 2.5])
# A field of one kind each, as applications have them; null anywhere.
KINDS = {
    "text": TEXTS,
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "flag": st.booleans(),
    "text or int": TEXTS | st.integers(-(2**63), 2**63 - 1),
    "large": st.integers(-(2**1023), 2**1024 - 1),
}
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "event": TEXTS.filter(bool),
            "ts_ms": st.integers(-(2**63), 2**63 - 1),
            "user_id": TEXTS,
            "attrs": st.fixed_dictionaries({}, optional={n: st.none() | s for n, s in KINDS.items()}),
        },
        optional={
            "event_id": TEXTS,
            "known_ms": st.none() | st.integers(0, 99),
            "session_id": TEXTS,
            "page_id": st.none() | TEXTS,
            "item_id": st.integers(-(2**63), 2**63 - 1) | TEXTS,
        },
    ),
    max_size=8,
)


def new(path: Path) -> EventLog:
    """Return a log that takes any time."""
    return EventLog(path, clock=FakeClock(0), max_future=None)


def meaning(row: Row) -> tuple[object, ...]:
    """Return a row as graphs see it: each field as each type, columns of any scalar as text or number."""
    fields = {
        (name, str(type)): repr(value) if (value := converter(type)(raw)) is not None else None
        for name, raw in full_decoder()(row.payload).items()
        for type in TYPES
    }
    ids = [None if value is None else str(value) for value in row[8:11]]
    known = {name: value for name, value in fields.items() if value not in (None, "<Bad.BAD: 'bad'>")}
    return (*row[:3], *row[4:8], *ids, tuple(sorted(known.items())))


@settings(max_examples=40)
@given(EVENTS, st.sampled_from(FORMATS))
def test_an_exported_log_means_the_same(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]], format: str
) -> None:
    """Export and import give a log with the same rows, whatever type a graph reads their fields as.

    A field that holds integers inside and outside int64 has one column for two meanings: JSON lines keep it.
    """
    large = [value for event in events if isinstance(value := event.get("attrs", {}).get("large"), int)]
    assume(len({-(2**63) <= value < 2**63 for value in large}) < 2)
    folder = tmp_path_factory.mktemp("files")
    with new(folder / "a.db") as one, new(folder / "b.db") as two:
        one.append_many(events, keep_known=True)
        assert one.export(folder / f"events.{format}") == one.count
        receipt = two.import_events(folder / f"events.{format}")
        assert (receipt.accepted, receipt.unparsable) == (one.count, 0)
        assert list(map(meaning, two.rows_after(0))) == list(map(meaning, one.rows_after(0)))


@settings(max_examples=20)
@given(st.lists(TEXTS | NUMBERS | st.booleans() | st.none(), max_size=6))
def test_json_lines_keep_every_value(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    """JSON lines bring back the very values, also of fields that hold many kinds of them."""
    folder = tmp_path_factory.mktemp("files")
    with new(folder / "a.db") as one, new(folder / "b.db") as two:
        one.append_many({**E, "item_id": value, "attrs": {"x": value}} for value in values)
        one.export(folder / "events.jsonl")
        two.import_events(folder / "events.jsonl")
        assert list(map(exactly, two.rows_after(0))) == list(map(exactly, one.rows_after(0)))


def exactly(row: Row) -> str:
    """Return a row with all it holds, numbers with their class; a null field is as good as none."""
    fields = {name: value for name, value in full_decoder()(row.payload).items() if value is not None}
    return repr((row[:-1], fields))


def test_typed_columns(tmp_path: Path) -> None:
    """A column beside the canonical ones holds a field and goes before attrs, also where it is null (2.1)."""
    table = pa.table(
        {
            "user_id": pa.array([1, 2], pa.int64()),
            "event": pa.array(["e", "e"]).dictionary_encode(),
            "ts_ms": pa.array([5_000_000, 6_000_000], pa.timestamp("ns", "Europe/Vienna")),
            "price": pa.array(["1.10", None], pa.string()).cast(pa.decimal128(9, 2)),
            "n": pa.array([None, 7], pa.int32()),
            "attrs": pa.array([[("n", "1"), ("y", "2")], []], pa.map_(pa.string(), pa.string())),
        }
    )
    pq.write_table(table, tmp_path / "events.parquet")
    with new(tmp_path / "log.db") as log:
        assert log.import_events(tmp_path / "events.parquet").accepted == 2
        rows = log.rows_after(0)
        assert [(row.key, row.ts_ms, row.known_ms) for row in rows] == [("1", 5, None), ("2", 6, None)]
        fields = [full_decoder()(row.payload) for row in rows]
        assert fields == [{"n": None, "y": "2", "price": "1.10"}, {"n": 7, "price": None}]


def test_a_dataset_directory(tmp_path: Path) -> None:
    """A folder of Parquet files is one file of events; rows are counted, and progress is told."""
    folder = tmp_path / "events"
    folder.mkdir()
    for i in range(3):
        pq.write_table(
            pa.table({"user_id": ["u"] * 4, "event": ["e"] * 4, "ts_ms": [i] * 4}), folder / f"{i}.parquet"
        )
    told: list[tuple[int, int | None]] = []
    with new(tmp_path / "log.db") as log:
        log.import_events(folder, progress=lambda done, total: told.append((done, total)))
        assert log.count == 12
    assert told[-1] == (12, 12)


@pytest.mark.parametrize("format", [*FORMATS, "db"])
def test_the_total_is_known_before_the_end(tmp_path: Path, format: str) -> None:
    """Whoever waits sees how much there is: by a footer, by the lines of a text, by the count of a log."""
    path = tmp_path / f"events.{format}"
    with new(path if format == "db" else tmp_path / "source.db") as log:
        log.append_many({**E, "ts_ms": i} for i in range(25))
        if format != "db":
            told: list[tuple[int, int | None]] = []
            log.export(path, progress=lambda done, total: told.append((done, total)))
            assert told == [(25, 25)]
    assert count_rows(path) == 25


def test_a_stream_in_a_file_has_no_total(tmp_path: Path) -> None:
    """An Arrow stream says at its end only how long it was; it is read all the same."""
    table = pa.table({"user_id": ["u"] * 4, "event": ["e"] * 4, "ts_ms": [1, 2, 3, 4]})
    with pa.ipc.new_stream(str(tmp_path / "s.arrow"), table.schema) as writer:
        writer.write_table(table)
    assert count_rows(tmp_path / "s.arrow") is None
    assert len([event for batch in read_events(tmp_path / "s.arrow") for event in batch]) == 4


def test_a_log_is_a_file_of_events(tmp_path: Path) -> None:
    """A log is read in the order of arrival with its values as they are, known_ms and seq among them."""
    path = tmp_path / "any name"
    event = {**E, "ts_ms": 5, "event_id": "7", "item_id": 3, "attrs": {"n": 1, "x": 0.5, "t": "1", "b": True}}
    with new(path) as log:
        log.append_many([{**event, "known_ms": 9}, {**E, "ts_ms": 2, "known_ms": None}], keep_known=True)
        ((first, second),) = read_events(path)  # while it is written to
    assert {name: first[name] for name in ("event_id", "item_id", "seq", "known_ms")} == {
        "event_id": "7",
        "item_id": 3,
        "seq": 0,
        "known_ms": 9,
    }
    assert first["attrs"] == event["attrs"]
    assert (second["ts_ms"], second["known_ms"]) == (2, None)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE person (name)")
    connection.close()
    with pytest.raises(LogFormatError, match="found a database of another program"):
        next(read_events(foreign))


def test_imported_twice(tmp_path: Path) -> None:
    """Events with an event_id are duplicates when a file is imported again."""
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps({**E, "event_id": i}) + "\n" for i in range(5)))
    with new(tmp_path / "log.db") as log:
        assert log.import_events(path) == Receipt(accepted=5)
        assert log.import_events(path) == Receipt(duplicate=5)


def test_batches_are_bounded(tmp_path: Path) -> None:
    """A file is read in batches of the size asked for, in its order."""
    with new(tmp_path / "log.db") as log:
        log.append_many({**E, "ts_ms": i} for i in range(25))
        for format in FORMATS:
            log.export(tmp_path / f"events.{format}")
            batches = list(read_events(tmp_path / f"events.{format}", rows=10))
            assert max(map(len, batches)) <= 10
            assert [int(event["ts_ms"]) for batch in batches for event in batch] == list(range(25))


def lines(*texts: str | bytes) -> Callable[[Path], Path]:
    """Return what writes TEXTS as lines of a file."""

    def write(folder: Path) -> Path:
        data = b"\n".join(text if isinstance(text, bytes) else text.encode() for text in texts)
        (folder / "events.jsonl").write_bytes(data + b"\n")
        return folder / "events.jsonl"

    return write


def content(name: str, data: bytes) -> Callable[[Path], Path]:
    """Return what writes a file of NAME."""

    def write(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return write


GOOD = json.dumps(E)


@pytest.mark.parametrize(
    ("write", "found"),
    [
        (lambda folder: folder / "none.jsonl", "found nothing"),
        (content("events.txt", b"x"), "found '.txt'"),
        (lines(GOOD, "{"), "row 2: expected a JSON object in UTF-8"),
        (lines(GOOD, "[1]"), "row 2: expected a JSON object, found list"),
        (lines(GOOD, b'{"event": "\xff"}'), "row 2: expected a JSON object in UTF-8"),
        (lines(GOOD, GOOD, '{"x":' + "[" * 200_000 + "]" * 200_000 + "}"), "row 3: expected flat JSON"),
        (lines(GOOD, '{"x": "' + "y" * 9_000 + '"}'), "row 2: expected a line of at most 8000 bytes"),
        (lines(GOOD, '{"x": ' + "1" * 3_900 + "}"), "row 2: expected event as text"),
        (lines(GOOD, '{"x": ' + "1" * 6_000 + "}"), "row 2: expected a JSON object in UTF-8"),
        (content("events.parquet", b"PAR1 and more"), "expected a sound parquet file"),
        (content("events.parquet", b""), "expected a sound parquet file"),
        (content("events.arrow", b"ARROW1 and more"), "expected a sound arrow file"),
        (content("events.arrow", b""), "expected a sound arrow file"),
        (content("events.csv", b""), "expected a sound csv file"),
        (content("events.csv", b"event,ts_ms\ne,1,2\n"), "expected a sound csv file"),
        (
            content("events.csv", b"event,user_id\ne,u\n"),
            "events.csv: expected the columns event and ts_ms, found no ts_ms in the events; add it",
        ),
        (content("events.csv", b"event,ts_ms,attrs\ne,1,{}\ne,1,{\n"), "row 2, column attrs"),
        (content("events.csv", b"event,ts_ms,attrs\ne,1,\xff\n"), "expected a sound csv file"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, write: Callable[[Path], Path], found: str) -> None:
    """One line names the file, the row and what was found; the batch with it is not kept."""
    path = write(tmp_path)
    limits = Limits(max_line_bytes=1_000_000 if "flat" in found else 8_000)
    with EventLog(tmp_path / "log.db", limits=limits) as log:
        with pytest.raises((EventFileError, EventError)) as caught:
            log.import_events(path)
        assert found in str(caught.value)
        assert str(caught.value).startswith(f"{path}")
        assert "\n" not in str(caught.value)
        assert str(caught.value).count("expected") == 1
        assert log.count == 0


def test_a_refused_event_is_named_by_row_and_column(tmp_path: Path) -> None:
    """An event that breaks the contract is named by file, row and column; earlier batches are kept."""
    path = lines(GOOD, GOOD, json.dumps({**E, "ts_ms": "soon"}))(tmp_path)
    with new(tmp_path / "log.db") as log, pytest.raises(EventError) as caught:
        log.import_events(path)
    assert str(caught.value).startswith(f"{path}, row 3: expected ts_ms as int64, found 'soon'")


def test_numbers_out_of_range_are_null_and_counted(tmp_path: Path) -> None:
    """NaN, 1e999 and half a surrogate pair in JSON lines are values of no type: null, and counted."""
    path = lines('{"event": "e", "ts_ms": 1, "user_id": "u", "a": NaN, "b": 1e999, "c": "\\ud800", "d": 1}')(
        tmp_path
    )
    with new(tmp_path / "log.db") as log:
        assert log.import_events(path) == Receipt(accepted=1, unparsable=3)
        assert full_decoder()(log.rows_after(0)[0].payload) == {"a": None, "b": None, "c": None, "d": 1}


@pytest.mark.parametrize("format", FORMATS)
def test_export_replaces_whole_files(tmp_path: Path, format: str) -> None:
    """An export that is broken off leaves the old file, and nothing else."""
    path = tmp_path / "out" / f"events.{format}"
    path.parent.mkdir()
    path.write_text("old")

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with new(tmp_path / "log.db") as log:
        log.append(E)
        with pytest.raises(KeyboardInterrupt):
            log.export(path, progress=stop)
        assert ([file.name for file in path.parent.iterdir()], path.read_text()) == ([path.name], "old")
        assert log.export(path) == 1
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_export_where_nothing_can_be_written(tmp_path: Path) -> None:
    """A folder that does not exist is named in one line."""
    with new(tmp_path / "log.db") as log, pytest.raises(EventFileError, match="while writing it") as caught:
        log.export(tmp_path / "no" / "events.parquet")
    assert "\n" not in str(caught.value)


@pytest.mark.logs
@pytest.mark.parametrize("name", ["jd_openmldb", "open_bandit"])
def test_the_internal_logs_come_back(logs: Path, tmp_path: Path, name: str) -> None:
    """Real logs, imported and exported, are the same rows again."""
    with new(tmp_path / "a.db") as one, new(tmp_path / "b.db") as two:
        receipt = one.import_events(logs / name / "events_canonical.parquet")
        assert receipt == Receipt(accepted=one.count, late=receipt.late)
        one.export(tmp_path / "events.arrow")
        two.import_events(tmp_path / "events.arrow")
        assert two.rows_after(0) == one.rows_after(0)
