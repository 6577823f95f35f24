"""The passes of the optimiser as rows: (name, law, function from steps to steps), in the order they run.

Every pass keeps the rows that each computation takes, and their values: tests/properties/test_passes.py holds
each stage against the reference, and featuregraph.spec says what is legal after which pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from featuregraph.ir import Node
from featuregraph.pushdown import on_columns, static_part
from featuregraph.steps import Compute, Filter, Range, Read, Steps, is_static, row_parts, widest


class Pass(NamedTuple):
    """One pass: its NAME, the LAW that it rests on, and what it does."""

    name: str
    law: str
    run: Callable[[Steps], Steps]


def share_expressions(steps: Steps) -> Steps:
    """Compute an aggregate once, whatever number of features ask for it."""
    first = {steps.demand(compute): place for place, compute in reversed(tuple(enumerate(steps.computes)))}
    kept = sorted(first.values())
    if len(kept) == len(steps.computes):
        return steps
    reads, filters, ranges, computes = [], [], [], []
    for place, number in enumerate(kept):  # each has a chain of its own so far
        compute = steps.computes[number]
        span = steps.ranges[compute.range]
        chain = steps.filters[span.filter]
        reads += [steps.reads[i] for i in chain.reads]
        filters.append(Filter((place,), chain.where))
        ranges.append(Range(place, span.window, span.last))
        computes.append(Compute(place, compute.agg, compute.waits))
    return Steps(tuple(reads), tuple(filters), tuple(ranges), tuple(computes))


def partition(steps: Steps) -> Steps:
    """Read each event by itself: a filter on several events stands on several reads."""
    reads: list[Read] = []
    places: list[tuple[int, ...]] = []
    for read in steps.reads:
        begin = len(reads)
        reads += [Read((event,), read.reach) for event in read.events]
        places.append(tuple(range(begin, len(reads))))
    filters = [Filter(tuple(p for i in f.reads for p in places[i]), f.where) for f in steps.filters]
    return replace(steps, reads=tuple(reads), filters=tuple(filters))


def fuse(steps: Steps) -> Steps:
    """Read an event once, as far back as the widest of its reads."""
    by_event: dict[tuple[str, ...], list[int | None]] = {}
    for read in steps.reads:
        by_event.setdefault(read.events, []).append(read.reach)
    numbers = {events: number for number, events in enumerate(by_event)}
    reads = [Read(events, widest(reaches)) for events, reaches in by_event.items()]
    filters = [
        Filter(tuple(sorted({numbers[steps.reads[i].events] for i in f.reads})), f.where)
        for f in steps.filters
    ]
    return replace(steps, reads=tuple(reads), filters=tuple(filters))


def postpone(steps: Steps) -> Steps:
    """Keep the rows that pass equal filters once; a filter that waits for the query moves to the computation.

    Where the filter waits, so does the cut to the latest N.
    """
    static = {where: is_static(where) for f in steps.filters if (where := f.where) is not None}
    numbers: dict[Filter, int] = {}
    places, waiting = [], []
    for one in steps.filters:
        waits = one.where is not None and not static[one.where]
        kept = one._replace(where=None) if waits else one
        places.append(numbers.setdefault(kept, len(numbers)))
        waiting.append(waits)
    ranges = [Range(places[r.filter], r.window, None if waiting[r.filter] else r.last) for r in steps.ranges]
    computes = [c._replace(waits=waiting[steps.ranges[c.range].filter]) for c in steps.computes]
    return Steps(steps.reads, tuple(numbers), tuple(ranges), tuple(computes))


def index_ranges(steps: Steps) -> Steps:
    """Cut equal windows of one list of rows once: the rows stand in order, so that a window is a range."""
    numbers: dict[Range, int] = {}
    places = [numbers.setdefault(one, len(numbers)) for one in steps.ranges]
    computes = [c._replace(range=places[c.range]) for c in steps.computes]
    return replace(steps, ranges=tuple(numbers), computes=tuple(computes), ordered=True)


def drop_dead(steps: Steps) -> Steps:
    """Decode what a filter or an aggregate takes of a row, and nothing else."""
    carried: dict[Node, dict[str, None]] = {}
    for compute in steps.computes:
        for part in row_parts(compute.agg):
            carried.setdefault(part, {}).update(dict.fromkeys(compute.agg["events"]))
    return replace(steps, carried={node: tuple(events) for node, events in carried.items()})


def filter_early(steps: Steps) -> Steps:
    """Drop a row that every filter of its event rejects, before it is decoded if its columns decide."""
    takers: list[list[Node | None]] = [[] for _ in steps.reads]
    for compute in steps.computes:
        for number in steps.filters[steps.ranges[compute.range].filter].reads:
            takers[number].append(needed_by(steps, compute))
    reads = []
    for read, wheres in zip(steps.reads, takers, strict=True):
        decisive = _all_filters(wheres)
        reads.append(read._replace(wheres=decisive, early=on_columns(decisive)))
    return replace(steps, reads=tuple(reads))


def needed_by(steps: Steps, compute: Compute) -> Node | None:
    """Return what a row must pass to be of use to COMPUTE, as far as the row says it; None: all are."""
    if not compute.waits:
        return steps.filters[steps.ranges[compute.range].filter].where
    where = compute.agg.role("where")
    return None if where is None else static_part(where)


def _all_filters(wheres: Iterable[Node | None]) -> tuple[Node, ...]:
    """Return WHERES, each once; none where one of them takes every row."""
    distinct = dict.fromkeys(wheres)
    return () if None in distinct else tuple(where for where in distinct if where is not None)


PASSES: Sequence[Pass] = (
    Pass("common sub-expressions", "equal aggregates are computed once for all features", share_expressions),
    Pass("partition", "a read is of one event", partition),
    Pass("fusion", "an event is read once: the widest range, the union of attributes", fuse),
    Pass("branch postponed", "rows part by filter after decoding, by feature just before compute", postpone),
    Pass("hierarchical filter", "windows are ranges of one ordered list: O(rows + ranges)", index_ranges),
    Pass("dead attributes", "what no filter or aggregate takes is never decoded", drop_dead),
    Pass("where before decode", "a row that every filter rejects goes, by its columns first", filter_early),
)


def optimised(steps: Steps) -> Steps:
    """Return STEPS after all passes."""
    for one in PASSES:
        steps = one.run(steps)
    return steps
