"""A log as a file: Parquet, Arrow, CSV or JSON lines in canonical columns, in the order of arrival.

A reader of the file gets the values that the log gives. In CSV and JSON lines attrs is a JSON object with
the values as they are. In Parquet and Arrow attrs is a map of texts, so a field that always holds numbers,
or always booleans, gets a typed column of its own; a field that holds both those and texts is written as
text (an integral float as an integer, a boolean as true or false).

The file appears whole under its name, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from stream.arrivals import arrivals, count_events, refuse
from stream.atomic import replacing
from stream.codec import Value
from stream.damage import Finding
from stream.tables import BATCH_ROWS, Batch, Progress, format_of, translating

if TYPE_CHECKING:
    import pyarrow as pa

    from stream.log import EventLog

CANONICAL: Final = (
    "event_id", "user_id", "session_id", "event", "ts_ms", "seq", "known_ms", "page_id", "item_id", "attrs",
)  # fmt: skip
_INTEGERS: Final = frozenset({"ts_ms", "seq", "known_ms"})
_MAX_TYPED: Final = 1_000  # columns of their own; further fields go into attrs
_EXACT: Final = 2**53  # integers that a double holds


def export_events(
    log: EventLog,
    path: str | Path,
    *,
    progress: Progress | None = None,
    tell: Callable[[Finding], object] | None = None,
) -> int:
    """Write all events of LOG to PATH, in the format of its suffix; return how many. Reads them twice.

    tell: called with each row that is damaged, which is then left out; None: such a row ends the export.

    Raises:
        EventFileError: the file cannot be written.
        LogCorruptError: a row is damaged, and there is nobody to tell.
    """
    path = Path(path)
    write = _WRITERS[format_of(path)]
    told = tell or partial(refuse, log.path)
    with log.reading() as connection, translating(path, "writing it"), replacing(path) as part:
        total = count_events(connection)
        typed = {}
        if format_of(path) in ("parquet", "arrow"):
            typed = _typed_fields(arrivals(connection, _nobody if tell else told, BATCH_ROWS))
        done = 0
        with write(part, typed) as put:
            for batch in arrivals(connection, told, BATCH_ROWS):
                if batch:
                    put(batch)
                done += len(batch)
                if progress is not None:
                    progress(done, total)
    return done


def _nobody(found: Finding) -> None:
    """Hear of a row that is told of when it is left out."""


def _typed_fields(batches: Iterable[Batch]) -> dict[str, type]:
    """Return the fields of BATCHES that get a column of their own, with its type."""
    kinds: dict[str, set[object]] = {}
    for batch in batches:
        for event in batch:
            for name, value in event["attrs"].items():
                kinds.setdefault(name, set()).add(_kind(value))
    columns = {
        name: kind
        for name in sorted(kinds)
        if name != "attrs" and (kind := _column_kind(kinds[name])) is not None
    }
    return dict(list(columns.items())[:_MAX_TYPED])


def _kind(value: Value) -> object:
    """Return the class of a value; of integers, that of the columns that hold them exactly."""
    if not isinstance(value, int) or isinstance(value, bool):
        return type(value)
    if abs(value) <= _EXACT:
        return int
    # Beyond int64 a value means something as float64 only.
    return "int64" if -(2**63) <= value < 2**63 else float


def _column_kind(kinds: set[object]) -> type | None:
    if kinds <= {int, "int64"}:
        return int
    if kinds <= {int, float}:  # numbers: what stands for a text mixes with no float
        return float
    return bool if kinds == {bool} else None


def text_of(value: Value) -> str:
    """Return a value as the text that means the most alike."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return str(int(value))
    return str(value)


# ---------------------------------------------------------------- writers: each gives what takes a batch

Put = Callable[[Batch], object]


@contextmanager
def _lines(path: Path, typed: dict[str, type]) -> Iterator[Put]:
    encoder = msgspec.json.Encoder()
    with path.open("wb") as file:
        yield lambda batch: file.write(encoder.encode_lines(batch))


@contextmanager
def _parquet(path: Path, typed: dict[str, type]) -> Iterator[Put]:
    import pyarrow.parquet as pq

    schema = _schema(typed)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield lambda batch: writer.write_batch(_record(batch, typed, schema))


@contextmanager
def _arrow(path: Path, typed: dict[str, type]) -> Iterator[Put]:
    import pyarrow as pa

    schema = _schema(typed)
    with pa.ipc.new_file(str(path), schema) as writer:
        yield lambda batch: writer.write_batch(_record(batch, typed, schema))


@contextmanager
def _csv(path: Path, typed: dict[str, type]) -> Iterator[Put]:
    import pyarrow as pa
    from pyarrow import csv

    schema = pa.schema([(name, pa.int64() if name in _INTEGERS else pa.string()) for name in CANONICAL])
    encode = msgspec.json.Encoder().encode

    def put(batch: Batch) -> None:
        columns = [[_text_or_none(event[name], name) for event in batch] for name in CANONICAL[:-1]]
        attrs = [encode(event["attrs"]).decode() for event in batch]
        arrays = [
            pa.array(values, field.type) for values, field in zip([*columns, attrs], schema, strict=True)
        ]
        writer.write_batch(pa.record_batch(arrays, schema=schema))

    with csv.CSVWriter(str(path), schema) as writer:
        yield put


_WRITERS: Final = {"jsonl": _lines, "parquet": _parquet, "arrow": _arrow, "csv": _csv}


def _schema(typed: dict[str, type]) -> pa.Schema:
    import pyarrow as pa

    types = {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    fields = [(name, pa.int64() if name in _INTEGERS else pa.string()) for name in CANONICAL[:-1]]
    fields.append(("attrs", pa.map_(pa.string(), pa.string())))
    return pa.schema([*fields, *((name, types[kind]) for name, kind in typed.items())])


def _record(batch: Batch, typed: dict[str, type], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns: list[list[object]] = [
        [_text_or_none(event[name], name) for event in batch] for name in CANONICAL[:-1]
    ]
    columns.append(
        [[(n, text_of(v)) for n, v in event["attrs"].items() if n not in typed] for event in batch]
    )
    columns += [[_as(kind, event["attrs"].get(name)) for event in batch] for name, kind in typed.items()]
    return pa.record_batch([pa.array(v, f.type) for v, f in zip(columns, schema, strict=True)], schema=schema)


def _as(kind: type, value: Value) -> Value:
    if kind is not float or value is None:
        return value
    try:
        return float(value)
    except OverflowError:  # an integer that rounds to infinity is a value of no type
        return None


def _text_or_none(value: Any, name: str) -> object:
    return value if value is None or name in _INTEGERS else text_of(value)
