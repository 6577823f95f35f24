"""Labels that nobody knows yet: null, whatever was computed of them (SEMANTICS 9.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from featuregraph import Graph
from featuregraph.arrays.column import Array, Column, Mask, both
from stream.backfill.columnar.nested import Nested, Values, offsets_of
from stream.backfill.unknown import NEVER, latest_known


def settled(graph: Graph, found: Mapping[str, Values], t: Array, end: int | None) -> dict[str, Values]:
    """Return the features FOUND at T with null for labels that look past END, the last ms known."""
    settled = dict(found)
    for name, latest in latest_known(graph, end).items():
        unknown = np.ones(len(t), np.bool_) if latest == NEVER else t > latest
        if unknown.any():
            per_candidate = graph.features[name].per_candidate
            settled[name] = _but(settled[name], unknown, per_candidate=per_candidate)
    return settled


def _but(values: Values, unknown: Mask, *, per_candidate: bool) -> Values:
    """Return VALUES without those of the rows UNKNOWN: null, or PER_CANDIDATE a null each."""
    if isinstance(values, Column):
        return _nulled(values, unknown)
    counts = np.diff(values.offsets)
    of_member = np.repeat(unknown, counts)
    over = None if values.over is None else values.over & ~unknown
    if per_candidate:
        return replace(values, parts={n: _nulled(p, of_member) for n, p in values.parts.items()}, over=over)
    parts = {name: part.take(~of_member) for name, part in values.parts.items()}
    return Nested(offsets_of(np.where(unknown, 0, counts)), parts, over, ~unknown)


def _nulled(column: Column, rows: Mask) -> Column:
    over = None if column.over is None else column.over & ~rows
    return replace(column, known=both(column.known, ~rows), over=over)
