"""Masks of values that overflow: None where none does."""

from __future__ import annotations

from dataclasses import replace
from typing import overload

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask, either
from stream.backfill.columnar.nested import Nested, Values

__all__ = ["any_of", "either", "spoilt"]


def any_of(over: Mask, numbers: Array, count: int) -> Mask:
    """Return which of COUNT rows have a member that is OVER; NUMBERS says whose member each one is."""
    found = np.zeros(count, np.bool_)
    found[numbers[over]] = True
    return found


@overload
def spoilt(found: Column, over: Mask | None) -> Column: ...
@overload
def spoilt(found: Values, over: Mask | None) -> Values: ...
def spoilt(found: Values, over: Mask | None) -> Values:
    """Return FOUND with all rows of OVER overflowing, null ones too."""
    if over is None or not over.any():
        return found
    whole = either(found.over, over)
    if isinstance(found, Nested):
        return Nested(found.offsets, found.parts, whole)
    known = ~over if found.known is None else found.known & ~over
    return replace(found, known=known, over=whole)
