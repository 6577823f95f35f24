"""Files of events: Parquet, Arrow, CSV and JSON lines, read in batches and brought into a log.

A file has the canonical columns (event_id, user_id, session_id, event, ts_ms, seq, known_ms, page_id,
item_id, attrs); event and ts_ms must be there. Any other column holds a field and goes before attrs
(SEMANTICS 2.1). Cells of CSV are text, its attrs a JSON object; in JSON lines any value keeps its JSON
type. A device log is read like any other file, whatever its name. Writing them: stream.export.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from featuregraph.errors import EventError
from stream import dataset
from stream.errors import EventFileError, LogError
from stream.event import Receipt
from stream.limits import Limits

if TYPE_CHECKING:
    import pyarrow as pa

    from stream.log import EventLog

Batch = list[dict[str, Any]]
Format = Literal["parquet", "arrow", "csv", "jsonl"]
# Called with the number of rows done and, where the file tells it, of all rows.
Progress = Callable[[int, int | None], None]

BATCH_ROWS: Final = 8_192
_DATABASE: Final = b"SQLite format 3\0"  # the first bytes
_ARROW: Final = b"ARROW1"
_BLOCK: Final = 1 << 20  # bytes read at once to count lines
_SUFFIXES: Final[dict[str, Format]] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}


def format_of(path: str | Path, what: str = "a file of") -> Format:
    """Return the format that the suffix of PATH names; a folder is a Parquet dataset."""
    path = Path(path)
    found = "parquet" if path.is_dir() else _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise EventFileError(
            f"{path}: expected {what} {', '.join(_SUFFIXES)}, found {path.suffix!r}; convert or rename it"
        )
    return found


def is_log(path: str | Path) -> bool:
    """Tell whether the file at PATH is a database, as a device log is; others go by their suffix."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(_DATABASE)) == _DATABASE
    except OSError:
        return False


def _format_here(path: str | Path) -> Format:
    if not Path(path).exists():
        raise EventFileError(f"{path}: expected a file of events, found nothing; check the path")
    return format_of(path, "a device log, or a file of")


def read_events(path: str | Path, *, limits: Limits | None = None, rows: int = BATCH_ROWS) -> Iterator[Batch]:
    """Give the events of the file at PATH as dicts, ROWS at a time, in the order of the file.

    Raises:
        EventFileError: the file is missing, of no known format, damaged or lacks a column; names the place.
        LogError: the file is a database, but no log, or a damaged one.
    """
    path = Path(path)
    if is_log(path):
        yield from _read_log(path, rows)
        return
    if _format_here(path) == "jsonl":
        yield from _read_lines(path, limits or Limits(), rows)
        return
    with translating(path, "reading it"):
        first = 0
        for table in _arrow_tables(path, rows):
            yield _events_of(table, path, first)
            first += table.num_rows


def _read_log(path: Path, rows: int) -> Iterator[Batch]:
    from stream.arrivals import arrivals, refuse
    from stream.log import EventLog

    with EventLog(path, read_only=True) as log, log.reading() as connection:
        yield from arrivals(connection, partial(refuse, log.path), rows)


def count_rows(path: str | Path) -> int | None:
    """Return about how many events the file at PATH has: of text, its lines; None where nothing tells."""
    if is_log(path):
        from stream.log import EventLog

        with EventLog(path, read_only=True) as log:
            return log.count
    format = _format_here(path)
    if format == "jsonl":
        return _count_lines(path)
    if format == "csv":
        return max(_count_lines(path) - 1, 0)
    with translating(path, "reading its footer"):
        if format == "parquet":
            return dataset.count_rows(Path(path), EventFileError)
        return _count_ipc(path) if _is_arrow_file(path) else None


def _count_ipc(path: str | Path) -> int:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        reader = pa.ipc.open_file(source)
        return sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))


def _is_arrow_file(path: str | Path) -> bool:
    """Tell whether the file has a footer; an Arrow stream in a file has none."""
    with Path(path).open("rb") as file:
        return file.read(len(_ARROW)) == _ARROW


def _count_lines(path: str | Path) -> int:
    try:
        with Path(path).open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))
    except OSError:
        return 0  # who reads it says why it cannot be read


def import_events(log: EventLog, path: str | Path, *, progress: Progress | None = None) -> Receipt:
    """Append the events of the file at PATH with the known_ms that they carry; return what became of them.

    Each batch is one transaction: after an error, the batches before it are in the log. Events with an
    event_id may be imported again: they are duplicates.

    Raises:
        EventFileError: the file cannot be read.
        EventError: one of its events is refused; names file, row and column.
    """
    if Path(path).resolve() == Path(log.path).resolve():
        raise EventFileError(
            f"{path}: expected another file than the log, found the log itself; name another"
        )
    total = count_rows(path)
    done = 0
    counts = [0] * len(astuple(Receipt()))
    for batch in read_events(path, limits=log.limits):
        receipt, _ = log.append_rows(batch, keep_known=True, label=_label(path, done))
        counts = [a + b for a, b in zip(counts, astuple(receipt), strict=True)]
        done += len(batch)
        if progress is not None:
            progress(done, total)
    return Receipt(*counts)


