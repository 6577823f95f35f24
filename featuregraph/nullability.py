"""Which expressions can be null: decided from the nodes alone, for a model's dense inputs.

The answer errs on one side: False is a promise, True means "perhaps". Each rule is a row of `RULES`; an
operator without a row is perhaps null. Overflow is no null: it raises (SEMANTICS 4.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from featuregraph.ir import Node, Op, toposort
from featuregraph.types import FLOAT64, Type

Known = Mapping[Node, bool]

# Aggregates with a value even over no rows (SEMANTICS 4, column "on empty").
FULL_AGGREGATES = frozenset({"count", "sum", "distinct", "topk", "sequence", "decayed_sum"})

NEVER = frozenset(
    {
        *(Op.NOW, Op.HOUR_OF_DAY, Op.DAY_OF_WEEK, Op.EVENT_NAME, Op.TS, Op.AGE),
        *(Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE, Op.IS_NULL, Op.IS_IN),  # two-valued: 5.3
        *(Op.AND, Op.OR, Op.NOT),  # a null counts as false: 3.3
        Op.HASH,  # null gives row 0: 5.4
        Op.TOP,  # a list, perhaps an empty one
    }
)
# Null exactly where an argument is.
STRICT = frozenset({Op.NEG, Op.ABS, Op.CLIP, Op.BUCKETIZE, Op.CROSS})


def nullable(node: Node) -> bool:
    """Tell whether NODE's value can be null."""
    return nullables([node])[node]


def nullables(roots: Iterable[Node]) -> dict[Node, bool]:
    """Return for each node under ROOTS whether its value can be null."""
    known: dict[Node, bool] = {}
    for node in toposort(roots):
        rule = RULES.get(node.op)
        known[node] = node.op not in NEVER and (rule is None or rule(node, known))
    return known


def _any(node: Node, known: Known) -> bool:
    return any(known[arg] for arg in node.args)


def _arithmetic(node: Node, known: Known) -> bool:
    # float64: an infinite or NaN result is null (SEMANTICS 5.3), and finite arguments can give one
    return node.type is FLOAT64 or _any(node, known)


def _division(node: Node, known: Known) -> bool:
    divided, divisor = node.args
    size = _literal_size(divisor)
    # An int64 or decimal over a literal stays far inside float64; a float64 does over one of at least 1.
    least = 1.0 if divided.type is FLOAT64 else 1e-18
    return known[divided] or size is None or size < least


def _root_or_log(node: Node, known: Known) -> bool:
    return known[node.args[0]] or not _never_negative(node.args[0])


def _cast(node: Node, known: Known) -> bool:
    return _any(node, known) or not _fits(node.args[0].scalar, node.scalar)


RULES: Mapping[Op, Callable[[Node, Known], bool]] = {
    Op.LIT: lambda node, known: node["value"] is None,
    Op.AGG: lambda node, known: "by" not in node["roles"] and node["agg"] not in FULL_AGGREGATES,
    # a missing group gives the empty value
    Op.LOOKUP: lambda node, known: node.args[0]["agg"] not in FULL_AGGREGATES,
    **dict.fromkeys(STRICT, _any),
    Op.ADD: _arithmetic,
    Op.SUB: _arithmetic,
    Op.MUL: _arithmetic,
    Op.DIV: _division,
    Op.FLOORDIV: _division,
    Op.MOD: _division,
    Op.LOG1P: _root_or_log,
    Op.SQRT: _root_or_log,
    Op.FILL: lambda node, known: all(known[arg] for arg in node.args),
    Op.WHERE: lambda node, known: known[node.args[1]] or known[node.args[2]],
    Op.CAST: _cast,
}


def _literal_size(node: Node) -> float | None:
    """Return the absolute value of a literal number, None for anything else."""
    if node.op is not Op.LIT or node["value"] is None:
        return None
    return float(abs(node["value"])) / 10.0**node.scalar.scale


def _never_negative(node: Node) -> bool:
    """Tell whether a value that is not null is at least 0, as far as one look can say."""
    if node.op is Op.FILL:
        return all(map(_never_negative, node.args))
    if node.op is Op.LIT:
        return node["value"] is None or node["value"] >= 0
    if node.op is Op.CLIP:
        return node.get("lo") is not None and node["lo"] >= 0
    if node.op in (Op.AGG, Op.LOOKUP):
        return (node if node.op is Op.AGG else node.args[0])["agg"] in ("count", "distinct", "var", "std")
    return node.op in (Op.ABS, Op.BUCKETIZE, Op.HASH, Op.HOUR_OF_DAY, Op.DAY_OF_WEEK)


def _fits(source: Type, target: Type) -> bool:
    """Tell whether a cast of any value of SOURCE has a value in TARGET (SEMANTICS 5.3)."""
    if source is target or (source.is_text and target.is_text) or target.is_text:
        return True
    if source.is_text:
        return False  # it parses, or not
    if target.kind in ("boolean", "float64") or source.kind == "boolean":
        return True
    if source.kind == "float64":
        return False  # out of the target's range
    if target.kind == "decimal":
        return target.scale <= source.scale
    return target.is_integral
