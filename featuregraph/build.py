"""Make typed nodes: the one place where the rules of types are written down.

The user's words (featuregraph.expr) and the JSON form (featuregraph.jsonform) both build through here, so
that both refuse the same graphs with the same words. Operators are typed in featuregraph.operators and
aggregates in featuregraph.reductions; the leaves are here.
"""

from __future__ import annotations

from featuregraph.bounds import MAX_DEPTH, MAX_LAST, named, whole
from featuregraph.convert import literal as literal_value
from featuregraph.errors import CompileError
from featuregraph.ir import Node, Op
from featuregraph.operators import RULES, scalar
from featuregraph.reductions import AGGREGATES, UNGROUPED, aggregate, condition, lookup, top
from featuregraph.scalar import zone
from featuregraph.types import CATEGORY, INT64, TIMESTAMP, Type

__all__ = [
    "AGE",
    "AGGREGATES",
    "EVENT_NAME",
    "MAX_DEPTH",
    "MAX_LAST",
    "NOW",
    "RULES",
    "TS",
    "UNGROUPED",
    "aggregate",
    "calendar",
    "condition",
    "field",
    "given",
    "lit",
    "lookup",
    "named",
    "scalar",
    "top",
    "whole",
]


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
