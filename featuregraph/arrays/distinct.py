"""The distinct values of a column, so that what Python must compute is computed once for each."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask
from featuregraph.arrays.exact import ends
from featuregraph.scalar import OVERFLOW

_FEW: Final = 8  # rows a code, from which on all codes are taken without a look at which occur
_DENSE: Final = 4  # codes a row, up to which they are marked in a table; from there on they are sorted


def distinct(argument: Column) -> tuple[list[Any], Array]:
    """Return values, null and overflow among them, and the place of each row's; a few may be no row's."""
    if argument.words is None and argument.values.dtype != np.bool_:
        return _of_numbers(argument)
    words: tuple[Any, ...] = (False, True) if argument.words is None else argument.words
    codes = argument.values.astype(np.int8) if argument.words is None else argument.values
    beside: list[Any] = []
    for rows, value in ((_nulls(argument), None), (argument.over, OVERFLOW)):
        if rows is not None:
            codes = np.where(rows, len(words) + len(beside), codes)
            beside.append(value)
    used, places = occurring(codes, len(words) + len(beside))
    values = [words[c] if c < len(words) else beside[c - len(words)] for c in used.tolist()]
    return values, places


def _nulls(argument: Column) -> Mask | None:
    return None if argument.known is None else ~argument.known


def _of_numbers(argument: Column) -> tuple[list[Any], Array]:
    known = argument.known
    used, places = numbers(argument.values if known is None else argument.values[known])
    values: list[Any] = used.tolist()
    if known is None:
        return values, places
    codes = np.full(len(argument), len(values))
    codes[known] = places
    values.append(None)
    if argument.over is not None:
        codes[argument.over] = len(values)
        values.append(OVERFLOW)
    return values, codes


def numbers(values: Array) -> tuple[Array, Array]:
    """Return numbers, ascending, and the place of each of VALUES; of integers a few may be none of VALUES."""
    if values.dtype == np.int64:
        least, most = ends(values)
        if most - least < _DENSE * len(values):
            used, places = occurring(values - least, most - least + 1)
            return used + least, places
    return np.unique(values, return_inverse=True)


def occurring(codes: Array, size: int) -> tuple[Array, Array]:
    """Return codes from 0 to SIZE - 1, those that occur and perhaps others, and the place of each row's."""
    if size * _FEW <= len(codes):
        return np.arange(size), codes
    if size > _DENSE * len(codes):
        return np.unique(codes, return_inverse=True)
    marks = np.zeros(size, np.bool_)
    marks[codes] = True
    return np.flatnonzero(marks), (np.cumsum(marks) - 1)[codes]
