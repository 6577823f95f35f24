"""What steps cost a query: operators, rows read, values decoded, rows tested; and what a state holds.

The operators are those of AutoFeature (Retrieve, Decode, Filter, Compute). Where no events are at hand, rows
that are dropped before they are decoded count as decoded, and all rows pass a filter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from featuregraph.explain.load import Load
from featuregraph.ir import Node, Op, toposort
from featuregraph.pushdown import COLUMNS
from featuregraph.steps import Compute, Read, Steps, reach_of

BYTES_PER_VALUE = 64  # of a state, measured on CPython 3.11, an average


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


class Kept(NamedTuple):
    """The state of one aggregate: what it is, and about how many values it holds at most."""

    words: str
    values: int

    @property
    def bytes(self) -> int:
        """Return about how many bytes it holds at most."""
        return self.values * BYTES_PER_VALUE


class _Form(NamedTuple):
    words: str
    values: Callable[[int], int]  # at most, of so many rows


def _always(values: int) -> Callable[[int], int]:
    return lambda rows: values


def _each(values: int) -> Callable[[int], int]:
    return lambda rows: 1 + values * rows


_ONE = _Form("one value", _always(1))
_TABLE = _Form("counted table", _each(2))
# By aggregate: where rows leave the window, and where none ever does.
_FORMS: Mapping[str, tuple[_Form, _Form]] = {
    "count": (_Form("count", _always(1)), _Form("count", _always(1))),
    "sum": (_Form("exact sum", _always(4)), _Form("exact sum", _always(4))),
    "mean": (_Form("exact sum and count", _always(5)), _Form("exact sum and count", _always(5))),
    **dict.fromkeys(
        ("var", "std"), (_Form("exact sums of powers", _always(8)), _Form("exact sums of powers", _always(8)))
    ),
    **dict.fromkeys(("min", "max"), (_Form("monotonic queue", _each(1)), _ONE)),
    **dict.fromkeys(("first", "since_first"), (_Form("queue", _each(1)), _ONE)),
    **dict.fromkeys(("last", "since_last"), (_ONE, _ONE)),
    "distinct": (_TABLE, _TABLE),
    "topk": (_Form("counted table, latest last", _each(2)), _Form("counted table, latest last", _each(2))),
    "quantile": (_Form("sorted list", _each(1)), _Form("sorted list", _each(1))),
}
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
    form = _sequence(agg) if agg["agg"] == "sequence" else _FORMS[agg["agg"]][_never_leaves(agg)]
    if agg.role("by") is not None:
        return Kept(f"table of groups, each {_article(form.words)}", 1 + rows * (2 + form.values(1)))
    return Kept(form.words, form.values(rows))


def _never_leaves(agg: Node) -> bool:
    return agg["over"] is None and agg["last"] is None


def _sequence(agg: Node) -> _Form:
    n: int = agg["n"]
    if agg.role("distinct") is not None:  # cut down to n once there are more than twice as many
        return _Form("latest row per value", lambda rows: 1 + 2 * min(rows, 2 * n))
    return _Form("latest rows", lambda rows: 1 + min(rows, n))


def _article(words: str) -> str:
    return words if words.startswith("one ") else f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
