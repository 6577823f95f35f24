"""The table of column kernels: one row per scalar operator, checked against the scalar table by a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from featuregraph.arrays import arithmetic, choice, logic
from featuregraph.arrays.cast import cast
from featuregraph.arrays.column import Column
from featuregraph.arrays.text import per_value
from featuregraph.ir import Node, Op

Kernel = Callable[[Node, Sequence[Column]], Column]

KERNELS: Final[Mapping[Op, Kernel]] = {
    Op.ADD: arithmetic.arithmetic,
    Op.SUB: arithmetic.arithmetic,
    Op.MUL: arithmetic.arithmetic,
    Op.DIV: arithmetic.divide,
    Op.FLOORDIV: arithmetic.floor_divide,
    Op.MOD: arithmetic.modulo,
    Op.NEG: arithmetic.negate,
    Op.ABS: arithmetic.absolute,
    Op.LOG1P: arithmetic.logarithm,
    Op.SQRT: arithmetic.root,
    Op.CLIP: arithmetic.clip,
    Op.EQ: logic.compare,
    Op.NE: logic.compare,
    Op.LT: logic.compare,
    Op.LE: logic.compare,
    Op.GT: logic.compare,
    Op.GE: logic.compare,
    Op.AND: logic.conjunction,
    Op.OR: logic.disjunction,
    Op.NOT: logic.negation,
    Op.IS_NULL: logic.is_null,
    Op.IS_IN: logic.is_in,
    Op.FILL: choice.fill,
    Op.WHERE: choice.where,
    Op.BUCKETIZE: logic.bucketize,
    Op.CAST: cast,
    Op.CROSS: per_value,
    Op.HASH: per_value,
}


def apply(node: Node, columns: Sequence[Column]) -> Column:
    """Return the value of NODE, a scalar operator, by row of its arguments' COLUMNS."""
    # What a row without a value holds is anything; what it makes is masked, and says nothing.
    with np.errstate(all="ignore"):
        return KERNELS[node.op](node, columns)