def _label(path: str | Path, first: int) -> Callable[[int], str]:
    return lambda place: f"{path}, row {first + place + 1}"


@contextmanager
def translating(path: str | Path, doing: str) -> Iterator[None]:
    """Say in one line what errors of pyarrow and of the file system mean while DOING something with PATH."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise EventFileError(
            f"{path}: expected pyarrow for a {Path(path).suffix} file, found it is not installed;"
            " run `pip install 'headrace[replay]'`, or use JSON lines"
        ) from error
    except (EventFileError, LogError):
        raise
    except EventError as error:  # says by itself what is wrong and what to do
        raise EventFileError(f"{path}: {error}") from error
    except (OSError, ValueError, NotImplementedError, TypeError, KeyError) as error:
        # pyarrow's own errors derive from these
        said = str(error).splitlines() or [type(error).__name__]
        raise EventFileError(
            f"{path}: expected a sound {format_of(path)} file of events while {doing}, found: {said[0]};"
            " write it anew"
        ) from error


# ---------------------------------------------------------------- with pyarrow


def _arrow_tables(path: Path, rows: int) -> Iterator[pa.Table]:
    import pyarrow as pa

    for batch in arrow_batches(path, rows):
        yield pa.Table.from_batches([batch])


def arrow_batches(path: Path, rows: int, columns: Collection[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Give the rows of a file of Parquet, Arrow or CSV in batches of at most ROWS.

    columns: the names to read, None for all; those that the file lacks are left out.
    """
    match format_of(path):
        case "parquet":
            for _, batch in dataset.batches(path, EventFileError, rows, lambda group: columns):
                yield batch
            return
        case "arrow":
            read = _ipc_batches(path, columns)
        case _:
            read = _csv_batches(path, columns)
    for batch in read:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def _ipc_batches(path: Path, columns: Collection[str] | None) -> Iterator[pa.RecordBatch]:
    """Give the batches of an Arrow file, or of an Arrow stream in a file."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        is_file = source.read(len(_ARROW)) == _ARROW
        source.seek(0)
        opened = pa.ipc.open_file if is_file else pa.ipc.open_stream
        names = opened(source).schema.names
        source.seek(0)
        wanted = [place for place, name in enumerate(names) if columns is None or name in columns]
        reader = opened(source, options=pa.ipc.IpcReadOptions(included_fields=wanted))
        if not is_file:
            yield from reader
            return
        for i in range(reader.num_record_batches):
            yield reader.get_batch(i)


def _csv_batches(path: Path, columns: Collection[str] | None) -> Iterator[pa.RecordBatch]:
    """Give the cells as text: an empty cell is null, a quoted empty one is empty text."""
    import pyarrow as pa
    from pyarrow import csv

    multiline = csv.ParseOptions(newlines_in_values=True)
    with csv.open_csv(path, parse_options=multiline) as reader:
        names = reader.schema.names
    as_text = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        include_columns=[name for name in names if columns is None or name in columns],
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    yield from csv.open_csv(path, parse_options=multiline, convert_options=as_text)


def _events_of(table: pa.Table, path: Path, first: int) -> Batch:
    from featuregraph.arrow import read_events as rows_of

    if "attrs" not in table.column_names or not _is_text(table.schema.field("attrs").type):
        return rows_of(table)
    texts = table.column("attrs").to_pylist()
    events = rows_of(table.drop_columns(["attrs"]))
    for place, (event, text) in enumerate(zip(events, texts, strict=True)):
        event["attrs"] = (
            None if text is None else json_object(text, f"{path}, row {first + place + 1}, column attrs")
        )
    return events


def _is_text(type: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(type) or pa.types.is_large_string(type))


# ---------------------------------------------------------------- JSON


def _read_lines(path: Path, limits: Limits, rows: int) -> Iterator[Batch]:
    batch: Batch = []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(limits.max_line_bytes + 1), b""), 1):
                where = f"{path}, row {number}"
                if len(line) > limits.max_line_bytes:
                    raise EventFileError(
                        f"{where}: expected a line of at most {limits.max_line_bytes} bytes, found more;"
                        " split it"
                    )
                if line.strip():
                    batch.append(json_object(line, where))
                if len(batch) >= rows:
                    yield batch
                    batch = []
    except OSError as error:
        raise EventFileError(
            f"{path}: expected a file that can be read, found: {error.strerror}; check it"
        ) from error
    if batch:
        yield batch


def json_object(text: str | bytes, where: str) -> dict[str, Any]:
    """Return the JSON object in TEXT; NaN and numbers out of range come through: the log counts them."""
    try:
        found = _decode(text)
    except RecursionError:
        raise EventFileError(
            f"{where}: expected flat JSON, found it nested too deep; flatten its attrs"
        ) from None
    except ValueError as error:
        raise EventFileError(
            f"{where}: expected a JSON object in UTF-8, found: {error}; correct it"
        ) from error
    if not isinstance(found, dict):
        raise EventFileError(
            f"{where}: expected a JSON object, found {type(found).__name__}; write one object a line"
        )
    return found


def _decode(text: str | bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        # It refuses 1e999, NaN and half surrogate pairs, which are values here, though of no type.
        return json.loads(text)
