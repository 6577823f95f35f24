"""The scalar kernel for the few rows whose value arrays do not give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featuregraph.arrays.column import Column, Mask, column, listed, made
from featuregraph.ir import Node
from featuregraph.scalar import kernel


def by_row(node: Node, columns: Sequence[Column], result: Column, hard: Mask) -> Column:
    """Return RESULT with the rows where HARD holds computed by the scalar kernel of NODE.

    The type of NODE is a number.
    """
    for argument in columns:  # what is not known is anything, so it may look hard
        hard = hard if argument.known is None else hard & argument.known
    rows = np.flatnonzero(np.broadcast_to(hard, result.values.shape))
    if not rows.size:
        return result
    function = kernel(node)
    args = [listed(c.spread(len(result)).take(rows)) for c in columns]
    found = column(node.scalar, map(function, *args))
    values = result.values.copy()
    values[rows] = found.values
    known = np.ones(len(values), np.bool_) if result.known is None else result.known.copy()
    known[rows] = True if found.known is None else found.known
    return made(Column(values, known, None, result.over))
