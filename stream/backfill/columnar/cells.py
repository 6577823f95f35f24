"""The cells of a layout in one block: an aggregate over its span at each query.

Most cells read ranges of a track as they stand. Where a row's part waits for the query (age, a request, what
was known then), the rows of the ranges are spelled out for some queries at a time, and filtered there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from featuregraph.arrays.column import Array, Column, Mask
from featuregraph.ir import Node
from featuregraph.layout import Span
from featuregraph.layout import Track as LaidOut
from featuregraph.steps import is_static
from stream.backfill.columnar.asked import Asked
from stream.backfill.columnar.expansion import chunks, expanded
from stream.backfill.columnar.kernels import Groups, groups_of, value_of
from stream.backfill.columnar.masks import any_of, spoilt
from stream.backfill.columnar.nested import Values, joined
from stream.backfill.columnar.rows import Ranges, Rows, seen_from
from stream.backfill.columnar.spans import Found, Spans, nearest
from stream.backfill.columnar.tracks import Track

_FOLDED_ROLES = (
    "x",
    "by",
    "distinct",
)  # what kernels read of a row; items are read of the rows that are left
_REMEMBERED = 1 << 12  # aggregates of which is known whether they wait


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows and ranges of them for some queries, whose numbers are QUERIES; broken: nothing is known there."""

    queries: Array
    rows: Rows
    ranges: Ranges
    broken: Mask | None


class Cell:
    """One aggregate over SPAN, of the rows that LAID_OUT says, at the queries ASKED."""

    def __init__(self, agg: Node, span: Span, laid_out: LaidOut, spans: Spans, asked: Asked) -> None:
        self._agg = agg
        self._span = span
        self._laid_out = laid_out
        self._spans = spans
        self._asked = asked

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
        where = self._agg.role("where")
        filtered = where is None or self._laid_out.where is not None  # else the filter waits
        if (found := self._spans.plain(self._span, self._laid_out)) is not None:
            if filtered and not waits(self._agg):
                yield Piece(found.queries, found.track.rows, found.ranges, found.broken)
            else:
                yield from self._spelled(found, where=None if filtered else where)
        if (late := self._spans.late(self._span)) is not None:
            found = self._spans.of_late(self._span, self._laid_out, late)
            yield from self._spelled(found, where=where, late=True)

    def _spelled(self, found: Found, *, where: Node | None, late: bool = False) -> Iterator[Piece]:
        """Give pieces of what was FOUND, each row as its query sees it; those kept that pass what waits."""
        track, ranges = found.track, found.ranges
        for part in chunks(ranges.lo, ranges.hi):
            chosen = ranges.part(part)
            numbers, rows = expanded(chosen.lo, chosen.hi)
            wild = None if found.broken is None else found.broken[part]
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
                first, behind = nearest(self._span, first, behind, self._agg["last"])
            longest = int(counts.max(initial=0))
            seen = seen_from(track.rows, rows, chosen.query[numbers], self._asked, longest=longest)
            yield Piece(found.queries[part], seen, chosen.within(first, behind), wild)

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


@lru_cache(_REMEMBERED)
def waits(agg: Node) -> bool:
    """Tell whether a part of AGG that kernels read of a row depends on the query too."""
    parts = (agg.role(role) for role in _FOLDED_ROLES)
    return not all(part is None or is_static(part) for part in parts)


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
