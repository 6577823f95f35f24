"""Exact results out of int64 and double arrays: what leaves int64 is seen, and rounding happens once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, Final

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask, strict
from featuregraph.scalar.promote import Promotion
from featuregraph.scalar.transcendental import residue
from featuregraph.types import INT64_MAX, INT64_MIN, Type

_EXACT: Final = 2**53  # integers up to here are doubles
_BLOCK: Final = 4096  # doubles: some thirty arrays of so many stay in the processor's cache


def ends(values: Array) -> tuple[int, int]:
    """Return the least and the greatest of integers, 0 of none."""
    return (int(values.min()), int(values.max())) if values.size else (0, 0)


def checked(function: Callable[..., Any], *arrays: Array) -> tuple[Array, Mask | None]:
    """Return the integers FUNCTION(*ARRAYS), and where they leave int64; None if nowhere.

    FUNCTION is made of + - * and constants, of the first degree in each argument: over ranges of its
    arguments it is greatest and least at corners. An int64 that overflows is wrong by a multiple of 2**64,
    and the same steps in doubles are wrong by far less.
    """
    wrapped: Array = function(*arrays)
    corners = [function(*corner) for corner in product(*map(ends, arrays))]
    if min(corners) >= INT64_MIN and max(corners) <= INT64_MAX:
        return wrapped, None
    about = function(*(array.astype(np.float64) for array in arrays))
    return wrapped, np.abs(about - wrapped) >= 2.0**62


def number(values: Array, *columns: Column, valid: Mask | None = None) -> Column:
    """Return new doubles made of COLUMNS: zero without its sign, null where NaN or infinite or not VALID."""
    finite = np.isfinite(values)
    values += 0.0
    return strict(values, *columns, valid=finite if valid is None else finite & valid)


def to_float(type: Type, values: Array) -> Array:
    """Return internal VALUES of TYPE, a number or boolean, each as the nearest double."""
    if type.kind == "float64":
        return values
    return quotient(values, 10**type.scale) if type.scale else values.astype(np.float64)


def quotient(values: Array, unit: int) -> Array:
    """Return int64 VALUES / UNIT as doubles, rounded once; UNIT is a power of ten up to 10**18, a double.

    A double of at most 2**53 over a double is rounded once by the division itself. A larger number is
    corrected by what its rounded quotient leaves, which is a double exactly: its bits lie between 5**-18 and
    2**10. No quotient lies so near to the middle of two doubles, unless on it, that the correction, rounded
    itself, could miss the side.
    """
    near = values.astype(np.float64)
    result: Array = near / unit
    least, most = ends(values)
    if least >= -_EXACT and most <= _EXACT:
        return result
    high = (values >> 32).astype(np.float64) * 2.0**32
    low = (values & 0xFFFF_FFFF).astype(np.float64)
    rounded = (high - near) + low  # values - near
    back = result * unit
    left = ((near - back) - residue(result, float(unit), back)) + rounded
    corrected: Array = result + left / unit
    return corrected


def scaled(source: Type, target: Type) -> Promotion | None:
    """Return the function that brings arrays of SOURCE to the digits of TARGET, perhaps beyond int64."""
    if target.kind != "decimal" or source.scale == target.scale:
        return None
    factor: int = 10 ** (target.scale - source.scale)
    return lambda a: a * factor


def by_block(function: Callable[[Array], Array], x: Array) -> Array:
    """Return doubles, FUNCTION of X, block by block: for functions of many steps."""
    result = np.empty(x.shape)
    for start in range(0, len(x), _BLOCK):
        result[start : start + _BLOCK] = function(x[start : start + _BLOCK])
    return result
