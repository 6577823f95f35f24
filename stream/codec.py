"""Between an event's fields and the bytes that the log keeps of them: one flat JSON object in UTF-8.

JSON keeps every value that a field can have exactly: text, integers of any size, finite floats (shortest
form that reads back to the same bits), booleans and null. What no declared type can be (SEMANTICS 2.1) is
stored as null.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable
from decimal import Decimal
from math import isfinite
from typing import Any, Final, cast

import msgspec

from featuregraph.types import INT64_MAX, INT64_MIN

Value = str | int | float | bool | None
Stored = str | int | bytes | None  # a column of any scalar, as the file holds it
Fields = dict[str, Any]  # of Value

# Beyond it an integer is out of the range of every number type, float64 included.
HUGE: Final = 2**1024
_EXACT_DIGITS: Final = 400  # a Decimal with more becomes text, not an integer

_ESCAPED: Final = re.compile(
    r'[\\"\x00-\x1f]'
)  # in a name: JSON escapes it, and msgspec takes it for no field's name
_SIMPLE: Final = frozenset({str, bool, type(None)})

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def encode(fields: Fields, bad: list[str]) -> bytes:
    """Return FIELDS as stored; what no type can be becomes null in them, and its name is appended to BAD."""
    if not _SIMPLE.issuperset(map(type, fields.values())):
        for name, value in fields.items():
            if value.__class__ is float:
                if isfinite(value):
                    continue
            elif value.__class__ in _SIMPLE or (value.__class__ is int and -HUGE < value < HUGE):
                continue
            fields[name] = _plain(value, name, bad)
    try:
        return _encode(fields)
    except UnicodeEncodeError:  # half of a surrogate pair: the one text that is no UTF-8
        return _encode({name: _utf8(value, name, bad) for name, value in fields.items()})


def _plain(value: object, name: str, bad: list[str]) -> Value:
    """Return a value of another class as the plain one that it stands for, null if it stands for none."""
    if isinstance(value, Decimal) and value.is_finite():
        small = abs(value.adjusted()) < _EXACT_DIGITS
        return int(value) if small and value == value.to_integral_value() else str(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = cast("Any", value).item()  # a NumPy scalar
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and -HUGE < value < HUGE:
        return int(value)
    if isinstance(value, float) and isfinite(value):
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    if value is not None:
        bad.append(name)
    return None


def is_utf8(text: str) -> bool:
    """Tell whether TEXT can be written as UTF-8: a lone surrogate cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _utf8(value: object, name: str, bad: list[str]) -> object:
    if isinstance(value, str) and not is_utf8(value):
        bad.append(name)
        return None
    return value


def full_decoder() -> Callable[[bytes], Fields]:
    """Return the function from stored bytes to all fields; ValueError or RecursionError if damaged."""
    return _decode


def typed_decoder(names: Iterable[str]) -> Callable[[bytes], Any]:
    """Return the function from stored bytes to an object with the fields NAMES only.

    The object's attributes are f0, f1, ... in the order of NAMES; a field that is absent is None. Other
    fields are skipped without being decoded, which is several times faster.
    """
    wanted = list(names)
    plain = [f"f{place}" for place in range(len(wanted))]
    by_name = dict(zip(plain, wanted, strict=True))
    odd = any(_ESCAPED.search(name) for name in wanted)
    # Any, since the declared type comes later. gc=False: scalars make no cycle.
    shape = msgspec.defstruct(
        "Projection", [(a, Any, None) for a in plain], rename=None if odd else by_name, gc=False, frozen=True
    )
    if odd:
        return lambda stored: shape(*map(_decode(stored).get, wanted))
    return msgspec.json.Decoder(shape).decode


# ---------------------------------------------------------------- columns


def column(value: Any, name: str, bad: list[str]) -> Stored:
    """Return VALUE as SQLite keeps it exactly: text, an int64, or the JSON of any other scalar as bytes."""
    if value.__class__ is int and INT64_MIN <= value <= INT64_MAX:
        return value
    plain = value if value.__class__ is str else _plain(value, name, bad)
    if isinstance(plain, str) and not is_utf8(plain):
        bad.append(name)
        return None
    return plain if plain is None or isinstance(plain, str) else _encode(plain)


def column_value(stored: Stored) -> Value:
    """Return the value that `column` stored."""
    return cast("Value", json.loads(stored)) if isinstance(stored, bytes) else stored


def raw_bytes(columns: dict[str, Value], payload: bytes) -> bytes:
    """Return a whole event as JSON, its stored fields as attrs."""
    return _encode({**columns, "attrs": msgspec.Raw(payload)})


# ---------------------------------------------------------------- damage


def checksum(*parts: object) -> int:
    """Return the CRC-32 of a row: of its texts, numbers and payload (the last of PARTS)."""
    *columns, payload = parts
    if bytes in map(type, columns):
        columns = [part.decode() if isinstance(part, bytes) else part for part in columns]
    head = "\x1f".join(map(str, columns))
    return zlib.crc32(cast("bytes", payload), zlib.crc32(head.encode()))
