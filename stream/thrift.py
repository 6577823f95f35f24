"""Thrift's compact protocol, as Parquet footers have it: bytes to plain values and back, no schema needed.

    struct  [(field, type, value), ...]        list, set  (type, [value, ...])
    bytes   binary, and doubles as they stand  bool, int  what they are

Whatever is read is written as the same bytes, fields that nobody knows too (thrift-compact-protocol.md of
Apache Thrift).
"""

from __future__ import annotations

from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, _, STRUCT = range(1, 13)
_INTEGERS, _LISTS = (I16, I32, I64), (LIST, SET)
_DOUBLE_BYTES = 8
_SHORT = 15  # a field's step, and a list's size, that stand in four bits

Field = tuple[int, int, Any]
Struct = list[Field]


def read_struct(data: bytes, at: int = 0) -> tuple[Struct, int]:
    """Return the struct that begins at AT, and where it ends.

    Raises:
        ValueError: there is a value of a type that no Parquet footer has.
        IndexError: it is cut.
    """
    found: Struct = []
    field = 0
    while True:
        head, at = data[at], at + 1
        if not head:
            return found, at
        kind = head & 15
        if head >> 4:
            field += head >> 4
        else:
            field, at = _integer(data, at)
        value: Any = kind == TRUE
        if kind not in (TRUE, FALSE):
            value, at = _value(kind, data, at)
        found.append((field, kind, value))


def written(struct: Struct) -> bytes:
    """Return the bytes of STRUCT."""
    out = bytearray()
    _put_struct(out, struct)
    return bytes(out)


# ---------------------------------------------------------------- reading


def _value(kind: int, data: bytes, at: int) -> tuple[Any, int]:
    if kind in _INTEGERS:
        return _integer(data, at)
    if kind == STRUCT:
        return read_struct(data, at)
    if kind in _LISTS:
        return _list(data, at)
    if kind == BINARY:
        length, at = _varint(data, at)
        return data[at : at + length], at + length
    if kind in (TRUE, FALSE, BYTE):  # one byte each inside a list
        return data[at], at + 1
    if kind == DOUBLE:
        return data[at : at + _DOUBLE_BYTES], at + _DOUBLE_BYTES
    raise ValueError(f"expected a type of a Parquet footer, found {kind}; the footer is damaged")


def _list(data: bytes, at: int) -> tuple[tuple[int, list[Any]], int]:
    head, at = data[at], at + 1
    kind, size = head & 15, head >> 4
    if size == _SHORT:
        size, at = _varint(data, at)
    found = []
    for _ in range(size):
        value, at = _value(kind, data, at)
        found.append(value)
    return (kind, found), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte, at = data[at], at + 1
        found |= (byte & 127) << shift
        if byte < 128:  # the last one
            return found, at
        shift += 7


def _integer(data: bytes, at: int) -> tuple[int, int]:
    found, at = _varint(data, at)
    return (found >> 1) ^ -(found & 1), at


# ---------------------------------------------------------------- writing


def _put_struct(out: bytearray, struct: Struct) -> None:
    before = 0
    for field, kind, value in struct:
        step = field - before
        if 0 < step <= _SHORT:
            out.append(step << 4 | kind)
        else:
            out.append(kind)
            _put_integer(out, field)
        if kind not in (TRUE, FALSE):
            _put(out, kind, value)
        before = field
    out.append(0)


def _put(out: bytearray, kind: int, value: Any) -> None:
    if kind in _INTEGERS:
        _put_integer(out, value)
    elif kind == STRUCT:
        _put_struct(out, value)
    elif kind in _LISTS:
        _put_list(out, *value)
    elif kind == BINARY:
        _put_varint(out, len(value))
        out += value
    elif kind == DOUBLE:
        out += value
    else:
        out.append(value)


def _put_list(out: bytearray, kind: int, values: list[Any]) -> None:
    if len(values) < _SHORT:
        out.append(len(values) << 4 | kind)
    else:
        out.append(_SHORT << 4 | kind)
        _put_varint(out, len(values))
    for value in values:
        _put(out, kind, value)


def _put_varint(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _put_integer(out: bytearray, value: int) -> None:
    _put_varint(out, value << 1 if value >= 0 else (-value << 1) - 1)
