"""Parquet files, alone or as a folder partitioned as Hive does, read row group by row group.

folder/event=view/day=2026-01-02/part-0.parquet is rows whose `event` is "view" and whose `day` is
"2026-01-02": what stands in the path is text, and a column of that name in the file itself goes before it.
Files come in the order of their paths. Names that begin with "_" or "." are no data (_SUCCESS, .crc); any
other file that is no Parquet file is an error, since a folder read in part looks like one read whole.

What fails names the file, the row group and the column.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from stream.errors import StreamError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

SUFFIXES: Final = (".parquet", ".pq")
_NULL: Final = "__HIVE_DEFAULT_PARTITION__"  # the directory of rows without a value
_BUFFER: Final = 1 << 20  # bytes of a column chunk that are read at once
# pyarrow's own errors derive from these.
BROKEN: Final = (OSError, ValueError, NotImplementedError, TypeError, KeyError)


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file, and the columns that its path gives to all of its rows."""

    path: Path
    given: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """One row group: what its footer says."""

    file: DataFile
    number: int
    names: tuple[str, ...]  # columns of the file
    about: parquet.RowGroupMetaData = field(repr=False)

    def statistics(self, column: str) -> Any:
        """Return the statistics of a flat COLUMN, None if there are none."""
        for place in range(self.about.num_columns):
            chunk = self.about.column(place)
            if chunk.path_in_schema == column:
                return chunk.statistics if chunk.is_stats_set else None
        return None

    @property
    def where(self) -> str:
        """Return its name in a message."""
        return f"{self.file.path}, row group {self.number}"


def data_files(path: Path, error: type[StreamError]) -> list[DataFile]:
    """Return the Parquet files at PATH, in order; raise ERROR if there are none, or others among them."""
    if not path.is_dir():
        return [DataFile(path)]
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not _is_apart(name))
        for name in names:
            file = Path(folder, name)
            if _is_apart(name):
                continue
            if file.suffix.lower() not in SUFFIXES:
                raise error(
                    f"{file}: expected only {' and '.join(SUFFIXES)} files in the folder {path}, found"
                    ' another; move it, or begin its name with "_"'
                )
            found.append(DataFile(file, _given(file.parent.relative_to(path).parts)))
    if not found:
        raise error(f"{path}: expected Parquet files in the folder, found none; check the path")
    return sorted(found, key=lambda file: file.path)


def _is_apart(name: str) -> bool:
    return name.startswith(("_", "."))


def _given(folders: Sequence[str]) -> dict[str, str | None]:
    """Return the values that folders called name=value give."""
    pairs = [folder.partition("=") for folder in folders]
    return {unquote(name): None if value == _NULL else unquote(value) for name, is_, value in pairs if is_}


def row_groups(
    file: DataFile, error: type[StreamError], coded: Sequence[str] = ()
) -> tuple[parquet.ParquetFile, list[Group]]:
    """Return FILE opened, for the caller to close, and its groups; texts of CODED come as dictionaries."""
    opened = _opened(file, error)
    names = tuple(opened.schema_arrow.names)
    if any(name in names for name in coded):
        about = opened.metadata
        opened.close()
        opened = _opened(file, error, about, [name for name in coded if name in names])
    count = opened.metadata.num_row_groups
    return opened, [Group(file, number, names, opened.metadata.row_group(number)) for number in range(count)]


def reopened(
    group: Group, footer: parquet.FileMetaData, error: type[StreamError], coded: Sequence[str] = ()
) -> parquet.ParquetFile:
    """Return the file of GROUP, whose FOOTER is known, opened once more: for another thread, to close."""
    return _opened(group.file, error, footer, [name for name in coded if name in group.names])


def _opened(
    file: DataFile,
    error: type[StreamError],
    footer: parquet.FileMetaData | None = None,
    coded: Sequence[str] = (),
) -> parquet.ParquetFile:
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(
            file.path,
            metadata=footer,
            read_dictionary=list(coded) or None,
            buffer_size=_BUFFER,
            page_checksum_verification=True,
        )
    except BROKEN as problem:
        raise error(_broken(str(file.path), "a sound parquet file", problem)) from problem


def read_group(
    opened: parquet.ParquetFile,
    group: Group,
    columns: Collection[str] | None,
    error: type[StreamError],
    rows: int,
) -> Iterator[pa.RecordBatch]:
    """Give the rows of GROUP in batches of at most ROWS, with the columns of its path.

    columns: the names to read, None for all; those that the file lacks are left out.
    """
    wanted = [name for name in group.names if columns is None or name in columns]
    given = [name for name in group.file.given if columns is None or name in columns]
    try:
        for batch in opened.iter_batches(rows, [group.number], wanted, use_threads=False):
            yield _with_given(batch, group.file.given, given)
    except BROKEN as problem:
        column = _culprit(opened, group, wanted)
        where = f"{group.where}, column {column}" if column else group.where
        raise error(_broken(where, "sound Parquet pages", problem)) from problem


def _with_given(batch: pa.RecordBatch, values: Mapping[str, str | None], names: Sequence[str]) -> Any:
    import pyarrow as pa

    for name in names:
        if name not in batch.schema.names:
            column = pa.repeat(pa.scalar(values[name], pa.string()), batch.num_rows)
            batch = batch.append_column(name, column)
    return batch


def _culprit(opened: parquet.ParquetFile, group: Group, columns: Sequence[str]) -> str | None:
    """Return the column of GROUP that cannot be read."""
    for name in columns:
        try:
            opened.read_row_group(group.number, [name], use_threads=False)
        except BROKEN:
            return name
    return None


def _broken(where: str, expected: str, problem: Exception) -> str:
    said = (str(problem).splitlines() or [type(problem).__name__])[0]
    return f"{where}: expected {expected}, found: {said}; write it anew"


def batches(
    path: Path,
    error: type[StreamError],
    rows: int,
    columns: Callable[[Group], Collection[str] | None] = lambda group: None,
    coded: Sequence[str] = (),
) -> Iterator[tuple[Group, pa.RecordBatch]]:
    """Give the rows of all files at PATH; COLUMNS says which of a group are read: None all, () nothing.

    coded: columns of text that come as dictionaries.
    """
    for file in data_files(path, error):
        opened, groups = row_groups(file, error, coded)
        with opened:
            for group in groups:
                wanted = columns(group)
                if wanted is None or len(wanted):
                    for batch in read_group(opened, group, wanted, error, rows):
                        yield group, batch


def footers(path: Path, error: type[StreamError]) -> Iterator[Group]:
    """Give the row groups of the files at PATH."""
    for file in data_files(path, error):
        opened, groups = row_groups(file, error)
        with opened:
            yield from groups


def count_rows(path: Path, error: type[StreamError]) -> int:
    """Return how many rows the footers of the files at PATH speak of."""
    return sum(group.about.num_rows for group in footers(path, error))


def empty_table(path: Path, error: type[StreamError]) -> pa.Table:
    """Return the columns of the first file at PATH, without a row."""
    import pyarrow as pa

    file = data_files(path, error)[0]
    opened, _ = row_groups(file, error)
    with opened:
        table = opened.schema_arrow.remove_metadata().empty_table()
    for name, value in file.given.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.array([value], pa.string()).slice(1))
    return table
