"""The spans of a layout in one block: a range of rows for each query, found once for all aggregates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from featuregraph.arrays.column import Array, Mask
from featuregraph.ir import Node
from featuregraph.layout import Span
from featuregraph.layout import Track as LaidOut
from stream.backfill.columnar.asked import Asked
from stream.backfill.columnar.block import Edges
from stream.backfill.columnar.rows import Ranges
from stream.backfill.columnar.tracks import Track, Tracks


@dataclass(frozen=True, slots=True)
class Found:
    """Ranges of TRACK for the queries of the numbers QUERIES; broken: a filter overflows there."""

    queries: Array
    track: Track
    ranges: Ranges
    broken: Mask | None


class Spans:
    """The ranges of spans at the queries ASKED."""

    def __init__(self, tracks: Tracks, edges: Edges, asked: Asked) -> None:
        self._tracks = tracks
        self._edges = edges
        self._asked = asked
        self._every = np.arange(len(asked))
        self._known: dict[Span, Found | None] = {}

    def late(self, span: Span) -> Mask | None:
        """Return which queries find events in SPAN that came to be known after them; None if none does."""
        return self._edges.hidden(span.window)

    def plain(self, span: Span, laid_out: LaidOut) -> Found | None:
        """Return the ranges of the queries that are not late, which pass the filter and are cut to SPAN.

        None if all are late.
        """
        if span not in self._known:
            late = self.late(span)
            queries = self._every if late is None else np.flatnonzero(~late)
            nobody = late is not None and not len(queries)
            self._known[span] = None if nobody else self._in_track(span, laid_out, laid_out.where, queries)
        return self._known[span]

    def of_late(self, span: Span, laid_out: LaidOut, late: Mask) -> Found:
        """Return the ranges of the LATE queries, neither filtered nor cut: what was known decides first."""
        return self._in_track(span, laid_out, None, np.flatnonzero(late), cut=False)

    def _in_track(
        self, span: Span, laid_out: LaidOut, where: Node | None, queries: Array, *, cut: bool = True
    ) -> Found:
        track = self._tracks.of(laid_out.events, where)
        lo, hi = self._edges.of(span.window)
        if len(queries) < len(self._asked):
            lo, hi = lo[queries], hi[queries]
        first, behind = (lo, hi) if track.before is None else (track.before[lo], track.before[hi])
        broken = None if track.wild is None else track.wild[hi] > track.wild[lo]
        if cut:
            first, behind = nearest(span, first, behind, span.last)
        return Found(queries, track, Ranges(first, behind, queries, self._asked), broken)


def nearest(span: Span, lo: Array, hi: Array, most: int | None) -> tuple[Array, Array]:
    """Return the MOST rows of each range LO to HI of SPAN that are nearest to t, all for None."""
    if most is None:
        return lo, hi
    if span.window.is_ahead:
        return lo, np.minimum(hi, lo + most)
    return np.maximum(lo, hi - most), hi
