"""Arithmetic: checked int64 and decimal, and IEEE float64 whose NaN, infinite and domain results are null."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, sqrt
from typing import Any

from featuregraph.ir import Node, Op
from featuregraph.scalar.overflow import OVERFLOW, Kernel, fits, strict1, strict2
from featuregraph.scalar.promote import promoted, promotion, to_float
from featuregraph.scalar.transcendental import log1p
from featuregraph.types import FLOAT64, INT64_MAX, INT64_MIN


def number(result: float) -> float | None:
    """Return RESULT without the sign of zero; null if it is NaN or infinite."""
    return result + 0.0 if isfinite(result) else None


# ---------------------------------------------------------------- add, sub, mul


def _int_add(a: Any, b: Any) -> Any:
    if a is None or b is None or a is OVERFLOW or b is OVERFLOW:
        return OVERFLOW if a is OVERFLOW or b is OVERFLOW else None
    result = a + b
    return result if INT64_MIN <= result <= INT64_MAX else OVERFLOW


def _int_sub(a: Any, b: Any) -> Any:
    if a is None or b is None or a is OVERFLOW or b is OVERFLOW:
        return OVERFLOW if a is OVERFLOW or b is OVERFLOW else None
    result = a - b
    return result if INT64_MIN <= result <= INT64_MAX else OVERFLOW


def _int_mul(a: Any, b: Any) -> Any:
    if a is None or b is None or a is OVERFLOW or b is OVERFLOW:
        return OVERFLOW if a is OVERFLOW or b is OVERFLOW else None
    result = a * b
    return result if INT64_MIN <= result <= INT64_MAX else OVERFLOW


_INTEGER: dict[Op, Kernel] = {Op.ADD: _int_add, Op.SUB: _int_sub, Op.MUL: _int_mul}
_CHECKED: dict[Op, Callable[[int, int], Any]] = {
    Op.ADD: lambda a, b: fits(a + b),
    Op.SUB: lambda a, b: fits(a - b),
    Op.MUL: lambda a, b: fits(a * b),
}
_FLOAT: dict[Op, Callable[[float, float], Any]] = {
    Op.ADD: lambda a, b: number(a + b),
    Op.SUB: lambda a, b: number(a - b),
    Op.MUL: lambda a, b: number(a * b),
}


def arithmetic(node: Node) -> Kernel:
    """Return the kernel of add, sub or mul: of scaled integers, or of doubles if one side is float64."""
    left, right = (arg.scalar for arg in node.args)
    if node.type is FLOAT64:
        return strict2(promoted(_FLOAT[node.op], to_float(left), to_float(right)))
    # The scales of a product add up: its factors stay as they are.
    to_left = None if node.op is Op.MUL else promotion(left, node.scalar)
    to_right = None if node.op is Op.MUL else promotion(right, node.scalar)
    if to_left is None and to_right is None:
        return _INTEGER[node.op]
    return strict2(promoted(_CHECKED[node.op], to_left, to_right))


# ---------------------------------------------------------------- div, floordiv, mod


def divide(node: Node) -> Kernel:
    """Return the kernel of `/`: both sides as doubles, null by zero."""
    left, right = (arg.scalar for arg in node.args)
    return strict2(promoted(_float_div, to_float(left), to_float(right)))


def _float_div(a: float, b: float) -> float | None:
    return number(a / b) if b else None


def floor_divide(node: Node) -> Kernel:
    """Return the kernel of `//` or `%`, which floor; for doubles the exact result, rounded once."""
    of_int, of_float = (_int_floordiv, _float_floordiv) if node.op is Op.FLOORDIV else (_int_mod, _float_mod)
    if node.type is not FLOAT64:
        return strict2(of_int)
    left, right = (arg.scalar for arg in node.args)
    return strict2(promoted(of_float, to_float(left), to_float(right)))


def _int_floordiv(a: int, b: int) -> Any:
    return fits(a // b) if b else None


def _int_mod(a: int, b: int) -> int | None:
    return a % b if b else None


def _float_floordiv(a: float, b: float) -> float | None:
    if not b:
        return None
    over, under = a.as_integer_ratio()
    by_over, by_under = b.as_integer_ratio()
    try:
        return float((over * by_under) // (under * by_over))
    except OverflowError:
        return None


def _float_mod(a: float, b: float) -> float | None:
    if not b:
        return None
    over, under = a.as_integer_ratio()
    by_over, by_under = b.as_integer_ratio()
    # int / int is correctly rounded; the result is at most |b|, so it never overflows.
    return (over * by_under) % (by_over * under) / (under * by_under)


# ---------------------------------------------------------------- of one number


def negate(node: Node) -> Kernel:
    """Return the kernel of neg."""
    if node.type is FLOAT64:
        return strict1(lambda a: 0.0 - a)
    return strict1(lambda a: fits(-a))


def absolute(node: Node) -> Kernel:
    """Return the kernel of abs."""
    return strict1(abs) if node.type is FLOAT64 else strict1(lambda a: fits(abs(a)))


def logarithm(node: Node) -> Kernel:
    """Return the kernel of log1p: null unless x > -1."""
    return strict1(_of_float(node, log1p))


def root(node: Node) -> Kernel:
    """Return the kernel of sqrt: IEEE's, which is correctly rounded; null below zero."""
    return strict1(_of_float(node, lambda a: sqrt(a) if a >= 0 else None))


def _of_float(node: Node, function: Callable[[float], float | None]) -> Callable[[Any], Any]:
    convert = to_float(node.args[0].scalar)
    return function if convert is None else lambda a: function(convert(a))


def clip(node: Node) -> Kernel:
    """Return the kernel of clip: x brought inside lo and hi, either of which may be missing."""
    lo, hi = node.get("lo"), node.get("hi")
    if lo is None:
        return strict1(lambda a: min(a, hi))
    if hi is None:
        return strict1(lambda a: max(a, lo))
    return strict1(lambda a: min(max(a, lo), hi))
