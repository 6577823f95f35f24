"""Exact numbers and the one rounding at the end: what sections 2, 4 and 5 share."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from featuregraph.types import INT64_MAX, INT64_MIN, Type


class OutOfRangeError(ArithmeticError):
    """Say that a result lies outside its type (4.1); the feature's name is added where a feature is made."""


def fits(value: int) -> bool:
    """Tell whether VALUE is an int64."""
    return INT64_MIN <= value <= INT64_MAX


def int64(value: int) -> int:
    """Return VALUE, an integer or decimal result; raise OutOfRangeError outside int64 (4.1: never wrap)."""
    if not fits(value):
        raise OutOfRangeError("int64")
    return value


def nearest(value: Fraction) -> float:
    """Return the float64 nearest to VALUE, ties to even; raise OutOfRangeError outside float64 (4.1)."""
    try:
        return positive_zero(value.numerator / value.denominator)  # Python rounds int / int once
    except OverflowError:
        raise OutOfRangeError("float64") from None


def positive_zero(value: float) -> float:
    """Return VALUE with -0.0 as 0.0 (2.3)."""
    return value + 0.0


def finite(value: float) -> float | None:
    """Return a computed float64, null when it is NaN or infinite (5.3), -0.0 as 0.0 (2.3)."""
    return positive_zero(value) if math.isfinite(value) else None


def exact(type: Type, value: float) -> Fraction:
    """Return the number that VALUE of TYPE stands for: a decimal counts with its value (4.1)."""
    return Fraction(value) / int(10**type.scale)


def bring(value: object, start: Type, goal: Type) -> object:
    """Return VALUE of type START in the common type GOAL (5.3); the caller checks that a decimal fits."""
    if value is None or not goal.is_number:
        return value
    assert isinstance(value, (int, float))
    if goal.kind == "float64":
        return nearest(exact(start, value))
    return int(value) * 10 ** (goal.scale - start.scale)


def decimal_text(value: int, scale: int) -> str:
    """Return the decimal VALUE / 10**SCALE with exactly SCALE digits after the point (5.3)."""
    digits = str(abs(value)).rjust(scale + 1, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else sign + digits


def utf8(text: str) -> bytes:
    """Return the bytes that text is ordered by (4: by UTF-8 bytes)."""
    return text.encode("utf-8")


def order(value: object) -> Any:
    """Return what VALUE sorts by: text by UTF-8 bytes, false before true, numbers as they are (4)."""
    return utf8(value) if isinstance(value, str) else value
