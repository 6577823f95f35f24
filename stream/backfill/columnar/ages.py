"""The age of rows at queries."""

from __future__ import annotations

from featuregraph.arrays.column import Array, Column


def ages(t: Array, ts: Array) -> Column:
    """Return T minus TS where it is an int64; it is never below 0 of rows that are visible."""
    age = t - ts
    over = age < 0  # beyond int64
    return Column(age, ~over, None, over) if over.any() else Column(age)
