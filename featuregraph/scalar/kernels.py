"""The table of kernels: one maker per scalar operator, resolved once per node by types and attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from featuregraph.ir import Node, Op
from featuregraph.scalar import arithmetic, logic, text
from featuregraph.scalar.cast import cast
from featuregraph.scalar.overflow import Kernel

KERNELS: Final[Mapping[Op, Callable[[Node], Kernel]]] = {
    Op.ADD: arithmetic.arithmetic,
    Op.SUB: arithmetic.arithmetic,
    Op.MUL: arithmetic.arithmetic,
    Op.DIV: arithmetic.divide,
    Op.FLOORDIV: arithmetic.floor_divide,
    Op.MOD: arithmetic.floor_divide,
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
    Op.FILL: logic.fill,
    Op.WHERE: logic.where,
    Op.BUCKETIZE: logic.bucketize,
    Op.CAST: cast,
    Op.CROSS: text.cross,
    Op.HASH: text.hash_row,
}


def kernel(node: Node) -> Kernel:
    """Return the function from the values of NODE's arguments (null and OVERFLOW too) to NODE's value."""
    return KERNELS[node.op](node)
