"""What is legal at each stage: rows of (name, law), of nodes and of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from featuregraph.build import AGGREGATES, MAX_DEPTH, RULES
from featuregraph.errors import CompileError
from featuregraph.ir import LEAVES, Node, Op, toposort
from featuregraph.pushdown import static_part
from featuregraph.steps import Compute, Steps, is_static, reach_of, row_parts
from featuregraph.types import BOOLEAN, ListType, MapType, RecordType, Type

Law = tuple[str, Callable[[Node], bool]]


def _scalar_args(node: Node) -> bool:
    return node.op not in RULES or all(
        isinstance(a.type, Type) and a.type.kind != "vector" for a in node.args
    )


def _known(node: Node) -> bool:
    return node.op in LEAVES or node.op in RULES or node.op in (Op.AGG, Op.LOOKUP, Op.TOP, Op.TABLE)


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


# ---------------------------------------------------------------- steps, after each pass

StepsLaw = tuple[str, Callable[[Steps], bool]]


def _each_once(parts: Iterable[object]) -> bool:
    found = list(parts)
    return len(found) == len(set(found))


def _far_enough(steps: Steps, compute: Compute) -> bool:
    """Tell whether the reads of COMPUTE reach as far back as its window."""
    needed = reach_of(steps.ranges[compute.range].window)
    reaches = [read.reach for read in steps.reads_of(compute)]
    return all(reach is None or (needed is not None and needed <= reach) for reach in reaches)


def _filtered_once(steps: Steps, compute: Compute) -> bool:
    """Tell whether the filter and the last N of COMPUTE's aggregate stand in one place, in their order."""
    agg, span = compute.agg, steps.ranges[compute.range]
    where = steps.filters[span.filter].where
    if compute.waits:
        return where is None and span.last is None and agg.role("where") is not None
    return where is agg.role("where") and span.last == agg["last"]


def _reads_its_events(steps: Steps, compute: Compute) -> bool:
    return sorted(e for read in steps.reads_of(compute) for e in read.events) == list(compute.agg["events"])


def _every(law: Callable[[Steps, Compute], bool]) -> Callable[[Steps], bool]:
    return lambda steps: all(law(steps, compute) for compute in steps.computes)


def _carries(steps: Steps, compute: Compute) -> bool:
    """Tell whether rows carry what COMPUTE takes of them."""
    carried = steps.carried or {}
    events = set(compute.agg["events"])
    return all(events <= set(carried.get(part, ())) for part in row_parts(compute.agg))


def _keeps_what_is_needed(steps: Steps, compute: Compute) -> bool:
    """Tell whether each read of COMPUTE keeps the rows that it needs."""
    where = compute.agg.role("where")
    kept = None if where is None else static_part(where)
    return all(not read.wheres or kept in read.wheres for read in steps.reads_of(compute)) and all(
        bool(read.wheres) or not read.early for read in steps.reads
    )


_ALWAYS: Sequence[StepsLaw] = (
    ("reads the events of each aggregate, each once", _every(_reads_its_events)),
    ("reads as far back as each window", _every(_far_enough)),
    ("filters before the last N, once", _every(_filtered_once)),
)
# What holds after the pass of this name, and after all that follow; under "" what holds before the first.
STEPS: Mapping[str, Sequence[StepsLaw]] = {
    "": _ALWAYS,
    "common sub-expressions": (
        ("computes an aggregate once", lambda steps: _each_once(map(steps.demand, steps.computes))),
    ),
    "partition": (("reads one event at a time", lambda steps: all(len(r.events) == 1 for r in steps.reads)),),
    "fusion": (("reads an event once", lambda steps: _each_once(read.events for read in steps.reads)),),
    "branch postponed": (
        ("filters equal rows once", lambda steps: _each_once(steps.filters)),
        (
            "filters rows by themselves alone",
            lambda steps: all(f.where is None or is_static(f.where) for f in steps.filters),
        ),
    ),
    "hierarchical filter": (("cuts a window once", lambda steps: _each_once(steps.ranges)),),
    "dead attributes": (("carries what is computed", _every(_carries)),),
    "where before decode": (("drops early only what all filters reject", _every(_keeps_what_is_needed)),),
}


def check_steps(steps: Steps, stages: Iterable[str]) -> None:
    """Raise CompileError if STEPS, which STAGES have led to, break a law."""
    for stage in dict.fromkeys(("", *stages)):
        for name, holds in STEPS[stage]:
            if not holds(steps):
                raise CompileError(
                    f"expected steps of which each {name}, found others after {stage or 'the beginning'!r}; "
                    "this is a fault of a pass, please report it"
                )
