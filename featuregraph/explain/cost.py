"""What steps cost a query: operators, rows read, values decoded, rows tested; and what a state holds.

The operators are those of AutoFeature (Retrieve, Decode, Filter, Compute). Where no events are at hand, rows
that are dropped before they are decoded count as decoded, and all rows pass a filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from featuregraph.explain.load import Load
from featuregraph.ir import Node, Op, toposort
from featuregraph.pushdown import COLUMNS
from featuregraph.steps import Compute, Read, Steps, reach_of


@dataclass(frozen=True, slots=True)
class Cost:
    """One query's work: numbers of operators, then of rows and values."""

    retrieve: int
    decode: int
    filter: int
    compute: int
    rows: int  # read
    values: int  # decoded
    tests: int  # of a row against a filter or a window


def cost_of(steps: Steps, declared: Mapping[str, int], load: Load) -> Cost:
    """Return what STEPS cost where nothing is kept; DECLARED gives the number of fields of each event."""
    rows = [sum(load.rows(event, read.reach) for event in read.events) for read in steps.reads]
    through = [sum(rows[i] for i in one.reads) for one in steps.filters]
    tests = sum(n for one, n in zip(steps.filters, through, strict=True) if one.where is not None)
    tests += len(steps.ranges) if steps.ordered else sum(through[one.filter] for one in steps.ranges)
    return Cost(
        retrieve=len(steps.reads),
        decode=len(steps.reads),
        filter=len(steps.filters if steps.ordered else steps.ranges),
        compute=len(steps.computes),
        rows=sum(rows),
        values=sum(values_of(steps, read, declared, load) for read in steps.reads),
        tests=tests,
    )


def values_of(steps: Steps, read: Read, declared: Mapping[str, int], load: Load) -> int:
    """Return how many values READ decodes."""
    return sum(
        load.rows(event, read.reach, read.early)
        * (declared.get(event, 0) if steps.carried is None else len(fields_of(steps, event)))
        for event in read.events
    )


def fields_of(steps: Steps, event: str) -> tuple[str, ...]:
    """Return the names of the fields that the rows of EVENT need after the dead ones are dropped."""
    carried = steps.carried or {}
    nodes = toposort(node for node, events in carried.items() if event in events)
    return tuple(sorted({node["name"] for node in nodes if node.op is Op.FIELD}))


def tests_columns(read: Read) -> tuple[str, ...]:
    """Return the columns that READ looks at before it decodes a row."""
    nodes = toposort(read.early)
    names = {node["name"] for node in nodes if node.op is Op.FIELD}
    times = {"ts_ms"} if any(node.op is Op.TS for node in nodes) else set()
    names_too = {"event"} if any(node.op is Op.EVENT_NAME for node in nodes) else set()
    return tuple(sorted((names & COLUMNS) | times | names_too))


# ---------------------------------------------------------------- what is kept between queries

_GROUP_BYTES = 140  # of a group in a table, without its state


class Kept(NamedTuple):
    """The state of one aggregate: what it is, and about how many bytes it holds if all values differ."""

    words: str
    bytes: int


class _Form(NamedTuple):
    """A form of state; its bytes as `State.weight` of CPython 3.11 says them, rounded up."""

    words: str
    bytes: int
    per_row: int = 0

    def of(self, rows: int) -> int:
        return self.bytes + self.per_row * rows


_ONE = _Form("one value", 160)
_SUM, _MEAN, _SPREAD = (_Form(f"exact {what}", 170) for what in ("sum", "sum and count", "sums of powers"))
_QUEUE, _MONOTONIC = _Form("queue", 880, 40), _Form("monotonic queue", 880, 40)
# By aggregate: where rows leave the window, and where none ever does.
_FORMS: Mapping[str, tuple[_Form, _Form]] = {
    "count": (_Form("count", 160),) * 2,
    "sum": (_SUM, _SUM),
    "mean": (_MEAN, _MEAN),
    **dict.fromkeys(("var", "std"), (_SPREAD, _SPREAD)),
    **dict.fromkeys(("min", "max"), (_MONOTONIC, _ONE)),
    **dict.fromkeys(("first", "since_first"), (_QUEUE, _ONE)),
    **dict.fromkeys(("last", "since_last"), (_ONE, _ONE)),
    "distinct": (_Form("counted table", 200, 90),) * 2,
    "topk": (_Form("counted table, latest last", 200, 90),) * 2,
    "quantile": (_Form("sorted list", 200, 40),) * 2,
}
_LATEST, _LATEST_BY = _Form("latest rows", 800, 200), _Form("latest row per value", 240, 220)
NOTHING = Kept("none: folded from its rows at each query", 0)


def kept_of(steps: Steps, compute: Compute, load: Load, *, scanned: bool) -> Kept:
    """Return the state that COMPUTE keeps; SCANNED: it keeps none."""
    if scanned:
        return NOTHING
    agg, span = compute.agg, steps.ranges[compute.range]
    where = steps.filters[span.filter].where
    wheres = () if where is None else (where,)
    reach = reach_of(span.window)
    rows = sum(load.rows(event, reach, wheres) for read in steps.reads_of(compute) for event in read.events)
    rows = rows if span.last is None else min(rows, span.last)
    if agg["agg"] == "sequence":
        return _latest(agg, rows)
    form = _FORMS[agg["agg"]][agg["over"] is None and agg["last"] is None]
    if agg.role("by") is None:
        return Kept(form.words, form.of(rows))
    if agg["agg"] == "count":
        return Kept("counted table of groups", 200 + 90 * rows)
    a = "" if form is _ONE else "an " if form.words[0] in "aeiou" else "a "
    return Kept(f"table of groups, each {a}{form.words}", 200 + rows * (_GROUP_BYTES + form.of(1)))


def _latest(agg: Node, rows: int) -> Kept:
    n: int = agg["n"]
    if agg.role("distinct") is None:
        return Kept(_LATEST.words, _LATEST.of(min(rows, n)))
    # cut down to n once there are more than twice as many
    return Kept(_LATEST_BY.words, _LATEST_BY.of(min(rows, 2 * n)))
