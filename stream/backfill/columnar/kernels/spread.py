"""var and std: the exact population variance (n * S2 - S1**2) / n**2, rounded once; its root."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from featuregraph.aggregates.algebra import ratio
from featuregraph.arrays.column import Array, Column
from featuregraph.ir import Node
from featuregraph.scalar import OVERFLOW
from stream.backfill.columnar.exact import Sums, grid, integer_of, quotients
from stream.backfill.columnar.rows import Ranges, Rows

_INT64_BITS = 63
# A limb's square, of several in a place, summed over a range: bits of the limb twice, and these.
_SPARE_BITS = 9


def variance(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return the variance; null of no x."""
    x = agg.role("x")
    assert x is not None
    counts = rows.known_in(x, ranges)
    squares = rows.once(("squares", x), lambda: Squares(rows.column(x), rows.longest))
    found = squares.variances(counts, ranges, 10**x.scalar.scale)
    known = counts > 0
    if found.known is not None:
        known = known & found.known
    return Column(np.where(known, found.values, 0.0), known, None, found.over)


def deviation(agg: Node, rows: Rows, ranges: Ranges) -> Column:
    """Return the IEEE square root of the rounded variance."""
    found = variance(agg, rows, ranges)
    return Column(np.sqrt(found.values), found.known, None, found.over)


class Squares:
    """Running sums of integers and of their squares, in limbs of _LIMB bits where int64 would not do."""

    def __init__(self, column: Column, longest: int) -> None:
        values = column.values
        if column.known is not None:
            values = np.where(column.known, values, values.dtype.type(0))
        self.exponent, width = grid(values) if values.dtype.kind == "f" else (0, _width(values))
        carry = max(1, longest).bit_length()
        self.first: list[Array] = []
        self.second: list[Array] = []
        self.bits = (_INT64_BITS - _SPARE_BITS - carry) // 2
        # n * S2 and S1**2 are at most n**2 times the largest square.
        self.is_narrow = 2 * (width + carry) <= _INT64_BITS
        if values.dtype.kind == "f" and width <= _INT64_BITS - 1:
            values = np.ldexp(values, -self.exponent).astype(np.int64)
        self._sum(values, width)

    def _sum(self, values: Array, width: int) -> None:
        if self.is_narrow:
            self.first, self.second = [_total(values)], [_total(values * values)]
            return
        limbs = _limbs(values, width, self.exponent, self.bits)
        self.first = [_total(limb) for limb in limbs]
        for place in range(2 * len(limbs) - 1):
            pairs = [(a, place - a) for a in range(len(limbs)) if 0 <= place - a < len(limbs)]
            self.second.append(_total(sum((limbs[a] * limbs[b] for a, b in pairs), np.zeros(1, np.int64))))

    def variances(self, counts: Array, ranges: Ranges, unit: int) -> Column:
        """Return the variances of RANGES with COUNTS values each, of integers in units of 1 / UNIT."""
        first = [one[ranges.hi] - one[ranges.lo] for one in self.first]
        second = [one[ranges.hi] - one[ranges.lo] for one in self.second]
        if self.is_narrow:
            above = counts * second[0] - first[0] * first[0]
            return quotients(Sums(above, None, 0, 2 * self.exponent), np.maximum(counts, 1) ** 2, unit**2)
        shift = 2 * self.exponent
        values, over = np.zeros(len(counts)), np.zeros(len(counts), np.bool_)
        sums = zip(counts.tolist(), _wholes(first, self.bits), _wholes(second, self.bits), strict=True)
        for place, (n, s1, s2) in enumerate(sums):
            if n:
                found = ratio((n * s2 - s1 * s1) << max(shift, 0), (n * unit) ** 2 << max(-shift, 0))
                over[place] = found is OVERFLOW
                values[place] = 0.0 if found is OVERFLOW else found
        return Column(values, ~over, None, over) if over.any() else Column(values)


def _width(values: Array) -> int:
    return max(abs(int(values.min(initial=0))), abs(int(values.max(initial=0)))).bit_length()


def _total(values: Array) -> Array:
    found = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=found[1:])
    return found


def _limbs(values: Array, width: int, exponent: int, bits: int) -> list[Array]:
    """Return integers as limbs of BITS bits, the lowest first; the highest one has the sign."""
    last = max(0, -(-(width + 1) // bits) - 1)
    mask = (1 << bits) - 1
    if values.dtype.kind != "f":
        return [*((values >> (bits * i)) & mask for i in range(last)), values >> (bits * last)]
    wholes = [integer_of(x, exponent) for x in values.tolist()]
    low = (np.array([(whole >> (bits * i)) & mask for whole in wholes], np.int64) for i in range(last))
    return [*low, np.array([whole >> (bits * last) for whole in wholes], np.int64)]


def _wholes(limbs: list[Array], bits: int) -> Iterator[int]:
    """Give integers out of their limbs."""
    for row in zip(*(limb.tolist() for limb in limbs), strict=True):
        yield sum(limb << (bits * i) for i, limb in enumerate(row))
