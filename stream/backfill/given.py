"""The tables that a replay is given (SEMANTICS 10.1): read, checked against what graphs declare, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featuregraph import CompileError, TableError
from featuregraph.shown import nearest
from stream.asof import check_file, opened
from stream.backfill import tablerows
from stream.backfill.history import Raw, Rows
from stream.backfill.tablerows import TableRows
from stream.entries import entries_of
from stream.tablefile import is_table_file
from stream.tabular import read_table

if TYPE_CHECKING:
    from featuregraph import Graph
    from featuregraph.tables import TableSchema


def named(options: Sequence[str] | None) -> dict[str, Path]:
    """Return what `--table NAME=PATH` says, once for each table."""
    found: dict[str, Path] = {}
    for option in options or ():
        name, equals, path = option.partition("=")
        if not (name and equals and path):
            raise TableError(f"--table: expected NAME=PATH, found {option!r:.100}; write it as product=FILE")
        if name in found:
            raise TableError(f"--table: expected table {name!r} once, found it twice; take one out")
        found[name] = Path(path)
    return found


def read_tables(graphs: Sequence[Graph], given: Mapping[str, Any] | None) -> Rows:
    """Return the rows of each table of GRAPHS, as GIVEN by name: a file, also a device's, a table or rows.

    Raises:
        TableError: a table is not given, lacks a column, or is none of GRAPHS.
        CompileError: two graphs declare one table in two ways.
        BackfillError: a file cannot be read.
    """
    given = given or {}
    declared = {name: table for graph in graphs for name, table in graph.tables.items()}
    for graph in graphs:
        for name, table in graph.tables.items():
            if (table.key, table.changing) != (declared[name].key, declared[name].changing):
                raise CompileError(
                    f"graph {graph.name!r}: expected one declaration of table {name!r}, found two; share one"
                )
    if unknown := [name for name in given if name not in declared]:
        raise TableError(
            f"expected a table of the graphs, found {unknown[0]!r}; {nearest(unknown[0], declared)}"
        )
    if missing := [name for name in declared if name not in given]:
        raise TableError(
            f"expected the rows of table {missing[0]!r}, found none; give them, as --table {missing[0]}=FILE"
        )
    return {name: _read(graphs, name, given[name]) for name in declared}


def _read(graphs: Sequence[Graph], name: str, source: Any) -> Sequence[Raw]:
    if not isinstance(source, str | Path) or not is_table_file(source):
        return _rows(name, source, _columns(graphs, name))
    file = opened(name, source)  # what a device maps, under the device's conditions
    for graph in graphs:
        if name in graph.tables:
            check_file(graph, name, file)
    return list(file.content())


def _columns(graphs: Sequence[Graph], name: str) -> list[str]:
    """Return the columns that GRAPHS read of the table NAME."""
    tables = [graph.tables[name] for graph in graphs if name in graph.tables]
    times = ["ts_ms"] if tables[0].changing else []
    return ["key", *times, *dict.fromkeys(field for table in tables for field, _ in table.fields)]


def _rows(name: str, source: Any, columns: Sequence[str]) -> Sequence[Raw]:
    where = f"{source}: " if isinstance(source, str | Path) else ""
    table = read_table(source) if where else source
    if not hasattr(table, "column_names"):
        return list(table)
    if missing := [column for column in columns if column not in table.column_names]:
        raise TableError(
            f"{where}table {name!r}: expected the columns {', '.join(columns)}, found no {missing[0]}; add it"
        )
    return TableRows(table.select(columns))


def counted(graphs: Sequence[Graph], rows: Rows) -> tuple[dict[str, int], Counter[str]]:
    """Return how many rows of each table were dropped, and the values that are not of their type by column.

    Raises:
        TableError: a second row of a static key.
    """
    dropped: dict[str, int] = {}
    unparsable: Counter[str] = Counter()
    for table in {(table.name, table): table for graph in graphs for table in graph.tables.values()}.values():
        gone, bad = _counted(table, rows[table.name])
        if gone:
            dropped[table.name] = gone
        unparsable |= Counter({f"{table.name}.{name}": n for name, n in bad.items()})
    return dropped, unparsable


def _counted(table: TableSchema, rows: Sequence[Raw]) -> tuple[int, Counter[str]]:
    if isinstance(rows, TableRows):
        return tablerows.counted(table, rows)
    found = entries_of(table, rows)
    return found.dropped, found.unparsable
