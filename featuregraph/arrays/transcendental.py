"""log1p and exp2 of arrays: the steps of featuregraph.scalar.transcendental, block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from featuregraph.arrays.column import Array
from featuregraph.scalar.transcendental import (
    BEYOND,
    NEAREST,
    POWERS,
    SQRT_HALF,
    TINY,
    log_of,
    power_of,
)

_BLOCK: Final = 4096  # doubles: the thirty arrays of the steps stay in the processor's cache
_HIGH, _LOW = (np.array(side) for side in zip(*POWERS, strict=True))


def log1p(x: Array) -> Array:
    """Return log(1 + X) of doubles; where not X > -1, anything."""
    return _by_block(_log1p, x)


def exp2(x: Array) -> Array:
    """Return 2**X of doubles, 0.0 below and infinity above the doubles."""
    with np.errstate(over="ignore", under="ignore"):
        return _by_block(_exp2, x)


def _by_block(function: Callable[[Array], Array], x: Array) -> Array:
    result = np.empty(x.shape)
    for start in range(0, len(x), _BLOCK):
        result[start : start + _BLOCK] = function(x[start : start + _BLOCK])
    return result


def _log1p(x: Array) -> Array:
    hi = 1.0 + x
    t = hi - 1.0
    lo = (1.0 - (hi - t)) + (x - t)
    m, e = np.frexp(hi)
    small = m < SQRT_HALF
    m, e = np.where(small, m * 2.0, m), e - small
    result: Array = log_of(m, np.ldexp(lo, -e), e)
    return np.where((x > -TINY) & (x < TINY), x + 0.0, result)


def _exp2(x: Array) -> Array:
    x = np.minimum(np.maximum(x, -BEYOND), BEYOND)
    sixteenths = (x * 16.0 + NEAREST) - NEAREST
    r = x - sixteenths * 0.0625
    whole = sixteenths.astype(np.int32)
    e, j = whole >> 4, whole & 15
    half = e >> 1
    scaled = power_of(r, _HIGH[j], _LOW[j]) * np.ldexp(1.0, half)
    result: Array = scaled * np.ldexp(1.0, e - half)
    return result
