"""What each pass moved, in words: one function per pass on the steps before and after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from featuregraph.explain.cost import fields_of, tests_columns
from featuregraph.infix import Writer, events_text, name_of, window_text
from featuregraph.steps import Filter, Range, Steps

Fields = Mapping[str, Mapping[str, str]]  # declared, by event
Moves = Callable[[Steps, Steps, Fields], Iterator[str]]


def moves(name: str, before: Steps, after: Steps, declared: Fields) -> tuple[str, ...]:
    """Return what the pass NAME moved, a line for each part that is another AFTER than BEFORE."""
    return tuple(_MOVES[name](before, after, declared))


def _shared(before: Steps, after: Steps, declared: Fields) -> Iterator[str]:
    times = Counter(map(before.demand, before.computes))
    write = Writer({})
    for (agg, _), count in times.items():
        if count > 1:
            yield f"{write.text(agg)}: {count} computations are one"


def _parted(before: Steps, after: Steps, declared: Fields) -> Iterator[str]:
    for events, count in Counter(read.events for read in before.reads if len(read.events) > 1).items():
        yield f"{events_text(events)}: {_count(count, 'read')} of all, now of each"


def _fused(before: Steps, after: Steps, declared: Fields) -> Iterator[str]:
    for read in after.reads:
        reaches = [one.reach for one in before.reads if one.events == read.events]
        if len(reaches) > 1:
            distinct = sorted(set(reaches), key=_length)
            widest = f", the widest of {', '.join(map(window_text, distinct))}" if len(distinct) > 1 else ""
            one = f"one of {window_text(read.reach)}{widest}"
            yield f"{events_text(read.events)}: {len(reaches)} reads are {one}"


def _postponed(before: Steps, after: Steps, declared: Fields) -> Iterator[str]:
    write = Writer({})
    places = {one: number for number, one in enumerate(after.filters)}
    joined = Counter(after.ranges[c.range].filter for c in after.computes)
    for one, number in places.items():
        if joined[number] > 1:
            yield f"{_rows(after, one, write)}: the rows of {joined[number]} computations are one list"
    for compute in after.computes:
        if compute.waits and (where_node := compute.agg.role("where")) is not None:
            yield f"{write.text(where_node)}: waits for the query, applied by the computation"


def _indexed(before: Steps, after: Steps, declared: Fields) -> Iterator[str]:
    write = Writer({})
    for number, one in enumerate(after.filters):
        tested = sum(span.filter == number for span in before.ranges)
        ranges = [span for span in after.ranges if span.filter == number]
        if tested > 1:
            told = "; ".join(range_text(span) for span in sorted(ranges, key=_order))
            rows = _rows(after, one, write)
            yield f"{rows}: {tested} tests of each row are {_count(len(ranges), 'range')}, {told}"


def _dropped(before: Steps, after: Steps, declared: Fields) -> Iterator[str]:
    for event in sorted({event for read in after.reads for event in read.events}):
        needed, fields = fields_of(after, event), declared.get(event, {})
        if dead := sorted(set(fields) - set(needed)):
            yield (
                f"{name_of(event)}: {len(needed)} of {_count(len(fields), 'field')} decoded, "
                f"never {_names(dead)}"
            )


def _early(before: Steps, after: Steps, declared: Fields) -> Iterator[str]:
    write = Writer({})
    for read in after.reads:
        if not read.wheres:
            continue
        event, columns = events_text(read.events), tests_columns(read)
        if read.early:
            tests = " or ".join(map(write.text, read.early))
            where = f"by {_names(columns)}" if columns else "by itself"
            yield f"{event}: a row goes before it is decoded unless {tests} ({where})"
        if read.early != read.wheres:
            tests = " or ".join(map(write.text, read.wheres))
            yield f"{event}: a row goes with its filters alone computed unless {tests}"


def _rows(steps: Steps, one: Filter, write: Writer) -> str:
    """Return which rows pass ONE."""
    events = events_text(sorted(event for number in one.reads for event in steps.reads[number].events))
    return events if one.where is None else f"{events} where {write.text(one.where)}"


def range_text(span: Range) -> str:
    """Return the window of SPAN as text."""
    return window_text(span.window.over, span.window.offset, span.last)


def _order(span: Range) -> tuple[float, int, int]:
    return _length(span.window.over), span.window.offset, span.last or 0


def _length(reach: int | None) -> float:
    return float("inf") if reach is None else reach


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(name_of, names))


def _count(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


_MOVES: Mapping[str, Moves] = {
    "common sub-expressions": _shared,
    "partition": _parted,
    "fusion": _fused,
    "branch postponed": _postponed,
    "hierarchical filter": _indexed,
    "dead attributes": _dropped,
    "where before decode": _early,
}
