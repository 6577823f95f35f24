"""Columns put together, put in order and packed as what they are: hardly a value is made on the way.

    columns of blocks --joined--> one --ordered--> in another order --cut--> pieces --packed--> bytes

Numbers stay arrays, and texts numbers behind a prefix or codes of a few entries. Only where blocks hold a
column in two forms do its values meet in a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stream.blocks.column import (
    Array,
    Column,
    Data,
    Form,
    Kind,
    Numbers,
    Scalars,
    Scaled,
    Whole,
    pack_array,
    pack_values,
)
from stream.blocks.ints import Int64s, pack_int64s, pack_mask
from stream.blocks.texts import KeyedTexts, NumberedTexts, PlainTexts, pack_keyed, pack_numbered, pack_texts

_TEXTS = {KeyedTexts, NumberedTexts, PlainTexts}

# ---------------------------------------------------------------- joining


def joined(parts: Sequence[Column]) -> Column:
    """Return the values of PARTS, one after the other."""
    count = sum(part.count for part in parts)
    data = _joined([part.data for part in parts if part.present is None or part.present.any()])
    if all(part.present is None for part in parts):
        return Column(count, data)
    masks = [np.ones(part.count, np.bool_) if part.present is None else part.present for part in parts]
    return Column(count, data, np.concatenate(masks))


def _joined(parts: Sequence[Any]) -> Data:
    if len(parts) == 1:
        one: Data = parts[0]
        return one
    kinds = set(map(type, parts))
    if kinds == {KeyedTexts}:
        return _joined_keyed(parts)
    if kinds == {Numbers} and len({part.scale for part in parts}) == 1:
        return Numbers(np.concatenate([part.numbers for part in parts]), parts[0].scale)
    if kinds == {NumberedTexts} and len({(part.prefix, part.scale) for part in parts}) == 1:
        numbers = np.concatenate([part.numbers for part in parts])
        return NumberedTexts(parts[0].prefix, parts[0].scale, numbers)
    if kinds == {Array} and len({part.array.dtype for part in parts}) == 1:
        return Array(np.concatenate([part.array for part in parts]))
    values = [value for part in parts for value in part.values()]
    return PlainTexts(values) if parts and kinds <= _TEXTS else Scalars(values)


def _joined_keyed(parts: Sequence[KeyedTexts]) -> KeyedTexts:
    """Return PARTS with the entries of all, each once."""
    known: dict[str, int] = {}
    codes = []
    for part in parts:
        again = [known.setdefault(text, len(known)) for text in part.entries.values()]
        codes.append(np.array(again, np.int64)[part.codes])
    return KeyedTexts(PlainTexts(list(known)), np.concatenate(codes))


# ---------------------------------------------------------------- order


def ordered(column: Column, order: Int64s) -> Column:
    """Return the values of COLUMN in another order: first that of number ORDER[0]."""
    if column.present is None:
        return Column(column.count, _ordered(column.data, order))
    present = column.present[order]
    among_present = np.cumsum(column.present) - 1
    return Column(column.count, _ordered(column.data, among_present[order[present]]), present)


def _ordered(data: Data, order: Int64s) -> Data:
    match data:
        case Numbers(numbers=numbers, scale=scale):
            return Numbers(numbers[order], scale)
        case Array(array=array):
            return Array(array[order])
        case KeyedTexts(entries=entries, codes=codes):
            return KeyedTexts(entries, codes[order])
        case NumberedTexts(prefix=prefix, scale=scale, numbers=numbers):
            return NumberedTexts(prefix, scale, numbers[order])
        case PlainTexts(texts=values):
            return PlainTexts([values[place] for place in order.tolist()])
        case Scalars(scalars=values):
            return Scalars([values[place] for place in order.tolist()])


# ---------------------------------------------------------------- packing


def packed(column: Column) -> tuple[Form, bytes]:
    """Return what `pack_column` does of the values of COLUMN, perhaps in another of its forms."""
    present = column.present
    count = column.count if present is None else int(present.sum())
    if not count:
        return Form(0, None, None), b""
    if present is None or count == column.count:
        kind, whole = _packed(column.data)
        return Form(count, None, kind), whole
    flags, nulls = pack_mask(~present)
    kind, whole = _packed(column.data)
    return Form(count, flags, kind), nulls + whole


def _packed(data: Data) -> tuple[Kind, bytes]:
    match data:
        case Numbers(numbers=numbers, scale=scale):
            form, whole = pack_int64s(numbers)
            return (Whole(form) if scale is None else Scaled(scale, form)), whole
        case Array(array=array):
            return pack_array(array)
        case KeyedTexts():
            return pack_keyed(data)
        case NumberedTexts():
            return pack_numbered(data)
        case PlainTexts(texts=values):
            return pack_texts(values)
        case Scalars(scalars=values):
            return pack_values(values, set(map(type, values)))
