"""Comparison, two-valued logic and tests on columns: featuregraph.scalar.logic, row for row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask, either, made, strict
from featuregraph.arrays.exact import checked, to_float
from featuregraph.arrays.text import equal_codes, per_value, ranks
from featuregraph.ir import Node, Op
from featuregraph.scalar.logic import TESTS
from featuregraph.scalar.promote import common
from featuregraph.types import FLOAT64

Columns = Sequence[Column]


def two_valued(values: Array, over: Mask | None, *columns: Column) -> Column:
    """Return the booleans VALUES, false where one of COLUMNS is not known, overflowing where OVER holds."""
    for column in columns:
        if column.known is not None:
            values = values & column.known
    return made(Column(values, None if over is None else ~over, None, over))


def compare(node: Node, columns: Columns) -> Column:
    """Return a comparison in the common type of both sides; with null it is false."""
    left, right = columns
    a, b = _comparable(node, left, right)
    return two_valued(TESTS[node.op](a, b), either(left.over, right.over), left, right)


def _comparable(node: Node, left: Column, right: Column) -> tuple[Array, Array]:
    """Return arrays that compare as the values of both sides do."""
    types = left_type, right_type = node.args[0].scalar, node.args[1].scalar
    if left_type.is_text:
        return (equal_codes if node.op in (Op.EQ, Op.NE) else ranks)(left, right)
    if common(*types) is FLOAT64:
        return to_float(left_type, left.values), to_float(right_type, right.values)
    digits = left_type.scale - right_type.scale
    if digits < 0:
        return _rescaled(left.values, right.values, 10**-digits)
    if digits > 0:
        b, a = _rescaled(right.values, left.values, 10**digits)
        return a, b
    return left.values, right.values


def _rescaled(few: Array, many: Array, factor: int) -> tuple[Array, Array]:
    """Return arrays that compare as FEW * FACTOR and MANY do.

    Where int64 does not hold the product: whole parts that differ decide, else the rest of MANY does.
    """
    product, over = checked(lambda a: a * factor, few)
    if over is None:
        return product, many
    whole, rest = many // factor, many % factor
    order = np.where(few > whole, 1, np.where((few < whole) | (rest > 0), -1, 0))
    return order, np.zeros(1, np.int64)


def conjunction(_node: Node, columns: Columns) -> Column:
    """Return `and`: false from the first false or null on, whatever comes after."""
    return _decided(columns, by=False)


def disjunction(_node: Node, columns: Columns) -> Column:
    """Return `or`: true from the first true on, whatever comes after."""
    return _decided(columns, by=True)


def _decided(columns: Columns, *, by: bool) -> Column:
    """Return BY where a column has it before one overflows, else the contrary."""
    shape = np.broadcast_shapes(*(c.values.shape for c in columns))
    is_open = np.ones(shape, np.bool_)  # rows that nothing has decided yet
    over: Mask | None = None
    for column in columns:
        if column.over is not None:
            over = either(over, is_open & column.over)
        truth = truths(column)
        is_open = is_open & (~truth if by else truth)
    closed = ~is_open if by else is_open
    return two_valued(closed, over)


def truths(column: Column) -> Mask:
    """Return where a boolean column is true: null, and what overflows, is not."""
    return column.values if column.known is None else column.values & column.known


def negation(_node: Node, columns: Columns) -> Column:
    """Return `not`: a null boolean counts as false."""
    (x,) = columns
    return two_valued(~truths(x), x.over)


def is_null(_node: Node, columns: Columns) -> Column:
    """Return where x is null."""
    (x,) = columns
    values = np.zeros(len(x), np.bool_) if x.known is None else ~x.known
    return two_valued(values, x.over)


def bucketize(node: Node, columns: Columns) -> Column:
    """Return the number of edges <= x."""
    (x,) = columns
    edges = np.array(sorted(node["edges"]), x.values.dtype)
    return strict(np.searchsorted(edges, x.values, side="right"), x)


def is_in(node: Node, columns: Columns) -> Column:
    """Return whether x is one of the values; null is in no list."""
    (x,) = columns
    if x.words is not None:
        return per_value(node, columns)
    values = np.array([v for v in node["values"] if v is not None], x.values.dtype)
    return two_valued(np.isin(x.values, values), x.over, x)
