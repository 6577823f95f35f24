"""var(x) and std(x): the exact population variance (n * S2 - S1**2) / n**2, rounded once; its root."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any, ClassVar, Self

from featuregraph.aggregates import codec, grid
from featuregraph.aggregates.algebra import Aggregate, State, kept, ratio
from featuregraph.aggregates.grid import COARSE_UNIT, FINE_UNIT, HIGH, LOW, SCALE, STEPS, fine
from featuregraph.aggregates.sums import is_float, unit_of
from featuregraph.scalar import OVERFLOW
from featuregraph.types import FLOAT64, Type


class IntSpread(State):
    """Count, sum and sum of squares of integers that stand for x * unit."""

    __slots__ = ("n", "s1", "s2")

    commutes: ClassVar[bool] = True

    def __init__(self, config: Var) -> None:
        super().__init__(config)
        self.n = 0
        self.s1 = 0
        self.s2 = 0

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
            return
        self.n += 1
        self.s1 += x
        self.s2 += x * x

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad -= 1
            return
        self.n -= 1
        self.s1 -= x
        self.s2 -= x * x

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        self.bad += right.bad
        self.n += right.n
        self.s1 += right.s1
        self.s2 += right.s2

    def value(self, t: int) -> Any:
        """Return the variance, or what the aggregate makes of it."""
        return OVERFLOW if self.bad else self.config.finish(self.n, self.s1, self.s2, unit_of(self.config.x))

    def parts(self) -> list[Any]:
        """Return [bad, n, s1, s2]."""
        return [self.bad, self.n, codec.widely(self.s1), codec.widely(self.s2)]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        checked = codec.parts_of(parts, codec.count, codec.count, codec.wide, codec.wide)
        self.bad, self.n, self.s1, self.s2 = checked
        _check(self.n, self.s1, self.s2)


class FloatSpread(IntSpread):
    """Count, sums and sums of squares of doubles: s1, s2 on the coarse grid, rest1, rest2 on the fine one."""

    __slots__ = ("rest1", "rest2")

    def __init__(self, config: Var) -> None:
        super().__init__(config)
        self.rest1 = 0
        self.rest2 = 0

    def push(self, x: Any) -> None:
        """Append a row, later than all held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad += 1
            return
        self.n += 1
        if LOW <= x <= HIGH or -HIGH <= x <= -LOW:
            m = int(x * SCALE)
            self.s1 += m
            self.s2 += m * m
        elif x:
            m = fine(x)
            self.rest1 += m
            self.rest2 += m * m

    def pop(self, x: Any) -> None:
        """Forget the earliest row held."""
        if x is None:
            return
        if x is OVERFLOW:
            self.bad -= 1
            return
        self.n -= 1
        if LOW <= x <= HIGH or -HIGH <= x <= -LOW:
            m = int(x * SCALE)
            self.s1 -= m
            self.s2 -= m * m
        elif x:
            m = fine(x)
            self.rest1 -= m
            self.rest2 -= m * m

    def join(self, right: Self) -> None:
        """Append all rows of RIGHT."""
        super().join(right)
        self.rest1 += right.rest1
        self.rest2 += right.rest2

    def value(self, t: int) -> Any:
        """Return the variance, or what the aggregate makes of it."""
        if self.bad:
            return OVERFLOW
        if not self.rest2:  # a sum of squares: 0 only if all rows are on the coarse grid
            return self.config.finish(self.n, self.s1, self.s2, COARSE_UNIT)
        return self.config.finish(*self._fine(), FINE_UNIT)

    def _fine(self) -> tuple[int, int, int]:
        return self.n, (self.s1 << STEPS) + self.rest1, (self.s2 << 2 * STEPS) + self.rest2

    def parts(self) -> list[Any]:
        """Return [bad, n, s1, s2, rest1, rest2]."""
        return [*super().parts(), codec.widely(self.rest1), codec.widely(self.rest2)]

    def restore(self, parts: object) -> None:
        """Become the state that gave PARTS."""
        wide = codec.wide
        checked = codec.parts_of(parts, codec.count, codec.count, wide, wide, wide, wide)
        self.bad, self.n, self.s1, self.s2, self.rest1, self.rest2 = checked
        _check(self.n, self.s1, self.s2)
        _check(self.n, self.rest1, self.rest2)
        _check(*self._fine())


def _check(n: int, s1: int, s2: int) -> None:
    """Raise ValueError for sums that no N numbers have."""
    if n * s2 < s1 * s1 or (n == 0 and s2 != 0):
        raise codec.bad(f"sums of {n} numbers", (s1, s2))


@dataclass(frozen=True, slots=True)
class Var(Aggregate):
    """Population variance, an exact rational rounded once."""

    name: ClassVar[str] = "var"

    @property
    def result(self) -> Type:
        """Return float64."""
        return FLOAT64

    def zero(self, *, forgets: bool = True) -> State:
        """Return the state of no rows."""
        return FloatSpread(self) if is_float(self.x) else IntSpread(self)

    def finish(self, n: int, s1: int, s2: int, unit: int) -> Any:
        """Return the value of N numbers with sum s1 and sum of squares s2, in units of 1 / UNIT."""
        return ratio(n * s2 - s1 * s1, (n * unit) ** 2) if n else None

    def of(self, xs: Sequence[Any], t: int) -> Any:
        """Return the value of XS."""
        known = kept(xs)
        try:
            numbers = grid.coarse(known) if is_float(self.x) else known
            if numbers:
                unit = COARSE_UNIT if is_float(self.x) else unit_of(self.x)
                return self.finish(len(numbers), sum(numbers), sum(map(mul, numbers, numbers)), unit)
        except TypeError:
            return OVERFLOW
        return self.fold(known).value(t)


@dataclass(frozen=True, slots=True)
class Std(Var):
    """IEEE square root of the rounded variance."""

    name: ClassVar[str] = "std"

    def finish(self, n: int, s1: int, s2: int, unit: int) -> Any:
        """Return the root of the variance."""
        var = Var.finish(self, n, s1, s2, unit)
        return var if var is None or var is OVERFLOW else math.sqrt(var)
