"""Rewrite laws as rows: (operator, law). A law returns the node to take instead, or None.

Every law holds for all values, null and overflow included (SEMANTICS 3.3, 4.1, 5.3);
tests/properties/test_rules.py proves each against the reference. `rewrite` applies them bottom-up until
nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from featuregraph.build import RULES
from featuregraph.ir import Node, Op, toposort
from featuregraph.scalar import OVERFLOW, kernel

Law = Callable[[Node], Node | None]
Rules = Sequence[tuple[Op, Law]]

MAX_ROUNDS = 100  # a guard: laws only shrink, so this many rounds mean a loop


def _literals(node: Node) -> bool:
    return bool(node.args) and all(a.op is Op.LIT for a in node.args)


def _fold(node: Node) -> Node | None:
    """op(literals) -> literal, unless it overflows: the error belongs to the query."""
    if not _literals(node):
        return None
    value = kernel(node)(*(a["value"] for a in node.args))
    return None if value is OVERFLOW else Node(Op.LIT, node.type, (), value=value)


def _flatten(node: Node) -> Node | None:
    """and(and(a, b), c) -> and(a, b, c), and so for or: both stop at the first argument that decides."""
    first, *rest = node.args
    _, most, _, _ = RULES[node.op]
    if first.op is not node.op or len(first.args) + len(rest) > most:
        return None
    return Node(node.op, node.type, (*first.args, *rest))


def _choose(node: Node) -> Node | None:
    """where(true, a, b) -> a and where(not true, a, b) -> b, if that branch stands for the whole."""
    cond, then, otherwise = node.args
    if cond.op is not Op.LIT:
        return None
    branch = then if cond["value"] is True else otherwise
    return branch if _stands_for(branch, node) else None


def _filled(node: Node) -> Node | None:
    """fill(literal, v) -> the literal or v, if that stands for the whole."""
    value, instead = node.args
    if value.op is not Op.LIT:
        return None
    branch = instead if value["value"] is None else value
    return branch if _stands_for(branch, node) else None


def _stands_for(part: Node, whole: Node) -> bool:
    """Tell whether PART has WHOLE's type, and is one per candidate where that is (SEMANTICS 5.1)."""
    return part.type is whole.type and part.per_candidate == whole.per_candidate


def _true_filter(node: Node) -> Node | None:
    """where(true) of a stream -> no where."""
    where = node.role("where")
    if where is None or where.op is not Op.LIT or where["value"] is not True:
        return None
    kept = [(role, arg) for role, arg in zip(node["roles"], node.args, strict=True) if role != "where"]
    attrs = dict(node.attrs) | {"roles": tuple(role for role, _ in kept)}
    return Node(Op.AGG, node.type, (arg for _, arg in kept), **attrs)


def _as_of_now(node: Node) -> Node | None:
    """table[key] in a graph with include_now -> the look-up that sees a row of its time too (10.2)."""
    if not node["changing"] or node.get("include_now"):
        return None
    return Node(Op.TABLE, node.type, node.args, **dict(node.attrs), include_now=True)


FOLD: Rules = [(op, _fold) for op in RULES]
LOGIC: Rules = [(Op.AND, _flatten), (Op.OR, _flatten)]
CHOICE: Rules = [(Op.WHERE, _choose), (Op.FILL, _filled)]
STREAMS: Rules = [(Op.AGG, _true_filter)]
INCLUDE_NOW: Rules = [(Op.TABLE, _as_of_now)]

ALL: Rules = [*FOLD, *LOGIC, *CHOICE, *STREAMS]


def rewrite(roots: Iterable[Node], rules: Rules = ALL) -> dict[Node, Node]:
    """Return for each of ROOTS the node that the laws lead to."""
    by_op: dict[Op, list[Law]] = {}
    for op, law in rules:
        by_op.setdefault(op, []).append(law)
    roots = list(roots)
    done: dict[Node, Node] = {}
    for node in toposort(roots):
        new = _with_args(node, tuple(done[a] for a in node.args))
        for _ in range(MAX_ROUNDS):
            better = next(
                (b for law in by_op.get(new.op, ()) if (b := law(new)) is not None and b is not new), None
            )
            if better is None:
                break
            assert _stands_for(better, new), f"a law changed a type: {new} to {better}"
            new = better
        else:
            raise AssertionError(f"the laws run in circles at {new}")
        done[node] = new
    return {root: done[root] for root in roots}


def _with_args(node: Node, args: tuple[Node, ...]) -> Node:
    return node if args == node.args else Node(node.op, node.type, args, **dict(node.attrs))
