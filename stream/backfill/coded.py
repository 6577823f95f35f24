"""Values as codes into their different values: what text means is then found once for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_PIECE = 1 << 16  # values that are looked at together: they stay in the processor's cache


def coded(array: pa.Array) -> pa.DictionaryArray:
    """Return ARRAY coded; integers near each other without a hash of each, their different ones ascending."""
    import pyarrow as pa

    if not pa.types.is_signed_integer(array.type) or array.null_count or not len(array):
        return array.dictionary_encode()
    values = array.to_numpy()
    least = int(values.min())
    size = int(values.max()) - least + 1
    if size > len(values):
        return array.dictionary_encode()
    pieces = [values[start : start + _PIECE] for start in range(0, len(values), _PIECE)]
    occurs = np.zeros(size, np.bool_)
    for piece in pieces:
        occurs[piece - least] = True
    table = np.cumsum(occurs, dtype=np.int32) - np.int32(1)
    codes = np.concatenate([table[piece - least] for piece in pieces])
    different = pa.array(np.flatnonzero(occurs) + least, array.type)
    return pa.DictionaryArray.from_arrays(pa.array(codes), different, safe=False)
