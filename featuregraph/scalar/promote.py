"""Bring values of one number type to another: the common types of SEMANTICS 5.3. Nulls never come here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from featuregraph.types import Type

Promotion = Callable[[Any], Any]


def promotion(source: Type, target: Type) -> Promotion | None:
    """Return the function from SOURCE's to TARGET's internal values, None if they are the same.

    A decimal may leave the int64 range here: it counts with its exact value, and only results are checked.
    """
    if target.kind == "float64":
        return to_float(source)
    if target.kind == "decimal" and source.scale != target.scale:
        factor: int = 10 ** (target.scale - source.scale)
        return lambda a: a * factor
    return None


def to_float(source: Type) -> Promotion | None:
    """Return the function from SOURCE's internal values to the nearest double, None if they are doubles."""
    if source.kind == "float64":
        return None
    if source.scale == 0:
        return float
    unit = 10**source.scale
    # int / int is correctly rounded in Python, whatever the sizes.
    return lambda a: a / unit


def promoted(
    function: Callable[[Any, Any], Any], left: Promotion | None, right: Promotion | None
) -> Callable[[Any, Any], Any]:
    """Return FUNCTION of the promoted arguments."""
    if left and right:
        return lambda a, b: function(left(a), right(b))
    if left:
        return lambda a, b: function(left(a), b)
    if right:
        return lambda a, b: function(a, right(b))
    return function


def common(left: Type, right: Type) -> Type:
    """Return the type that a comparison of numbers brings both sides to; LEFT itself for other types."""
    if not (left.is_number and right.is_number):
        return left
    if "float64" in (left.kind, right.kind):
        return left if left.kind == "float64" else right
    return left if left.scale >= right.scale else right
