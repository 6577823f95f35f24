"""Numbers out of text, floats and integers: exact, rounded once, and at no cost for huge exponents."""

from __future__ import annotations

import re
from enum import Enum
from math import isfinite, ldexp
from typing import Final

from featuregraph.types import INT64_MAX, INT64_MIN


class Bad(Enum):
    """A raw value that is not of its type: the caller counts or refuses it."""

    BAD = "bad"


BAD: Final = Bad.BAD

# [0-9], since \d and str.isdigit() also take the digits of other scripts.
_INTEGER = re.compile(r"[+-]?[0-9]+")
# One way only to split a run of digits: a long text that fails at its end must not be tried in every way.
_REAL = re.compile(r"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?")
_INT64_DIGITS: Final = 19
_FAR: Final = 10**18  # stands for any exponent beyond it: no text has that many digits to make up for it


def checked(number: int) -> int | Bad:
    """Return NUMBER if it is an int64, else BAD."""
    return number if INT64_MIN <= number <= INT64_MAX else BAD


def int_of_text(text: str) -> int | Bad:
    """Return the int64 that TEXT writes in base 10."""
    if len(text) < _INT64_DIGITS and text.isdigit() and text.isascii():
        return int(text)
    if not _INTEGER.fullmatch(text):
        return BAD
    digits = text.lstrip("+-0")
    # Before int(): Python refuses texts of more than 4300 digits by an exception.
    if len(digits) > _INT64_DIGITS:
        return BAD
    number = int(digits or "0")
    return checked(-number if text[0] == "-" else number)


def int_of_float(number: float) -> int | Bad:
    """Return NUMBER as an int64 if it is one exactly."""
    # 2.0**63 is the first double outside; NaN fails both comparisons.
    return int(number) if -(2.0**63) <= number < 2.0**63 and number.is_integer() else BAD


def float_of_text(text: str) -> float | Bad:
    """Return the double nearest to the number that TEXT writes."""
    return finite(float(text)) if _REAL.fullmatch(text) else BAD


def float_of_int(number: int) -> float | Bad:
    """Return the double nearest to NUMBER."""
    try:
        return float(number)
    except OverflowError:
        return BAD


def finite(number: float) -> float | Bad:
    """Return NUMBER without the sign of zero; BAD if it is NaN or infinite."""
    return number + 0.0 if isfinite(number) else BAD


def scaled_of_text(text: str, scale: int) -> int | Bad:
    """Return the number that TEXT writes x 10**SCALE as an int64, rounded half-even."""
    match = _REAL.fullmatch(text)
    if match is None:
        return BAD
    sign, whole, after_whole, alone, power = match.groups("")
    part = after_whole or alone
    digits = (whole + part).lstrip("0")
    if not digits:
        return 0
    # The value x 10**scale is 0.DIGITS x 10**kept: KEPT of its digits stand before the point.
    kept = len(digits) - len(part) + _exponent(power) + scale
    if kept > _INT64_DIGITS:
        return BAD
    if kept < 0:
        return 0
    number = int(digits[:kept].ljust(kept, "0") or "0")
    rest = digits[kept:]
    above_half = rest[:1] > "5" or (rest[:1] == "5" and rest[1:].strip("0") != "")
    if above_half or (rest[:1] == "5" and number & 1):
        number += 1
    return checked(-number if sign == "-" else number)


def _exponent(text: str) -> int:
    digits = text.lstrip("+-0")
    size = int(digits or "0") if len(digits) <= 18 else _FAR
    return -size if text.startswith("-") else size


def scaled_of_float(number: float, scale: int) -> int | Bad:
    """Return the exact value of NUMBER x 10**SCALE as an int64, rounded half-even."""
    if not -1e19 < number < 1e19:
        return BAD
    over, under = number.as_integer_ratio()
    return checked(half_even(over * 10**scale, under))


def half_even(over: int, under: int) -> int:
    """Return OVER / UNDER (positive) rounded to the nearest integer, ties to the even one."""
    whole, rest = divmod(over, under)
    return whole + (rest * 2 > under or (rest * 2 == under and whole & 1 == 1))


def float_before_float32(number: int) -> float:
    """Return a double that has the same nearest float32 as NUMBER (at most 2**128 in size)."""
    # To nearest twice is not to nearest once: what 53 bits cannot hold is kept as one sticky bit.
    size = abs(number)
    lost = max(0, size.bit_length() - 53)
    kept = size >> lost
    if size & ((1 << lost) - 1):
        kept |= 1
    return ldexp(-kept if number < 0 else kept, lost)
