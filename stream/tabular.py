"""Tables of queries, and the graph's own: from Parquet, Arrow, CSV and JSON lines, or from rows in memory.

A table of queries has one column per key column, ts_ms, a column per request name, a list column per
candidate name, and perhaps as_known and history_start_ms (GRAPH_JSON). Rows in memory and lines of JSON may
have either form: the columns of the table by name, or {"key", "t", "request"}. In CSV cells are text, a
candidate's a JSON list.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stream import dataset
from stream.errors import BackfillError
from stream.tables import format_of

if TYPE_CHECKING:
    import pyarrow as pa

_INTEGERS = ("ts_ms", "history_start_ms")
_OPTIONS = ("as_known", "history_start_ms")
_BATCH_ROWS = 65_536


def read_queries(
    source: str | Path | pa.Table | Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    candidates: Collection[str] = (),
    where: str = "the queries",
) -> pa.Table:
    """Return the queries of SOURCE as a table, in their order.

    Args:
        source: a file, a table, or rows.
        columns: the key's, for rows of the form {"key", "t", "request"}.
        candidates: names whose cells in CSV are lists.
        where: what messages call rows in memory.

    Raises:
        BackfillError: the file cannot be read, or a column holds values of several types.
    """
    if isinstance(source, str | Path):
        return _from_file(Path(source), "queries", columns, candidates)
    if hasattr(source, "column_names"):
        return source
    return _from_rows(source, columns, where)


def read_table(path: str | Path) -> pa.Table:
    """Return the rows of a graph's table (SEMANTICS 10.1) in the file at PATH.

    Raises:
        BackfillError: the file cannot be read.
    """
    return _from_file(Path(path), "rows of a table", ("key",), ())


def _from_file(path: Path, what: str, columns: Sequence[str], candidates: Collection[str]) -> pa.Table:
    if not path.exists():
        raise BackfillError(f"{path}: expected a file of {what}, found nothing; check the path")
    try:
        match format_of(path):
            case "parquet":
                return _from_parquet(path)
            case "arrow":
                return _from_ipc(path)
            case "csv":
                return _from_csv(path, candidates)
            case _:
                return _from_rows(_lines(path), columns, str(path))
    except BackfillError:
        raise
    except (OSError, ValueError, NotImplementedError, TypeError, KeyError) as error:
        # pyarrow's own errors derive from these
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise BackfillError(
            f"{path}: expected a sound file of {what}, found: {said}; write it anew"
        ) from error


def _from_parquet(path: Path) -> pa.Table:
    import pyarrow as pa

    tables = [dataset.empty_table(path, BackfillError)]
    for _, batch in dataset.batches(path, BackfillError, _BATCH_ROWS):
        tables.append(pa.Table.from_batches([batch]))
    return pa.concat_tables(tables, promote_options="default")


def _from_ipc(path: Path) -> pa.Table:
    import pyarrow as pa

    with pa.OSFile(str(path)) as source:
        opened = pa.ipc.open_file if source.read(6) == b"ARROW1" else pa.ipc.open_stream
        source.seek(0)
        return opened(source).read_all()


def _from_csv(path: Path, candidates: Collection[str]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    parse = csv.ParseOptions(newlines_in_values=True)
    with csv.open_csv(path, parse_options=parse) as reader:
        names = reader.schema.names
    options = csv.ConvertOptions(
        column_types={name: _csv_type(name) for name in names},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    table = csv.read_csv(path, parse_options=parse, convert_options=options)
    for place, name in enumerate(table.column_names):
        if name in candidates:
            cells = table.column(name).to_pylist()
            lists = [_list(cell, f"{path}, row {row}, column {name}") for row, cell in enumerate(cells, 1)]
            table = table.set_column(place, name, pa.array(lists))
    return table


def _csv_type(name: str) -> pa.DataType:
    import pyarrow as pa

    return pa.int64() if name in _INTEGERS else pa.bool_() if name == "as_known" else pa.string()


def _list(cell: str | None, where: str) -> object:
    if cell is None:
        return None
    try:
        found = json.loads(cell)
    except ValueError:
        found = cell
    if not isinstance(found, list):
        raise BackfillError(f'{where}: expected a JSON list, found {cell!r:.60}; write it like ["a", "b"]')
    return found


def _lines(path: Path) -> Iterable[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise BackfillError(f"{path}, row {number}: expected JSON, found: {error}") from error
            if not isinstance(row, dict):
                raise BackfillError(
                    f"{path}, row {number}: expected an object, found {row!r:.60}; write one query a line"
                )
            yield row


# ---------------------------------------------------------------- rows in memory


def _from_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], where: str) -> pa.Table:
    import pyarrow as pa

    flat = [_flat(row, columns, f"{where}, row {number}") for number, row in enumerate(rows, 1)]
    names = dict.fromkeys(name for row in flat for name in row) or dict.fromkeys((*columns, "ts_ms"))
    found = {}
    for name in names:
        try:
            found[name] = pa.array([row.get(name) for row in flat], pa.int64() if name in _INTEGERS else None)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise BackfillError(
                f"{where}, column {name}: expected values of one type, found: {str(error).splitlines()[0]};"
                " write them alike"
            ) from error
    return pa.table(found)


def _flat(row: object, columns: Sequence[str], where: str) -> Mapping[str, Any]:
    """Return a query as a row of the table."""
    given: Any = row.get("request") if isinstance(row, Mapping) else row
    if not isinstance(row, Mapping) or not isinstance(given or {}, Mapping):
        raise BackfillError(f"{where}: expected values by name, found {given!r:.60}; give an object")
    if "t" not in row or "ts_ms" in row:
        return row
    given = given or {}
    options = {name: row[name] for name in _OPTIONS if name in row}
    return {**_key(row.get("key"), columns), "ts_ms": row["t"], **given, **options}


def _key(key: object, columns: Sequence[str]) -> Mapping[str, Any]:
    """Return a query's key by column: a value, a list of them, or by name for several graphs."""
    if isinstance(key, Mapping):
        return key
    if isinstance(key, list | tuple) and len(key) == len(columns):
        return dict(zip(columns, key, strict=True))
    if len(columns) == 1:
        return {columns[0]: key}
    raise BackfillError(
        f"expected a key with a value of {', '.join(columns)}, found {key!r:.60} in a query; give all of them"
    )
