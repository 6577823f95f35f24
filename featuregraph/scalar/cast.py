"""cast: one value to another type; what does not fit is null (SEMANTICS 5.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from featuregraph.convert import BAD, converter, text_of
from featuregraph.convert.numeric import half_even, scaled_of_float
from featuregraph.ir import Node
from featuregraph.scalar.overflow import Kernel, strict1
from featuregraph.scalar.promote import to_float
from featuregraph.types import INT64_MAX, INT64_MIN, Type


def cast(node: Node) -> Kernel:
    """Return the kernel of cast, from the argument's type to the node's."""
    source, target = node.args[0].scalar, node.scalar
    function = _function(source, target)
    return (lambda a: a) if function is None else strict1(function)


def _function(source: Type, target: Type) -> Callable[[Any], Any] | None:
    """Return the function between internal values; None if they are the same."""
    if source is target or (source.is_text and target.is_text) or (source.is_integral and target.is_integral):
        return None
    if target.is_text:
        return text_of(source)
    if source.is_text:
        return _or_null(converter(target))
    if target.kind == "boolean":
        return bool
    if target.kind == "float64":
        return to_float(source)
    return _to_integer(source) if target.is_integral else _to_decimal(source, target.scale)


def _to_integer(source: Type) -> Callable[[Any], Any]:
    if source.kind == "float64":
        # 2.0**63 is the first double outside.
        return lambda a: int(a) if -(2.0**63) <= a < 2.0**63 else None
    unit = 10**source.scale
    return lambda a: a // unit if a >= 0 else -(-a // unit)


def _to_decimal(source: Type, scale: int) -> Callable[[Any], Any]:
    if source.kind == "float64":
        return _or_null(lambda a: scaled_of_float(a, scale))
    if source.scale > scale:
        unit = 10 ** (source.scale - scale)
        return lambda a: half_even(a, unit)
    factor = 10 ** (scale - source.scale)
    return lambda a: _inside(a * factor)


def _inside(number: int) -> int | None:
    return number if INT64_MIN <= number <= INT64_MAX else None


def _or_null(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def function(a: Any) -> Any:
        value = convert(a)
        return None if value is BAD else value

    return function
