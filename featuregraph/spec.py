"""What a legal node is, per stage: rows of (name, law). Checked after each pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from featuregraph.build import AGGREGATES, MAX_DEPTH, RULES
from featuregraph.errors import CompileError
from featuregraph.ir import LEAVES, Node, Op, toposort
from featuregraph.types import BOOLEAN, ListType, MapType, RecordType, Type

Law = tuple[str, Callable[[Node], bool]]


def _scalar_args(node: Node) -> bool:
    return node.op not in RULES or all(
        isinstance(a.type, Type) and a.type.kind != "vector" for a in node.args
    )


def _known(node: Node) -> bool:
    return node.op in LEAVES or node.op in RULES or node.op in (Op.AGG, Op.LOOKUP, Op.TOP)


def _arity(node: Node) -> bool:
    return node.op not in RULES or RULES[node.op][0] <= len(node.args) <= RULES[node.op][1]


def _aggregate(node: Node) -> bool:
    if node.op is not Op.AGG:
        return True
    where = node.role("where")
    return (
        node["agg"] in AGGREGATES
        and list(node["events"]) == sorted(set(node["events"]))
        and len(node["roles"]) == len(node.args)
        and (where is None or where.type is BOOLEAN)
        and not any(
            n.op in (Op.AGG, Op.LOOKUP, Op.TOP, Op.CANDIDATE) for a in node.args for n in toposort([a])
        )
        and isinstance(node.type, MapType) == (node.role("by") is not None)
        and isinstance(node.type, RecordType) == (node["agg"] == "sequence")
        and isinstance(node.type, ListType) == (node["agg"] == "topk")
    )


def _grouped(node: Node) -> bool:
    return node.op not in (Op.LOOKUP, Op.TOP) or isinstance(node.args[0].type, MapType)


GRAPH: Sequence[Law] = (
    ("has a known operator", _known),
    ("has the arguments its operator takes", _arity),
    ("works on scalars only", _scalar_args),
    ("is an aggregate over its own stream", _aggregate),
    ("looks into groups", _grouped),
    (f"is at most {MAX_DEPTH} deep", lambda node: node.depth <= MAX_DEPTH),
)


def check(roots: Iterable[Node], laws: Sequence[Law]) -> None:
    """Raise CompileError for the first node under ROOTS that breaks one of LAWS, or root that needs a row."""
    roots = list(roots)
    for node in toposort(roots):
        for name, holds in laws:
            if not holds(node):
                raise CompileError(
                    f"expected that a node {name}, found {node}; this is a fault of a pass, please report it"
                )
    for root in roots:
        if root.in_row:
            raise CompileError(f"expected one value per query, found one per row in {root}; aggregate it")
