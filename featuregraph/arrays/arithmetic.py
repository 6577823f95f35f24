"""Arithmetic on columns: featuregraph.scalar.arithmetic, row for row."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from featuregraph.arrays import transcendental
from featuregraph.arrays.column import Array, Column, strict
from featuregraph.arrays.exact import checked, ends, number, scaled, to_float
from featuregraph.arrays.rows import by_row
from featuregraph.ir import Node, Op
from featuregraph.scalar.promote import promoted
from featuregraph.types import FLOAT64, INT64_MIN

Columns = Sequence[Column]

_FUNCTIONS: Final[Mapping[Op, Callable[[Any, Any], Any]]] = {
    Op.ADD: operator.add,
    Op.SUB: operator.sub,
    Op.MUL: operator.mul,
}
_SURE: Final = 2.0**50  # below it a quotient, twice rounded, is nearest to one integer only


def floats(node: Node, columns: Columns) -> list[Array]:
    """Return the arguments of NODE as doubles."""
    return [to_float(arg.scalar, c.values) for arg, c in zip(node.args, columns, strict=True)]


def arithmetic(node: Node, columns: Columns) -> Column:
    """Return the sum, difference or product: of scaled integers, or of doubles if one side is float64."""
    function = _FUNCTIONS[node.op]
    if node.type is FLOAT64:
        return number(function(*floats(node, columns)), *columns)
    if node.op is not Op.MUL:
        # The scales of a product add up: its factors stay as they are.
        function = promoted(function, *(scaled(arg.scalar, node.scalar) for arg in node.args))
    values, over = checked(function, *(c.values for c in columns))
    return strict(values, *columns).but_over(over)


def divide(node: Node, columns: Columns) -> Column:
    """Return `/`: both sides as doubles, null by zero."""
    a, b = floats(node, columns)
    return number(a / b, *columns, valid=b != 0)


# ---------------------------------------------------------------- floordiv, mod


def floor_divide(node: Node, columns: Columns) -> Column:
    """Return `//`, which floors."""
    if node.type is FLOAT64:
        return _float_floordiv(node, columns)
    a, b = (c.values for c in columns)
    result = strict(a // b, *columns, valid=b != 0)
    return result.but_over((a == INT64_MIN) & (b == -1))


def modulo(node: Node, columns: Columns) -> Column:
    """Return `%`, with the sign of the divisor."""
    if node.type is FLOAT64:
        a, b = floats(node, columns)
        return number(_remainder(a, b), *columns, valid=b != 0)
    a, b = (c.values for c in columns)
    return strict(a % b, *columns, valid=b != 0)


def _remainder(a: Array, b: Array) -> Array:
    """Return the floored remainder of doubles: fmod is exact, and a divisor is added at most once."""
    rest = np.fmod(a, b)
    return np.where((rest != 0) & ((rest < 0) != (b < 0)), rest + b, rest)


def _float_floordiv(node: Node, columns: Columns) -> Column:
    """Return the floor of a quotient of doubles.

    A rounded quotient that is whole may stand for one just below: the remainder tells. Quotients too large
    for that are few, and go to the scalar kernel.
    """
    a, b = floats(node, columns)
    rest = np.fmod(a, b)
    whole = np.rint((a - rest) / b)
    result = number(whole - ((rest != 0) & ((rest < 0) != (b < 0))), *columns, valid=b != 0)
    return by_row(node, columns, result, ~(np.abs(a / b) < _SURE) & (b != 0))


# ---------------------------------------------------------------- of one number


def negate(node: Node, columns: Columns) -> Column:
    """Return the negative; of the least int64 there is none."""
    (x,) = columns
    if node.type is FLOAT64:
        return strict(0.0 - x.values, x)
    values, over = checked(operator.neg, x.values)
    return strict(values, x).but_over(over)


def absolute(node: Node, columns: Columns) -> Column:
    """Return the absolute value; of the least int64 there is none."""
    (x,) = columns
    over = None
    if node.type is not FLOAT64 and ends(x.values)[0] == INT64_MIN:
        over = x.values == INT64_MIN
    return strict(np.abs(x.values), x).but_over(over)


def logarithm(node: Node, columns: Columns) -> Column:
    """Return log1p by the shared steps: null unless x > -1."""
    (x,) = floats(node, columns)
    return strict(transcendental.log1p(x), *columns, valid=x > -1.0)


def root(node: Node, columns: Columns) -> Column:
    """Return IEEE's root, which is correctly rounded; null below zero."""
    (x,) = floats(node, columns)
    return strict(np.sqrt(x), *columns, valid=x >= 0)


def clip(node: Node, columns: Columns) -> Column:
    """Return x brought inside lo and hi, either of which may be missing."""
    (x,) = columns
    values = x.values
    if node.get("lo") is not None:
        values = np.maximum(values, node["lo"])
    if node.get("hi") is not None:
        values = np.minimum(values, node["hi"])
    return strict(values, x)
