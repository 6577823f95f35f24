"""log1p and exp2 of arrays: the steps of featuregraph.scalar.transcendental, block by block."""

from __future__ import annotations

import numpy as np

from featuregraph.arrays.column import Array
from featuregraph.arrays.exact import by_block
from featuregraph.scalar.transcendental import (
    BEYOND,
    NEAREST,
    POWERS,
    SQRT_HALF,
    TINY,
    log_of,
    power_of,
)

_HIGH, _LOW = (np.array(side) for side in zip(*POWERS, strict=True))


def log1p(x: Array) -> Array:
    """Return log(1 + X) of doubles; where not X > -1, anything."""
    return by_block(_log1p, x)


def exp2(x: Array) -> Array:
    """Return 2**X of doubles, 0.0 below and infinity above the doubles."""
    with np.errstate(over="ignore", under="ignore"):
        return by_block(_exp2, x)


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
