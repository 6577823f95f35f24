"""Make typed nodes: the one place where the rules of types are written down.

Each scalar operator is one row of `RULES`: operator -> function of the arguments' types (and attributes) that
returns the result's type, or raises CompileError. The user's words (featuregraph.expr) and the JSON form
(featuregraph.jsonform) both build through here, so that both refuse the same graphs with the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from featuregraph.convert import converter
from featuregraph.convert import literal as literal_value
from featuregraph.errors import CompileError
from featuregraph.ir import ITEM, Node, Op, toposort
from featuregraph.scalar import zone
from featuregraph.types import (
    BOOLEAN,
    CATEGORY,
    FLOAT64,
    INT64,
    MAX_SCALE,
    STRING,
    TIMESTAMP,
    AnyType,
    ListType,
    MapType,
    RecordType,
    Type,
    decimal,
)

MAX_DEPTH = 256  # of an expression: every later walk may recurse safely
MAX_LIST = 100_000  # n of a sequence, k of topk and top, values of is_in, edges of bucketize
MAX_BUCKETS = 2**63
MAX_LAST = 2**31  # rows of last(n)

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


def _as_int(type: Type) -> Type:
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
    return _as_int(_common(op, *types))


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
    return _as_int(types[0])


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
            f"{op.value}: expected {wanted} arguments, found {len(args)}; see GRAPH_JSON for its form"
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
    return _bounded(Node(op, result, args, **attrs))


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


def whole(value: object, what: str, least: int, most: int) -> int:
    """Return VALUE if it is a whole number from LEAST to MOST, else raise CompileError."""
    if type(value) is not int or not least <= value <= most:
        raise CompileError(
            f"{what}: expected a whole number from {least} to {most}, found {value!r}; correct it"
        )
    return value


def named(value: object, expected: str) -> str:
    """Return VALUE if it is a text of valid UTF-8; else raise CompileError, which begins with EXPECTED."""
    if isinstance(value, str) and value and converter(STRING)(value) == value:
        return value
    raise CompileError(f"{expected}, found {value!r:.60}; give it a text")


def _bounded(node: Node) -> Node:
    if node.depth > MAX_DEPTH:
        raise CompileError(
            f"expected expressions at most {MAX_DEPTH} operators deep, found {node.depth}; "
            "split the expression"
        )
    return node


# ---------------------------------------------------------------- leaves


def lit(type: Type, raw: object) -> Node:
    """Return the literal RAW of TYPE."""
    if type.kind == "vector":
        raise CompileError(
            f"expected a scalar literal, found {type}; give a vector as a request or a candidate"
        )
    return Node(Op.LIT, type, (), value=literal_value(type, raw))


def field(name: str, type: Type) -> Node:
    """Return the field NAME of a row."""
    return Node(Op.FIELD, type, (), name=name)


EVENT_NAME = Node(Op.EVENT_NAME, CATEGORY)
TS = Node(Op.TS, TIMESTAMP)
AGE = Node(Op.AGE, INT64)
NOW = Node(Op.NOW, TIMESTAMP)


def calendar(op: Op, tz: object) -> Node:
    """Return hour_of_day(TZ) or day_of_week(TZ); raise CompileError for a zone that tzdata does not know."""
    zone(tz)
    return Node(op, INT64, (), tz=tz)


def given(op: Op, name: object, type: Type) -> Node:
    """Return the request or candidate value NAME."""
    return Node(op, type, (), name=named(name, f"{op.value}: expected a name"))


# ---------------------------------------------------------------- aggregates

_IN_STREAM = frozenset(Op) - {Op.AGG, Op.LOOKUP, Op.TOP, Op.CANDIDATE}

# name: (x: "none" | "optional" | "any" | "number", parameters, type of the value from x's type)
AGGREGATES: Mapping[str, tuple[str, tuple[str, ...], Callable[[Type], AnyType]]] = {
    "count": ("optional", (), lambda x: INT64),
    "sum": ("number", (), _as_int),
    "mean": ("number", (), lambda x: FLOAT64),
    "var": ("number", (), lambda x: FLOAT64),
    "std": ("number", (), lambda x: FLOAT64),
    "min": ("any", (), lambda x: x),
    "max": ("any", (), lambda x: x),
    "first": ("any", (), lambda x: x),
    "last": ("any", (), lambda x: x),
    "distinct": ("any", (), lambda x: INT64),
    "topk": ("any", ("k",), ListType),
    "quantile": ("number", ("q",), lambda x: x),
    "since_last": ("none", (), lambda x: INT64),
    "since_first": ("none", (), lambda x: INT64),
    "decayed_sum": ("number", ("half_life",), lambda x: FLOAT64),
    "sequence": ("none", ("n",), lambda x: x),
}
UNGROUPED = frozenset({"topk", "sequence"})


def aggregate(  # noqa: PLR0913 - the parts of GRAPH_JSON's aggregate and of its stream
    agg: str,
    events: Sequence[str],
    *,
    x: Node | None = None,
    where: Node | None = None,
    by: Node | None = None,
    over: int | None = None,
    offset: int = 0,
    last: int | None = None,
    items: Mapping[str, Node] | None = None,
    distinct: Node | None = None,
    **params: Any,
) -> Node:
    """Return the aggregate AGG of a stream of EVENTS.

    Args:
        agg: a name of AGGREGATES.
        events: names of declared events; their order has no meaning.
        x: what is aggregated, where AGG takes it.
        where: keeps the rows for which it is true.
        by: makes a map from each of its values to the aggregate of the rows with it.
        over: the window in ms (featuregraph.windows parses it); None is the lifetime.
        offset: moves the window back, in ms.
        last: keeps the latest rows of those that pass.
        items: of a sequence: what each row gives, by name.
        distinct: of a sequence: keeps the latest row of each of its values.
        params: what AGG takes besides: k, q, n or half_life.

    Raises:
        CompileError: AGG is unknown, or a part does not fit it.
    """
    _check_parts(agg, events, x, by, params)
    given = {"x": x, "distinct": distinct, "where": where, "by": by}
    roles = _item_roles(items) if agg == "sequence" else {}
    roles |= {role: node for role, node in given.items() if node is not None}
    for role, node in roles.items():
        _check_in_stream(agg, role, node)
    if where is not None:
        condition(where)
    return _bounded(
        Node(
            Op.AGG,
            _aggregate_type(agg, x, by, roles),
            tuple(roles.values()),
            agg=agg,
            events=tuple(sorted(set(events))),
            over=over,
            offset=offset,
            last=None if last is None else whole(last, "last", 1, MAX_LAST),
            roles=tuple(roles),
            **_parameters(agg, params),
        )
    )


def _check_parts(
    agg: str, events: Sequence[str], x: Node | None, by: Node | None, params: Mapping[str, Any]
) -> None:
    """Raise CompileError unless AGG is an aggregate that takes these parts."""
    if agg not in AGGREGATES:
        raise CompileError(
            f"expected an aggregate ({', '.join(AGGREGATES)}), found {agg!r}; correct its spelling"
        )
    needs, names, _ = AGGREGATES[agg]
    if set(params) != set(names):
        raise CompileError(
            f"{agg}: expected the parameters {list(names)}, found {sorted(params)}; give exactly these"
        )
    if needs == "none" and x is not None:
        raise CompileError(f"{agg}: expected no x, found one of type {x.type}; take it out")
    if needs in ("any", "number") and x is None:
        raise CompileError(f"{agg}: expected an x, found none; name what to aggregate")
    if needs == "number" and x is not None and not (isinstance(x.type, Type) and x.type.is_number):
        raise CompileError(f"{agg}: expected a number, found {x.type}; cast it or choose another field")
    if not events:
        raise CompileError(f"{agg}: expected at least one event in its stream, found none; name one")
    if by is not None and agg in UNGROUPED:
        raise CompileError(f"{agg}: expected a stream without group_by, found one; {agg} takes no groups")


def _item_roles(items: Mapping[str, Node] | None) -> dict[str, Node]:
    """Return the roles of a sequence's ITEMS, by name."""
    if not items:
        raise CompileError("sequence: expected at least one item, found none; name what each row should give")
    return {
        f"{ITEM}{name}": items[name]
        for name in sorted(named(n, "sequence: expected item names") for n in items)
    }


