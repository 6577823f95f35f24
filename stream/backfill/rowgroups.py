"""Row groups of one Parquet file, encoded by several threads: the bytes are those that one writer gives.

Arrow encodes a file in one thread. Here each row group is encoded as a file of its own in memory; their pages
are put one behind the other, and one footer names them all, with each offset moved by as much as its pages
(parquet.thrift of the Parquet format).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from stream import thrift
from stream.backfill.threads import in_order
from stream.thrift import Field, Struct

if TYPE_CHECKING:
    import pyarrow as pa

_MAGIC = b"PAR1"
_LENGTH = 4  # bytes of the footer's length, before the magic that ends a file
# Fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData.
_ROWS, _GROUPS = 3, 4
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7
_CHUNK_OFFSET, _CHUNK_ABOUT = 2, 3
_PAGE_OFFSETS = (9, 10, 11)  # of data, index and dictionary pages


def write_groups(
    file: IO[bytes], groups: Iterable[pa.Table], schema: pa.Schema, options: Mapping[str, Any], threads: int
) -> None:
    """Write GROUPS of SCHEMA, a row group each, one at least, to FILE, by so many THREADS.

    options: of Arrow's ParquetWriter.
    """
    file.write(_MAGIC)
    at, rows = len(_MAGIC), 0
    about: Struct = []
    found: list[Struct] = []
    for piece in in_order(partial(_encoded, schema=schema, options=options), groups, threads):
        pages, about = _taken_apart(piece)
        file.write(pages)
        _, (group,) = _of(about, _GROUPS)
        found.append(_moved(group, at - len(_MAGIC), len(found)))
        at += len(pages)
        rows += _of(about, _ROWS)
    whole = {_ROWS: rows, _GROUPS: (thrift.STRUCT, found)}
    footer = thrift.written([(name, kind, whole.get(name, value)) for name, kind, value in about])
    file.write(footer + len(footer).to_bytes(_LENGTH, "little") + _MAGIC)


def _encoded(group: pa.Table, schema: pa.Schema, options: Mapping[str, Any]) -> memoryview:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, **options) as writer:
        writer.write_table(group, row_group_size=max(1, group.num_rows))
    return memoryview(sink.getvalue())


def _taken_apart(piece: memoryview) -> tuple[memoryview, Struct]:
    """Return the pages of a file of one row group, and its footer."""
    end = len(piece) - _LENGTH - len(_MAGIC)
    begin = end - int.from_bytes(piece[end : end + _LENGTH], "little")
    return piece[len(_MAGIC) : begin], thrift.read_struct(bytes(piece[begin:end]))[0]


def _of(struct: Struct, field: int) -> Any:
    return next(value for name, _, value in struct if name == field)


def _moved(group: Struct, by: int, number: int) -> Struct:
    """Return a row GROUP whose pages stand BY bytes later, as the one of NUMBER in its file."""

    def moved(field: Field) -> Field:
        name, kind, value = field
        if name == _COLUMNS:
            return name, kind, (value[0], [_moved_chunk(chunk, by) for chunk in value[1]])
        return name, kind, value + by if name == _GROUP_OFFSET else number if name == _ORDINAL else value

    return list(map(moved, group))


def _moved_chunk(chunk: Struct, by: int) -> Struct:
    def moved(field: Field) -> Field:
        name, kind, value = field
        if name == _CHUNK_ABOUT:
            return name, kind, [(n, k, v + by if n in _PAGE_OFFSETS else v) for n, k, v in value]
        return name, kind, value + by if name == _CHUNK_OFFSET and value else value

    return list(map(moved, chunk))
