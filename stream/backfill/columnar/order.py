"""Sorting by several integer columns: each is packed with its row's number, which sorts as plain int64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from featuregraph.arrays.column import Array

_INT32_BITS, _INT64_BITS = 31, 63
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 by the golden ratio
_PIECE = 1 << 16  # values of a long column that are looked at together: they stay in the processor's cache


def sorted_order(columns: Sequence[Array], count: int) -> Array:
    """Return the numbers of COUNT rows by COLUMNS, the first one decides first; equal rows as they stand.

    As int32 where that holds them.
    """
    order: Array | None = None
    for values in reversed(columns):
        placed = values if order is None else values[order]
        if not is_ascending(placed):
            step = _stable(placed)
            order = step if order is None else order[step]
    return np.arange(count, dtype=positions(count)) if order is None else order


def positions(count: int) -> type[np.int32 | np.int64]:
    """Return the type of integers that number COUNT rows."""
    return np.int32 if count < 1 << _INT32_BITS else np.int64


def picked(values: Array, rows: Array) -> Array:
    """Return VALUES in ROWS, which are in range: it is not checked."""
    return values.take(rows, mode="clip")


def is_ascending(values: Array) -> bool:
    """Tell whether no value is below the one before it."""
    return all((part[1:] >= part[:-1]).all() for part in pieces(values, beyond=1))


def pieces(values: Array, length: int = _PIECE, *, beyond: int = 0) -> Iterator[Array]:
    """Give VALUES piece by piece of LENGTH, each with the first BEYOND values of the next one."""
    for start in range(0, len(values), length):
        yield values[start : start + length + beyond]


def counted_by(values: Array, size: int) -> Array:
    """Return how often each number from 0 to SIZE - 1 is one of VALUES; others are -1."""
    found = np.zeros(size + 1, np.int64)
    for part in pieces(values, max(size, _PIECE)):
        found += np.bincount(part + 1, minlength=size + 1)
    return found[1:]


def _stable(values: Array) -> Array:
    least, most = int(values.min()), int(values.max())
    bits = len(values).bit_length()
    if (most - least).bit_length() + bits > _INT64_BITS:
        return np.argsort(values, kind="stable").astype(positions(len(values)), copy=False)
    packed = values.astype(np.int64)
    packed -= least
    packed <<= bits
    number = np.arange(min(_PIECE, len(values)))
    for place, part in enumerate(pieces(packed)):
        np.bitwise_or(part, number[: len(part)] + place * _PIECE, out=part)
    packed.sort()
    packed &= (1 << bits) - 1
    return packed.astype(positions(len(values)))


def may_repeat(columns: Sequence[Array]) -> bool:
    """Tell whether two rows of COLUMNS of integers may be equal: by one sort, and False is sure."""
    mixed = np.zeros(len(columns[0]), np.uint64)
    with np.errstate(over="ignore"):
        for values in columns:  # rows that differ have one number by chance, once in 2**64
            mixed = (mixed ^ values.astype(np.uint64)) * _ODD
            mixed ^= mixed >> np.uint64(32)
    mixed.sort()
    return bool((mixed[1:] == mixed[:-1]).any())


def group_starts(columns: Sequence[Array]) -> Array:
    """Return where in sorted COLUMNS a row differs from the one before it; the first row always does."""
    count = len(columns[0])
    changed = np.ones(count, np.bool_)
    changed[1:] = False
    for values in columns:
        changed[1:] |= values[1:] != values[:-1]
    return np.flatnonzero(changed)
