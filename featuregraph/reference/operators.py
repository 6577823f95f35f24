"""SEMANTICS 5.3 to 5.5: the scalar operators that need all their arguments.

`STRICT` has one function per operator: (node, values) -> value, the values aligned with the node's arguments.
Those in `TAKES_NULL` see null; the others are never called with one (5.3: any operation on null gives null).
`&`, `|`, `fill` and `where` choose what they evaluate and stand in featuregraph.reference.expressions.
"""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from featuregraph.ir import Node, Op
from featuregraph.reference.exact import (
    OutOfRangeError,
    bring,
    decimal_text,
    exact,
    finite,
    fits,
    int64,
    nearest,
    order,
    utf8,
)
from featuregraph.reference.fields import convert_or_null
from featuregraph.scalar import transcendental
from featuregraph.types import FLOAT64, Type

Values = Sequence[Any]
Function = Callable[[Node, Values], object]
SEPARATOR = "\u001f"


def _types(node: Node) -> list[Type]:
    return [arg.scalar for arg in node.args]


def _checked(node: Node, value: Any) -> int | float | None:
    """Clause 5.3: int64 and decimal are checked, a float64 that is NaN or infinite is null."""
    return finite(value) if isinstance(value, float) else int64(value)


def _floats(node: Node, values: Values) -> list[float]:
    return [bring(value, type, FLOAT64) for value, type in zip(values, _types(node), strict=True)]  # type: ignore[misc]


# ---------------------------------------------------------------- arithmetic


def _sum(function: Callable[[Any, Any], Any]) -> Function:
    """Add and sub: both sides in the type of the result."""

    def apply(node: Node, values: Values) -> object:
        a, b = (bring(value, type, node.scalar) for value, type in zip(values, _types(node), strict=True))
        return _checked(node, function(a, b))

    return apply


def _mul(node: Node, values: Values) -> object:
    """Multiply; decimal scales add, so the scaled integers multiply."""
    a, b = _floats(node, values) if node.scalar.kind == "float64" else values
    return _checked(node, a * b)


def _div(node: Node, values: Values) -> object:
    """Divide as float64, both sides made float64 first; by zero gives null."""
    a, b = _floats(node, values)
    return None if b == 0 else finite(a / b)


def _floor(function: Callable[[Any, Any], Any]) -> Function:
    """Floordiv and mod: they floor; for float64 the exact result, rounded once; by zero gives null."""

    def apply(node: Node, values: Values) -> object:
        if node.scalar.kind != "float64":
            a, b = values
            return None if b == 0 else int64(function(a, b))
        x, y = map(Fraction, _floats(node, values))
        if y == 0:
            return None
        try:
            return nearest(Fraction(function(x, y)))
        except OutOfRangeError:  # 5.3: an infinite float64 is null
            return None

    return apply


def _neg(node: Node, values: Values) -> object:
    return _checked(node, -values[0])


def _abs(node: Node, values: Values) -> object:
    return _checked(node, abs(values[0]))


def _log1p(node: Node, values: Values) -> object:
    """Clause 5.5: the shared kernel; outside its domain null."""
    (x,) = _floats(node, values)
    return transcendental.log1p(x) if x > -1 else None


def _sqrt(node: Node, values: Values) -> object:
    (x,) = _floats(node, values)
    return math.sqrt(x) if x >= 0 else None


# ---------------------------------------------------------------- comparison and tests


def equal(a: object, a_type: Type, b: object, b_type: Type) -> bool:
    """Clauses 3.3 and 5.3: tell whether two values are equal in their common type; null equals nothing."""
    return _compare(operator.eq, a, a_type, b, b_type)


def _compare(test: Callable[[Any, Any], bool], a: object, a_type: Type, b: object, b_type: Type) -> bool:
    if a is None or b is None:
        return False
    goal = FLOAT64 if FLOAT64 in (a_type, b_type) else max(a_type, b_type, key=lambda side: side.scale)
    if goal.is_number:
        a, b = bring(a, a_type, goal), bring(b, b_type, goal)
    return test(order(a), order(b))


def _comparison(test: Callable[[Any, Any], bool]) -> Function:
    """Compare in the common type: text by UTF-8 bytes, false < true; with null false."""

    def apply(node: Node, values: Values) -> object:
        (a, b), (a_type, b_type) = values, _types(node)
        return _compare(test, a, a_type, b, b_type)

    return apply


def _not(node: Node, values: Values) -> object:
    """Clause 3.3: two-valued, a null boolean counts as false."""
    return values[0] is not True


def _is_null(node: Node, values: Values) -> object:
    return values[0] is None


def _is_in(node: Node, values: Values) -> object:
    return values[0] is not None and values[0] in node["values"]


# ---------------------------------------------------------------- conversion


def _clip(node: Node, values: Values) -> object:
    (x,) = values
    x = x if node["lo"] is None else max(x, node["lo"])
    return x if node["hi"] is None else min(x, node["hi"])


def _bucketize(node: Node, values: Values) -> object:
    """Give the number of edges <= x."""
    return sum(edge <= values[0] for edge in node["edges"])


def text_of(type: Type, value: Any) -> str:
    """Clause 5.3: return the text of a value; float64 has none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return decimal_text(value, type.scale) if type.kind == "decimal" else str(value)


def _cast(node: Node, values: Values) -> object:
    """Convert; what does not fit is null."""
    (value,), (start,), goal = values, _types(node), node.scalar
    if goal.is_text:
        return text_of(start, value)
    if start.is_text:
        return convert_or_null(goal, value)
    number = exact(start, value)
    match goal.kind:
        case "boolean":
            return number != 0
        case "float64":
            return nearest(number)
        case "decimal":
            scaled = round(number * 10**goal.scale)  # round() of a Fraction is half-even
        case _:
            scaled = math.trunc(number)
    return scaled if fits(scaled) else None


def _cross(node: Node, values: Values) -> object:
    return SEPARATOR.join(text_of(type, value) for type, value in zip(_types(node), values, strict=True))


def _hash(node: Node, values: Values) -> object:
    """Clause 5.4: BLAKE2b of the text, 1 to buckets - 1; null gives 0."""
    if values[0] is None:
        return 0
    text = text_of(_types(node)[0], values[0])
    digest = hashlib.blake2b(utf8(text), digest_size=8, key=node["seed"].to_bytes(8, "little")).digest()
    return int.from_bytes(digest, "little") % (node["buckets"] - 1) + 1


TAKES_NULL = frozenset({Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE, Op.NOT, Op.IS_NULL, Op.IS_IN, Op.HASH})
STRICT: Mapping[Op, Function] = {
    Op.ADD: _sum(operator.add),
    Op.SUB: _sum(operator.sub),
    Op.MUL: _mul,
    Op.DIV: _div,
    Op.FLOORDIV: _floor(operator.floordiv),
    Op.MOD: _floor(operator.mod),
    Op.NEG: _neg,
    Op.ABS: _abs,
    Op.LOG1P: _log1p,
    Op.SQRT: _sqrt,
    Op.EQ: _comparison(operator.eq),
    Op.NE: _comparison(operator.ne),
    Op.LT: _comparison(operator.lt),
    Op.LE: _comparison(operator.le),
    Op.GT: _comparison(operator.gt),
    Op.GE: _comparison(operator.ge),
    Op.NOT: _not,
    Op.IS_NULL: _is_null,
    Op.IS_IN: _is_in,
    Op.CLIP: _clip,
    Op.BUCKETIZE: _bucketize,
    Op.CAST: _cast,
    Op.CROSS: _cross,
    Op.HASH: _hash,
}
