"""The typing rule of each aggregate, one row each, and of what reads the map of a grouped one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from featuregraph.bounds import MAX_LAST, MAX_LIST, bounded, named, whole
from featuregraph.errors import CompileError
from featuregraph.ir import ITEM, Node, Op, toposort
from featuregraph.operators import as_int
from featuregraph.types import BOOLEAN, FLOAT64, INT64, AnyType, ListType, MapType, RecordType, Type

_IN_STREAM = frozenset(Op) - {Op.AGG, Op.LOOKUP, Op.TOP, Op.CANDIDATE}

# name: (x: "none" | "optional" | "any" | "number", parameters, type of the value from x's type)
AGGREGATES: Mapping[str, tuple[str, tuple[str, ...], Callable[[Type], AnyType]]] = {
    "count": ("optional", (), lambda x: INT64),
    "sum": ("number", (), as_int),
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
    ahead: int | None = None,
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
        ahead: the window from t on, in ms, in place of over and offset: it makes a label (SEMANTICS 9).
        last: keeps the latest rows of those that pass; of a label, those nearest to t.
        items: of a sequence: what each row gives, by name.
        distinct: of a sequence: keeps the latest row of each of its values.
        params: what AGG takes besides: k, q, n or half_life.

    Raises:
        CompileError: AGG is unknown, or a part does not fit it.
    """
    _check_parts(agg, events, x, by, params)
    over, offset = _window(over, offset, ahead)
    given = {"x": x, "distinct": distinct, "where": where, "by": by}
    roles = _item_roles(items) if agg == "sequence" else {}
    roles |= {role: node for role, node in given.items() if node is not None}
    for role, node in roles.items():
        _check_in_stream(agg, role, node)
    if where is not None:
        condition(where)
    return bounded(
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
        named = f"{x['name']!r} of type " if x.op is Op.FIELD else ""
        raise CompileError(
            f"{agg}: expected a number, found {named}{x.type}; cast it or choose another field"
        )
    if not events:
        raise CompileError(f"{agg}: expected at least one event in its stream, found none; name one")
    if by is not None and agg in UNGROUPED:
        raise CompileError(f"{agg}: expected a stream without group_by, found one; {agg} takes no groups")


def _window(over: int | None, offset: int, ahead: int | None) -> tuple[int | None, int]:
    """Return over and offset; [t, t + W) is the window of W that an offset of -W moves there."""
    if ahead is None:
        return over, offset
    if over is not None or offset:
        raise CompileError(
            "ahead: expected a stream without over and offset, found one that looks back too; take one of "
            "them out, and put what looks back and what looks ahead into two features"
        )
    return ahead, -ahead


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
    return bounded(Node(Op.LOOKUP, map_type.value, (grouped, key)))


def _same_values(left: Type, right: Type) -> bool:
    """Tell whether equal values of both types are equal keys: one type, two texts, or int64 and timestamp."""
    return as_int(left) is as_int(right) or (left.is_text and right.is_text)


def top(grouped: Node, k: object) -> Node:
    """Return the K keys with the largest value."""
    map_type = _grouped("top", grouped)
    return bounded(Node(Op.TOP, ListType(map_type.key), (grouped,), k=whole(k, "top: k", 1, MAX_LIST)))


def _grouped(what: str, node: Node) -> MapType:
    if node.op is not Op.AGG or not isinstance(node.type, MapType):
        raise CompileError(
            f"{what}: expected an aggregate with group_by, found {node.type}; group its rows first"
        )
    return node.type
