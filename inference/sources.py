"""What a graph gives a model: each feature, or item of a sequence, with the facts that binding needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from featuregraph.ir import Node, Op
from featuregraph.nullability import nullable
from featuregraph.types import INT64, AnyType, ListType, RecordType, Type
from inference.contract import FLOATS, INTEGERS, Datatype, HashSpec, Source


class GraphLike(Protocol):
    """As much of a featuregraph.Graph as a contract needs."""

    @property
    def id(self) -> str:
        """Return the graph's id."""
        ...

    @property
    def feature_ids(self) -> Mapping[str, str]:
        """Return each feature's id."""
        ...

    features: dict[str, Node]


@dataclass(frozen=True, slots=True)
class Column:
    """One source with its type and the node that makes a single value of it."""

    source: Source
    type: Type
    value: Node | None  # of a list: the expression over one row; None if it has no single one
    listed: int | None  # the most elements of a list feature, None for a scalar
    ranked: bool  # a list from the best to the worst: topk, top
    per_candidate: bool
    nullable: bool

    @property
    def hash(self) -> HashSpec | None:
        """Return how the value was hashed, None if it was not."""
        if self.value is None or self.value.op is not Op.HASH:
            return None
        return HashSpec(self.value["buckets"], self.value["seed"])

    @property
    def ids_below(self) -> int | None:
        """Return the least bound above every value, None if the expression promises none."""
        return None if self.value is None else ids_below(self.value)


def resolve(graph: GraphLike, text: str) -> Column | str:
    """Return the column that TEXT ("feature" or "feature.item") names, or what is wrong with it."""
    feature, item = text, None
    if text not in graph.features:
        feature, _, item = text.rpartition(".")
        if feature not in graph.features:
            return (
                f"expected a feature of the graph, found {text!r}; it has {', '.join(sorted(graph.features))}"
            )
    return column(graph, feature, item)


def column(graph: GraphLike, feature: str, item: str | None) -> Column | str:
    """Return the column of one feature or item, or what is wrong with it."""
    if feature not in graph.features:
        return (
            f"expected a feature of the graph, found {feature!r}; it has {', '.join(sorted(graph.features))}"
        )
    node = graph.features[feature]
    found = _value(node, item)
    if isinstance(found, str):
        return f"feature {feature!r}: {found}"
    type, value, listed = found
    width = type.param if type.kind == "vector" else None
    return Column(
        source=Source(feature, graph.feature_ids[feature], item, width),
        type=type,
        value=value,
        listed=listed,
        ranked=isinstance(node.type, ListType),
        per_candidate=node.per_candidate,
        nullable=listed is None and width is None and nullable(node),
    )


def _value(node: Node, item: str | None) -> tuple[Type, Node | None, int | None] | str:
    """Return the type of one value, its expression and the list's greatest length, or what is wrong."""
    kind: AnyType = node.type
    if isinstance(kind, RecordType):
        if item not in dict(kind.items):
            return (
                f"expected one of its items ({', '.join(name for name, _ in kind.items)}), found {item!r}; "
                "write FEATURE.ITEM"
            )
        return dict(kind.items)[item], dict(node.items)[item], node["n"]
    if item is not None:
        return f"expected no item of {kind}, found {item!r}; only a sequence has items"
    if isinstance(kind, ListType):
        inner = node.role("x") if node.op is Op.AGG else node.args[0].role("by")
        return kind.item, inner, node["k"]
    if isinstance(kind, Type):
        return kind, node, None
    return f"expected a scalar, list or vector, found {kind}; take lookup(...) or top(...) of it"


def ids_below(node: Node) -> int | None:
    """Return a bound above every value of a whole number that is never negative, None if none shows."""
    match node.op:
        case Op.HASH:
            return int(node["buckets"])
        case Op.BUCKETIZE:
            return len(node["edges"]) + 1
        case Op.HOUR_OF_DAY:
            return 24
        case Op.DAY_OF_WEEK:
            return 7
        case Op.LIT if node.type is INT64 and (node["value"] is None or node["value"] >= 0):
            return (node["value"] or 0) + 1
        case Op.CLIP if node.type is INT64 and node.get("lo") is not None and node["lo"] >= 0:
            return None if node.get("hi") is None else int(node["hi"]) + 1
        case Op.FILL | Op.WHERE:
            return _largest(*node.args[-2:])
        case Op.LOOKUP:
            return ids_below(node.args[0])
        case Op.AGG if node["agg"] in ("min", "max", "first", "last", "quantile"):
            x = node.role("x")
            return None if x is None else ids_below(x)
    return None


def _largest(*nodes: Node) -> int | None:
    bounds = [ids_below(node) for node in nodes]
    return None if None in bounds else max(bound for bound in bounds if bound is not None)


def misfit(column: Column, datatype: Datatype) -> str | None:
    """Return why the column's values cannot become DATATYPE, None if they can."""
    kind = column.type.kind
    if column.type.is_text:
        return f"expected a number, found {kind}; hash(...) it in the graph"
    if column.hash is not None and datatype not in INTEGERS:
        return (
            f"expected INT64 or INT32 for a hashed id, found {datatype}; an id is a row of a table, not a "
            "number"
        )
    allowed: frozenset[str] = FLOATS
    if kind == "boolean":
        allowed = FLOATS | INTEGERS | {"BOOL"}
    elif kind == "int64":
        allowed = FLOATS | INTEGERS
    elif kind == "timestamp":
        allowed = frozenset({"INT64", "FP64"})  # FP32 holds today's milliseconds to two minutes only
    if datatype in allowed:
        return None
    return (
        f"expected {' or '.join(sorted(allowed))} for {column.type}, found {datatype}; cast the feature or "
        "export the model so"
    )
