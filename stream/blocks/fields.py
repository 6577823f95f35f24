"""A column as values of a declared type (SEMANTICS 2), without a look at each where its form says enough.

A number that is stored as one needs no parsing, also where it was a text; of few distinct texts each is
converted once. All else goes through the type's converter, value by value.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from featuregraph.convert import converter
from featuregraph.types import INT64_MAX, Type
from stream.blocks.column import Array, Column, Data, Numbers
from stream.blocks.ints import Int64s
from stream.blocks.texts import KeyedTexts, NumberedTexts, PlainTexts

_TEXTS: Final = frozenset({"string", "category", "identifier"})
_EXACT: Final = 2**53  # integers that a double holds
_EXACT_SCALE: Final = 15  # 10**15 is a double: the quotient of two exact doubles is rounded once


def converted(column: Column, type: Type) -> tuple[list[Any], bool]:
    """Return the values of COLUMN as TYPE, BAD where one is not, and whether one may be."""
    data = column.data
    if isinstance(data, KeyedTexts):
        entries, unsure = _values(data.entries, type)
        return column.spread(list(map(entries.__getitem__, data.codes.tolist()))), unsure
    values, unsure = _values(data, type)
    return column.spread(values), unsure


def _values(data: Data, type: Type) -> tuple[list[Any], bool]:
    found = _plain(data, type)
    if found is not None:
        return found, False
    return list(map(converter(type), data.values())), True


def _plain(data: Data, type: Type) -> list[Any] | None:
    """Return the values of DATA as TYPE, None where only the converter knows."""
    match data:
        case Numbers(scale=None):
            return (
                list(map(str, data.numbers.tolist()))
                if type.kind in _TEXTS
                else _number(data.numbers, 0, type)
            )
        case Numbers():
            return data.values() if type.kind == "float64" else None
        case Array():
            return _array(data, type)
        case NumberedTexts(prefix="") if type.kind not in _TEXTS:
            return _number(data.numbers, data.scale, type)
        case NumberedTexts() | PlainTexts():
            return data.values() if type.kind in _TEXTS else None
        case _:
            return None


def _number(numbers: Int64s, scale: int, type: Type) -> list[Any] | None:
    """Return NUMBERS / 10**SCALE as TYPE."""
    most = max(abs(int(numbers.min())), abs(int(numbers.max()))) if len(numbers) else 0
    if type.kind in ("int64", "timestamp") and scale == 0:
        return list(numbers.tolist())
    if type.kind == "float64" and most < _EXACT and scale <= _EXACT_SCALE:
        quotients: list[Any] = (numbers / 10.0**scale).tolist()
        return quotients
    if type.kind == "decimal" and scale <= type.scale:
        factor = 10 ** (type.scale - scale)
        return (numbers * factor).tolist() if most * factor <= INT64_MAX else None
    return None


def _array(data: Array, type: Type) -> list[Any] | None:
    if data.array.dtype == np.bool_:
        return data.values() if type.kind == "boolean" else None
    if type.kind != "float64" or not np.isfinite(data.array).all():
        return None
    positive_zeros: list[Any] = (data.array + 0.0).tolist()
    return positive_zeros
