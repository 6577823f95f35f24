"""Equality but for rounding; that of SEMANTICS, bit for bit, is `featuregraph.values.same`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from featuregraph.values import same


def near(left: object, right: object, relative: float = 0.0, absolute: float = 0.0) -> bool:
    """Tell whether two values are the same but for floats, which may differ: ABSOLUTE + RELATIVE |RIGHT|."""
    if type(left) is float and type(right) is float:
        return same(left, right) or abs(left - right) <= absolute + relative * abs(right)
    if isinstance(left, Sequence) and not isinstance(left, str) and type(left) is type(right):
        assert isinstance(right, Sequence)
        return len(left) == len(right) and all(
            near(a, b, relative, absolute) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return near([list(i) for i in left.items()], [list(i) for i in right.items()], relative, absolute)
    return same(left, right)
