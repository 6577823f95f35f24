"""Persistent input buffers: tensors of one kind lie side by side, so that one comparison checks all of them.

A query's tensors live in arenas, one per datatype and kind of check:

    ids     [ item x 50 | gap | category x 50 ... ]      each element < its vocabulary, as unsigned numbers
    floats  [ dense x 25 | ... ]                         each element finite: a null arrives as NaN
    plain   flags, masks, lengths, whole numbers         nothing to check
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from inference.backend import Array
from inference.contract import FLOATS, TensorSpec

# What the methods max() and all() of an array call, two Python calls later.
_largest, _all = np.maximum.reduce, np.logical_and.reduce

ALIGN = 64  # bytes between the starts of two tensors: what a runtime's vector loads like


class Arena:
    """Side by side, tensors of one datatype that are checked alike."""

    def __init__(self, specs: Sequence[TensorSpec]) -> None:
        dtype = np.dtype(specs[0].dtype)
        step = ALIGN // dtype.itemsize
        sizes = [math.prod(int(dim) for dim in s.shape) for s in specs]
        starts = np.cumsum([0, *(-(-size // step) * step for size in sizes)])
        # numpy promises 16 bytes; the first tensor starts at the next multiple of ALIGN
        room = np.zeros(int(starts[-1]) + step, dtype)
        skip = -(room.ctypes.data // dtype.itemsize) % step
        self._flat = room[skip : skip + int(starts[-1])]
        self.views: dict[str, Array] = {
            s.name: self._flat[start : start + size].reshape([int(dim) for dim in s.shape])
            for s, start, size in zip(specs, starts, sizes, strict=False)
        }
        self._checked = specs[0].datatype in FLOATS or specs[0].vocab is not None
        self._ids = self._flat.view(f"u{dtype.itemsize}") if specs[0].vocab is not None else None
        self._limits = np.ones(int(starts[-1]), f"u{dtype.itemsize}")  # gaps hold 0
        for s, start, size in zip(specs, starts, sizes, strict=False):
            self._limits[start : start + size] = min(s.vocab or 1, np.iinfo(self._limits.dtype).max)
        self._scratch = np.zeros(int(starts[-1]), bool)

    def sound(self) -> bool:
        """Tell whether every id lies in its vocabulary and every float is finite."""
        if not self._checked:
            return True
        if self._ids is not None:
            np.less(self._ids, self._limits, out=self._scratch)
        else:
            np.isfinite(self._flat, out=self._scratch)
        return bool(_all(self._scratch))


def arenas(specs: Sequence[TensorSpec]) -> list[Arena]:
    """Return the arenas of SPECS, one per datatype and kind of check."""
    groups: dict[tuple[str, bool], list[TensorSpec]] = defaultdict(list)
    for spec in specs:
        groups[spec.datatype, spec.vocab is not None].append(spec)
    return [Arena(group) for group in groups.values()]


def rows_sound(spec: TensorSpec, rows: Array) -> bool:
    """Tell whether the candidates' ids lie in their vocabulary, or their floats are finite."""
    if spec.vocab is not None:
        # a negative id is a huge unsigned number: one comparison for both ends
        return int(_largest(rows.view(f"u{rows.itemsize}"), None)) < spec.vocab
    return spec.datatype not in FLOATS or bool(_all(np.isfinite(rows), None))
