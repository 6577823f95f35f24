"""The cells of a layout in one block: an aggregate over its span at each query.

Most cells read ranges of a track as they stand. Where a row's part waits for the query (age, a request, what
was known then), the rows of the ranges are spelled out for some queries at a time, and filtered there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask
from featuregraph.ir import Node
from featuregraph.layout import Span
from featuregraph.layout import Track as LaidOut
from featuregraph.steps import is_static
from stream.backfill.columnar.asked import Asked
from stream.backfill.columnar.block import Edges
from stream.backfill.columnar.expansion import chunks, expanded
from stream.backfill.columnar.kernels import Groups, groups_of, value_of
from stream.backfill.columnar.masks import any_of, spoilt
from stream.backfill.columnar.nested import Values, joined
from stream.backfill.columnar.rows import Ranges, Rows, seen_from
from stream.backfill.columnar.tracks import Track, Tracks

_FOLDED_ROLES = (
    "x",
    "by",
    "distinct",
)  # what kernels read of a row; items are read of the rows that are left


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows and ranges of them for some queries, whose numbers are QUERIES; broken: nothing is known there."""

    queries: Array
    rows: Rows
    ranges: Ranges
    broken: Mask | None


class Cell:
    """One aggregate over SPAN, of the rows that LAID_OUT says, at the queries ASKED."""

    def __init__(
        self, agg: Node, span: Span, laid_out: LaidOut, tracks: Tracks, edges: Edges, asked: Asked
    ) -> None:
        self._agg = agg
        self._span = span
        self._tracks = tracks
        self._edges = edges
        self._asked = asked
        self._events = laid_out.events
        self._filter = laid_out.where  # None where the filter waits
        self._where = agg.role("where")

    def value(self) -> Values:
        """Return the value at each query: of groups, the map."""

        def one(piece: Piece) -> Values:
            if self._agg.role("by") is not None:
                return spoilt(self._groups(piece).map(), piece.broken)
            return spoilt(value_of(self._agg, piece.rows, piece.ranges), piece.broken)

        return self._each(one)

    def top(self, most: int) -> Values:
        """Return the MOST groups with the largest values at each query."""
        return self._each(lambda piece: spoilt(self._groups(piece).top(most), piece.broken))

    def lookup(self, key: Column, numbers: Array) -> Column:
        """Return the value of each group KEY at the query of its number, NUMBERS ascending."""
        found, places = [], []
        for piece in self._parts():
            where = np.full(len(self._asked), -1)
            where[piece.queries] = np.arange(len(piece.queries))
            at = where[numbers]
            mine = np.flatnonzero(at >= 0)
            ranges = piece.ranges.part(at[mine])
            wanted = key.take(mine)
            one = groups_of(self._agg, piece.rows, ranges).lookup(wanted)
            if piece.broken is not None:
                over = piece.broken[at[mine]]
                one = spoilt(one, over if wanted.known is None else over & wanted.known)
            found.append(one)
            places.append(mine)
        whole = _ordered(joined(found), places)
        assert isinstance(whole, Column)
        return whole

    def _groups(self, piece: Piece) -> Groups:
        return groups_of(self._agg, piece.rows, piece.ranges)

    def _each(self, one: Callable[[Piece], Values]) -> Values:
        found, places = [], []
        for piece in self._parts():
            found.append(one(piece))
            places.append(piece.queries)
        return _ordered(joined(found), places)

    # ---- rows and ranges

    def _parts(self) -> Iterator[Piece]:
        """Give the pieces that the queries fall into, every query in one of them."""
        lo, hi = self._edges.of(self._span.window)
        every = np.arange(len(self._asked))
        late = self._edges.hidden(self._span.window)
        filtered = self._where is None or self._filter is not None
        plain = every if late is None else np.flatnonzero(~late)
        if len(plain) or late is None:
            track = self._tracks.of(self._events, self._filter)
            ranges, broken = self._in_track(track, plain, lo, hi)
            if filtered and not self._waits():
                yield Piece(plain, track.rows, ranges, broken)
            else:
                yield from self._spelled(
                    track, plain, ranges, broken, where=None if filtered else self._where
                )
        if late is not None:
            track = self._tracks.of(self._events, None)
            chosen = np.flatnonzero(late)
            ranges, _ = self._in_track(track, chosen, lo, hi, cut=False)
            yield from self._spelled(track, chosen, ranges, None, where=self._where, late=True)

    def _waits(self) -> bool:
        parts = (self._agg.role(role) for role in _FOLDED_ROLES)
        return not all(part is None or is_static(part) for part in parts)

    def _in_track(
        self, track: Track, queries: Array, lo: Array, hi: Array, *, cut: bool = True
    ) -> tuple[Ranges, Mask | None]:
        """Return the ranges of TRACK for QUERIES, and those in which a filter overflows."""
        lo, hi = lo[queries], hi[queries]
        first, behind = (lo, hi) if track.before is None else (track.before[lo], track.before[hi])
        broken = None if track.wild is None else track.wild[hi] > track.wild[lo]
        if cut:
            first, behind = self._nearest(first, behind, self._span.last)
        return Ranges(first, behind, queries, self._asked), broken

    def _spelled(
        self,
        track: Track,
        queries: Array,
        ranges: Ranges,
        broken: Mask | None,
        *,
        where: Node | None,
        late: bool = False,
    ) -> Iterator[Piece]:
        """Give pieces of RANGES with each row as its query sees it, those kept that pass what waits."""
        for part in chunks(ranges.lo, ranges.hi):
            chosen = ranges.part(part)
            numbers, rows = expanded(chosen.lo, chosen.hi)
            wild = None if broken is None else broken[part]
            if late or where is not None:
                kept, over = self._kept(track, rows, chosen.query[numbers], where, late=late)
                if over is not None:
                    here = any_of(over, numbers, len(chosen))
                    wild = here if wild is None else wild | here
                numbers, rows = numbers[kept], rows[kept]
            counts = np.bincount(numbers, minlength=len(chosen))
            behind = np.cumsum(counts)
            first = behind - counts
            if late or where is not None:
                first, behind = self._nearest(first, behind, self._agg["last"])
            longest = int(counts.max(initial=0))
            seen = seen_from(track.rows, rows, chosen.query[numbers], self._asked, longest=longest)
            yield Piece(queries[part], seen, chosen.within(first, behind), wild)

    def _nearest(self, lo: Array, hi: Array, most: int | None) -> tuple[Array, Array]:
        """Return the MOST rows of each range LO to HI that are nearest to t, all for None."""
        if most is None:
            return lo, hi
        if self._span.window.is_ahead:
            return lo, np.minimum(hi, lo + most)
        return np.maximum(lo, hi - most), hi

    def _kept(
        self, track: Track, rows: Array, query: Array, where: Node | None, *, late: bool
    ) -> tuple[Mask, Mask | None]:
        """Return which of ROWS their queries count, and in which of those that were known WHERE overflows."""
        kept = np.ones(len(rows), np.bool_)
        if late:
            assert track.known is not None
            asked = self._asked
            kept = ~asked.as_known[query] | (track.known[rows] <= asked.t[query])
        if where is None:
            return kept, None
        verdict = seen_from(track.rows, rows, query, self._asked, longest=len(rows)).column(where)
        over = None if verdict.over is None else verdict.over & kept
        kept = kept & verdict.values
        return kept if verdict.known is None else kept & verdict.known, over


def _ordered(found: Values, places: list[Array]) -> Values:
    """Return FOUND, whose rows belong to PLACES, in the order of these."""
    if len(places) == 1:
        return found
    order = np.concatenate(places)
    if (np.diff(order) == 1).all():
        return found
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return found.take(back)
