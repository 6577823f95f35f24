"""Parts of a training set by time, so that no label of a part reads what happens in the next one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featuregraph.arrays.column import Array

GAP = -1


def shifted(t: Array, ms: int) -> Array:
    """Return T, int64 ms, moved by MS; at the ends of int64 it stops."""
    least, most = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    bound = most - ms if ms > 0 else least - ms
    found: Array = (np.minimum(t, bound) if ms > 0 else np.maximum(t, bound)) + ms
    return found


def cuts_of(t: Array, shares: Sequence[float]) -> list[int]:
    """Return from when on each part but the first begins, so that parts have about SHARES of the queries.

    t: when each is asked, ascending: int64, shape (queries,).
    """
    total, so_far, found = sum(shares), 0.0, []
    for share in shares[:-1]:
        so_far += share
        place = round(len(t) * so_far / total)
        found.append(int(t[place]) if place < len(t) else int(t[-1]) + 1 if len(t) else 0)
    return found


def parts_of(t: Array, until: Array, cuts: Sequence[int], gap: int) -> Array:
    """Return the number of each query's part, GAP for one of none.

    Args:
        t: when each is asked: int64, shape (queries,).
        until: before when (ms) all lies that its labels read: int64, shape (queries,).
        cuts: from when on each part but the first begins, ascending.
        gap: how long before that the part before it ends at least.
    """
    part = np.searchsorted(cuts, t, "right")
    ends = np.append(np.array(cuts, np.int64), np.iinfo(np.int64).max)[part]
    late = (np.maximum(until, shifted(t, gap)) > ends) & (part < len(cuts))
    return np.where(late, GAP, part)
