"""Sorting by several integer columns: each is packed with its row's number, which sorts as plain int64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featuregraph.arrays.column import Array

_INT64_BITS = 63


def sorted_order(columns: Sequence[Array], count: int) -> Array:
    """Return the numbers of COUNT rows by COLUMNS, the first one decides first; equal rows as they stand."""
    order: Array | None = None
    for values in reversed(columns):
        placed = values if order is None else values[order]
        if not is_ascending(placed):
            step = _stable(placed)
            order = step if order is None else order[step]
    return np.arange(count) if order is None else order


def is_ascending(values: Array) -> bool:
    """Tell whether no value is below the one before it."""
    return bool((values[1:] >= values[:-1]).all())


def _stable(values: Array) -> Array:
    least, most = int(values.min()), int(values.max())
    bits = len(values).bit_length()
    if (most - least).bit_length() + bits > _INT64_BITS:
        return np.argsort(values, kind="stable")
    packed = values.astype(np.int64) - least
    packed <<= bits
    packed |= np.arange(len(values))
    packed.sort()
    packed &= (1 << bits) - 1
    return packed


def group_starts(columns: Sequence[Array]) -> Array:
    """Return where in sorted COLUMNS a row differs from the one before it; the first row always does."""
    count = len(columns[0])
    changed = np.ones(count, np.bool_)
    changed[1:] = False
    for values in columns:
        changed[1:] |= values[1:] != values[:-1]
    return np.flatnonzero(changed)
