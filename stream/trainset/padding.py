"""Lists of any length as arrays of one length, with what tells which positions are real.

What is cut, where it is padded and what stands there is as in `inference.Input`: the newest `length` entries,
0, false or null beside them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featuregraph.arrays.column import Array

_EXACT = 2**53  # a double holds every whole number up to here


def counts_of(lists: pa.ListArray) -> Array:
    """Return how many entries each of LISTS has, 0 where it is null: int64, shape (rows,)."""
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    found: Array = counts.astype(np.int64)
    return found


def padded(lists: pa.ListArray, length: int, *, side: str, fill: bool) -> pa.Array:
    """Return LISTS as a fixed-size list array of LENGTH; a list that is null stays null.

    fill: whether a null entry becomes the padding too.
    """
    counts = counts_of(lists)
    ends = lists.offsets.to_numpy()[1:].astype(np.int64)
    kept = np.minimum(counts, length)
    real = mask_of(kept, length, side)
    first = ends - kept if side == "right" else ends - length
    places = np.where(real, first[:, None] + np.arange(length), 0).reshape(-1)
    values = lists.values.take(pa.array(places, mask=~real.reshape(-1)))
    pad = _pad(values.type)
    if pad is not None:
        values = pc.fill_null(values, pad) if fill else pc.if_else(pa.array(real.reshape(-1)), values, pad)
    nulls = lists.is_null() if lists.null_count else None
    return pa.FixedSizeListArray.from_arrays(values, length, mask=nulls)


def mask_of(counts: Array, length: int, side: str) -> Array:
    """Return which positions of each row are real: bool, shape (rows, LENGTH)."""
    places = np.arange(length)
    counts = np.minimum(counts, length)[:, None]
    found: Array = places < counts if side == "right" else places >= length - counts
    return found


def masks(real: Array) -> pa.Array:
    """Return REAL, of shape (rows, length), as a fixed-size list array of booleans."""
    return pa.FixedSizeListArray.from_arrays(pa.array(real.reshape(-1)), real.shape[1])


def _pad(type: pa.DataType) -> pa.Scalar | None:
    if pa.types.is_boolean(type):
        return pa.scalar(False)
    if pa.types.is_integer(type) or pa.types.is_floating(type) or pa.types.is_decimal(type):
        return pa.scalar(0).cast(type)
    return None


def as_doubles(column: Any) -> Any:
    """Return an array of decimals, or of lists of them, as the nearest doubles; others as they are."""
    type = column.type
    if pa.types.is_decimal(type):
        return _doubles(column)
    if pa.types.is_list(type) and pa.types.is_decimal(type.value_type):
        nulls = column.is_null() if column.null_count else None
        offsets = pa.array(column.offsets.to_numpy())  # of a slice they may not have a mask
        return pa.ListArray.from_arrays(offsets, _doubles(column.values), mask=nulls)
    return column


def _doubles(column: pa.Array) -> pa.Array:
    scale = column.type.scale
    # Values of the contract fit an int64: the lower half of the 128 bits.
    halves = np.frombuffer(column.buffers()[1], np.int64).reshape(-1, 2)
    whole = halves[column.offset : column.offset + len(column), 0]
    mask = column.is_null().to_numpy(zero_copy_only=False)
    whole = np.where(mask, 0, whole)
    if np.abs(whole).max(initial=0) <= _EXACT:
        # Both are exact doubles, so that their quotient is rounded once.
        return pa.array(whole / 10.0**scale, mask=mask)
    return pa.array([n / 10**scale for n in whole.tolist()], pa.float64(), mask=mask)
