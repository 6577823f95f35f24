"""cast on columns: featuregraph.scalar.cast, row for row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from featuregraph.arrays.column import Array, Column, strict
from featuregraph.arrays.exact import by_block, checked, to_float
from featuregraph.arrays.rows import by_row
from featuregraph.arrays.text import per_value
from featuregraph.ir import Node
from featuregraph.scalar.transcendental import residue
from featuregraph.types import Type

_INSIDE: Final = 2.0**63  # the first double outside int64
_SURE: Final = 2.0**52  # from here on every double is whole
_WIDE: Final = 1e19  # a double beyond it has no int64 at any scale


def cast(node: Node, columns: Sequence[Column]) -> Column:
    """Return x in the node's type; what does not fit is null."""
    (x,) = columns
    source, target = node.args[0].scalar, node.scalar
    if source is target or (source.is_text and target.is_text) or (source.is_integral and target.is_integral):
        return x
    if source.is_text or target.is_text:
        return per_value(node, columns)
    if target.kind == "boolean":
        return strict(x.values != 0, x)
    if target.kind == "float64":
        return strict(to_float(source, x.values), x)
    if source.kind == "float64":
        return _cut(x) if target.is_integral else _rounded(node, x, target.scale)
    return _digits(x, source, target)


def _cut(x: Column) -> Column:
    """Return doubles without what stands after the point."""
    inside = (x.values >= -_INSIDE) & (x.values < _INSIDE)
    return strict(np.where(inside, x.values, 0.0).astype(np.int64), x, valid=inside)


def _rounded(node: Node, x: Column, scale: int) -> Column:
    """Return doubles with SCALE digits after the point, the exact value rounded half-even.

    Products without a fraction go by the scalar kernel: money is so much only from 45 trillion on.
    """
    unit = float(10**scale)
    whole = by_block(lambda values: _nearest(values, unit), x.values)
    sure = np.abs(whole) <= _SURE
    result = strict(np.where(sure, whole, 0.0).astype(np.int64), x, valid=sure)
    return by_row(node, [x], result, ~sure & (np.abs(x.values) < _WIDE))


def _nearest(x: Array, unit: float) -> Array:
    """Return the integer nearest to X * UNIT, of two the even one; NaN where the product has no fraction.

    The product is a double and a rest below half its last place: where the double lies on the middle of two
    integers, the rest says which is nearer.
    """
    product = x * unit
    rest = residue(x, unit, product)
    whole = np.rint(product)
    beside = product - whole
    step = np.where((np.abs(beside) == 0.5) & (beside * rest > 0.0), np.sign(rest), 0.0)
    return np.where(np.abs(product) < _SURE, whole + step, np.nan)


def _digits(x: Column, source: Type, target: Type) -> Column:
    """Return integers, decimals or booleans in TARGET's digits: cut for int64, else half-even."""
    values = x.values.astype(np.int64)
    if source.scale <= target.scale:
        factor: int = 10 ** (target.scale - source.scale)
        values, over = checked(lambda a: a * factor, values)
        return strict(values, x, valid=None if over is None else ~over)
    unit: int = 10 ** (source.scale - target.scale)
    whole, rest = values // unit, values % unit
    if target.is_integral:
        return strict(whole + ((values < 0) & (rest != 0)), x)
    middle = unit // 2
    return strict(whole + ((rest > middle) | ((rest == middle) & (whole & 1 == 1))), x)
