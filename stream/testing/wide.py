"""Ranges of rows as the kernels of replay see them where they are wide: without millions of rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from stream.backfill.columnar import expansion, turns
from stream.backfill.columnar.kernels import topk


@contextmanager
def all_wide() -> Iterator[None]:
    """Let all ranges count as wide, and all values as too many to list."""
    before = turns.LEAST, turns.WIDE, topk.LISTED
    turns.LEAST, turns.WIDE, topk.LISTED = -1, 0, -1
    try:
        yield
    finally:
        turns.LEAST, turns.WIDE, topk.LISTED = before


@contextmanager
def rows_spelled_out() -> Iterator[list[int]]:
    """Give a list to which is added how many rows are spelled out, each time."""
    counts: list[int] = []
    before = expansion.rows_in

    def counting(lo: npt.NDArray[np.int64], hi: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        counts.append(int((hi - lo).sum()))
        return before(lo, hi)

    expansion.rows_in = counting
    try:
        yield counts
    finally:
        expansion.rows_in = before
