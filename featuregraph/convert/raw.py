"""Raw values as events, requests and tables bring them -> internal values (SEMANTICS 2.1 and 2.2).

Each converter asks first for the exact classes that come often; values of subclasses take one more turn as
the plain number or text that they are. bool is a class of its own here: it is a number for boolean only.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from math import isfinite
from operator import attrgetter
from struct import Struct
from typing import Any, Final, TypeVar

from featuregraph.convert.numeric import (
    BAD,
    Bad,
    checked,
    finite,
    float_before_float32,
    float_of_int,
    float_of_text,
    int_of_float,
    int_of_text,
    scaled_of_float,
    scaled_of_text,
)
from featuregraph.types import INT64_MAX, INT64_MIN, Type

Converter = Callable[[object], Any]
T = TypeVar("T")


@cache
def converter(type: Type) -> Converter:
    """Return the function from a raw value to one of TYPE: None for null, BAD for what is not of TYPE."""
    match type.kind:
        case "int64" | "timestamp":
            return _to_int64
        case "float64":
            return _to_float64
        case "boolean":
            return _to_boolean
        case "decimal":
            return _decimal_converter(type.scale)
        case "vector":
            assert type.param is not None
            return _vector_converter(type.param)
        case "identifier":
            return _to_identifier
        case _:
            return _to_text


def converted(type: Type, values: list[object]) -> list[Any]:
    """Return VALUES, of which this takes possession, as those of TYPE; null where one has no form."""
    # Lists of text come with each request of a ranker.
    if type.is_text and set(map(_class, values)) == _TEXT and "".join(values).isascii():  # type: ignore[arg-type]
        return values
    found = list(map(converter(type), values))
    return [None if value is BAD else value for value in found] if BAD in found else found


_class: Final = attrgetter("__class__")
_TEXT: Final = {str}


def _to_int64(raw: object) -> int | Bad | None:
    if raw.__class__ is int:
        return raw if INT64_MIN <= raw <= INT64_MAX else BAD
    if raw.__class__ is str:
        return int_of_text(raw)
    if raw is None:
        return None
    if raw.__class__ is float:
        return int_of_float(raw)
    if raw.__class__ is Decimal:
        whole = scaled_of_text(str(raw), 0)
        return whole if whole == raw else BAD
    return _once_more(_to_int64, raw)


def _to_float64(raw: object) -> float | Bad | None:
    if raw.__class__ is float:
        return finite(raw)
    if raw.__class__ is str:
        return float_of_text(raw)
    if raw is None:
        return None
    if raw.__class__ is int:
        return float_of_int(raw)
    if raw.__class__ is Decimal:
        return float_of_text(str(raw))
    return _once_more(_to_float64, raw)


_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}


def _to_boolean(raw: object) -> bool | Bad | None:
    if raw.__class__ is bool or raw is None:
        return raw
    if raw.__class__ is str:
        return _BOOLEANS.get(raw, BAD)
    if raw.__class__ is int or raw.__class__ is float:
        return bool(raw) if raw in (0, 1) else BAD
    if raw.__class__ is Decimal:
        return _to_boolean(_to_int64(raw))
    return _once_more(_to_boolean, raw)


def _to_text(raw: object) -> str | Bad | None:
    if raw.__class__ is str:
        return raw if raw.isascii() or _is_utf8(raw) else BAD
    if raw is None:
        return None
    if raw.__class__ is int:
        return str(raw) if INT64_MIN <= raw <= INT64_MAX else BAD
    if raw.__class__ is bool:
        return "true" if raw else "false"
    return _once_more(_to_text, raw)


def _to_identifier(raw: object) -> str | Bad | None:
    return BAD if raw.__class__ is bool else _to_text(raw)


def _is_utf8(text: str) -> bool:
    """Tell whether TEXT can be written as UTF-8: a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_SURE_DIGITS: Final = 18  # any number of so many digits is an int64


def _decimal_converter(scale: int) -> Converter:
    factor = 10**scale
    factors: list[int] = [10 ** (scale - digits) for digits in range(scale + 1)]
    most = _SURE_DIGITS - scale

    def to_decimal(raw: object) -> int | Bad | None:
        if raw.__class__ is Decimal:
            raw = str(raw)
        if raw.__class__ is str:
            # Prices and amounts, "12.50": an eighth of the time of the general form, and surely an int64.
            whole, _, part = raw.partition(".")
            digits = whole + part
            if len(part) <= scale and len(whole) <= most and digits.isdigit() and raw.isascii():
                return int(digits) * factors[len(part)]
            return scaled_of_text(raw, scale)
        if raw.__class__ is int:
            return checked(raw * factor)
        if raw is None:
            return None
        if raw.__class__ is float:
            return scaled_of_float(raw, scale)
        return _once_more(to_decimal, raw)

    return to_decimal


def _vector_converter(length: int) -> Converter:
    floats = Struct(f"{length}f")

    def to_vector(raw: object) -> tuple[float, ...] | Bad | None:
        if raw is None:
            return None
        if not isinstance(raw, (list, tuple)) or len(raw) != length:
            return BAD
        numbers = raw if set(map(type, raw)) == {float} else [_as_float(value) for value in raw]
        try:
            values = floats.unpack(floats.pack(*numbers))
        except OverflowError:  # a number beyond the largest float32
            return BAD
        return tuple(value + 0.0 for value in values) if all(map(isfinite, values)) else BAD

    return to_vector


def _as_float(value: object) -> float:
    """Return a double with the same nearest float32 as VALUE; NaN if VALUE is no number."""
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 128:
        return float_before_float32(value)
    return float("nan")


def _once_more(convert: Callable[[object], T], raw: object) -> T | Bad:
    """Convert an instance of a subclass (an enum's member, NumPy's float64) as the plain value that it is."""
    if raw.__class__ is bool:
        return BAD
    if isinstance(raw, str):
        return convert(str.__str__(raw))
    for base in (int, float, Decimal):
        if isinstance(raw, base) and raw.__class__ is not base:
            return convert(base(raw))
    return BAD
