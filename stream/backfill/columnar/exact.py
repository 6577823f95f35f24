"""Exact sums over ranges, and their quotients rounded once (facts: ADR 1, exact sums).

Numbers are integers times 2**exponent. Sums of a range are differences of running sums: int64 wraps, so that
a difference is right wherever the range's own sum fits, whatever the running sums do.

    narrow   one int64: the integers, and any range's sum of them, fit
    split    two int64, high * 2**LOW_BITS + low: each as above
    wide     Python's integers, for what neither holds
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from featuregraph.aggregates.algebra import ratio
from featuregraph.arrays.column import Array, Column, Mask
from featuregraph.scalar import OVERFLOW

_INT64_BITS = 63
_DOUBLE_BITS = 53
_NEAR_BITS = 20  # numbers whose sizes are so near have room in two int64


@dataclass(frozen=True, slots=True)
class Running:
    """Running sums of integers times 2**exponent; high * 2**bits + low where there is a low part."""

    high: Array
    low: Array | None
    bits: int
    exponent: int

    def between(self, lo: Array, hi: Array) -> Sums:
        """Return the sums of the ranges LO to before HI."""
        high = self.high[hi] - self.high[lo]
        if self.low is None:
            return Sums(high, None, self.bits, self.exponent)
        low = self.low[hi] - self.low[lo]
        # Afterwards 0 <= low < 2**bits.
        return Sums(high + (low >> self.bits), low & ((1 << self.bits) - 1), self.bits, self.exponent)


@dataclass(frozen=True, slots=True)
class Sums:
    """Exact sums, (high * 2**bits + low) * 2**exponent; of Python's integers where HIGH holds such."""

    high: Array
    low: Array | None
    bits: int
    exponent: int

    @property
    def is_wide(self) -> bool:
        """Tell whether these are Python's integers."""
        return self.high.dtype == object

    def integers(self, chosen: Array) -> Iterable[int]:
        """Return the integers of the CHOSEN sums, before the exponent."""
        high: list[int] = self.high[chosen].tolist()
        if self.low is None:
            return high
        return [(h << self.bits) + low for h, low in zip(high, self.low[chosen].tolist(), strict=True)]


def running(values: Array, known: Mask | None, longest: int) -> Running:
    """Return the running sums of int64 or double VALUES, those not KNOWN as 0, for ranges of LONGEST rows."""
    if known is not None:
        values = np.where(known, values, values.dtype.type(0))
    carry = max(1, longest).bit_length()
    return _of_floats(values, carry) if values.dtype.kind == "f" else _of_integers(values, carry)


def _of_integers(values: Array, carry: int) -> Running:
    if _largest(values).bit_length() + carry <= _INT64_BITS:
        return Running(_total(values), None, 0, 0)
    bits = 32
    return Running(_total(values >> bits), _total(values & ((1 << bits) - 1)), bits, 0)


def _largest(values: Array) -> int:
    return max(abs(int(values.min(initial=0))), abs(int(values.max(initial=0))))


def _of_floats(values: Array, carry: int) -> Running:
    least, width = grid(values)
    if width + carry <= _INT64_BITS:
        return Running(_total(np.ldexp(values, -least).astype(np.int64)), None, 0, least)
    bits = min(_DOUBLE_BITS, _INT64_BITS - 1 - carry)
    if width + carry <= bits + _DOUBLE_BITS and _scales(least, bits):
        high, low = split(values, least, bits)
        return Running(_total(high), _total(low), bits, least)
    return Running(_wide(values, least), None, 0, least)


def _scales(least: int, bits: int) -> bool:
    """Tell whether 2**-(LEAST + BITS) is a double, so that numbers are scaled by it exactly."""
    return abs(least + bits) < 1000


def split(values: Array, least: int, bits: int) -> tuple[Array, Array]:
    """Return doubles as (high * 2**BITS + low) * 2**LEAST, both parts with the sign of the number."""
    scaled = np.ldexp(values, -(least + bits))
    high = np.trunc(scaled)
    low = np.ldexp(scaled - high, bits)  # exact: what is left has no bits of its own
    return high.astype(np.int64), low.astype(np.int64)


def grid(values: Array) -> tuple[int, int]:
    """Return (exponent, width): all VALUES are integers of WIDTH bits times 2**EXPONENT."""
    sizes = np.abs(values)
    most = float(sizes.max(initial=0.0))
    if not most:
        return 0, 1
    if most < 2.0**_DOUBLE_BITS and (np.trunc(sizes) == sizes).all():
        return 0, int(np.frexp(most)[1])
    least = float(np.where(sizes == 0.0, most, sizes).min())
    if np.frexp(most)[1] - np.frexp(least)[1] <= _NEAR_BITS:  # no need to know how many bits are used
        exponent = int(np.frexp(least)[1]) - _DOUBLE_BITS
        return exponent, int(np.frexp(most)[1]) - exponent
    return _tight_grid(sizes[sizes != 0.0])


def _tight_grid(sizes: Array) -> tuple[int, int]:
    """Return what `grid` does, of positive numbers by their lowest bits."""
    fractions, exponents = np.frexp(sizes)
    integers = (fractions * 2.0**_DOUBLE_BITS).astype(np.int64)
    lowest = integers & -integers
    exponent = int((exponents + np.frexp(lowest.astype(np.float64))[1]).min()) - _DOUBLE_BITS - 1
    return exponent, int(exponents.max()) - exponent


