"""How far apart rows and queries are."""

from __future__ import annotations

from featuregraph.arrays.column import Array, Column


def ages(t: Array, ts: Array) -> Column:
    """Return T minus TS where it is an int64; the sign of what is none is wrong."""
    age = t - ts
    over = (age < 0) != (t < ts)
    return Column(age, ~over, None, over) if over.any() else Column(age)
