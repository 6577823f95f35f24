"""The table of kernels: aggregate -> function of the node, rows and ranges of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from featuregraph.arrays.column import Column
from featuregraph.ir import Node
from featuregraph.types import MapType
from stream.backfill.columnar.kernels import (
    counts,
    decay,
    ends,
    extremes,
    ranks,
    sequence,
    spread,
    sums,
    topk,
)
from stream.backfill.columnar.kernels.groups import Groups
from stream.backfill.columnar.masks import spoilt
from stream.backfill.columnar.nested import Values
from stream.backfill.columnar.rows import Ranges, Rows

Kernel = Callable[[Node, Rows, Ranges], Values]


KERNELS: Final[Mapping[str, Kernel]] = {
    "count": counts.count,
    "sum": sums.total,
    "mean": sums.mean,
    "var": spread.variance,
    "std": spread.deviation,
    "min": extremes.least,
    "max": extremes.greatest,
    "first": ends.first,
    "last": ends.last,
    "distinct": counts.distinct,
    "topk": topk.topk,
    "quantile": ranks.quantile,
    "since_last": ends.since_last,
    "since_first": ends.since_first,
    "sequence": sequence.sequence,
    "decayed_sum": decay.decayed_sum,
}


def value_of(agg: Node, rows: Rows, ranges: Ranges) -> Values:
    """Return the value of AGG, its groups left aside, over each of RANGES.

    A row whose x overflows makes its ranges do so.
    """
    return spoilt(KERNELS[agg["agg"]](agg, rows, ranges), rows.any_over(agg.role("x"), ranges))


def groups_of(agg: Node, rows: Rows, ranges: Ranges) -> Groups:
    """Return the groups of AGG in each of RANGES."""

    def values(inner: Rows, parts: Ranges) -> Column:
        found = value_of(agg, inner, parts)
        assert isinstance(found, Column)
        return found

    by = agg.role("by")
    assert by is not None
    assert isinstance(agg.type, MapType)
    return Groups(by, rows, ranges, values, agg.type.value)