def _wide(values: Array, least: int) -> Array:
    found = np.empty(len(values) + 1, object)
    found[:] = list(accumulate((integer_of(x, least) for x in values.tolist()), initial=0))
    return found


def integer_of(x: float, least: int) -> int:
    """Return x * 2**-LEAST, an integer."""
    over, under = x.as_integer_ratio()
    shift = -least - (under.bit_length() - 1)
    return over << shift if shift >= 0 else over >> -shift


def _total(values: Array) -> Array:
    found = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=found[1:])
    return found


# ---------------------------------------------------------------- what sums are as int64 and doubles


def as_int64(sums: Sums) -> Column:
    """Return the sums as int64, those beyond it as overflows."""
    if sums.low is None:
        return Column(sums.high)
    limit = 1 << (_INT64_BITS - sums.bits)
    over = (sums.high < -limit) | (sums.high >= limit)
    values = (sums.high << sums.bits) + sums.low
    return Column(values, ~over, None, over) if over.any() else Column(values)


def as_float(sums: Sums) -> Column:
    """Return the sums rounded once to the nearest double, ties to even; those beyond doubles as overflows."""
    return quotients(sums, np.ones(len(sums.high), np.int64))


def quotients(sums: Sums, by: Array, unit: int = 1) -> Column:
    """Return the sums divided by the positive integers BY * UNIT, each rounded once; overflows as such.

    One operation of doubles rounds once: that is all where its sides are doubles. Elsewhere the quotient
    leaves a remainder that is a double; what it adds decides the last bit, unless it lies too near to the
    middle of two doubles. Those few are divided as Python's integers.
    """
    count = len(sums.high)
    hard = np.ones(count, np.bool_)
    values = np.zeros(count)
    if not sums.is_wide:
        with np.errstate(all="ignore"):
            found = _at_once(sums, by, unit)
            result, sure = _divided(sums, by, unit) if found is None else (found, np.ones(count, np.bool_))
            values = np.ldexp(result, sums.exponent)
            size = np.abs(values)
            # Near the ends of the doubles rounding is not what it is elsewhere.
            hard = ~(sure & ((result == 0.0) | ((size > 2.0**-960) & (size < 2.0**1000))))
    over = np.zeros(count, np.bool_)
    chosen = np.flatnonzero(hard)
    for place, whole, part in zip(chosen.tolist(), sums.integers(chosen), by[chosen].tolist(), strict=True):
        one = _ratio(whole, part * unit, sums.exponent)
        over[place] = one is OVERFLOW
        values[place] = one if isinstance(one, float) else 0.0
    values += 0.0  # no -0.0
    return Column(values, ~over, None, over) if over.any() else Column(values)


def _ratio(over: int, under: int, exponent: int) -> float | object:
    found: float | object = ratio(over << max(exponent, 0), under << max(-exponent, 0))
    return found


def _at_once(sums: Sums, by: Array, unit: int) -> Array | None:
    """Return the quotients before the exponent, by one operation of doubles; None where one is none."""
    most = _largest(sums.high)
    undivided = unit == 1 and bool((by == 1).all())
    if sums.low is not None:
        high, low = _pair(sums)
        return high + low if undivided and most <= 2**_DOUBLE_BITS else None
    if undivided:
        return sums.high.astype(np.float64)
    fits = max(most, int(by.max(initial=1)) * unit) <= 2**_DOUBLE_BITS
    return sums.high.astype(np.float64) / (by * unit).astype(np.float64) if fits else None


def _divided(sums: Sums, by: Array, unit: int) -> tuple[Array, Mask]:
    """Return the quotients before the exponent, and which of them are sure."""
    by_float = by.astype(np.float64)
    under = by_float * float(unit)
    # Under is exact where its odd part fits: UNIT is a power of ten or one.
    odd = unit >> ((unit & -unit).bit_length() - 1)
    sure = by_float * float(odd) < 2.0**_DOUBLE_BITS
    high, low = _pair(sums)
    sure &= np.abs(sums.high) <= 2**_DOUBLE_BITS if sums.low is not None else np.True_
    over = high + low
    rest = (high - over) + low if sums.low is not None else _below(sums.high, over)
    whole = over / under
    product = whole * under
    left = ((over - product) - _residue(whole, under, product)) + rest
    more = left / under
    slack = np.abs(more) * 2.0**-40
    result = whole + more
    sure &= (whole + (more - slack) == result) & (whole + (more + slack) == result)
    return result, sure


def _pair(sums: Sums) -> tuple[Array, Array]:
    high = sums.high.astype(np.float64)
    if sums.low is None:
        return high, np.zeros(len(high))
    return np.ldexp(high, sums.bits), sums.low.astype(np.float64)


def _below(integers: Array, near: Array) -> Array:
    """Return INTEGERS - NEAR exactly, where NEAR are the nearest doubles."""
    top = (integers >> 32).astype(np.float64) * 2.0**32
    return (top - near) + (integers & 0xFFFF_FFFF).astype(np.float64)


def _residue(a: Array, b: Array, product: Array) -> Array:
    """Return a * b - PRODUCT exactly, where PRODUCT is a * b rounded (Dekker, Numer. Math. 18, 1971)."""
    a1, a2 = _halves(a)
    b1, b2 = _halves(b)
    result: Array = a2 * b2 - (((product - a1 * b1) - a2 * b1) - a1 * b2)
    return result


def _halves(a: Array) -> tuple[Array, Array]:
    c = 134217729.0 * a
    high = c - (c - a)
    return high, a - high
