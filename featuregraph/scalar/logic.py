"""Comparison, two-valued logic and choice: operators that null does not just pass (SEMANTICS 3.3, 5.3)."""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any, Final

from featuregraph.ir import Node, Op
from featuregraph.scalar.overflow import OVERFLOW, Kernel, fits, strict1, strict2
from featuregraph.scalar.promote import Promotion, common, promoted, promotion
from featuregraph.types import Type

# Text compares by UTF-8 bytes: that is the order of code points, which is Python's.
TESTS: Final[Mapping[Op, Callable[[Any, Any], Any]]] = {
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
}


def compare(node: Node) -> Kernel:
    """Return the kernel of a comparison in the common type of both sides; with null it is false."""
    left, right = (arg.scalar for arg in node.args)
    target = common(left, right)
    return strict2(promoted(TESTS[node.op], promotion(left, target), promotion(right, target)), empty=False)


def conjunction(_node: Node) -> Kernel:
    """Return the kernel of and: false from the first false or null on, whatever comes after."""

    def kernel(*args: Any) -> Any:
        for a in args:
            if a is not True:
                return OVERFLOW if a is OVERFLOW else False
        return True

    return kernel


def disjunction(_node: Node) -> Kernel:
    """Return the kernel of or: true from the first true on, whatever comes after."""

    def kernel(*args: Any) -> Any:
        for a in args:
            if a:
                return a  # True or OVERFLOW
        return False

    return kernel


def negation(_node: Node) -> Kernel:
    """Return the kernel of not: a null boolean counts as false."""
    return lambda a: a if a is OVERFLOW else not a


def is_null(_node: Node) -> Kernel:
    """Return the kernel of is_null."""
    return lambda a: a if a is OVERFLOW else a is None


def is_in(node: Node) -> Kernel:
    """Return the kernel of is_in; null is in no list."""
    values = frozenset(v for v in node["values"] if v is not None)
    return lambda a: a if a is OVERFLOW else a in values


def bucketize(node: Node) -> Kernel:
    """Return the kernel of bucketize: the number of edges <= x."""
    edges = sorted(node["edges"])
    return strict1(lambda a: bisect_right(edges, a))


def fill(node: Node) -> Kernel:
    """Return the kernel of fill: x, or v in place of null."""
    to_x, to_v = (_choice(arg.scalar, node.scalar) for arg in node.args)
    return lambda x, v: to_x(x) if x is not None else to_v(v)


def where(node: Node) -> Kernel:
    """Return the kernel of where: a if cond, else b; a null cond counts as false."""
    to_a, to_b = (_choice(arg.scalar, node.scalar) for arg in node.args[1:])

    def kernel(cond: Any, a: Any, b: Any) -> Any:
        if cond is OVERFLOW:
            return OVERFLOW
        return to_a(a) if cond else to_b(b)

    return kernel


def _choice(source: Type, target: Type) -> Callable[[Any], Any]:
    """Return the function that brings the chosen value, null or OVERFLOW too, to TARGET."""
    convert = promotion(source, target)
    if convert is None:
        return lambda a: a
    return strict1(convert if target.kind == "float64" else _fitting(convert))


def _fitting(convert: Promotion) -> Promotion:
    return lambda a: fits(convert(a))
