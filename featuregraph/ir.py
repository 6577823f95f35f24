"""The one node of a feature graph: immutable and interned, so that equality is identity.

`Op` lists every operator, a remark on each group. `Node` carries its type: a node that exists is well typed
(featuregraph.build makes nodes and is the only place that types them).
"""

from __future__ import annotations

import hashlib
import json
import weakref
from collections.abc import Iterable, Iterator
from enum import StrEnum
from threading import Lock
from typing import Any, ClassVar, final

from featuregraph.types import AnyType, Type


class Op(StrEnum):
    """Every operator; the text is its name in GRAPH_JSON."""

    # leaves: constants and what a query brings
    LIT = "lit"
    NOW = "now"
    HOUR_OF_DAY = "hour_of_day"
    DAY_OF_WEEK = "day_of_week"
    REQUEST = "request"
    CANDIDATE = "candidate"
    # leaves: what one row brings
    FIELD = "field"
    EVENT_NAME = "event_name"
    TS = "ts"
    AGE = "age"
    # from rows to a value, and from groups to a value
    AGG = "agg"
    LOOKUP = "lookup"
    TOP = "top"
    # from a key to what a table says of it, as of the row's time, or of the query's outside a stream
    TABLE = "table"
    # arithmetic
    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    DIV = "div"
    FLOORDIV = "floordiv"
    MOD = "mod"
    NEG = "neg"
    ABS = "abs"
    LOG1P = "log1p"
    SQRT = "sqrt"
    # comparison and logic
    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    AND = "and"
    OR = "or"
    NOT = "not"
    IS_NULL = "is_null"
    IS_IN = "is_in"
    # choice and conversion
    FILL = "fill"
    WHERE = "where"
    CLIP = "clip"
    BUCKETIZE = "bucketize"
    CAST = "cast"
    CROSS = "cross"
    HASH = "hash"


_INTERNING = Lock()

ROW_LEAVES = frozenset({Op.FIELD, Op.EVENT_NAME, Op.TS, Op.AGE})
LEAVES = ROW_LEAVES | {Op.LIT, Op.NOW, Op.HOUR_OF_DAY, Op.DAY_OF_WEEK, Op.REQUEST, Op.CANDIDATE}
# What only a query knows: whatever holds one of them is another value at each query.
OF_THE_QUERY = frozenset({Op.AGE, Op.NOW, Op.HOUR_OF_DAY, Op.DAY_OF_WEEK, Op.REQUEST, Op.CANDIDATE})
ITEM = "item:"  # what the role of a sequence's item begins with; its name follows
# Operators whose value does not wait for all their arguments (SEMANTICS 4.1).
LAZY = frozenset({Op.AND, Op.OR, Op.FILL, Op.WHERE})


def _typed(value: object) -> object:
    """Return VALUE with its Python type, since 1, True and 1.0 are one dict key."""
    if isinstance(value, tuple):
        return tuple(_typed(v) for v in value)
    return type(value).__name__, value


