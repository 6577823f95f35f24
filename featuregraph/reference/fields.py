"""SEMANTICS section 2: what a raw value is worth as a declared type.

`convert` gives the internal value: int64 and timestamp int, float64 float, boolean bool, text str,
decimal(s) the int value x 10**s, vector(n) a tuple of n floats; null is None.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from featuregraph.reference.exact import fits, positive_zero
from featuregraph.types import Type

# Clause 2.1: the names of 1.1 are always columns.
COLUMNS = frozenset(
    {"event_id", "user_id", "event", "ts_ms", "seq", "session_id", "page_id", "item_id", "attrs"}
)

_INTEGER = re.compile(r"([+-]?)(\d+)", re.ASCII)
_NUMBER = re.compile(r"([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:[eE]([+-]?\d+))?", re.ASCII)
_BOOLEAN = {"true": True, "1": True, "false": False, "0": False}


class UnparsableError(ValueError):
    """Say that a value is not of the declared type (2.2): it counts as null."""


def read(raw: Mapping[str, object], name: str) -> object:
    """Clause 2.1: return the raw field NAME, from its column if there is one, else from attrs."""
    if name in raw or name in COLUMNS:
        return raw.get(name)
    attrs = raw.get("attrs") or {}
    assert isinstance(attrs, Mapping)
    return attrs.get(name)


def convert(type: Type, raw: object) -> object:
    """Clause 2.1: return RAW as TYPE; null stays null. Raise UnparsableError if it is not of TYPE (2.2)."""
    if raw is None:
        return None
    match type.kind:
        case "int64" | "timestamp":
            return _int64(raw)
        case "float64":
            return _float64(raw)
        case "boolean":
            return _boolean(raw)
        case "decimal":
            return _decimal(raw, type.scale)
        case "vector":
            return _vector(raw, type.param or 0)
        case _:
            return _text(raw, booleans=type.kind != "identifier")


def convert_or_null(type: Type, raw: object) -> object:
    """Clause 2.2: return RAW as TYPE, null if it is unparsable."""
    try:
        return convert(type, raw)
    except UnparsableError:
        return None


def _number(raw: object) -> Fraction:
    """Return a number that is not text by its exact value; a boolean is no number."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float, Decimal)):
        raise UnparsableError
    if not isinstance(raw, int) and not math.isfinite(raw):
        raise UnparsableError
    return Fraction(raw)


def _in_int64(value: int) -> int:
    if not fits(value):
        raise UnparsableError
    return value


def _int64(raw: object) -> int:
    if isinstance(raw, str):
        match = _INTEGER.fullmatch(raw)
        digits = match[2].lstrip("0") if match else ""
        if not match or len(digits) > 19:
            raise UnparsableError
        return _in_int64(int(match[1] + (digits or "0")))
    number = _number(raw)
    if number.denominator != 1:
        raise UnparsableError
    return _in_int64(int(number))


def _float64(raw: object) -> float:
    if isinstance(raw, str):
        if not _NUMBER.fullmatch(raw):
            raise UnparsableError
        value = float(raw)
    else:
        number = _number(raw)
        try:
            value = number.numerator / number.denominator
        except OverflowError:
            raise UnparsableError from None
    if math.isinf(value):
        raise UnparsableError
    return positive_zero(value)


def _boolean(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str):
        if raw not in _BOOLEAN:
            raise UnparsableError
        return _BOOLEAN[raw]
    number = _number(raw)
    if number not in (0, 1):
        raise UnparsableError
    return number == 1


def _decimal(raw: object, scale: int) -> int:
    if isinstance(raw, str):
        return _in_int64(_scaled(raw, scale))
    return _in_int64(round(_number(raw) * 10**scale))  # round() of a Fraction is half-even


def _scaled(text: str, scale: int) -> int:
    """Return decimal text x 10**SCALE rounded half-even; a hostile exponent builds no power of ten."""
    match = _NUMBER.fullmatch(text)
    if not match:
        raise UnparsableError
    whole, part = match[2] or "", match[3] or match[4] or ""
    digits = (whole + part).lstrip("0")
    exponent = _exponent(match[5] or "0") - len(part) + scale  # the scaled value is digits x 10**exponent
    if not digits or len(digits) + exponent < 0:
        return 0
    if len(digits) + exponent > 19:
        raise UnparsableError
    if exponent >= 0:
        value = int(digits + "0" * exponent)
    else:
        kept, cut = int(digits[:exponent] or "0"), digits[exponent:]
        half = "5" + "0" * (len(cut) - 1)
        value = kept + int(cut > half or (cut == half and kept % 2 == 1))
    return -value if match[1] == "-" else value


def _exponent(text: str) -> int:
    """Return the exponent TEXT; beyond nine digits any exponent is as good as a billion."""
    digits = text.lstrip("+-").lstrip("0")
    size = int(digits or "0") if len(digits) <= 9 else 10**9
    return -size if text.startswith("-") else size


def _text(raw: object, *, booleans: bool) -> str:
    if isinstance(raw, str):
        try:
            raw.encode("utf-8")
        except UnicodeEncodeError:  # half of a surrogate pair is no text
            raise UnparsableError from None
        return raw
    if isinstance(raw, bool):
        if not booleans:
            raise UnparsableError
        return "true" if raw else "false"
    if isinstance(raw, int):
        return str(_in_int64(raw))
    raise UnparsableError


def _vector(raw: object, length: int) -> tuple[float, ...]:
    if not isinstance(raw, (list, tuple)) or len(raw) != length:
        raise UnparsableError
    return tuple(_float32(_number(item)) for item in raw)


def _float32(number: Fraction) -> float:
    """Return the float32 nearest to NUMBER, ties to even: a guess and its neighbours, compared exactly."""
    try:
        (bits,) = struct.unpack("<I", struct.pack("<f", number.numerator / number.denominator))
    except OverflowError:
        raise UnparsableError from None
    sign, size = bits & 0x8000_0000, bits & 0x7FFF_FFFF
    near = [sign | s for s in (size - 1, size, size + 1) if 0 <= s < 0x7F80_0000]
    values = {b: struct.unpack("<f", struct.pack("<I", b))[0] for b in near}
    best = min(near, key=lambda b: (abs(Fraction(values[b]) - number), b & 1))
    return positive_zero(values[best])
