"""What a part of a filter says of a row: that which stands on columns, that which needs no query.

A row whose part is neither true nor an overflow fails the whole filter, so that it may be dropped at once.
A conjunction stops at the first argument that decides (SEMANTICS 4.1): an argument counts only where none
before it, of those that are left out, can overflow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from featuregraph.ir import OF_THE_QUERY, Node, Op, toposort
from featuregraph.steps import is_static
from featuregraph.types import BOOLEAN

# Of SEMANTICS 1.1: always columns, never attributes.
COLUMNS = frozenset(
    {"event_id", "user_id", "event", "ts_ms", "seq", "session_id", "page_id", "item_id", "known_ms"}
)
# Operators that never overflow where their arguments do not.
_SAFE = frozenset(
    {
        *(Op.LIT, Op.FIELD, Op.EVENT_NAME, Op.TS, Op.REQUEST, Op.NOW),
        *(Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE, Op.AND, Op.OR, Op.NOT, Op.IS_NULL, Op.IS_IN),
        *(Op.BUCKETIZE, Op.CAST, Op.CROSS, Op.HASH, Op.TABLE),
    }
)


def on_columns(wheres: Iterable[Node]) -> tuple[Node, ...]:
    """Return the part on columns of each of WHERES, equal ones once; none where one of them has none.

    A row that fails all parts fails all of WHERES.
    """
    parts: dict[Node, None] = {}
    for where in wheres:
        found = _part(where, _on_columns)
        if found is None:
            return ()
        parts[found] = None
    return tuple(parts)


def static_part(where: Node) -> Node | None:
    """Return what a row alone says of WHERE: all of it if it waits for no query, None if nothing."""
    if is_static(where):
        return where
    return _part(where, lambda node: node.op not in OF_THE_QUERY)


def _on_columns(node: Node) -> bool:
    return node.op is not Op.FIELD or node["name"] in COLUMNS


def _part(where: Node, holds: Callable[[Node], bool]) -> Node | None:
    """Return the conjuncts of WHERE of whose every node HOLDS is true."""
    found: list[Node] = []
    for conjunct in _conjuncts(where):
        inner = toposort([conjunct])
        if all(map(holds, inner)):
            found.append(conjunct)
        elif not all(node.op in _SAFE for node in inner):
            break
    return _conjunction(found)


def _conjuncts(where: Node) -> Iterator[Node]:
    """Yield what must hold for WHERE to hold, in the order in which it is asked."""
    if where.op is not Op.AND:
        yield where
        return
    for arg in where.args:
        yield from _conjuncts(arg)


def _conjunction(nodes: Sequence[Node]) -> Node | None:
    """Return the node that holds where all of NODES do, None for none."""
    if not nodes:
        return None
    whole, *rest = nodes
    for node in rest:
        whole = Node(Op.AND, BOOLEAN, (whole, node))
    return whole
