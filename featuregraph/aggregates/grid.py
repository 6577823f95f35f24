"""Doubles as integers on a fixed grid, so that sums of them are exact and can be undone.

Every double is a multiple of 2**-1074 (the fine grid). Most are also multiples of 2**-128: all whose
magnitude is 0 or in [LOW, HIGH]. Those are summed on that coarse grid, where the integers are short; the
others, on the fine one. The choice depends on the double alone, so that push and pop make the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import fsum

COARSE = 128
FINE = 1074
STEPS = FINE - COARSE  # a coarse integer << STEPS is the fine one

SCALE = 2.0**COARSE
LOW = 2.0 ** (52 - COARSE)  # from here on up the last of 53 bits is worth 2**-COARSE or more
HIGH = 2.0 ** (1023 - COARSE)  # up to here x * SCALE stays finite
COARSE_UNIT = 1 << COARSE
FINE_UNIT = 1 << FINE


def fine(x: float) -> int:
    """Return x * 2**1074."""
    numerator, denominator = x.as_integer_ratio()
    return numerator << (FINE + 1 - denominator.bit_length())


def total(xs: Sequence[float]) -> int | None:
    """Return the sum of XS * 2**128, None where it is told by the fine grid only.

    The sum rounded to a double, and what is left of it, likewise, until nothing is: each takes 53 bits off,
    so that two or three nearly always do. `fsum` rounds once (Shewchuk, "Adaptive Precision Floating-Point
    Arithmetic and Fast Robust Geometric Predicates", 1997).

    Raises:
        TypeError: one of XS is no number.
    """
    parts: list[float] = []
    try:
        while part := fsum(chain(xs, [-known for known in parts])):
            parts.append(part)
    except OverflowError:  # it passes over the top on its way
        return None
    whole = coarse(parts)
    return None if whole is None else sum(whole)


def coarse(xs: Sequence[float]) -> list[int] | None:
    """Return each x * 2**128, None if one of them is not on the coarse grid."""
    sizes = [abs(x) for x in xs if x]
    if sizes and (min(sizes) < LOW or max(sizes) > HIGH):
        return None
    return [int(x * SCALE) for x in xs]
