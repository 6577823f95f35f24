"""The typing rule of each scalar operator, one row each.

A row of `RULES` is operator -> function of the arguments' types (and attributes) that returns the result's
type, or raises CompileError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from featuregraph.bounds import MAX_BUCKETS, MAX_LIST, bounded, whole
from featuregraph.convert import literal as literal_value
from featuregraph.errors import CompileError
from featuregraph.ir import Node, Op
from featuregraph.types import (
    BOOLEAN,
    FLOAT64,
    INT64,
    MAX_SCALE,
    STRING,
    TIMESTAMP,
    AnyType,
    Type,
    decimal,
)

# ---------------------------------------------------------------- types that meet


def common(left: Type, right: Type) -> Type | None:
    """Return the type to which comparison, fill and where bring both sides (SEMANTICS 5.3), else None."""
    if left is right:
        return left
    if left.is_text and right.is_text:
        return STRING
    if left.is_number and right.is_number:
        if FLOAT64 in (left, right):
            return FLOAT64
        if "decimal" in (left.kind, right.kind):
            return decimal(max(left.scale, right.scale))
        return INT64
    return None


def as_int(type: Type) -> Type:
    """Return TYPE with timestamp acting as int64."""
    return INT64 if type is TIMESTAMP else type


def _numbers(op: Op, *types: Type) -> None:
    for type in types:
        if not type.is_number:
            raise CompileError(
                f"{op.value}: expected numbers, found {_and(types)}; cast the text or choose another field"
            )


def _common(op: Op, left: Type, right: Type) -> Type:
    found = common(left, right)
    if found is None:
        raise CompileError(
            f"{op.value}: expected two values of one kind, found {_and((left, right))}; cast one of them"
        )
    return found


def _and(types: Iterable[AnyType]) -> str:
    return " and ".join(str(t) for t in types)


def _text(op: Op, *types: Type) -> None:
    for type in types:
        if type is FLOAT64:
            raise CompileError(
                f"{op.value}: expected a value that has a text, found float64; cast it to decimal(n) or int64"
            )


# ---------------------------------------------------------------- one row per scalar operator

Rule = Callable[[Op, Sequence[Type], Mapping[str, Any]], Type]


def _sum(op: Op, types: Sequence[Type], attrs: Mapping[str, Any]) -> Type:
    _numbers(op, *types)
    return as_int(_common(op, *types))


def _product(op: Op, types: Sequence[Type], attrs: Mapping[str, Any]) -> Type:
    _numbers(op, *types)
    if FLOAT64 in types:
        return FLOAT64
    if all(t.kind != "decimal" for t in types):
        return INT64
    scale = sum(t.scale for t in types)
    if scale > MAX_SCALE:
        raise CompileError(
            f"mul: expected a product of at most {MAX_SCALE} digits after the point, "
            f"found {_and(types)}; cast one to fewer"
        )
    return decimal(scale)


def _floor(op: Op, types: Sequence[Type], attrs: Mapping[str, Any]) -> Type:
    _numbers(op, *types)
    if any(t.kind == "decimal" for t in types):
        raise CompileError(f"{op.value}: expected int64 or float64, found {_and(types)}; cast the decimal")
    return FLOAT64 if FLOAT64 in types else INT64


def _float(op: Op, types: Sequence[Type], attrs: Mapping[str, Any]) -> Type:
    _numbers(op, *types)
    return FLOAT64


def _same_number(op: Op, types: Sequence[Type], attrs: Mapping[str, Any]) -> Type:
    _numbers(op, *types)
    return as_int(types[0])


def _comparison(op: Op, types: Sequence[Type], attrs: Mapping[str, Any]) -> Type:
    _common(op, *types)
    return BOOLEAN


def _logic(op: Op, types: Sequence[Type], attrs: Mapping[str, Any]) -> Type:
    if any(t is not BOOLEAN for t in types):
        raise CompileError(
            f"{op.value}: expected boolean, found {_and(types)}; compare the value with something first"
        )
    return BOOLEAN


def _anything_to_boolean(op: Op, types: Sequence[Type], attrs: Mapping[str, Any]) -> Type:
    return BOOLEAN


def _choice(op: Op, types: Sequence[Type], attrs: Mapping[str, Any]) -> Type:
    if op is Op.WHERE and types[0] is not BOOLEAN:
        raise CompileError(
            f"where: expected a boolean condition, found {types[0]}; compare it with something first"
        )
    return _common(op, *types[-2:])


def _bucket(op: Op, types: Sequence[Type], attrs: Mapping[str, Any]) -> Type:
    _numbers(op, *types)
    return INT64


def _cast(op: Op, types: Sequence[Type], attrs: Mapping[str, Any]) -> Type:
    to: Type = attrs["to"]
    if to.kind == "vector":
        raise CompileError(f"cast: expected a scalar type, found {to}; a vector is a feature by itself")
    if to.is_text:
        _text(op, *types)
    return to


def _cross(op: Op, types: Sequence[Type], attrs: Mapping[str, Any]) -> Type:
    _text(op, *types)
    return STRING


def _hash(op: Op, types: Sequence[Type], attrs: Mapping[str, Any]) -> Type:
    _text(op, *types)
    return INT64


# operator: (least, most arguments, attributes it takes, type rule)
RULES: Mapping[Op, tuple[int, int, tuple[str, ...], Rule]] = {
    Op.ADD: (2, 2, (), _sum),
    Op.SUB: (2, 2, (), _sum),
    Op.MUL: (2, 2, (), _product),
    Op.DIV: (2, 2, (), _float),
    Op.FLOORDIV: (2, 2, (), _floor),
    Op.MOD: (2, 2, (), _floor),
    Op.NEG: (1, 1, (), _same_number),
    Op.ABS: (1, 1, (), _same_number),
    Op.LOG1P: (1, 1, (), _float),
    Op.SQRT: (1, 1, (), _float),
    Op.EQ: (2, 2, (), _comparison),
    Op.NE: (2, 2, (), _comparison),
    Op.LT: (2, 2, (), _comparison),
    Op.LE: (2, 2, (), _comparison),
    Op.GT: (2, 2, (), _comparison),
    Op.GE: (2, 2, (), _comparison),
    Op.AND: (2, 256, (), _logic),
    Op.OR: (2, 256, (), _logic),
    Op.NOT: (1, 1, (), _logic),
    Op.IS_NULL: (1, 1, (), _anything_to_boolean),
    Op.IS_IN: (1, 1, ("values",), _anything_to_boolean),
    Op.FILL: (2, 2, (), _choice),
    Op.WHERE: (3, 3, (), _choice),
    Op.CLIP: (1, 1, ("lo", "hi"), _same_number),
    Op.BUCKETIZE: (1, 1, ("edges",), _bucket),
    Op.CAST: (1, 1, ("to",), _cast),
    Op.CROSS: (2, 2, (), _cross),
    Op.HASH: (1, 1, ("buckets", "seed"), _hash),
}


def scalar(op: Op, args: Sequence[Node], **attrs: Any) -> Node:
    """Return the node of a scalar operator; ATTRS are raw literals.

    Raises:
        CompileError: number or types of ARGS, or an attribute, do not fit OP.
    """
    least, most, names, rule = RULES[op]
    if not least <= len(args) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise CompileError(
            f"{op.value}: expected {wanted} arguments, found {len(args)}; "
            "see docs/reference/graph-json.md for its form"
        )
    if extra := sorted(set(attrs) - set(names)):
        raise CompileError(
            f"{op.value}: expected the parameters {list(names)}, found also {extra}; take them out"
        )
    types = [_scalar_type(op, arg) for arg in args]
    attrs = _attributes(op, types, attrs)
    result = rule(op, types, attrs)
    if op is Op.CAST:
        attrs = {}  # the node's type says it
    return bounded(Node(op, result, args, **attrs))


def _scalar_type(op: Op, arg: Node) -> Type:
    if not isinstance(arg.type, Type) or arg.type.kind == "vector":
        raise CompileError(
            f"{op.value}: expected a scalar, found {arg.type}; a list, map or vector is a feature by itself"
        )
    return arg.type


def _attributes(op: Op, types: Sequence[Type], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return RAW with each value checked and brought to x's internal form."""
    match op:
        case Op.CLIP:
            lo, hi = (literal_value(types[0], raw.get(name)) for name in ("lo", "hi"))
            if lo is None and hi is None:
                raise CompileError("clip: expected lo, hi or both, found neither; give a bound")
            if lo is not None and hi is not None and lo > hi:
                raise CompileError(f"clip: expected lo <= hi, found {raw['lo']!r} > {raw['hi']!r}; swap them")
            return {"lo": lo, "hi": hi}
        case Op.BUCKETIZE:
            # The number of edges <= x does not depend on their order: sorted, equal meanings are one node.
            edges = _literals(op, types[0], raw.get("edges"), "edges")
            if None in edges:
                raise CompileError(
                    f"bucketize: expected edges without null, found {raw['edges']!r:.60}; take it out"
                )
            return {"edges": tuple(sorted(edges))}
        case Op.IS_IN:
            # A null is never equal to anything, and order does not matter.
            return {
                "values": tuple(
                    sorted({v for v in _literals(op, types[0], raw.get("values"), "values") if v is not None})
                )
            }
        case Op.CAST:
            to = raw.get("to")
            return {"to": to if isinstance(to, Type) else Type.parse(to)}
        case Op.HASH:
            buckets = whole(raw.get("buckets"), "hash: buckets", 2, MAX_BUCKETS)
            return {"buckets": buckets, "seed": whole(raw.get("seed", 0), "hash: seed", 0, 2**64 - 1)}
        case _:
            return {}


def _literals(op: Op, type: Type, raw: object, name: str) -> tuple[Any, ...]:
    if not isinstance(raw, (list, tuple)) or len(raw) > MAX_LIST:
        raise CompileError(
            f"{op.value}: expected {name} as a list of at most {MAX_LIST} literals, "
            f"found {raw!r:.60}; give one"
        )
    return tuple(literal_value(type, value) for value in raw)