@final
class Node:
    """One operator with its arguments, attributes and type."""

    __slots__ = ("__weakref__", "_id", "args", "attrs", "depth", "in_row", "op", "per_candidate", "type")

    op: Op
    type: AnyType
    args: tuple[Node, ...]
    attrs: tuple[tuple[str, Any], ...]
    in_row: bool
    per_candidate: bool
    depth: int
    _id: str | None

    # Weak values: a node lives as long as somebody holds it.
    _interned: ClassVar[weakref.WeakValueDictionary[object, Node]] = weakref.WeakValueDictionary()

    def __new__(cls, op: Op, type: AnyType, args: Iterable[Node] = (), **attrs: Any) -> Node:
        """Return the one node of these parts; attributes must be hashable."""
        args = tuple(args)
        pairs = tuple(sorted(attrs.items()))
        key = (op, type, args, tuple((name, _typed(value)) for name, value in pairs))
        node = cls._interned.get(key)
        if node is None:
            node = object.__new__(cls)
            fill = object.__setattr__
            fill(node, "op", op)
            fill(node, "type", type)
            fill(node, "args", args)
            fill(node, "attrs", pairs)
            fill(node, "in_row", op in ROW_LEAVES or (op is not Op.AGG and any(a.in_row for a in args)))
            fill(node, "per_candidate", op is Op.CANDIDATE or any(a.per_candidate for a in args))
            fill(node, "depth", 1 + max((a.depth for a in args), default=0))
            fill(node, "_id", None)
            with _INTERNING:  # of two threads that made one meaning, both take the first one's node
                node = cls._interned.setdefault(key, node)
        return node

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a node is immutable: {name}")

    def __reduce__(self) -> tuple[object, ...]:
        return _remake, (self.op, self.type, self.args, self.attrs)

    def __getitem__(self, name: str) -> Any:
        for key, value in self.attrs:
            if key == name:
                return value
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the attribute NAME, else DEFAULT."""
        return next((value for key, value in self.attrs if key == name), default)

    def role(self, name: str) -> Node | None:
        """Return the argument of an aggregate that plays the role NAME, if it has one."""
        return next((arg for role, arg in zip(self["roles"], self.args, strict=True) if role == name), None)

    @property
    def items(self) -> tuple[tuple[str, Node], ...]:
        """Return the named items of a sequence, in the order of their names."""
        pairs = zip(self["roles"], self.args, strict=True)
        return tuple((role[len(ITEM) :], arg) for role, arg in pairs if role.startswith(ITEM))

    @property
    def scalar(self) -> Type:
        """Return the type of a node that is known to be a scalar."""
        assert isinstance(self.type, Type), f"{self.op} is no scalar"
        return self.type

    @property
    def id(self) -> str:
        """Return the SHA-256 (64 hex) of the meaning: operator, type, attributes and the arguments' ids."""
        if self._id is None:
            for node in toposort([self]):
                if node._id is None:  # noqa: SLF001 - another node of this class
                    object.__setattr__(node, "_id", _digest(node))
        assert self._id is not None
        return self._id

    def __repr__(self) -> str:
        attrs = "".join(f", {name}={value!r}" for name, value in self.attrs)
        return f"Node({self.op.value}: {self.type}, {len(self.args)} args{attrs})"


def _remake(op: Op, type: AnyType, args: tuple[Node, ...], attrs: tuple[tuple[str, Any], ...]) -> Node:
    return Node(op, type, args, **dict(attrs))


def _digest(node: Node) -> str:
    parts = [
        node.op.value,
        str(node.type),
        [[name, _plain(value)] for name, value in node.attrs],
        [a.id for a in node.args],
    ]
    return hashlib.sha256(
        json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    ).hexdigest()


def _plain(value: object) -> object:
    """Return VALUE as JSON tells it apart: a float keeps its point, a type its name."""
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Type) else value


def looks_ahead(agg: Node) -> bool:
    """Tell whether AGG is of the rows from t on: its offset takes its whole window back (SEMANTICS 9.1)."""
    return bool(agg["offset"] < 0)


def is_label(node: Node) -> bool:
    """Tell whether anything in NODE looks ahead, so that only history can tell its value (SEMANTICS 9.2)."""
    return ahead_of(node) is not None


def ahead_of(node: Node) -> int | None:
    """Return how far NODE looks ahead, in ms: its longest look decides (SEMANTICS 9.3); None if nowhere."""
    streams = [inner for inner in toposort([node]) if inner.op is Op.AGG]
    return max((agg["over"] for agg in streams if looks_ahead(agg)), default=None)


def toposort(roots: Iterable[Node]) -> list[Node]:
    """Return all nodes under ROOTS, arguments first, in an order that depends on ROOTS only."""
    done: dict[Node, None] = {}
    stack: list[tuple[Node, Iterator[Node]]] = []
    for root in roots:
        if root in done:
            continue
        stack.append((root, iter(root.args)))
        while stack:
            node, rest = stack[-1]
            for arg in rest:
                if arg not in done:
                    stack.append((arg, iter(arg.args)))
                    break
            else:
                done[node] = None
                stack.pop()
    return list(done)
