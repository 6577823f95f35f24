"""Aggregates of which no track is kept: read when a row came or went, and else their values stand.

1. What a span was read for holds until its `wake`, or until an event of its track arrives.
2. A read goes as far back as the widest of the windows that it is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from featuregraph.layout import Span
from featuregraph.steps import widest
from featuregraph.types import INT64_MIN
from stream.answers import Asked
from stream.binding import Binding
from stream.cells import Readable
from stream.event import Row
from stream.key_rows import KeyRows
from stream.rows import Rows, cut
from stream.span import NEVER

Build = Callable[[Mapping[int, int | None]], KeyRows]  # of how far back each of some tracks is read


class OnLog:
    """The spans of BINDING, as they were read last."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self._wakes = dict.fromkeys(binding.layout.spans, INT64_MIN)  # from when on they may move
        self._wake = INT64_MIN  # the least of these
        self._came: set[str] = set()  # events that arrived since the last query
        self._restless: set[int] = set()  # spans that are read though they did not move
        self._due: Sequence[int] = ()
        self._rows: KeyRows | None = None  # that this query has read
        self._read: set[int] = set()  # the spans for which

    def push(self, rows: Iterable[Row]) -> None:
        """Take note of events that arrived, early or late."""
        readings = self._binding.readings
        self._came.update(row.name for row in rows if row.name in readings)

    def due(self, t: int) -> Sequence[int]:
        """Return the spans that may have moved when a query at T comes."""
        self._rows = None
        for event in self._came:
            for track in self._binding.readings[event].tracks:
                self._wakes |= dict.fromkeys(self._binding.by_track[track], INT64_MIN)
                self._wake = INT64_MIN
        self._came.clear()
        self._due = [n for n, wake in self._wakes.items() if t >= wake] if t >= self._wake else ()
        return self._due

    def fold(self, cell: int, asked: Asked, t: int, q: Mapping[str, Any], build: Build) -> Readable:
        """Return the state of CELL for the query ASKED at T, of rows that it has read or BUILD reads."""
        layout = self._binding.layout
        span = layout.cells[cell].span
        if self._rows is None:
            moved = {layout.cells[number].span for number in asked.logged} & {*self._due, *self._restless}
            self._load(moved | {span}, t, build)
        elif span not in self._read:
            self._load({layout.cells[number].span for number in asked.logged}, t, build)
        if span not in self._due:
            self._restless.add(span)
        assert self._rows is not None, "they were read"
        return self._rows.fold([cell], t, q)[0]

    def _load(self, spans: set[int], t: int, build: Build) -> None:
        layout = self._binding.layout
        reaches: dict[int, list[int | None]] = {}
        for number in spans:
            span = layout.spans[number]
            reaches.setdefault(span.track, []).append(span.reach)
        self._rows = build({track: widest(found) for track, found in reaches.items()})
        self._read = spans
        for number in spans:
            span = layout.spans[number]
            self._wakes[number] = _next(self._rows.tracks[span.track], span, t)
        self._wake = min(self._wakes.values())


def _next(rows: Rows, span: Span, t: int) -> int:
    """Return from when on SPAN over ROWS may be another than at T, if none arrives."""
    if rows.broken:
        return INT64_MIN
    start, end = cut(rows, span, t)
    hi, lo = span.window.hi, span.window.lo
    enters = rows.ts[end] - hi + 1 if end < len(rows.ts) else NEVER
    leaves = rows.ts[start] - lo + 1 if lo is not None and start < end else NEVER
    return min(enters, leaves)
