"""A block as bytes: a header, and a chunk for each column.

    +---------+-------------+----------+-------------------------+---------+---------+..
    | version | header size | its CRC  | header: events, columns | chunk 0 | chunk 1 |
    | 1 byte  | 4 bytes     | 4 bytes  | msgpack                 | lz4, if less      |
    +---------+-------------+----------+-------------------------+---------+---------+ ...

1. A column is read without touching the others: each chunk has its own size, checksum and compression.
2. What a header declares is held against bounds, and against the bytes that are there, before any of it is
   made: bytes that are no block are refused with BlockError, and cost no more than a block.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from struct import Struct, error
from typing import Any, Final

import lz4.block
import msgspec

from stream.blocks import splice
from stream.blocks.column import Column, Form, pack_column, unpack_column
from stream.errors import BlockError

VERSION: Final = 1
MOST_EVENTS: Final = 65_536
MOST_COLUMNS: Final = 1_024
MOST_BYTES: Final = 64 * 1024 * 1024  # of one column, unpacked
_LZ4_RATIO: Final = 255  # lz4 makes no byte into more
_START: Final = Struct("<BII")


class Chunk(msgspec.Struct, array_like=True, frozen=True):
    """Where a column's bytes are, and what they are."""

    name: str
    form: Form
    size: int  # as they stand; less than `whole` if compressed
    whole: int
    crc: int


class Header(msgspec.Struct, array_like=True, frozen=True):
    """What is in a block: EVENTS values in each of its columns, and NOTE, which is whoever wrote it."""

    events: int
    chunks: list[Chunk]
    note: list[tuple[int, list[int]]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Header).decode


def write(columns: Mapping[str, list[Any] | Column], note: list[tuple[int, list[int]]]) -> bytes:
    """Return the block of COLUMNS, of scalars and of one length."""
    chunks, body = [], []
    count = 0
    for name, values in columns.items():
        if isinstance(values, Column):
            count, (form, whole) = values.count, splice.packed(values)
        else:
            count, (form, whole) = len(values), pack_column(values)
        packed = lz4.block.compress(whole, store_size=False) if whole else b""
        chunk = packed if len(packed) < len(whole) else whole
        chunks.append(Chunk(name, form, len(chunk), len(whole), zlib.crc32(chunk)))
        body.append(chunk)
    header = _encode(Header(count, chunks, note))
    return b"".join((_START.pack(VERSION, len(header), zlib.crc32(header)), header, *body))


class Block:
    """A block of bytes, read column by column."""

    def __init__(self, data: bytes) -> None:
        """Read the header of DATA; raise BlockError if it is none."""
        self._data = memoryview(data)
        self.bytes = len(data)
        with _refusing():
            version, size, crc = _START.unpack_from(data)
            if version != VERSION:
                raise BlockError(f"expected a block of version {VERSION}, found {version}")
            header = self._data[_START.size : _START.size + size]
            if len(header) != size or zlib.crc32(header) != crc:
                raise BlockError("expected the header that was written, found other bytes")
            found = _decode(header)
        self.header_bytes = _START.size + size
        self.events = found.events
        self.note = found.note
        self._chunks: dict[str, tuple[Chunk, int]] = {}
        self._columns: dict[str, Column] = {}
        self._place(found)

    def _place(self, header: Header) -> None:
        if not 0 <= header.events <= MOST_EVENTS or len(header.chunks) > MOST_COLUMNS:
            raise BlockError(
                f"expected at most {MOST_EVENTS} events in {MOST_COLUMNS} columns, found {header.events} in"
                f" {len(header.chunks)}"
            )
        at = self.header_bytes
        for chunk in header.chunks:
            most = chunk.size if chunk.size == chunk.whole else min(_LZ4_RATIO * chunk.size, MOST_BYTES)
            if not 0 <= chunk.size <= chunk.whole <= max(most, 0):
                raise BlockError(f"expected {chunk.size} bytes of column {chunk.name!r:.60}, found too many")
            self._chunks[chunk.name] = (chunk, at)
            at += chunk.size
        if at != len(self._data):
            raise BlockError(f"expected a block of {at} bytes, found {len(self._data)}")

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self._chunks)

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Give the kind and the bytes of each column that takes any."""
        for chunk, _ in self._chunks.values():
            if chunk.form.kind is not None and chunk.size:
                yield str(chunk.form.kind.__struct_config__.tag), chunk.size

    def has(self, name: str) -> bool:
        """Tell whether there is a column of this NAME."""
        return name in self._chunks

    def column(self, name: str) -> Column:
        """Return the column NAME; raise BlockError if there is none, or its bytes are others."""
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = self._read(name)
        return found

    def _read(self, name: str) -> Column:
        if name not in self._chunks:
            raise BlockError(f"expected a column {name!r:.60}, found none")
        chunk, at = self._chunks[name]
        packed = self._data[at : at + chunk.size]
        if zlib.crc32(packed) != chunk.crc:
            raise BlockError(f"expected the bytes that were written of column {name!r:.60}, found others")
        with _refusing():
            whole = packed
            if chunk.size < chunk.whole:
                whole = memoryview(lz4.block.decompress(packed, uncompressed_size=chunk.whole))
            cursor = Cursor(whole)
            column = unpack_column(chunk.form, self.events, cursor.take)
            cursor.end(chunk.whole)
        return column

    def check(self) -> None:
        """Read every column; raise BlockError at the first that is damaged."""
        for name in self._chunks:
            self.column(name).values()


class Cursor:
    """The bytes of a column, taken from the front."""

    def __init__(self, whole: memoryview) -> None:
        self._whole = whole
        self._at = 0

    def take(self, size: int) -> memoryview:
        """Return the next SIZE bytes."""
        if not 0 <= size <= len(self._whole) - self._at:
            raise BlockError(f"expected {size} more bytes of a column, found {len(self._whole) - self._at}")
        start, self._at = self._at, self._at + size
        return self._whole[start : self._at]

    def end(self, size: int) -> None:
        """Raise BlockError unless all SIZE bytes were taken."""
        if self._at != size:
            raise BlockError(f"expected a column of {self._at} bytes, found {size}")


@contextmanager
def _refusing() -> Iterator[None]:
    """Say of whatever goes wrong in bytes that they are no block."""
    try:
        yield
    except BlockError:
        raise
    except (
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        RecursionError,
        error,
        lz4.block.LZ4BlockError,
        msgspec.MsgspecError,
    ) as found:
        raise BlockError(f"expected a block, found other bytes: {' '.join(str(found).split())}") from found