def condition(node: Node) -> Node:
    """Return NODE if it can filter rows: a boolean, else raise CompileError."""
    if node.type is not BOOLEAN:
        raise CompileError(f"where: expected a boolean, found {node.type}; compare it with something first")
    return node


def _aggregate_type(agg: str, x: Node | None, by: Node | None, roles: Mapping[str, Node]) -> AnyType:
    """Return the type of AGG's value; its parts are known to be scalars."""
    if agg == "sequence":
        return RecordType(
            tuple((role[len(ITEM) :], node.scalar) for role, node in roles.items() if role.startswith(ITEM))
        )
    _, _, value = AGGREGATES[agg]
    result = value(x.scalar) if x is not None else INT64
    if by is None:
        return result
    assert isinstance(result, Type), f"{agg} takes no groups"
    return MapType(by.scalar, result)


def _parameters(agg: str, params: Mapping[str, Any]) -> dict[str, Any]:
    match agg:
        case "topk":
            return {"k": whole(params["k"], "topk: k", 1, MAX_LIST)}
        case "sequence":
            return {"n": whole(params["n"], "sequence: n", 1, MAX_LIST)}
        case "quantile":
            return {"q": _share(params["q"])}
        case "decayed_sum":
            return {"half_life": whole(params["half_life"], "decayed_sum: half_life in ms", 1, 2**62)}
        case _:
            return {}


