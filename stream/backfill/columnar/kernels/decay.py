"""decayed_sum: the terms of each range, summed so that the published tolerance holds.

Each term is what featuregraph.aggregates.decay makes of it; they are added as doubles. An error of adding is
at most (terms - 1) * 2**-53 of the sum of their sizes; with at most _RUN terms at once, and the sums of these
after, it stays below 1e-12 for ranges of up to 16 million rows. Wide ranges are put together of sums of 2**k
rows, each decayed to its last row: a term is rounded a few times for each k. What has faded too far for that,
to numbers of fewer bits, is summed row by row.
"""

from __future__ import annotations

import numpy as np

from featuregraph.arrays import exp2
from featuregraph.arrays.column import Array, Column
from featuregraph.arrays.exact import to_float
from featuregraph.ir import Node, looks_ahead
from featuregraph.types import INT64_MAX
from stream.backfill.columnar.expansion import chunks, expanded
from stream.backfill.columnar.nested import offsets_of
from stream.backfill.columnar.rows import Ranges, Rows
from stream.backfill.columnar.turns import are_wide

_RUN = 4096
_ROOM_BITS = 900  # sums of 2**_ROOM_BITS to its inverse are far from the ends of the doubles


def decayed_sum(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return the sum of x * 2**(-distance / half_life), of the distance between t and ts_ms."""
    x = agg.role("x")
    assert x is not None
    numbers = rows.once(("number", x), lambda: _numbers(x, rows.column(x)))
    if not looks_ahead(agg) and are_wide(ranges.lo, ranges.hi, len(rows)) and _have_room(numbers):
        values = _by_doubling(numbers, rows.ts, ranges, agg["half_life"])
        some = rows.running(("numbers", x), lambda: numbers != 0.0)
        faint = (np.abs(values) < 2.0**-_ROOM_BITS) & (some[ranges.hi] > some[ranges.lo])
        values[faint] = _by_row(agg, numbers, rows, ranges.part(np.flatnonzero(faint)))
    else:
        values = _by_row(agg, numbers, rows, ranges)
    over = ~np.isfinite(values)
    values = np.where(over, 0.0, values) + 0.0
    return Column(values, ~over, None, over) if over.any() else Column(values)


def _by_row(agg: Node, numbers: Array, rows: Rows, ranges: Ranges) -> Array:
    values = np.zeros(len(ranges))
    for part in chunks(ranges.lo, ranges.hi):
        at, chosen = expanded(ranges.lo[part], ranges.hi[part])
        t, ts = ranges.t[part][at], rows.ts[chosen]
        early, late = (t, ts) if looks_ahead(agg) else (ts, t)
        terms = _terms(numbers[chosen], early, late, agg["half_life"])
        values[part] = _summed(terms, ranges.hi[part] - ranges.lo[part])
    return values


def _have_room(numbers: Array) -> bool:
    """Tell whether no sum of NUMBERS leaves the doubles before it is decayed."""
    most = float(np.abs(numbers).max(initial=0.0))
    return most < 2.0**_ROOM_BITS / max(1, len(numbers))


def _by_doubling(sums: Array, ts: Array, ranges: Ranges, half_life: int) -> Array:
    """Return the sums of RANGES, of numbers SUMS at TS: 2**k of these as one, k after k."""
    lo, hi, t = ranges.lo.copy(), ranges.hi.copy(), ranges.t
    total = np.zeros(len(lo))
    while (lo < hi).any():
        odd = np.flatnonzero((lo & 1 == 1) & (lo < hi))
        total[odd] += _terms(sums[lo[odd]], ts[lo[odd]], t[odd], half_life)
        lo[odd] += 1
        odd = np.flatnonzero((hi & 1 == 1) & (lo < hi))
        hi[odd] -= 1
        total[odd] += _terms(sums[hi[odd]], ts[hi[odd]], t[odd], half_life)
        lo, hi = lo >> 1, hi >> 1
        if len(sums) % 2:
            sums, ts = np.append(sums, 0.0), np.append(ts, ts[-1])
        sums, ts = _terms(sums[::2], ts[::2], ts[1::2], half_life) + sums[1::2], ts[1::2]
    return total


def _numbers(x: Node, column: Column) -> Array:
    """Return x as doubles, 0 where it is null."""
    values = to_float(x.scalar, column.values)
    return values if column.known is None else np.where(column.known, values, 0.0)


def _terms(x: Array, early: Array, late: Array, half_life: int) -> Array:
    # As unsigned numbers their distance fits, whatever it is.
    distance = late.astype(np.uint64) - early.astype(np.uint64)
    halvings, part = np.divmod(distance, np.uint64(half_life))
    factors = exp2(-(part.astype(np.float64)) / half_life)
    fraction, exponent = np.frexp(x)
    fewer = np.minimum(halvings, np.uint64(_MOST_HALVINGS)).astype(np.int64)
    with np.errstate(under="ignore", over="ignore"):
        terms: Array = np.ldexp(fraction * factors, (exponent - fewer).astype(np.int32))
    return terms


_MOST_HALVINGS = min(INT64_MAX, 10_000)  # of which nothing is left of any double


def _summed(terms: Array, counts: Array) -> Array:
    """Return the sums of COUNTS terms each, one range after the other."""
    runs = -(-counts // _RUN)
    number, place = expanded(np.zeros(len(counts), np.int64), runs)
    begin = offsets_of(counts)[:-1][number] + place * _RUN
    return _added(_added(terms, begin), offsets_of(runs)[:-1], runs)


def _added(terms: Array, begin: Array, counts: Array | None = None) -> Array:
    """Return the sums of TERMS from each BEGIN to the next; 0 where COUNTS says that there are none."""
    result = np.zeros(len(begin))
    full = np.arange(len(begin)) if counts is None else np.flatnonzero(counts)
    if len(full) and len(terms):
        with np.errstate(over="ignore", invalid="ignore"):
            result[full] = np.add.reduceat(terms, begin[full])
    return result