def _share(q: object) -> str:
    """Return q as it is written: the quantile is exactly that decimal."""
    if isinstance(q, (int, float)) and not isinstance(q, bool) and 0 < q <= 1:
        return repr(float(q))
    raise CompileError(f"quantile: expected 0 < q <= 1, found {q!r}; give a share such as 0.5")


def _check_in_stream(agg: str, role: str, node: Node) -> None:
    if not isinstance(node.type, Type) or node.type.kind == "vector":
        raise CompileError(
            f"{agg}: expected a scalar as {role}, found {node.type}; "
            "a list, map or vector is a feature by itself"
        )
    for inner in toposort([node]):
        if inner.op not in _IN_STREAM:
            raise CompileError(
                f"{agg}: expected fields, requests and literals inside a stream, found {inner.op.value}; "
                "use it outside, on the aggregate's value"
            )


def lookup(grouped: Node, key: Node) -> Node:
    """Return the value of one group, or the aggregate's empty value."""
    map_type = _grouped("lookup", grouped)
    if not isinstance(key.type, Type) or not _same_values(map_type.key, key.type):
        raise CompileError(
            f"lookup: expected a key like the groups, {map_type.key}, found {key.type}; cast it"
        )
    return _bounded(Node(Op.LOOKUP, map_type.value, (grouped, key)))


def _same_values(left: Type, right: Type) -> bool:
    """Tell whether equal values of both types are equal keys: one type, two texts, or int64 and timestamp."""
    return _as_int(left) is _as_int(right) or (left.is_text and right.is_text)


def top(grouped: Node, k: object) -> Node:
    """Return the K keys with the largest value."""
    map_type = _grouped("top", grouped)
    return _bounded(Node(Op.TOP, ListType(map_type.key), (grouped,), k=whole(k, "top: k", 1, MAX_LIST)))


def _grouped(what: str, node: Node) -> MapType:
    if node.op is not Op.AGG or not isinstance(node.type, MapType):
        raise CompileError(
            f"{what}: expected an aggregate with group_by, found {node.type}; group its rows first"
        )
    return node.type
